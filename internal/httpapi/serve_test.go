package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ferryman/internal/syncs"
	"ferryman/internal/testwait"
)

// serve runs the house under Serve; stop asks it to stop, done is its result.
func (h *house) serve(o ServeOptions) (context.CancelFunc, <-chan error) {
	h.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.url = "http://" + l.Addr().String()
	if o.TLS != nil {
		h.url = "https://" + l.Addr().String()
	}
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

// TestSlowClients shows that every way of taking one's time, and of speaking
// nonsense, ends the connection soon, and what is said before.
func TestSlowClients(t *testing.T) {
	const short, soon = 20 * time.Millisecond, 4 * time.Second // sooner than by default
	for name, c := range map[string]struct {
		options ServeOptions
		send    string
		status  int // 0 is no answer
	}{
		"head":        {ServeOptions{ReadHeaderTimeout: short}, "GET /healthz HTTP/1.1\r\nHost: localh", 0},
		"no head":     {ServeOptions{ReadHeaderTimeout: short}, "", 0},
		"body":        {ServeOptions{ReadTimeout: short}, "PATCH /api/syncall HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", 400},
		"idle":        {ServeOptions{IdleTimeout: short}, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
		"large head":  {ServeOptions{MaxHeaderBytes: 4096}, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 20_000), 431},
		"not HTTP":    {ServeOptions{}, "\x16\x03\x01\x02\x00\r\n\r\n", 400},
		"wants close": {ServeOptions{}, "GET /healthz HTTP/1.0\r\n\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t)
			h.serve(c.options)
			conn := h.dial()
			h.send(conn, c.send)
			if err := conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn) // ends when the server closes; a reset will do
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection is still open; it said %.100q", answer)
			}
			if got := statusOf(answer); got != c.status {
				t.Errorf("status %d, want %d: %.100q", got, c.status, answer)
			}
		})
	}
}

// statusOf is the status of an answer as it came over the wire, 0 if there is none.
func statusOf(answer []byte) (status int) {
	_, line, _ := bytes.Cut(answer, []byte(" "))
	_, _ = fmt.Sscan(string(line), &status)
	return status
}

func TestOptionsOfTheWholeServer(t *testing.T) {
	h := build(t)
	h.serve(ServeOptions{})
	conn := h.dial()
	h.send(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || statusOf(answer) != http.StatusNotFound || !strings.Contains(string(answer), "X-Request-Id: ") {
		t.Errorf("%v %s", err, answer)
	}
}

// TestLongSyncOutlivesTimeouts lets a sync take far longer than the time-outs of
// reading and writing.
func TestLongSyncOutlivesTimeouts(t *testing.T) {
	h := build(t)
	began, finish := make(chan struct{}), make(chan struct{})
	h.call = func(ctx context.Context) (syncs.Run, error) {
		began <- struct{}{}
		<-finish
		return goodRun(epoch), ctx.Err()
	}
	const short = 100 * time.Millisecond
	h.serve(ServeOptions{ReadTimeout: short, WriteTimeout: short, ReadHeaderTimeout: time.Second})
	for _, body := range []string{"", "some body"} {
		time.AfterFunc(10*short, func() { <-began; finish <- struct{}{} })
		if a := h.do("PATCH", "/api/syncall", body); a.StatusCode != http.StatusOK {
			t.Errorf("body %q: status %d %s", body, a.StatusCode, a.text)
		}
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
	stop, done := h.serve(ServeOptions{Grace: time.Minute})
	answered := h.background("PATCH", "/api/syncall")
	<-began
	stop()
	testwait.Until(t, "the server accepts no more", func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(h.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if a := <-answered; a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.text)
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
