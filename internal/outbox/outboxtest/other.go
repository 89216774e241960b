package outboxtest

import (
	"fmt"
	"html"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// other is the other side. It reads each request to its end before it answers.
type other struct {
	*httptest.Server

	mu     sync.Mutex
	seen   []request
	answer func(w http.ResponseWriter, r request)
}

// request is one that arrived.
type request struct {
	*http.Request
	body []byte
}

func newOther(t *testing.T) *other {
	t.Helper()
	o := &other{}
	o.Server = httptest.NewUnstartedServer(o)
	o.Config.ErrorLog = log.New(io.Discard, "", 0)
	o.Start()
	t.Cleanup(func() {
		o.CloseClientConnections() // a broken channel may still wait
		o.Close()
	})
	return o
}

// ServeHTTP implements http.Handler.
func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := request{r, body}
	o.mu.Lock()
	o.seen = append(o.seen, got)
	answer := o.answer
	o.mu.Unlock()
	answer(w, got)
}

// says has every request answered so from now on.
func (o *other) says(answer func(w http.ResponseWriter, r request)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

func (o *other) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.seen)
}

func (o *other) requests() []request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.seen)
}

func (a Answer) write(w http.ResponseWriter, _ request) {
	if a.Header.Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	maps.Copy(w.Header(), a.Header)
	if a.Status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(a.Status)
	if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		_, _ = io.WriteString(w, a.Body)
	}
}

// page is the answer of a proxy that likes to talk: it shows all of the request.
func page(status int) func(http.ResponseWriter, request) {
	return func(w http.ResponseWriter, r request) {
		var shown strings.Builder
		_, _ = fmt.Fprintf(&shown, "%s %s\n", r.Method, r.RequestURI)
		_ = r.Header.Write(&shown)
		shown.Write(r.body)
		Answer{
			Status: status,
			Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
			Body:   fmt.Sprintf("<html><h1>%d</h1><pre>%s</pre></html>", status, html.EscapeString(shown.String())),
		}.write(w, r)
	}
}

// raw answers on the bare connection, which it then closes.
func raw(t *testing.T, answer func(net.Conn)) func(http.ResponseWriter, request) {
	return func(w http.ResponseWriter, _ request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer func() { _ = conn.Close() }()
		answer(conn)
	}
}

func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// reset has the connection end in a reset when it is closed.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// listen takes connections at an address of its own, and does nothing but handle
// and close them.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
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
			handle(conn)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		going.Wait()
	})
	return "http://" + l.Addr().String()
}
