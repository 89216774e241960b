package httpclient

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ferryman/internal/fault"
)

func TestMain(m *testing.M) {
	if target := os.Getenv("HTTPCLIENT_TEST_TARGET"); target != "" {
		throughProxy(target)
		return
	}
	goleak.VerifyTestMain(m)
}

func request(t *testing.T, method, address string) Request {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Method: method, URL: u}
}

func faultOf(t *testing.T, err error) *fault.Error {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("not a classified error: %v", err)
	}
	return f
}

func TestRequestAsSent(t *testing.T) {
	var got *http.Request
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	c := New(Options{Version: "1.2.3"})
	defer c.Close()

	r := request(t, "POST", srv.URL+"/things?q=1")
	r.Bearer = "sesame"
	r.Body = []byte(`{"a":1}`)
	r.Header = http.Header{"X-Api-Key": {"sesame2"}, "User-Agent": {"somebody"}}
	if err := c.Do(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"User-Agent": "ferryman/1.2.3", "Authorization": "Bearer sesame",
		"Content-Type": "application/json", "Accept": "", "X-API-KEY": "sesame2",
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	if got.RequestURI != "/things?q=1" || string(body) != `{"a":1}` || got.ContentLength != 7 {
		t.Errorf("sent %s with %q (length %d)", got.RequestURI, body, got.ContentLength)
	}
}

func TestAnswerReachesRead(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Total", "9")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "nine")
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	err := c.Do(t.Context(), request(t, "GET", srv.URL), func(a *Answer) error {
		text, err := io.ReadAll(a.Body)
		if a.Status != 201 || a.Header.Get("X-Total") != "9" || string(text) != "nine" || err != nil {
			t.Errorf("got %d, %q, %q, %v", a.Status, a.Header.Get("X-Total"), text, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestErrorOfReadNamesTheRequest(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()

	own := &fault.Error{Kind: fault.Conflict, Code: "mine", Detail: "two of them", Hint: "drop one"}
	f := faultOf(t, c.Do(t.Context(), request(t, "GET", srv.URL+"/a"), func(*Answer) error { return own }))
	if f.Code != "mine" || f.Detail != "GET "+srv.URL+"/a: two of them" || f.Hint != "drop one" {
		t.Errorf("got %+v", f)
	}
	if own.Detail != "two of them" {
		t.Error("the callback's own error was changed")
	}

	plain := errors.New("plain")
	err := c.Do(t.Context(), request(t, "GET", srv.URL+"/a"), func(*Answer) error { return plain })
	if !errors.Is(err, plain) || err.Error() != "GET "+srv.URL+"/a: plain" {
		t.Errorf("got %v", err)
	}
}

// Whatever the status and however much of an answer is wanted, the connection is
// used again.
func TestConnectionsAreReused(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 40<<10))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	for range 20 {
		if err := c.Do(t.Context(), request(t, "GET", srv.URL+"/good"), nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Do(t.Context(), request(t, "GET", srv.URL+"/bad"), nil); err == nil {
			t.Fatal("no error")
		}
		err := c.Do(t.Context(), request(t, "GET", srv.URL+"/good"), func(a *Answer) error {
			_, err := a.Body.Read(make([]byte, 10))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// On a machine that is very busy net/http drops one now and then.
	if n := conns.Load(); n > 10 {
		t.Errorf("60 requests took %d connections", n)
	}
}

// A server that reads a request on a kept-alive connection and hangs up is what
// makes net/http send a request again by itself, if its method and body allow it.
func TestRequestWithBodyIsSentOnce(t *testing.T) {
	var sent atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/once" {
			return
		}
		sent.Add(1)
		_, _ = io.ReadAll(r.Body)
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	if err := c.Do(t.Context(), request(t, "GET", srv.URL), nil); err != nil {
		t.Fatal(err)
	}
	r := request(t, "GET", srv.URL+"/once")
	r.Body = []byte("{}")
	err := c.Do(t.Context(), r, nil)
	if fault.CodeOf(err) != "reset" {
		t.Errorf("got %v", err)
	}
	if n := sent.Load(); n != 1 {
		t.Errorf("the request was sent %d times", n)
	}
}

func TestPoolIsBounded(t *testing.T) {
	// Each connection has one call at a time. When the server learns that one was closed
	// says little.
	const bound = 8
	var at, most atomic.Int32
	full := make(chan struct{})
	filled := sync.OnceFunc(func() { time.AfterFunc(200*time.Millisecond, func() { close(full) }) }) // one too many would come by then
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n := at.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == bound {
			filled()
		}
		select {
		case <-full:
		case <-r.Context().Done():
		}
		at.Add(-1)
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	errs := make(chan error)
	for range 40 {
		go func() { errs <- c.Do(t.Context(), request(t, "GET", srv.URL), nil) }()
	}
	for range 40 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := most.Load(); n != bound {
		t.Errorf("%d calls at once, want %d", n, bound)
	}
}

func TestDebugLine(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	var log bytes.Buffer
	c := New(Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	defer c.Close()
	r := request(t, "GET", strings.Replace(srv.URL, "://", "://me:hunter2@", 1)+"/api/auth?key=hunter2")
	r.Secrets = []string{"auth"} // our own words are not masked, for that would tell
	if err := c.Do(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	line := log.String()
	if strings.Contains(line, "hunter") || !strings.Contains(line, "url="+srv.URL+"/api/auth status=200") {
		t.Errorf("logged %s", line)
	}
}
