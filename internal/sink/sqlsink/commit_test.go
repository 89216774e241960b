package sqlsink

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// cutter is a server's proxy that cuts the connection at a COMMIT, if told to:
// before the server gets it, or before the client gets the answer.
type cutter struct {
	server        string
	before, after atomic.Bool // reset by the cut
	forgets       atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
}

// through is the URL of a target behind a new cutter.
func through(t *testing.T, target string) (string, *cutter) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{server: u.Host}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", c.server)
			if err != nil {
				client.Close()
				t.Error(err)
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, client, server)
			c.mu.Unlock()
			group.Go(func() { c.serve(client, server) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		c.mu.Lock()
		for _, conn := range c.conns {
			conn.Close()
		}
		c.mu.Unlock()
		group.Wait()
	})
	u.Host = listener.Addr().String()
	if strings.HasPrefix(target, "mysql") {
		u.RawQuery = "useSSL=false"
	}
	return u.String(), c
}

func (c *cutter) serve(client, server net.Conn) {
	var deaf atomic.Bool // to the server
	var group sync.WaitGroup
	known := c.forgets.Load() // once there are more, all answers are lost and nobody is told
	group.Go(func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil || deaf.Load() {
				return
			}
			if c.forgets.Load() != known {
				continue
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	_, _ = io.Copy(writer(func(p []byte) (int, error) {
		if bytes.Contains(bytes.ToUpper(p), []byte("COMMIT")) {
			if c.before.CompareAndSwap(true, false) {
				return 0, io.ErrClosedPipe
			}
			if c.after.CompareAndSwap(true, false) {
				deaf.Store(true)
			}
		}
		return server.Write(p)
	}), client) // until one of them hangs up
	server.Close()
	group.Wait()
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// A commit whose answer is lost is reported, not repeated, since nobody knows what
// it did; the batch may be written again whether or not it had landed.
func TestConnectionCutAtCommit(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			direct := target.url(t)
			proxied, proxy := through(t, direct)
			s, other := lockable(t, proxied), openSink(t, direct, Options{Pipeline: "p"})
			for v := int64(2); v < 6; v++ {
				landed := v%2 == 0
				if landed {
					proxy.after.Store(true)
				} else {
					proxy.before.Store(true)
				}
				_, err := s.Write(t.Context(), one(v))
				checkFault(t, err, fault.Unavailable, "target_unreachable", "at the end of a batch")
				want := pipeline.TableCount{Table: "t", Read: 1, Unchanged: 1}
				stored := v
				if !landed {
					want.Written, want.Unchanged, stored = 1, 0, v-1
				}
				if c, err := other.Cursor(t.Context()); err != nil || c != one(stored).Next {
					t.Errorf("cursor %q, %v, want %d", c, err, stored)
				}
				if got, err := s.Write(t.Context(), one(v)); err != nil || plain(t, got[0]) != want {
					t.Errorf("again: landed %+v, %v, want %+v", got, err, want)
				}
			}
		})
	}
}

// A batch does not wait for the answer by a connection that the network has forgotten
// between two of them.
func TestAForgottenConnectionIsGivenUp(t *testing.T) {
	proxied, proxy := through(t, testdb.Postgres(t))
	s := lockable(t, proxied)
	proxy.forgets.Add(1)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if _, err := s.Write(ctx, one(2)); err != nil {
		t.Error(err)
	}
}
