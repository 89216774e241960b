package pulpo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ferryman/internal/fault"
)

// grant is what a token request yields.
type grant struct {
	token    string
	lifetime time.Duration
}

// maxPause bounds what a token request may ask to wait: until then nobody can
// sync, not even by hand.
const maxPause = 5 * time.Minute

// tokens keeps a token that is fetched with credentials. However many callers
// wait for one, a single request is on its way, and it goes on when a caller
// gives up. After a failure the next request waits for the retry interval, or for
// as long as the API asks, up to maxPause.
type tokens struct {
	fetch func(context.Context) (grant, error)
	retry time.Duration
	log   *slog.Logger
	life  context.Context //nolint:containedctx // of the requests, which outlive the callers that want them
	stop  context.CancelFunc
	going sync.WaitGroup

	mu      sync.Mutex
	current token
	failed  failure // of the last request; zero after a success
	flight  *flight // nil when no request is on its way
	changed chan struct{}
}

// token is a token with its times. The zero value is none.
type token struct {
	value   string
	fetched time.Time
	renewAt time.Time
	expires time.Time
}

// failure is a failed request and when the next may be made.
type failure struct {
	err  error
	next time.Time
}

// flight is a request on its way.
type flight struct {
	done  chan struct{}
	token string // once done: a token to send, which may be the old one; "" is none
	err   error  // once done: why the request failed
}

func newTokens(fetch func(context.Context) (grant, error), retry time.Duration, log *slog.Logger) *tokens {
	life, stop := context.WithCancel(context.Background())
	return &tokens{fetch: fetch, retry: retry, log: log, life: life, stop: stop, changed: make(chan struct{})}
}

// token gives a token to send, and fetches one if there is none or if its end is
// near. When that fails and the old one has not ended, it is the old one.
func (t *tokens) token(ctx context.Context) (string, error) {
	t.mu.Lock()
	now := time.Now()
	if t.current.value != "" && now.Before(t.current.renewAt) {
		defer t.mu.Unlock()
		return t.current.value, nil
	}
	f, err := t.join(now)
	if err != nil && now.Before(t.current.expires) {
		defer t.mu.Unlock()
		return t.current.value, nil
	}
	t.mu.Unlock()
	if err != nil {
		return "", err
	}
	return f.wait(ctx)
}

// replace gives up a token that was refused, unless it was replaced already, and
// gives the one to send instead.
func (t *tokens) replace(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	if t.current.value == refused {
		t.current = token{}
		t.signal()
	}
	t.mu.Unlock()
	return t.token(ctx)
}

// join gives the request that is on its way, or starts one if it may. It is
// called with the lock held.
func (t *tokens) join(now time.Time) (*flight, error) {
	switch {
	case t.flight != nil:
		return t.flight, nil
	case t.life.Err() != nil:
		return nil, &fault.Error{Kind: fault.Canceled, Detail: "the warehouse source is closed"}
	case t.failed.err != nil && now.Before(t.failed.next):
		return nil, t.failed.at(now)
	}
	f := &flight{done: make(chan struct{})}
	t.flight = f
	t.signal()
	t.going.Go(func() { t.request(f) })
	return f, nil
}

func (f *flight) wait(ctx context.Context) (string, error) {
	select {
	case <-f.done:
		if f.token != "" {
			return f.token, nil
		}
		return "", f.err
	case <-ctx.Done():
		return "", &fault.Error{Kind: fault.KindOf(ctx.Err()), Detail: "gave up waiting for a token", Err: ctx.Err()}
	}
}

func (t *tokens) request(f *flight) {
	// The lifetime counts from before the request, however long that takes.
	start := time.Now()
	g, err := t.fetch(t.life)
	if err == nil {
		t.log.DebugContext(t.life, "token fetched", "lifetime", g.lifetime)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if err == nil {
		expires := start.Add(g.lifetime)
		t.current = token{value: g.token, fetched: now, renewAt: expires.Add(-margin(g.lifetime)), expires: expires}
		t.failed = failure{}
		f.token = g.token
	} else {
		pause := t.retry
		if e, ok := errors.AsType[*fault.Error](err); ok {
			pause = max(pause, min(e.RetryAfter, maxPause))
		}
		t.failed = failure{err: err, next: now.Add(pause)}
		f.err = t.failed.at(now)
		if now.Before(t.current.expires) {
			f.token = t.current.value
		}
	}
	t.flight = nil
	close(f.done)
	t.signal()
}

// margin is how long before its end a token is renewed.
func margin(lifetime time.Duration) time.Duration {
	return min(lifetime/10, time.Minute)
}

// at is the failure as it looks at a time: when the next request may be made.
func (f failure) at(now time.Time) error {
	e, ok := errors.AsType[*fault.Error](f.err)
	if !ok {
		return f.err
	}
	later := *e
	later.RetryAfter = f.next.Sub(now)
	later.Detail += fmt.Sprintf("; the next token request can be made in %s", max(later.RetryAfter, time.Second).Round(time.Second))
	return &later
}

// run keeps the token fresh until ctx ends. A failure that will not go away by
// itself, such as a wrong password, is left to the next caller of token.
func (t *tokens) run(ctx context.Context) {
	for {
		wait, planned, changed := t.plan()
		var due <-chan time.Time
		if planned {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			continue
		case <-due:
		}
		t.mu.Lock()
		f, err := t.join(time.Now())
		t.mu.Unlock()
		if err != nil {
			continue // somebody else's request has failed meanwhile
		}
		select {
		case <-ctx.Done():
			return
		case <-f.done:
		}
		if f.err != nil {
			t.log.WarnContext(ctx, "token request failed", "err", f.err)
		}
	}
}

// plan tells in how long run has to make a request, if it has to at all, and
// what closes when that may be otherwise.
func (t *tokens) plan() (wait time.Duration, planned bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.flight != nil, t.life.Err() != nil:
		return 0, false, t.changed
	case t.failed.err != nil:
		return time.Until(t.failed.next), fault.Temporary(t.failed.err), t.changed
	case t.current.value == "":
		return 0, true, t.changed
	default:
		// A token of a few seconds is not chased: callers fetch their own.
		at := t.current.renewAt
		if soonest := t.current.fetched.Add(t.retry); at.Before(soonest) {
			at = soonest
		}
		return time.Until(at), true, t.changed
	}
}

// signal tells run that something has changed. It is called with the lock held.
func (t *tokens) signal() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// close calls off the request that is on its way and waits for its end.
func (t *tokens) close() {
	t.mu.Lock()
	t.stop()
	t.signal()
	t.mu.Unlock()
	t.going.Wait()
}
