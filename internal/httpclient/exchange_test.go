package httpclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ferryman/internal/fault"
	"ferryman/internal/testaddr"
)

func post(t *testing.T, address string) Request {
	t.Helper()
	r := request(t, "POST", address)
	r.Body = []byte(`{"a":1}`)
	return r
}

// Whatever the status, it is an answer and no error.
func TestExchangeGivesEveryStatus(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.Header().Set("Location", "/elsewhere")
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "status %d", status)
	}))
	defer srv.Close()
	c := New(Options{})
	defer c.Close()
	for status := 200; status < 600; status++ {
		e, err := c.Exchange(t.Context(), post(t, fmt.Sprintf("%s?status=%d", srv.URL, status)))
		if err != nil || e.Status != status || !e.Written {
			t.Fatalf("%d: got %+v, %v", status, e, err)
		}
		want := fmt.Sprintf("status %d", status)
		if status == 204 || status == 304 {
			want = ""
		}
		if string(e.Body) != want || e.Excerpt(100) != want {
			t.Errorf("%d: the body is %q", status, e.Body)
		}
		if short, long := e.RetryAfter(time.Hour), e.RetryAfter(24*time.Hour); short != time.Hour || long != 2*time.Hour {
			t.Errorf("it asks to wait %v and %v", short, long)
		}
	}
}

func TestExchangeWithoutAnAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never says hello
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
	for name, c := range map[string]struct {
		url     string
		code    string
		written bool
		status  int
		body    string
	}{
		"refused":      {url: testaddr.New(t).URL(), code: "refused"},
		"unknown host": {url: "http://messenger.invalid", code: "dns"},
		"bad TLS":      {url: tlsServer(t), code: "tls"},
		"no handshake": {url: "https://" + silent.Addr().String(), code: "timeout"},
		"reset":        {url: rawServer(t, reset), code: "reset", written: true},
		"no answer":    {url: slowServer(t, func(http.ResponseWriter) { <-t.Context().Done() }), code: "timeout", written: true},
		"cut":          {url: rawServer(t, say(ok)), code: "truncated", written: true, status: 200, body: "abc"},
		"slow body": {url: slowServer(t, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "abc") }),
			code: "timeout", written: true, status: 200, body: "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o Options
			if c.code == "timeout" {
				o.Timeout = 2 * time.Second // what does come must be there by then
			}
			client := New(o)
			defer client.Close()
			e, err := client.Exchange(t.Context(), post(t, c.url+"/x?key=v"))
			if fault.CodeOf(err) != c.code || e.Written != c.written || e.Status != c.status || string(e.Body) != c.body {
				t.Errorf("got %+v, %v", e, err)
			}
			if !strings.HasPrefix(err.Error(), "POST "+c.url+"/x: ") {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestExchangeCalledOff(t *testing.T) {
	c := New(Options{})
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer srv.Close()
	e, err := c.Exchange(ctx, post(t, srv.URL))
	if fault.CodeOf(err) != "canceled" || !e.Written {
		t.Errorf("in the midst: got %+v, %v", e, err)
	}
	e, err = c.Exchange(ctx, post(t, srv.URL))
	if fault.CodeOf(err) != "canceled" || e.Written {
		t.Errorf("before: got %+v, %v", e, err)
	}
}

// A request is sent once on either version of HTTP, also where a kept-alive
// connection breaks, and whatever headers it has.
func TestExchangeSendsOnce(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			var sent atomic.Int32
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Proto != version {
					t.Errorf("came by %s", r.Proto)
				}
				_, _ = io.ReadAll(r.Body)
				if r.URL.Path == "/once" {
					sent.Add(1)
					panic(http.ErrAbortHandler)
				}
			}))
			srv.Config.ErrorLog = discardLog()
			srv.EnableHTTP2 = version == "HTTP/2.0"
			srv.StartTLS()
			defer srv.Close()
			c := New(Options{})
			c.http.Transport.(*http.Transport).TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig
			defer c.Close()
			if e, err := c.Exchange(t.Context(), post(t, srv.URL)); err != nil || e.Status != 200 {
				t.Fatalf("got %+v, %v", e, err)
			}
			r := post(t, srv.URL+"/once")
			r.Header = http.Header{"Idempotency-Key": {"1"}}
			e, err := c.Exchange(t.Context(), r)
			if fault.CodeOf(err) != "reset" || !e.Written {
				t.Errorf("got %+v, %v", e, err)
			}
			if n := sent.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
}

// What an HTTP/2 server says that it did not look at can go out again.
func TestUnprocessed(t *testing.T) {
	for text, want := range map[string]bool{
		"http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this error":   true,
		"http2: Transport: cannot retry err [stream error: stream ID 5; REFUSED_STREAM; received from peer] after Request.Body was written; define Request.GetBody to avoid this error": true,
		"http2: Transport: cannot retry err [stream error: stream ID 5; PROTOCOL_ERROR; received from peer] after Request.Body was written; define Request.GetBody to avoid this error": false,
		"http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=\"\"":                                                                             false,
		"stream error: stream ID 3; INTERNAL_ERROR; received from peer":                                                                                                                 false,
	} {
		err := errors.New(text)
		if got := unprocessed(err); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if f := New(Options{}).transportFault(t.Context(), err); f.Code != "reset" {
			t.Errorf("%s: %s", text, f.Code)
		}
	}
}

func TestExchangeCutsTheAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 64<<10)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	c := New(Options{MaxAnswerBytes: 1000})
	defer c.Close()
	e, err := c.Exchange(t.Context(), post(t, srv.URL))
	if err != nil || e.Status != 200 || len(e.Body) != 1000 {
		t.Errorf("got %d, %d bytes, %v", e.Status, len(e.Body), err)
	}
}

func TestExcerpt(t *testing.T) {
	for _, tt := range []struct {
		body string
		n    int
		want string
	}{
		{"", 10, ""},
		{"a\r\n\tb\x00c", 10, "a b c"},
		{"привет", 5, "пр"},
		{"a\xffb", 10, "a\uFFFDb"},
		{"ab cd", 3, "ab"},
		{`{"token":"abc","a":1}`, 100, `{"token":"***","a":1}`},
		{"you sent sesame", 100, withheld},
		{"you sent sesame", 5, "(not"},
	} {
		e := Exchange{Body: []byte(tt.body), whole: true, request: Request{Secrets: []string{"sesame"}}}
		if got := e.Excerpt(tt.n); got != tt.want {
			t.Errorf("%q, %d: got %q, want %q", tt.body, tt.n, got, tt.want)
		}
	}
}

// However an answer is cut, half a secret is not quoted.
func TestExcerptHoldsNoSecret(t *testing.T) {
	const secret = "0123456789abcdef"
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.OneOf(rapid.String(), rapid.String(), rapid.String(), rapid.Just(strings.Repeat(" ", excerptRead-6))).Draw(t, "before")
		cut := rapid.IntRange(1, len(secret)).Draw(t, "cut")
		n := rapid.IntRange(0, 5000).Draw(t, "n")
		before = strings.Map(func(c rune) rune {
			if strings.ContainsRune(secret, c) {
				return '-'
			}
			return c
		}, before)
		e := Exchange{Body: []byte(before + secret[:cut]), request: Request{Bearer: secret}}
		got := e.Excerpt(n)
		if got != withheld && strings.ContainsAny(got, secret) && !strings.HasPrefix(withheld, got) {
			t.Fatalf("got %q", got)
		}
		if len(got) > n || !utf8.ValidString(got) {
			t.Fatalf("got %d bytes of at most %d, %q", len(got), n, got)
		}
	})
}

// A path that holds a secret is shown otherwise, in errors and in the log.
func TestShownAddress(t *testing.T) {
	var log bytes.Buffer
	c := New(Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	defer c.Close()
	r := post(t, testaddr.New(t).URL()+"/botSentinel/send")
	r.Shown = &url.URL{Scheme: "http", Host: r.URL.Host, Path: "/botTOKEN/send"}
	r.Secrets = []string{"Sentinel"}
	_, err := c.Exchange(t.Context(), r)
	if want := "POST http://" + r.URL.Host + "/botTOKEN/send: "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if said := log.String() + causes(err); strings.Contains(said, "Sentinel") || !strings.Contains(said, "url=http://"+r.URL.Host+"/botTOKEN/send") {
		t.Errorf("said %s", said)
	}
}

func TestControlRefusesAnAddress(t *testing.T) {
	refusal := errors.New("not there")
	var seen string
	c := New(Options{Direct: true, Control: func(_, address string, _ syscall.RawConn) error {
		seen = address
		return refusal
	}})
	defer c.Close()
	target := plainServer(t)
	e, err := c.Exchange(t.Context(), post(t, target))
	if !errors.Is(err, refusal) || e.Written || "http://"+seen != target {
		t.Errorf("saw %q, got %+v, %v", seen, e, err)
	}
}

func TestConnsBoundsThePool(t *testing.T) {
	for _, conns := range []int{1, 20} {
		tr := New(Options{Conns: conns}).http.Transport.(*http.Transport)
		if tr.MaxConnsPerHost != conns || tr.MaxIdleConns != conns || tr.MaxIdleConnsPerHost != conns {
			t.Errorf("%d connections give a pool of %d, %d idle", conns, tr.MaxConnsPerHost, tr.MaxIdleConns)
		}
	}
}

// Direct passes by the proxy that the environment names.
func TestDirectUsesNoProxy(t *testing.T) {
	if New(Options{Direct: true}).http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy may be used")
	}
	if New(Options{}).http.Transport.(*http.Transport).Proxy == nil {
		t.Error("no proxy is used")
	}
}

// Both ways to call an API say the same of an answer.
func TestExchangeFaultIsThatOfDo(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.Header().Set("Location", "https://elsewhere.example/x?token=hunter2")
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "no hunter2 for you")
	}))
	defer srv.Close()
	for _, limit := range []int64{8, 1000} {
		c := New(Options{MaxAnswerBytes: limit})
		defer c.Close()
		for status := 200; status < 600; status++ {
			r := post(t, fmt.Sprintf("%s?status=%d", srv.URL, status))
			r.Bearer = "hunter2"
			e, err := c.Exchange(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			want := c.Do(t.Context(), r, func(a *Answer) error {
				_, err := io.Copy(io.Discard, a.Body)
				return err
			})
			got := c.Fault(e)
			if limit == 8 && status > 299 {
				// Do reads a little beyond the limit to quote it.
				if fault.KindOf(got) != fault.KindOf(want) || fault.CodeOf(got) != fault.CodeOf(want) {
					t.Errorf("%d: got %v, want %v", status, got, want)
				}
				continue
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d: got %v, want %v", status, got, want)
			}
		}
	}
}
