package outboxsink_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/testdb"
)

// A batch whose commit was done and never confirmed may be written again, by the
// same sink and by another one: it lands once.
func TestCommitWhoseAnswerWasLost(t *testing.T) {
	address := testdb.Postgres(t)
	watcher := dbtest.Open(t, address, db.Options{})
	l := openLine(t, address)
	d, err := db.Open(t.Context(), l.url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := open(t, d, outboxsink.Options{})
	write(t, s, batch("1", row("a", "1", "A")))

	l.loseCommits.Store(true)
	if _, err := s.Write(t.Context(), batch("2", row("a", "2", "A"))); err == nil || !fault.Temporary(err) {
		t.Fatalf("the commit was confirmed, %v", err)
	}
	l.loseCommits.Store(false)
	wantBodies(t, watcher, body("a", "1", "A", "new"), body("a", "2", "A", "new"))
	if got := write(t, s, batch("2", row("a", "2", "A"))); got.Unchanged != 1 {
		t.Errorf("again: %+v", got)
	}
	write(t, s, batch("3", row("a", "3", "A")))
	if got := write(t, open(t, watcher, outboxsink.Options{}), batch("4", row("a", "2", "A"), row("a", "3", "A"))); got.Unchanged != 2 {
		t.Errorf("by another: %+v", got)
	}
	wantBodies(t, watcher, body("a", "1", "A", "new"), body("a", "2", "A", "new"), body("a", "3", "A", "new"))
}

// line is a way to PostgreSQL that can lose the answers to commits.
type line struct {
	url         string
	to          string
	loseCommits atomic.Bool
}

func openLine(t *testing.T, postgres string) *line {
	t.Helper()
	u, err := url.Parse(postgres)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{to: u.Host}
	u.Host = listener.Addr().String()
	l.url = u.String()
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
func (l *line) connect(t *testing.T, client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		_, _ = io.Copy(server, client)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || l.loseCommits.Load() && bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
