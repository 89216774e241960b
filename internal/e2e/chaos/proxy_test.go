//go:build linux

package chaos

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// way is how a proxy treats what goes through it.
type way int

const (
	passing    way = iota
	cutting        // connections are reset, and new ones, too
	freezing       // bytes wait until the way changes, as when packets are lost and sent again
	swallowing     // bytes are lost for ever and nobody is told, as behind a firewall that has forgotten
	slowing        // bytes come late, and few at a time
)

const (
	slowDelay     = 80 * time.Millisecond // each way, for each piece
	slowBandwidth = 64 << 10              // bytes a second
	piece         = 4 << 10               // bytes
)

// proxy is the network between one node and its database.
type proxy struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu      sync.Mutex
	way     way
	changed chan struct{} // closed when the way changes
	lines   map[*line]struct{}
	closed  bool
}

// line is a connection through the proxy.
type line struct {
	near, far net.Conn // the node's and the database's side; far is nil if it never got through
	lost      bool     // for ever
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, changed: make(chan struct{}), lines: map[*line]struct{}{}}
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// set changes the way that everything goes. What was swallowed stays lost: such a
// connection's node is never told, but its database is once packets come through again.
func (p *proxy) set(w way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.way = w
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.lines {
		switch {
		case w == cutting:
			l.reset()
		case w == swallowing:
			l.lost = true
		case l.lost && l.far != nil:
			reset(l.far)
		}
	}
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(near) })
	}
}

func (p *proxy) serve(near net.Conn) {
	l := &line{near: near}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.lines, l)
	}()
	p.mu.Lock()
	p.lines[l] = struct{}{}
	l.lost = p.way == swallowing
	refused := p.way == cutting || p.closed
	p.mu.Unlock()
	if refused {
		l.reset()
		return
	}
	if l.lost {
		_, _ = io.Copy(io.Discard, near)
		near.Close()
		return
	}
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		l.reset()
		return
	}
	p.mu.Lock()
	l.far = far
	refused = p.way == cutting || p.closed
	p.mu.Unlock()
	if refused {
		l.reset()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, far, near) })
	both.Go(func() { p.pump(l, near, far) })
	both.Wait()
	near.Close()
	far.Close()
}

// pump carries bytes one way until either side ends. The end of a connection goes the
// same way as its bytes: of what is swallowed the other side does not hear.
func (p *proxy) pump(l *line, to, from net.Conn) {
	buffer := make([]byte, piece)
	for {
		n, err := from.Read(buffer)
		lost := p.gate(l, n)
		if lost && err == nil {
			continue
		}
		if lost {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// gate waits until n bytes may go on, and tells whether they are lost.
func (p *proxy) gate(l *line, n int) (lost bool) {
	slowed := false
	for {
		p.mu.Lock()
		way, changed, lost, closed := p.way, p.changed, l.lost, p.closed
		p.mu.Unlock()
		var late <-chan time.Time
		switch {
		case lost || closed || way == passing || way == cutting || way == slowing && slowed:
			return lost
		case way == slowing:
			slowed = true
			late = time.After(slowDelay + time.Duration(n)*time.Second/slowBandwidth)
		}
		select {
		case <-late:
		case <-changed:
		}
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.lines {
		l.reset()
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (l *line) reset() {
	reset(l.near)
	if l.far != nil {
		reset(l.far)
	}
}

// reset ends a connection so that the other side sees it at once.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

func TestProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	p := newProxy(t, strings.TrimPrefix(server.URL, "http://"))
	// A connection of its own for each call, or one that is kept.
	fresh := &http.Client{Timeout: testwait.Limit, Transport: &http.Transport{DisableKeepAlives: true}}
	hasty := &http.Client{Timeout: 500 * time.Millisecond, Transport: fresh.Transport}
	kept := &http.Client{Timeout: testwait.Limit, Transport: &http.Transport{}}
	t.Cleanup(kept.CloseIdleConnections)
	ask := func(c *http.Client) error {
		res, err := c.Post("http://"+p.address(), "text/plain", strings.NewReader("hello"))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		return err
	}
	must := func(what string, c *http.Client) {
		t.Helper()
		if err := ask(c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	mustNot := func(what string, c *http.Client) {
		t.Helper()
		if ask(c) == nil {
			t.Errorf("%s, and it is answered", what)
		}
	}
	must("passing", kept)

	p.set(cutting)
	mustNot("it is cut", hasty)
	p.set(passing)
	must("whole again", fresh)

	p.set(freezing)
	mustNot("it is frozen", hasty)
	answered := make(chan error, 1)
	go func() { answered <- ask(kept) }()
	p.set(passing)
	if err := testwait.Receive(t, answered); err != nil {
		t.Errorf("what waited: %v", err)
	}

	p.set(swallowing)
	mustNot("it is swallowed", hasty)
	kept.Timeout = 500 * time.Millisecond
	p.set(passing)
	mustNot("what was swallowed is lost", kept)
	must("a new connection", fresh)

	p.set(slowing)
	begun := time.Now()
	must("it is slow", fresh)
	if took := time.Since(begun); took < 2*slowDelay {
		t.Errorf("a slow call took %v", took)
	}
}
