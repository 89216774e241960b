package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/syncs"
)

// serve runs the house under Serve; stop asks it to stop, done is its result.
func (h *house) serve(o ServeOptions) (context.CancelFunc, <-chan error) {
	h.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.url = "http://" + l.Addr().String()
	o.Log = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		done <- Serve(ctx, l, h.Server, o)
		close(ended)
	}()
	h.t.Cleanup(func() { stop(); <-ended })
	return stop, done
}

// dial opens a bare connection to the house.
func (h *house) dial() net.Conn {
	h.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(h.t.Context(), "tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (h *house) send(conn net.Conn, text string) {
	h.t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		h.t.Fatal(err)
	}
}

// TestSlowClients shows that every way of taking one's time ends the connection.
func TestSlowClients(t *testing.T) {
	for name, c := range map[string]struct {
		options ServeOptions
		send    string
	}{
		"head":        {ServeOptions{ReadHeaderTimeout: 20 * time.Millisecond}, "GET /healthz HTTP/1.1\r\nHost: localh"},
		"no head":     {ServeOptions{ReadHeaderTimeout: 20 * time.Millisecond}, ""},
		"body":        {ServeOptions{ReadTimeout: 20 * time.Millisecond}, "PATCH /api/syncall HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"},
		"idle":        {ServeOptions{IdleTimeout: 20 * time.Millisecond}, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		"large head":  {ServeOptions{MaxHeaderBytes: 4096}, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 20_000)},
		"not HTTP":    {ServeOptions{}, "\x16\x03\x01\x02\x00\r\n\r\n"},
		"wants close": {ServeOptions{}, "GET /healthz HTTP/1.0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t)
			h.serve(c.options)
			conn := h.dial()
			h.send(conn, c.send)
			answer, _ := io.ReadAll(conn) // ends when the server closes; a reset will do
			if name == "body" && strings.Contains(string(answer), " 200 ") {
				t.Error("half a request ran a sync")
			}
		})
	}
}

// TestLongSyncOutlivesTimeouts lets a sync take far longer than the time-outs of
// reading and writing.
func TestLongSyncOutlivesTimeouts(t *testing.T) {
	h := build(t)
	began, finish := make(chan struct{}), make(chan struct{})
	var clientGone error
	h.call = func(context.Context) (syncs.Run, error) {
		close(began)
		<-finish
		return goodRun(epoch), nil
	}
	inner := h.routes[0].answer
	h.mux = http.NewServeMux()
	h.mux.Handle("PATCH /api/syncall", h.dispatch("/api/syncall", func(r *http.Request) (reply, error) {
		out, err := inner(r)
		clientGone = r.Context().Err()
		return out, err
	}))
	const short = 20 * time.Millisecond
	h.serve(ServeOptions{ReadTimeout: short, WriteTimeout: short, ReadHeaderTimeout: short})
	time.AfterFunc(10*short, func() { <-began; close(finish) })
	a := h.do("PATCH", "/api/syncall", "some body")
	if a.StatusCode != http.StatusOK || clientGone != nil {
		t.Errorf("status %d %s; the request's context: %v", a.StatusCode, a.text, clientGone)
	}
}

func TestSlowReaderIsCut(t *testing.T) {
	h := build(t)
	long := strings.Repeat("x", 100_000)
	h.rows["users"] = nil
	for i := range 150 {
		h.rows["users"] = append(h.rows["users"], []any{int64(i), long, "e", "i", "f", "l", epoch, epoch})
	}
	h.serve(ServeOptions{WriteTimeout: 20 * time.Millisecond})
	conn := h.dial()
	h.send(conn, "GET /api/users?limit=150 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-h.log.written // the server has given up
	if n := h.logged("/api/users")[0]["bytes"].(float64); n >= 15_000_000 {
		t.Errorf("%v bytes went to a client that reads nothing", n)
	}
}

func TestStopLetsRequestsEnd(t *testing.T) {
	h := build(t)
	began, finish := make(chan struct{}), make(chan struct{})
	h.call = func(ctx context.Context) (syncs.Run, error) {
		close(began)
		select {
		case <-finish:
			return goodRun(epoch), nil
		case <-ctx.Done():
			return syncs.Run{}, ctx.Err()
		}
	}
	stop, done := h.serve(ServeOptions{Grace: time.Minute, Draining: func() { h.Drain(); close(finish) }})
	answered := h.background("PATCH", "/api/syncall")
	<-began
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a := <-answered; a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(h.url, "http://")); err == nil {
		conn.Close()
		t.Error("a stopped server accepts")
	}
}

func TestStopCallsOffWhatIsLeft(t *testing.T) {
	h := build(t)
	began := make(chan struct{})
	h.call = func(ctx context.Context) (syncs.Run, error) {
		close(began)
		<-ctx.Done()
		return syncs.Run{}, ctx.Err()
	}
	stop, done := h.serve(ServeOptions{Grace: 2 * time.Second})
	answered := h.background("PATCH", "/api/syncall")
	<-began
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a := <-answered; a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.text, `"canceled"`) {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
}

func TestStopCutsWhatDoesNotListen(t *testing.T) {
	h := build(t)
	began, finish, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	h.call = func(context.Context) (syncs.Run, error) {
		close(began)
		<-finish
		close(ended)
		return goodRun(epoch), nil
	}
	stop, done := h.serve(ServeOptions{Grace: 50 * time.Millisecond})
	conn := h.dial()
	h.send(conn, "PATCH /api/syncall HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-began
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text, _ := io.ReadAll(conn); len(text) != 0 {
		t.Errorf("an answer: %s", text)
	}
	close(finish)
	<-ended
}

func TestNoticeBeforeStop(t *testing.T) {
	h := build(t)
	drained := make(chan struct{})
	stop, done := h.serve(ServeOptions{Notice: 200 * time.Millisecond, Draining: func() { h.Drain(); close(drained) }})
	stop()
	<-drained
	conn := h.dial() // still accepted
	h.send(conn, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeSaysWhenItCannot(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, http.NotFoundHandler(), ServeOptions{Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
}
