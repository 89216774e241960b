package db

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ferryman/internal/fault"
	"ferryman/internal/testdb"
)

// A node whose own clock is wrong, or jumps, goes by the server's.
func TestNodesShareTheServersClock(t *testing.T) {
	d, err := Open(t.Context(), testdb.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, wrong := range []time.Duration{-time.Hour, 0, time.Minute} {
		d.clock = func() time.Time { return time.Now().Add(wrong) } // each time it jumps
		var here, there time.Time
		err = d.Tx(t.Context(), func(tx *Tx) error {
			here = tx.Now()
			return tx.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&there)
		})
		if err != nil {
			t.Fatal(err)
		}
		if apart := there.Sub(here).Abs(); apart > time.Second {
			t.Errorf("a clock that is %v off gives %v, the server's %v", wrong, here, there)
		}
	}
}

// One that only reads, and so never asks, goes by the server's clock as well: whether
// others live is judged by it.
func TestWhoOnlyReadsSharesTheServersClock(t *testing.T) {
	ctx, address := t.Context(), testdb.Postgres(t)
	open := func() *DB {
		t.Helper()
		d, err := Open(ctx, address, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	older := open()
	if _, err := older.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	newer := open()
	newer.clock = func() time.Time { return time.Now().Add(time.Minute) } // as on a machine that is fast
	if ahead := time.Until(newer.Now()); ahead > 30*time.Second {
		t.Errorf("it goes by its machine's clock, %v ahead", ahead)
	}
	err := older.Tx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ('m-1-a', '1', '', $1, $1)", Time{tx.Now()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if applied, err := newer.MigrateFurther(ctx); fault.CodeOf(err) != "older_serve" {
		t.Errorf("%d migrations are applied beside a node that lives: %v", len(applied), err)
	}
}

// What the server told goes on by itself until it is asked again.
func TestTheServersTimeGoesOn(t *testing.T) {
	began := time.Now()
	c := sharedClock{there: time.Unix(1000, 0), measured: began.Add(-5 * time.Second)}
	now, ok := c.now()
	if passed := now.Sub(time.Unix(1005, 0)); !ok || passed < 0 || passed > time.Since(began) {
		t.Errorf("it is %v, %v", now, ok)
	}
	if _, ok := (&sharedClock{}).now(); ok {
		t.Error("it tells what nobody has told it")
	}
}

// A slow answer sets the clock no further than it proves it wrong; a quick one sets it.
func TestWhatAnAnswerTellsOfTheServersClock(t *testing.T) {
	began := time.Now()
	server := time.Unix(1_800_000_000, 0) // what the server's clock tells as it began
	for name, c := range map[string]struct {
		first         bool          // it is the first
		clock         time.Duration // how far the node's idea of it is off before
		asked, passed time.Duration // when it was asked, and how long after that the server told the time
		took          time.Duration
		off           time.Duration // afterwards
		again         time.Duration // after which it is asked again
	}{
		"the first":                         {first: true, asked: time.Second, passed: 10 * time.Millisecond, took: 20 * time.Millisecond, again: measureEvery},
		"the first, slow":                   {first: true, asked: time.Second, passed: 3 * time.Second, took: 4 * time.Second, off: time.Second},
		"quick":                             {clock: time.Hour, asked: time.Second, passed: quick / 2, took: quick, again: measureEvery},
		"quick on one way only":             {asked: time.Second, passed: quick, took: quick, off: quick / 2, again: measureEvery},
		"the question stood still":          {asked: time.Second, passed: 5 * time.Second, took: 5 * time.Second, again: askAgain},
		"the answer stood still":            {asked: time.Second, took: 5 * time.Second, again: askAgain},
		"slow, and off by what it may be":   {clock: 2 * time.Second, asked: time.Second, passed: 2 * time.Second, took: 5 * time.Second, off: 2 * time.Second, again: askAgain},
		"slow, and the server went ahead":   {clock: -time.Hour, asked: time.Second, passed: 300 * time.Millisecond, took: 600 * time.Millisecond, off: -300 * time.Millisecond, again: askAgain},
		"slow, and the server went back":    {clock: time.Hour, asked: time.Second, passed: 300 * time.Millisecond, took: 600 * time.Millisecond, off: 300 * time.Millisecond, again: askAgain},
		"asked before the last was learned": {clock: time.Minute, asked: -time.Second, passed: time.Second, took: 2 * time.Second, off: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			clock := sharedClock{on: true}
			if !c.first {
				clock.there, clock.measured, clock.due = server.Add(c.clock), began, began
			}
			asked := began.Add(c.asked)
			answered := asked.Add(c.took)
			clock.learn(asked, answered, server.Add(c.asked+c.passed))
			now := clock.there.Add(answered.Sub(clock.measured))
			if off := now.Sub(server.Add(answered.Sub(began))); off != c.off {
				t.Errorf("it is off by %v, not by %v", off, c.off)
			}
			if c.asked < 0 {
				return
			}
			if again := clock.due.Sub(answered); again != c.again {
				t.Errorf("it is asked again after %v, not after %v", again, c.again)
			}
		})
	}
}

// One that always answers slowly is followed all the same when its clock jumps.
func TestASlowServersClockIsFollowed(t *testing.T) {
	const took = 1200 * time.Millisecond
	began := time.Now()
	clock := sharedClock{on: true}
	server := time.Unix(1_800_000_000, 0)
	ask := func(after time.Duration) (off time.Duration) {
		asked := began.Add(after)
		clock.learn(asked, asked.Add(took), server.Add(after+took/2))
		return clock.there.Sub(server.Add(after + took))
	}
	for i, jump := range []time.Duration{0, time.Hour, 0, -2 * time.Hour, 0} {
		server = server.Add(jump)
		if off := ask(time.Duration(i) * 2 * time.Second); off.Abs() > took {
			t.Errorf("answer %d leaves it off by %v", i, off)
		}
	}
}

// A question that stands still on its way does not set the clock wrong.
func TestAStalledQuestionLeavesTheClock(t *testing.T) {
	ctx := t.Context()
	config, err := pgx.ParseConfig(testdb.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	var line *slowLine
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		line = &slowLine{Conn: conn}
		return line, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	clock := sharedClock{on: true}
	for clock.measured.IsZero() || clock.due.Sub(clock.measured) < measureEvery { // also on a busy machine
		clock.due = time.Time{}
		if err := clock.measure(ctx, conn); err != nil {
			t.Fatal(err)
		}
	}
	line.stall, clock.due = 1500*time.Millisecond, time.Time{}
	if err := clock.measure(ctx, conn); err != nil {
		t.Fatal(err)
	}
	line.stall = 0
	var there time.Time
	before, _ := clock.now()
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
		t.Fatal(err)
	}
	after, _ := clock.now()
	if there.Before(before.Add(-quick)) || there.After(after.Add(quick)) {
		t.Errorf("the server tells %v, the clock %v before and %v after", there, before, after)
	}
}

// slowLine waits before it sends anything.
type slowLine struct {
	net.Conn
	stall time.Duration
}

func (l *slowLine) Write(b []byte) (int, error) {
	<-time.After(l.stall) // the fault itself: nothing is waited for
	return l.Conn.Write(b)
}
