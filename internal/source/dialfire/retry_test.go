package dialfire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testwait"
)

// failing has the first requests that match fail.
func (w *world) failing(times int, match func(*http.Request) bool, fail http.HandlerFunc) {
	var left atomic.Int64
	left.Store(int64(times))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instead = func(rw http.ResponseWriter, r *http.Request, _ []byte) bool {
		if !match(r) || left.Add(-1) < 0 {
			return false
		}
		fail(rw, r)
		return true
	}
}

func anything(*http.Request) bool { return true }

func status(code int, headers ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			rw.Header().Set(headers[i], headers[i+1])
		}
		rw.WriteHeader(code)
		_, _ = fmt.Fprint(rw, "trouble, says sesame")
	}
}

func body(text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(rw, text) }
}

func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func cut(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Length", "1000")
	_, _ = fmt.Fprint(rw, `{"results":[`)
}

func slow(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestTroubleThatPasses(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"429":             status(429),
		"429 and when":    status(429, "Retry-After", "0"),
		"429 and a date":  status(429, "Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)),
		"503":             status(503),
		"500":             status(500),
		"502":             status(502),
		"504":             status(504),
		"408":             status(408),
		"reset":           reset,
		"cut":             cut,
		"truncated":       body(`{"results":["2026-`),
		"empty":           body(""),
		"a web page":      body("<html>sign in</html>"),
		"of another type": body(`{"error":"busy"}`),
		"slow":            slow,
	} {
		for what, match := range map[string]func(*http.Request) bool{
			"everything": anything,
			"lists":      func(r *http.Request) bool { return strings.Contains(r.URL.Path, "contacts/list") },
			"contacts":   func(r *http.Request) bool { return r.Method == "POST" },
			"calls":      func(r *http.Request) bool { return strings.Contains(r.URL.Path, "inbound") },
		} {
			t.Run(name+" of "+what, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.populate(20, 10)
				w.failing(4, match, fail)
				d := newTarget()
				c := Config{Holdings: d}
				if name == "slow" {
					c.Timeout = 2 * time.Second // the other calls must come through in it
				}
				s := w.source(t, c)
				d.mustSync(t, s)
				d.same(t, w)
				if len(d.letters) > 0 || s.Progress().Retries == 0 && name != "reset" && what != "contacts" { // net/http and half a group try again as well
					t.Errorf("dead letters %v, progress %+v", d.letters, s.Progress())
				}
			})
		}
	}
}

func TestTroubleThatStays(t *testing.T) {
	for name, c := range map[string]struct {
		fail http.HandlerFunc
		kind fault.Kind
		code string
	}{
		"429":       {status(429, "Retry-After", "3000"), fault.RateLimited, "rate_limited"},
		"503":       {status(503), fault.Unavailable, "upstream_error"},
		"500":       {status(500), fault.Unavailable, "upstream_error"},
		"reset":     {reset, fault.Unavailable, "reset"},
		"slow":      {slow, fault.Timeout, "timeout"},
		"truncated": {body(`[`), fault.Invalid, "invalid_json"},
		"404":       {status(404), fault.NotFound, "not_found"},
		"400":       {status(400), fault.Invalid, "rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.populate(20, 10)
			d := newTarget()
			var log bytes.Buffer
			config := Config{Holdings: d, Patience: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			patient := w.source(t, config)
			s := patient
			if name == "slow" {
				config.Timeout = 30 * time.Millisecond
				s = w.source(t, config)
			}
			w.failing(1<<40, anything, c.fail)
			err := d.sync(t, s)
			if fault.KindOf(err) != c.kind || fault.CodeOf(err) != c.code {
				t.Errorf("got %v", err)
			}
			// An outage of contacts is none of theirs.
			w.failing(1<<40, func(r *http.Request) bool { return r.Method == "POST" }, c.fail)
			if err := d.sync(t, s); err == nil || len(d.letters) > 0 {
				t.Errorf("got %v, dead letters %v", err, d.letters)
			}
			if strings.Contains(err.Error()+log.String(), "sesame") {
				t.Error("the token is told")
			}
			w.failing(0, anything, c.fail)
			d.mustSync(t, patient) // a machine under load may be slow as well
			d.same(t, w)
		})
	}
}

// While one call waits because it was told to, no other goes out.
func TestGateHoldsAllCalls(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{"429": status(429, "Retry-After", "3000"), "503": status(503, "Retry-After", "3000")} {
		w := newWorld(t)
		s := w.source(t, Config{Holdings: newTarget(), Patience: time.Hour})
		w.failing(1, anything, fail)
		ctx, cancel := context.WithCancel(t.Context())
		var going sync.WaitGroup
		going.Go(func() { _, _ = s.api.fields(ctx) })
		testwait.Until(t, "the gate is held", func() bool {
			s.api.gate.mu.Lock()
			defer s.api.gate.mu.Unlock()
			return time.Until(s.api.gate.until) > 10*time.Minute
		})
		short, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := s.api.fields(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: another call gave %v", name, err)
		}
		done()
		cancel()
		going.Wait()
		if n := len(w.requests("")); n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestGateOpens(t *testing.T) {
	var g gate
	begun := time.Now()
	g.hold(20 * time.Millisecond)
	g.hold(time.Millisecond) // does not shorten it
	if err := g.wait(t.Context()); err != nil || time.Since(begun) < 20*time.Millisecond {
		t.Errorf("got %v", err)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.populate(20, 0)
	// A token that was never good is reported at once.
	d := newTarget()
	err := d.sync(t, w.source(t, Config{Token: "hunter2", Holdings: d}))
	if fault.KindOf(err) != fault.Forbidden || fault.CodeOf(err) != "forbidden" || fault.HintOf(err) == "" || len(w.requests("")) != 1 {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", " \n", "a b", "ä"} {
		if err := d.sync(t, w.source(t, Config{TokenFunc: func() (string, error) { return bad, nil }, Holdings: d})); fault.KindOf(err) != fault.Unconfigured {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	lost := errors.New("no such file")
	if err := d.sync(t, w.source(t, Config{TokenFunc: func() (string, error) { return "", lost }, Holdings: d})); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}

	// One that is refused in between is tried again.
	posts := func(r *http.Request) bool { return r.Method == "POST" }
	w.failing(3, posts, status(403))
	d = newTarget()
	d.mustSync(t, w.source(t, Config{Holdings: d}))
	d.same(t, w)

	// A new one is taken from where it comes from.
	token, reads := "old\n", 0
	var mu sync.Mutex
	w.mu.Lock()
	w.instead = func(rw http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Header.Get("Authorization") != "Bearer old" {
			return false
		}
		if posts(r) {
			mu.Lock()
			token = "sesame\n"
			mu.Unlock()
			status(401)(rw, r)
			return true
		}
		r.Header.Set("Authorization", "Bearer sesame")
		return false
	}
	w.mu.Unlock()
	d = newTarget()
	d.mustSync(t, w.source(t, Config{Holdings: d, TokenFunc: func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return token, nil
	}}))
	d.same(t, w)
	if reads != 2 {
		t.Errorf("it was read %d times", reads)
	}

	// One that stays refused ends the run.
	d = newTarget()
	s := w.source(t, Config{Holdings: d})
	w.failing(1<<40, posts, status(403))
	if err := d.sync(t, s); fault.KindOf(err) != fault.Forbidden || len(d.letters) > 0 {
		t.Errorf("got %v", err)
	}
	w.failing(0, posts, status(403))
	d.mustSync(t, s)
	d.same(t, w)
}

func TestContactThatCannotBeFetched(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"broken":  body(`[{"$id":`),
		"500":     status(500),
		"reset":   reset,
		"400":     status(400),
		"413":     status(413),
		"slow":    slow,
		"no list": body(`{}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.populate(30, 1)
			bad := w.order[13]
			spoil := func(rw http.ResponseWriter, r *http.Request, b []byte) bool {
				if !bytes.Contains(b, []byte(bad)) {
					return false
				}
				fail(rw, r)
				return true
			}
			w.mu.Lock()
			w.instead = spoil
			w.mu.Unlock()
			d := newTarget()
			s := w.source(t, Config{Holdings: d, Timeout: 2 * time.Second, PerCall: 8})
			d.mustSync(t, s)
			if n := len(d.rows("contacts")); n != 29 {
				t.Errorf("%d contacts", n)
			}
			letter, ok := d.letters["contacts "+bad]
			if !ok || len(d.letters) != 1 || !slices.Equal(letter.Row, []any{bad}) || !strings.HasPrefix(letter.Reason, "the contact cannot be fetched: ") {
				t.Errorf("dead letters %+v", d.letters)
			}
			w.mu.Lock()
			w.instead = nil
			w.mu.Unlock()
			// It is left alone for a while, then asked for again.
			w.pass(6 * time.Minute)
			w.requests("")
			d.mustSync(t, s)
			if n := len(w.requests("POST")); n > 0 {
				t.Errorf("%d fetches", n)
			}
			w.pass(time.Hour)
			d.mustSync(t, s)
			d.same(t, w)
		})
	}
}

// Where contact after contact fails, it is not the contacts.
func TestManyContactsThatCannotBeFetched(t *testing.T) {
	w := newWorld(t)
	for range 2 * mostUnfetchable {
		w.add(0)
	}
	good := w.order[0]
	w.mu.Lock()
	w.instead = func(rw http.ResponseWriter, r *http.Request, b []byte) bool {
		var ids []string
		if json.Unmarshal(b, &ids) != nil || slices.Equal(ids, []string{good}) || slices.Equal(ids, []string{nobody}) {
			return false
		}
		status(400)(rw, r)
		return true
	}
	w.mu.Unlock()
	d := newTarget()
	if err := d.sync(t, w.source(t, Config{Holdings: d})); fault.CodeOf(err) != "contacts_unfetchable" {
		t.Errorf("got %v", err)
	}
	if len(d.letters) > mostUnfetchable {
		t.Errorf("%d dead letters", len(d.letters))
	}
}

func TestPageThatIsRefused(t *testing.T) {
	for name, match := range map[string]string{"contacts": "contacts/list", "events": "contacts/transactions", "calls": "inbound/calls"} {
		w := newWorld(t)
		d := newTarget()
		w.add(1)
		s := w.source(t, Config{Holdings: d})
		d.mustSync(t, s)
		w.pass(6 * time.Minute)
		w.populate(40, 0)
		for range 30 {
			w.call(0)
		}
		pages := func(r *http.Request) bool {
			return strings.Contains(r.URL.Path, match) && strings.Contains(r.URL.RawQuery, "cursor=")
		}
		w.failing(2, pages, status(410))
		d.mustSync(t, s)
		d.same(t, w)

		w.pass(time.Hour)
		w.populate(40, 0)
		for range 30 {
			w.call(0)
		}
		w.failing(1<<40, pages, status(410))
		if err := d.sync(t, s); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: got %v", name, err)
		}
		w.failing(0, pages, status(410))
		d.mustSync(t, s)
		d.same(t, w)
	}
}

// A page that cannot be read is no reason to begin its list again.
func TestPageThatStaysBroken(t *testing.T) {
	w := newWorld(t)
	w.populate(20, 0)
	w.failing(1<<40, func(r *http.Request) bool { return strings.Contains(r.URL.RawQuery, "cursor=") }, body(`{"results":[`))
	d := newTarget()
	if err := d.sync(t, w.source(t, Config{Holdings: d})); fault.CodeOf(err) != "invalid_json" {
		t.Errorf("got %v", err)
	}
	if n := len(w.requests("cursor=")); n != maxBroken {
		t.Errorf("it was asked for %d times", n)
	}
}

func TestListThatLeadsBack(t *testing.T) {
	w := newWorld(t)
	w.populate(3, 0)
	for _, cursors := range [][]string{{"a", "a"}, {"a", "b", "a"}} {
		for _, path := range []string{"contacts/list", "contacts/transactions", "inbound/calls"} {
			n := 0
			w.answering(func(r *http.Request, _ []string) any {
				if !strings.Contains(r.URL.Path, path) {
					return nil
				}
				n++
				return map[string]any{"results": []any{}, "cursor": cursors[n%len(cursors)]}
			})
			d := newTarget()
			if err := d.sync(t, w.source(t, Config{Holdings: d})); fault.CodeOf(err) != "cursor_repeats" {
				t.Errorf("%v of %s: got %v", cursors, path, err)
			}
		}
	}
}

// A pause ends with the read that makes it.
func TestCancelledPause(t *testing.T) {
	w := newWorld(t)
	w.populate(10, 0)
	d := newTarget()
	ctx, cancel := context.WithCancel(t.Context())
	w.failing(1<<40, func(r *http.Request) bool { return r.Method == "POST" }, func(rw http.ResponseWriter, r *http.Request) {
		status(429, "Retry-After", "3000")(rw, r)
		cancel()
	})
	if _, err := pipeline.Run(ctx, w.source(t, Config{Holdings: d, Patience: time.Hour}), d, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
