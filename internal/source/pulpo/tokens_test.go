package pulpo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ferryman/internal/fault"
)

// issuer answers token requests with numbered tokens, each after a delay. It is
// used inside of synctest's bubbles, whose time stands still on a real network.
type issuer struct {
	mu       sync.Mutex
	asked    int
	running  int
	most     int // requests at once
	delay    time.Duration
	lifetime time.Duration
	err      error
}

func (i *issuer) fetch(ctx context.Context) (grant, error) {
	i.mu.Lock()
	i.asked++
	i.running++
	i.most = max(i.most, i.running)
	n, delay := i.asked, i.delay
	i.mu.Unlock()

	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}

	i.mu.Lock()
	defer i.mu.Unlock()
	i.running--
	if ctx.Err() != nil {
		return grant{}, &fault.Error{Kind: fault.Canceled, Err: ctx.Err()}
	}
	if i.err != nil {
		return grant{}, i.err
	}
	return grant{token: fmt.Sprintf("t%d", n), lifetime: i.lifetime}, nil
}

func (i *issuer) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// inBubble runs test in fake time with tokens that i issues.
func inBubble(t *testing.T, i *issuer, test func(t *testing.T, tokens *tokens)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(i.fetch, 10*time.Second, slog.New(slog.DiscardHandler))
		defer tokens.close()
		test(t, tokens)
	})
}

func want(t *testing.T, tokens *tokens, token string) {
	t.Helper()
	if got, err := tokens.token(t.Context()); err != nil || got != token {
		t.Errorf("got %q, %v, want %q", got, err, token)
	}
}

// refuse expects a refusal that holds text, and gives it.
func refuse(t *testing.T, tokens *tokens, text string) fault.Error {
	t.Helper()
	_, err := tokens.token(t.Context())
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %s", err, text)
	}
	return *faultOf(t, err)
}

var errRefused = &fault.Error{Kind: fault.Unavailable, Code: "refused", Detail: "refused"}

func TestTokenIsKeptAndRenewedBeforeItsEnd(t *testing.T) {
	for lifetime, margin := range map[time.Duration]time.Duration{
		time.Hour:        time.Minute,
		10 * time.Minute: time.Minute,
		time.Minute:      6 * time.Second,
		time.Second:      100 * time.Millisecond,
	} {
		inBubble(t, &issuer{lifetime: lifetime}, func(t *testing.T, tokens *tokens) {
			want(t, tokens, "t1")
			time.Sleep(lifetime - margin - time.Millisecond)
			want(t, tokens, "t1")
			time.Sleep(time.Millisecond)
			want(t, tokens, "t2")
		})
	}
}

// A token that has ended by the time it arrives is handed out, not asked for in circles.
func TestTokenThatArrivesLate(t *testing.T) {
	i := &issuer{lifetime: time.Second, delay: 3 * time.Second}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		want(t, tokens, "t1")
		want(t, tokens, "t2")
	})
}

func TestOneRequestForManyCallers(t *testing.T) {
	i := &issuer{lifetime: time.Hour, delay: time.Second}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() { want(t, tokens, "t1") })
		}
		callers.Wait()
		if i.count() != 1 {
			t.Errorf("%d requests", i.count())
		}
		for range 100 {
			callers.Go(func() {
				if got, err := tokens.replace(t.Context(), "t1"); got != "t2" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		callers.Wait()
		if i.count() != 2 || i.most != 1 {
			t.Errorf("%d requests, %d at once", i.count(), i.most)
		}
		// A refusal that comes late does not cost the new token.
		if got, err := tokens.replace(t.Context(), "t1"); got != "t2" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestCallerThatGivesUp(t *testing.T) {
	i := &issuer{lifetime: time.Hour, delay: 5 * time.Second}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := tokens.token(ctx) // begins the request, and does not see its end
		if fault.CodeOf(err) != "timeout" || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		want(t, tokens, "t1")
		if time.Since(start) != 5*time.Second || i.count() != 1 {
			t.Errorf("after %v and %d requests", time.Since(start), i.count())
		}
	})
}

func TestRetryInterval(t *testing.T) {
	i := &issuer{lifetime: time.Hour, err: errRefused}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		f := refuse(t, tokens, "refused; the next token request can be made in 10s")
		if f.Code != "refused" || f.RetryAfter != 10*time.Second {
			t.Errorf("got %+v", f)
		}
		time.Sleep(3 * time.Second)
		if f := refuse(t, tokens, "can be made in 7s"); f.RetryAfter != 7*time.Second {
			t.Errorf("got %+v", f)
		}
		time.Sleep(7*time.Second - time.Millisecond)
		refuse(t, tokens, "can be made in 1s")
		if i.count() != 1 {
			t.Errorf("%d requests", i.count())
		}
		i.fail(nil)
		time.Sleep(time.Millisecond)
		want(t, tokens, "t2")
		if errRefused.Detail != "refused" {
			t.Error("the original error was changed")
		}
	})
}

func TestRetryAfterOutlastsTheInterval(t *testing.T) {
	i := &issuer{lifetime: time.Hour, err: &fault.Error{Kind: fault.RateLimited, Code: "rate_limited", RetryAfter: time.Minute}}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		refuse(t, tokens, "in 1m0s")
		i.fail(nil)
		time.Sleep(time.Minute - time.Second)
		refuse(t, tokens, "in 1s")
		time.Sleep(time.Second)
		want(t, tokens, "t2")
	})
	i = &issuer{lifetime: time.Hour, err: &fault.Error{Kind: fault.RateLimited, RetryAfter: time.Second}}
	inBubble(t, i, func(t *testing.T, tokens *tokens) { refuse(t, tokens, "in 10s") })
	i = &issuer{lifetime: time.Hour, err: &fault.Error{Kind: fault.RateLimited, RetryAfter: time.Hour}}
	inBubble(t, i, func(t *testing.T, tokens *tokens) { refuse(t, tokens, "in 5m0s") })
}

func TestOldTokenServesUntilItsEnd(t *testing.T) {
	i := &issuer{lifetime: time.Hour}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		want(t, tokens, "t1")
		i.fail(errRefused)
		time.Sleep(time.Hour - 30*time.Second)
		want(t, tokens, "t1") // the renewal fails
		want(t, tokens, "t1") // and is not tried again at once
		if i.count() != 2 {
			t.Errorf("%d requests", i.count())
		}
		time.Sleep(30 * time.Second)
		refuse(t, tokens, "refused")
	})
}

func TestRefusedTokenIsNotServedAgain(t *testing.T) {
	i := &issuer{lifetime: time.Hour}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		want(t, tokens, "t1")
		i.fail(errRefused)
		if got, err := tokens.replace(t.Context(), "t1"); fault.CodeOf(err) != "refused" {
			t.Errorf("got %q, %v", got, err)
		}
		refuse(t, tokens, "refused")
		if i.count() != 2 {
			t.Errorf("%d requests", i.count())
		}
	})
}

// running runs tokens.run until stop is called. It has made its first request
// when running returns.
func running(t *testing.T, tokens *tokens) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tokens.run(ctx)
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-done
	}
}

// asked checks how many requests were made so far.
func asked(t *testing.T, i *issuer, want int) {
	t.Helper()
	if got := i.count(); got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
}

// requests checks how many requests were made in the time that now passes.
func requests(t *testing.T, i *issuer, during time.Duration, want int) {
	t.Helper()
	before := i.count()
	time.Sleep(during)
	synctest.Wait()
	if got := i.count() - before; got != want {
		t.Errorf("%d requests in %v, want %d", got, during, want)
	}
}

func TestRunKeepsTheTokenFresh(t *testing.T) {
	i := &issuer{lifetime: time.Hour}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		defer running(t, tokens)()
		asked(t, i, 1)
		requests(t, i, 59*time.Minute-time.Millisecond, 0)
		requests(t, i, time.Millisecond, 1)
		requests(t, i, 10*59*time.Minute, 10)
		want(t, tokens, "t12")
	})
}

func TestRunRetriesWhatMayGoAway(t *testing.T) {
	i := &issuer{lifetime: time.Hour, err: errRefused}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		defer running(t, tokens)()
		asked(t, i, 1)
		requests(t, i, time.Minute, 6)
		refuse(t, tokens, "refused") // callers do not add requests
		requests(t, i, time.Minute, 6)
		i.fail(nil)
		requests(t, i, 10*time.Second, 1)
		requests(t, i, time.Minute, 0)
		i.fail(&fault.Error{Kind: fault.RateLimited, RetryAfter: 30 * time.Second})
		requests(t, i, 58*time.Minute, 1)
		requests(t, i, 30*time.Second-time.Millisecond, 0)
		requests(t, i, time.Millisecond, 1)
	})
}

func TestRunLeavesRefusedCredentialsToCallers(t *testing.T) {
	i := &issuer{lifetime: time.Hour, err: &fault.Error{Kind: fault.Unauthorized, Detail: "wrong"}}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		defer running(t, tokens)()
		asked(t, i, 1)
		requests(t, i, time.Hour, 0)
		refuse(t, tokens, "wrong")
		refuse(t, tokens, "wrong")
		requests(t, i, time.Hour, 0)
		asked(t, i, 2)
		i.fail(nil)
		want(t, tokens, "t3")
		requests(t, i, 59*time.Minute, 1) // run is back at work
	})
}

func TestRunDoesNotChaseShortTokens(t *testing.T) {
	i := &issuer{lifetime: time.Second}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		defer running(t, tokens)()
		asked(t, i, 1)
		requests(t, i, time.Minute, 6)
	})
}

func TestRunReplacesARefusedToken(t *testing.T) {
	i := &issuer{lifetime: time.Hour, delay: time.Second}
	inBubble(t, i, func(t *testing.T, tokens *tokens) {
		defer running(t, tokens)()
		asked(t, i, 1)
		requests(t, i, time.Minute, 0)
		if got, err := tokens.replace(t.Context(), "t1"); got != "t2" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		requests(t, i, time.Minute, 0)
		if i.most != 1 {
			t.Errorf("%d requests at once", i.most)
		}
	})
}

func TestRunLogsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		i := &issuer{err: errRefused}
		tokens := newTokens(i.fetch, 10*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		defer tokens.close()
		stop := running(t, tokens)
		requests(t, i, 15*time.Second, 1)
		stop()
		if got := strings.Count(log.String(), `level=WARN msg="token request failed" err="refused; the next token request can be made in 10s"`); got != 2 {
			t.Errorf("logged %s", log.String())
		}
	})
}

func TestCloseEndsARequest(t *testing.T) {
	i := &issuer{delay: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(i.fetch, 10*time.Second, slog.New(slog.DiscardHandler))
		failed := make(chan error)
		go func() {
			_, err := tokens.token(t.Context())
			failed <- err
		}()
		synctest.Wait()
		start := time.Now()
		go tokens.close()
		if err := <-failed; fault.KindOf(err) != fault.Canceled || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		tokens.close()
		if _, err := tokens.token(t.Context()); fault.KindOf(err) != fault.Canceled {
			t.Errorf("after close: %v", err)
		}
	})
}
