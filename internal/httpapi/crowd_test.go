package httpapi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// idle opens a connection, makes a call over it and leaves it open.
func (h *house) idle() net.Conn {
	h.t.Helper()
	conn := h.dial()
	h.send(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatal(resp.Status, err)
	}
	resp.Body.Close()
	return conn
}

// gone tells whether the server has closed a connection.
func (h *house) gone(conn net.Conn) bool {
	h.t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		h.t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestThousandIdleConnections also bounds what they cost in memory, on both sides.
func TestThousandIdleConnections(t *testing.T) {
	h := build(t)
	h.serve(ServeOptions{})
	before := inUse()
	conns := make([]net.Conn, 1000)
	for i := range conns {
		conns[i] = h.idle()
	}
	if cost := inUse() - before; cost > 100<<20 {
		t.Errorf("they take %d bytes", cost)
	} else {
		t.Logf("they take %d KiB each", cost>>10/int64(len(conns)))
	}
	if a := h.do("GET", "/healthz", ""); a.StatusCode != http.StatusOK {
		t.Errorf("status %d", a.StatusCode)
	}
	if h.gone(conns[0]) {
		t.Error("the first one was closed")
	}
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestTheLongestIdleMakesRoom shows which connection goes when there are too many.
func TestTheLongestIdleMakesRoom(t *testing.T) {
	c := newCrowd(3)
	var others []net.Conn
	connect := func(states ...http.ConnState) net.Conn {
		conn, other := net.Pipe()
		others = append(others, other)
		for _, state := range states {
			c.track(conn, state)
		}
		return conn
	}
	left := func() (all []bool) {
		for _, other := range others {
			_ = other.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := other.Read(make([]byte, 1))
			all = append(all, errors.Is(err, os.ErrDeadlineExceeded))
		}
		return all
	}
	first := connect(http.StateNew, http.StateActive, http.StateIdle)
	connect(http.StateNew, http.StateActive, http.StateIdle)
	c.track(first, http.StateActive)
	c.track(first, http.StateIdle) // now the second is idle for longer
	connect(http.StateNew, http.StateActive)
	if got, want := left(), []bool{true, true, true}; !slices.Equal(got, want) {
		t.Errorf("of as many as may be %v are left", got)
	}
	connect(http.StateNew)
	if got, want := left(), []bool{true, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("of one too many %v are left, not %v", got, want)
	}
}

// TestNewcomersStayOutside fills the server with connections that say nothing: a
// client that does something is left alone.
func TestNewcomersStayOutside(t *testing.T) {
	h := build(t)
	h.serve(ServeOptions{MaxConnections: 2, ReadHeaderTimeout: testwait.Limit})
	busy, silent := h.dial(), h.dial()
	h.send(busy, "GET /healthz HTTP/1.1\r\nHost: loc")
	testwait.Until(t, "two are all", func() bool { return h.gone(h.dial()) })
	h.send(busy, "alhost\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	silent.Close()
	testwait.Until(t, "there is room again", func() bool {
		a, err := h.try("GET", "/healthz", "")
		return err == nil && a.StatusCode == http.StatusOK
	})
}
