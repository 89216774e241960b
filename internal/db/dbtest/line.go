package dbtest

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Line is a way to PostgreSQL that can lose the answers to commits.
type Line struct {
	URL         string      // of the database, by this way
	LoseCommits atomic.Bool // from now on

	to      string
	forgets atomic.Int64

	mu   sync.Mutex
	all  map[net.Conn]bool          // of clients
	held map[net.Conn]chan struct{} // closed when what they say goes on
}

// Forget loses all that goes either way by the connections that are there, and tells
// nobody, as a firewall does that has forgotten them.
func (l *Line) Forget() { l.forgets.Add(1) }

// Break ends the connections that are there, and both ends know it.
func (l *Line) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for client := range l.all {
		_ = client.Close()
	}
}

// Hold has what is said by the connections that are there wait on its way, also when they
// have ended, until release is called.
func (l *Line) Hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	let := make(chan struct{})
	l.held = map[net.Conn]chan struct{}{}
	for client := range l.all {
		l.held[client] = let
	}
	return sync.OnceFunc(func() { close(let) })
}

// wait returns once what a client says may go on.
func (l *Line) wait(client net.Conn) {
	l.mu.Lock()
	let := l.held[client]
	l.mu.Unlock()
	if let != nil {
		<-let
	}
}

// OpenLine opens a line to the database of a URL; it is closed when the test ends.
func OpenLine(t *testing.T, postgres string) *Line {
	t.Helper()
	u, err := url.Parse(postgres)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{to: u.Host, all: map[net.Conn]bool{}}
	u.Host = listener.Addr().String()
	l.URL = u.String()
	var going sync.WaitGroup
	going.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			going.Go(func() { l.connect(t, client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		going.Wait()
	})
	return l
}

// connect passes on what both sides say, until one of them has gone.
func (l *Line) connect(t *testing.T, client net.Conn) {
	l.mu.Lock()
	l.all[client] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.all, client)
		_ = client.Close() // both ends are given up
	}()
	server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // both ends are given up
	known, gone := l.forgets.Load(), make(chan struct{})
	go func() {
		defer close(gone)
		defer server.Close() //nolint:errcheck // both ends are given up
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if err != nil {
				return
			}
			if l.forgets.Load() != known {
				continue
			}
			l.wait(client)
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || l.LoseCommits.Load() && bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
			return
		}
		if l.forgets.Load() != known {
			<-gone // until then the server's answers go nowhere
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
