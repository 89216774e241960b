package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/node"
	"ferryman/internal/testwait"
)

// labour is work that takes until it is let go.
type labour struct {
	mu      sync.Mutex
	rests   int
	resumes int
	fails   int // so often resting fails
	over    chan struct{}
}

func (l *labour) Rest(ctx context.Context) error {
	l.mu.Lock()
	l.rests++
	failing := l.rests <= l.fails
	l.mu.Unlock()
	if failing {
		return errors.New("the store is away")
	}
	select {
	case <-l.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *labour) Resume(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumes++
	return nil
}

func (l *labour) counts() (rests, resumes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rests, l.resumes
}

func run(t *testing.T, test func(t *testing.T, d *db.DB)) { dbtest.Run(t, db.Options{}, test) }

// serve puts a node into the book until the test ends, or stop is called.
func serve(t *testing.T, b *node.Book, name string, w node.Work) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var going sync.WaitGroup
	going.Go(func() { b.Serve(ctx, node.Self{Name: name, Version: "v1", URL: "http://localhost:1"}, w) })
	stop = sync.OnceFunc(func() {
		cancel()
		going.Wait()
		b.Leave(context.WithoutCancel(t.Context()), name)
	})
	t.Cleanup(stop)
	await(t, b, name, node.Working)
	return stop
}

func list(t *testing.T, b *node.Book) map[string]node.Node {
	t.Helper()
	all, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]node.Node{}
	for _, n := range all {
		nodes[n.Name] = n
	}
	return nodes
}

func await(t *testing.T, b *node.Book, name string, want node.State) node.Node {
	t.Helper()
	testwait.Until(t, fmt.Sprintf("%s is %s", name, want), func() bool { return list(t, b)[name].State == want })
	return list(t, b)[name]
}

func newBook(d *db.DB) *node.Book { return node.New(d, slog.New(slog.DiscardHandler)) }

func TestANodeComesDrainsResumesAndGoes(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		b, w := newBook(d), &labour{over: make(chan struct{}), fails: 1}
		before := d.Now()
		stop := serve(t, b, "alpha-1", w)
		n := list(t, b)["alpha-1"]
		if n.Version != "v1" || n.URL != "http://localhost:1" || n.StartedAt.Before(before.Add(-time.Second)) || n.SeenAt.Before(n.StartedAt) || !n.DrainAt.IsZero() {
			t.Errorf("got %+v", n)
		}
		pulse := func() string {
			t.Helper()
			p, err := b.Pulse(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		working := pulse()
		for range 2 {
			if err := b.Drain(t.Context(), "alpha-1"); err != nil {
				t.Fatal(err)
			}
		}
		since := await(t, b, "alpha-1", node.Draining).DrainAt
		testwait.Until(t, "it is tried again", func() bool { rests, _ := w.counts(); return rests == 2 })
		if pulse() == working || since.IsZero() {
			t.Error("nobody is told that a node drains")
		}
		// What failed to come to rest is called back all the same.
		if err := b.Resume(t.Context(), "alpha-1"); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, "it is called back", func() bool { _, resumes := w.counts(); return resumes == 1 })
		if err := b.Drain(t.Context(), "alpha-1"); err != nil {
			t.Fatal(err)
		}
		since = await(t, b, "alpha-1", node.Draining).DrainAt
		close(w.over)
		if n := await(t, b, "alpha-1", node.Drained); !n.DrainAt.Equal(since) || n.DrainedAt.Before(since) {
			t.Errorf("got %+v", n)
		}
		if err := b.Resume(t.Context(), "alpha-1"); err != nil {
			t.Fatal(err)
		}
		await(t, b, "alpha-1", node.Working)
		testwait.Until(t, "it works again", func() bool { _, resumes := w.counts(); return resumes == 2 })
		stop()
		if all := list(t, b); len(all) != 0 {
			t.Errorf("still there: %v", all)
		}
	})
}

// A node that was to drain and is called back, or stopped, waits no longer.
func TestDrainingIsGivenUp(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		b, w := newBook(d), &labour{over: make(chan struct{})}
		stop := serve(t, b, "n", w)
		drain := func(rests int) {
			t.Helper()
			if err := b.Drain(t.Context(), "n"); err != nil {
				t.Fatal(err)
			}
			testwait.Until(t, "it rests", func() bool { n, _ := w.counts(); return n == rests })
		}
		drain(1)
		if err := b.Resume(t.Context(), "n"); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, "it works again", func() bool { _, resumes := w.counts(); return resumes == 1 })
		drain(2)
		stop()
	})
}

func TestSilentNodes(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		b := newBook(d)
		was := func(name string, ago time.Duration) {
			t.Helper()
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				at := db.Time{Time: tx.Now().Add(-ago)}
				_, err := tx.Exec(t.Context(), "INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ($1, 'v0', '', $2, $2)", name, at)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		was("long-gone", 25*time.Hour)
		was("gone", 10*time.Minute)
		if n := list(t, b)["gone"]; n.State != node.Silent {
			t.Errorf("got %+v", n)
		}
		serve(t, b, "n", &labour{})
		testwait.Until(t, "what is long gone is forgotten", func() bool { _, there := list(t, b)["long-gone"]; return !there })
		if _, there := list(t, b)["gone"]; there == (d.Dialect() == db.SQLite) { // there, nobody but the new one serves the store
			t.Errorf("a silent node is in the book: %v", there)
		}
	})
}

// A node that was killed and started again is not missed.
func TestReplacedNodes(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		b, now := newBook(d), d.Now()
		was := func(name, url string, started, seen time.Duration) {
			t.Helper()
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ($1, 'v0', $2, $3, $4)", name, url, db.Time{Time: now.Add(-started)}, db.Time{Time: now.Add(-seen)})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		const here, there = "http://localhost:1", "http://localhost:2"
		was("web-1-a", here, 9*time.Hour, 8*time.Hour)
		was("web-2-b", here, 7*time.Hour, 6*time.Hour)
		was("web-3-c", here, time.Hour, -time.Minute)    // and so it does not fall silent meanwhile
		was("web-4-d", there, 9*time.Hour, 8*time.Hour)  // nobody is there
		was("web-5-e", "", 9*time.Hour, 8*time.Hour)     // nobody knows where
		was("web-6-f", "", time.Hour, -time.Minute)      // likewise
		was("app-7-g", here, 9*time.Hour, 8*time.Hour)   // on another machine
		was("db-8-h", here, 9*time.Hour, 30*time.Minute) // it was there still
		was("db-9-i", here, time.Hour, -time.Minute)
		was("old-1-j", here, 9*time.Hour, 8*time.Hour)
		was("old-2-k", here, 7*time.Hour, 6*time.Hour) // silent as well
		got := map[string]string{}
		for name, n := range list(t, b) {
			got[name] = string(n.State) + " " + n.ReplacedBy
			if n.Trouble() != (n.State == node.Silent) {
				t.Errorf("trouble: %+v", n)
			}
		}
		want := map[string]string{
			"web-1-a": "replaced web-3-c", "web-2-b": "replaced web-3-c", "web-3-c": "working ", "web-4-d": "silent ", "web-5-e": "silent ", "web-6-f": "working ",
			"app-7-g": "silent ", "db-8-h": "silent ", "db-9-i": "working ", "old-1-j": "replaced old-2-k", "old-2-k": "silent ",
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		if _, err := b.Find(t.Context(), "web"); fault.CodeOf(err) != "many_nodes" {
			t.Errorf("found: %v", err)
		}
		b.Leave(t.Context(), "web-3-c")
		for _, name := range []string{"web-1-a", "web-2-b", "web-3-c"} {
			if n, there := list(t, b)[name]; there {
				t.Errorf("still there: %+v", n)
			}
		}
	})
}

// A node that others took for long gone comes back into the book.
func TestAForgottenNodeIsBack(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		if d.Dialect() == db.SQLite {
			return // nobody else is there to forget it
		}
		b := newBook(d)
		serve(t, b, "n", &labour{})
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM nodes")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		await(t, b, "n", node.Working)
	})
}

func TestFind(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		b := newBook(d)
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			for name, seen := range map[string]time.Time{
				"a-1-x": tx.Now(), "a-12-x": tx.Now(), "web-2-7-x": tx.Now(), "web-2-8-x": tx.Now().Add(-time.Hour), "web-20-7-x": tx.Now(), "web-3-7-x": tx.Now().Add(-time.Hour),
			} {
				_, err := tx.Exec(t.Context(), "INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ($1, 'v0', '', 1, $2)", name, db.Time{Time: seen})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"a-1-x": "a-1-x", "a": "many_nodes", "a-1": "no_node", "web-2": "web-2-7-x", "web-2-8-x": "web-2-8-x", "web-20": "web-20-7-x", "web-3": "no_node", "web": "no_node", "": "no_node",
		} {
			n, err := b.Find(t.Context(), name)
			got := n.Name
			if err != nil {
				got = fault.CodeOf(err)
			}
			if got != want {
				t.Errorf("%q finds %q, want %q", name, got, want)
			}
		}
		for what, err := range map[string]error{"drain": b.Drain(t.Context(), "c"), "resume": b.Resume(t.Context(), "c")} {
			if !errors.Is(err, node.ErrNoNode) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
