package httpclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/testaddr"
)

// rawServer answers each connection with handle, once it has read a request's
// header, and closes it.
func rawServer(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var going sync.WaitGroup
	going.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			going.Go(func() {
				defer func() { _ = conn.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					handle(conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		going.Wait()
	})
	return "http://" + l.Addr().String()
}

func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

func reset(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }

// slowServer answers nothing until the client has gone.
func slowServer(t *testing.T, before func(http.ResponseWriter)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(w)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func tlsServer(t *testing.T) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = discardLog()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

func plainServer(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestTransportTrouble(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		url  string
		kind fault.Kind
		code string
		text string // in the message
	}{
		"refused":              {testaddr.New(t).URL(), fault.Unavailable, "refused", "the connection was refused"},
		"reset before answer":  {rawServer(t, reset), fault.Unavailable, "reset", "closed the connection"},
		"closed before answer": {rawServer(t, func(net.Conn) {}), fault.Unavailable, "reset", "closed the connection"},
		"reset in the body": {rawServer(t, func(c net.Conn) {
			say(ok + "Content-Length: 100\r\n\r\nabc")(c)
			reset(c)
		}), fault.Unavailable, "reset", "closed the connection"},
		"cut by length":     {rawServer(t, say(ok+"Content-Length: 100\r\n\r\nabc")), fault.Unavailable, "truncated", "before it was complete"},
		"cut in chunk":      {rawServer(t, say(ok+"Transfer-Encoding: chunked\r\n\r\n64\r\nabc")), fault.Unavailable, "truncated", "before it was complete"},
		"cut between":       {rawServer(t, say(ok+"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")), fault.Unavailable, "truncated", "before it was complete"},
		"cut in the header": {rawServer(t, say(ok+"X: y\r\n")), fault.Unavailable, "truncated", "before it was complete"},
		"not HTTP":          {rawServer(t, say("SSH-2.0-OpenSSH_9.9\r\n")), fault.Unavailable, "transport", "malformed HTTP"},
		"huge header":       {rawServer(t, say(ok+"X: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")), fault.Unavailable, "transport", "headers exceeded"},
		"unknown host":      {"http://warehouse.invalid", fault.Unavailable, "dns", "cannot be resolved"},
		"unknown authority": {tlsServer(t), fault.Unavailable, "tls", "certificate"},
		"TLS to plain":      {strings.Replace(plainServer(t), "http:", "https:", 1), fault.Unavailable, "tls", "https"},
		"slow header":       {slowServer(t, func(http.ResponseWriter) {}), fault.Timeout, "timeout", "within 300ms: context deadline exceeded (if the other side is only slow, raise API_TIMEOUT_SECONDS)"},
		"slow body": {slowServer(t, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "abc") }),
			fault.Timeout, "timeout", "within 300ms: context deadline exceeded (if the other side is only slow, raise API_TIMEOUT_SECONDS)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := New(Options{Timeout: 300 * time.Millisecond, Settings: Settings{Timeout: "API_TIMEOUT_SECONDS"}})
			if c.kind != fault.Timeout {
				client = New(Options{Settings: Settings{Address: "API_BASE_URL"}})
			}
			defer client.Close()
			err := client.Do(t.Context(), request(t, "GET", c.url+"/x?key=v"), func(a *Answer) error {
				_, err := io.Copy(io.Discard, a.Body)
				return err
			})
			if fault.KindOf(err) != c.kind || fault.CodeOf(err) != c.code || !fault.Temporary(err) {
				t.Fatalf("got %v/%v: %v", fault.KindOf(err), fault.CodeOf(err), err)
			}
			if !strings.HasPrefix(err.Error(), "GET "+c.url+"/x: ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q", err)
			}
		})
	}
}

// Nothing but the time-out of the whole request ends the wait for an answer.
func TestSlowAnswerWithinTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Timeout: 10 * time.Minute})
		defer c.Close()
		c.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer func() { _ = there.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
					time.Sleep(9 * time.Minute)
					say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")(there)
				}
			}()
			return here, nil
		}
		if err := c.Do(t.Context(), request(t, "GET", "http://wms.invalid"), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestHandshakeTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // connects, and never says hello
	c := New(Options{})
	c.http.Transport.(*http.Transport).TLSHandshakeTimeout = 50 * time.Millisecond
	defer c.Close()
	err = c.Do(t.Context(), request(t, "GET", "https://"+l.Addr().String()), nil)
	if fault.CodeOf(err) != "timeout" || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("got %v", err)
	}
}

func TestCallerEndsTheRequest(t *testing.T) {
	address := slowServer(t, func(http.ResponseWriter) {})
	c := New(Options{})
	defer c.Close()

	ctx, cancel := context.WithCancel(t.Context())
	err := c.Do(ctx, request(t, "GET", address), func(a *Answer) error {
		cancel()
		_, err := io.Copy(io.Discard, a.Body)
		return err
	})
	if fault.KindOf(err) != fault.Canceled || fault.CodeOf(err) != "canceled" || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = c.Do(ctx, request(t, "GET", address), func(a *Answer) error {
		_, err := io.Copy(io.Discard, a.Body)
		return err
	})
	if fault.CodeOf(err) != "timeout" || !strings.Contains(err.Error(), "the caller's deadline") {
		t.Errorf("deadline: got %v", err)
	}
}

// Errors that a test cannot make a real network raise.
func TestRareTransportErrors(t *testing.T) {
	c := New(Options{})
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	for _, tt := range []struct {
		err  error
		code string
		hint string
	}{
		{dial(syscall.EHOSTUNREACH), "unreachable", "the address"},
		{dial(syscall.ENETUNREACH), "unreachable", "the address"},
		{dial(syscall.ETIMEDOUT), "timeout", "the address"},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, "reset", ""},
		{errors.New("http: server closed idle connection"), "reset", ""},
		{errors.New("stream error: stream ID 3; INTERNAL_ERROR; received from peer"), "reset", ""},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, "tls", ""},
		{&net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)}, "refused", "HTTPS_PROXY"},
		{errors.New("never seen before"), "transport", ""},
	} {
		f := c.transportFault(t.Context(), &url.Error{Op: "Get", URL: "http://x/?key=secret", Err: tt.err})
		if f.Code != tt.code || !f.Temporary() || !strings.Contains(f.Hint, tt.hint) || strings.Contains(f.Error(), "secret") {
			t.Errorf("%v: got %+v", tt.err, f)
		}
	}
}

func TestAnswerLimit(t *testing.T) {
	const limit = 1000
	for name, c := range map[string]struct {
		size    int
		chunked bool
		tooBig  bool
	}{
		"just the limit":               {limit, false, false},
		"just the limit, chunked":      {limit, true, false},
		"one byte more":                {limit + 1, false, true},
		"one byte more, chunked":       {limit + 1, true, true},
		"twenty megabytes in one go":   {20 << 20, false, true},
		"twenty megabytes, in a chunk": {20 << 20, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if !c.chunked {
					w.Header().Set("Content-Length", fmt.Sprint(c.size))
				}
				for left := c.size; left > 0; {
					n := min(left, 64<<10)
					if _, err := w.Write(make([]byte, n)); err != nil {
						return
					}
					left -= n
				}
			}))
			defer srv.Close()
			client := New(Options{MaxAnswerBytes: limit, Settings: Settings{MaxAnswerBytes: "API_MAX_ANSWER_BYTES"}})
			defer client.Close()
			var got int64
			err := client.Do(t.Context(), request(t, "GET", srv.URL), func(a *Answer) (err error) {
				got, err = io.Copy(io.Discard, a.Body)
				return err
			})
			if !c.tooBig {
				if err != nil || got != limit {
					t.Errorf("read %d bytes: %v", got, err)
				}
				return
			}
			f := faultOf(t, err)
			if f.Kind != fault.TooLarge || f.Code != "answer_too_large" || !strings.Contains(f.Detail, "limit of 1000 bytes") ||
				!strings.Contains(f.Hint, "raise API_MAX_ANSWER_BYTES") || got > limit {
				t.Errorf("read %d bytes: %v", got, err)
			}
			if !c.chunked && got != 0 {
				t.Errorf("%d bytes were read of an answer that announced its size", got)
			}
		})
	}
}
