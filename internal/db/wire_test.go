package db_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// Whoever waits for an answer that was lost is told so, and is served by another
// connection: whether the question did not arrive or the answer, and however large that is.
func TestLostAnswersAreGivenUp(t *testing.T) {
	t.Parallel()
	address := testdb.Postgres(t)
	witness := dbtest.Open(t, address, db.Options{})
	for name, c := range map[string]struct {
		query    string
		answered bool // by the server, after the connection was forgotten
	}{
		"the question":     {"SELECT 'here'", false},
		"the answer":       {"SELECT CAST(pg_advisory_xact_lock(7) AS TEXT)", true},
		"the large answer": {"SELECT repeat('x', 100000000) FROM (SELECT pg_advisory_xact_lock(7)) AS waited", true},
	} {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			line := dbtest.OpenLine(t, address)
			d, err := db.Open(t.Context(), line.URL, db.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
			if err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			ask := func() {
				var text string
				answered <- d.QueryRow(t.Context(), c.query).Scan(&text)
			}
			if !c.answered { // in a transaction, which no look at an idle connection comes before
				_ = d.Tx(t.Context(), func(tx *db.Tx) error {
					line.Forget()
					err := tx.QueryRow(t.Context(), c.query).Scan(new(string))
					answered <- err
					return err
				})
			} else {
				ctx := t.Context()
				err := witness.Tx(ctx, func(tx *db.Tx) error {
					if err := tx.QueryRow(ctx, "SELECT pg_advisory_xact_lock(7)").Scan(new(any)); err != nil {
						return err
					}
					go ask()
					testwait.Until(t, "the question has arrived", func() bool { return waitsForLock(ctx, tx) })
					line.Forget()
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := testwait.Receive(t, answered); fault.CodeOf(err) != "store_unavailable" {
				t.Errorf("%v", err)
			}
			if err := d.QueryRow(t.Context(), "SELECT 1").Scan(new(int)); err != nil {
				t.Errorf("the next question: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if text := logged.String(); strings.Count(text, "lost on the way") != 1 {
				t.Errorf("logged %q", text)
			}
		})
	}
}

// A commit that is late on its way does not take effect once somebody was told of its
// failure.
func TestALateCommitDoesNothing(t *testing.T) {
	t.Parallel()
	address, ctx := testdb.Postgres(t), t.Context()
	witness := dbtest.Open(t, address, db.Options{})
	line := dbtest.OpenLine(t, address)
	d := dbtest.Open(t, line.URL, db.Options{})
	var release func()
	err := d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO applications (name, created_at) VALUES ('shop', 7)")
		release = line.Hold()
		return err
	})
	defer release()
	if fault.CodeOf(err) != "store_unavailable" {
		t.Errorf("the commit: %v", err)
	}
	release()
	testwait.Until(t, "the other side is gone", func() bool {
		var n int
		err := witness.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'insert%'").Scan(&n)
		return err == nil && n == 0
	})
	var n int
	if err := witness.QueryRow(ctx, "SELECT count(*) FROM applications WHERE created_at = 7").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d applications, %v", n, err)
	}
}

// Calls that share a transaction do not run again when it may have been committed.
func TestGroupDoesNotRepeatADoubtfulCommit(t *testing.T) {
	t.Parallel()
	address, ctx := testdb.Postgres(t), t.Context()
	witness := dbtest.Open(t, address, db.Options{})
	line := dbtest.OpenLine(t, address)
	d := dbtest.Open(t, line.URL, db.Options{})
	var both sync.WaitGroup
	release := dbtest.HoldTurn(t, d, 7) // so that these come together
	for range 2 {
		both.Go(func() {
			err := d.Group(ctx, 7, func(ctx context.Context, tx *db.Tx) error {
				line.LoseCommits.Store(true)
				_, err := tx.Exec(ctx, "INSERT INTO applications (name, created_at) VALUES ($1, 7)", rand.Text())
				return err
			})
			if fault.CodeOf(err) != "store_unavailable" {
				t.Errorf("%v", err)
			}
		})
	}
	dbtest.AwaitLine(t, d, 2)
	release()
	both.Wait()
	var n int
	if err := witness.QueryRow(ctx, "SELECT count(*) FROM applications WHERE created_at = 7").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d applications, %v", n, err)
	}
}

// waitsForLock tells whether anybody waits for an advisory lock of the database.
func waitsForLock(ctx context.Context, tx *db.Tx) (some bool) {
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_locks
		WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&some)
	return err == nil && some
}

// What one server says of a process says nothing of one that has its number on another.
func TestOnlyTheRightServerTells(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.Open(t, testdb.Postgres(t), db.Options{}), t.Context()
	connect := func() *pgx.Conn {
		conn, err := pgx.ConnectConfig(ctx, d.Pool().Config().ConnConfig)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
		return conn
	}
	by, other := connect(), connect()
	pid, begun, server, err := db.Backend(ctx, other)
	if err != nil || begun == 0 || server == 0 {
		t.Fatal(pid, begun, server, err)
	}
	own, ownBegun, _, err := db.Backend(ctx, by)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		pid           int32
		begun, server int64
		idle          bool
	}{
		"it waits":                 {pid, begun, server, true},
		"it works":                 {own, ownBegun, server, false},
		"another has its number":   {own, ownBegun - 1, server, true},
		"it is gone":               {1, begun, server, true},
		"on another server":        {pid, begun, server - 1, false},
		"gone from another server": {1, begun, server + 1, false},
	} {
		if got := db.Idle(ctx, by, c.pid, c.begun, c.server); got != c.idle {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An answer that only takes its time is waited for, whatever that is taken by.
func TestSlowAnswersAreWaitedFor(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	var all sync.WaitGroup
	locked := make(chan struct{})
	tell := sync.OnceFunc(func() { close(locked) })
	all.Go(func() {
		defer tell()
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			err := tx.QueryRow(t.Context(), "SELECT pg_advisory_xact_lock(7)").Scan(new(any))
			tell()
			if err == nil {
				err = tx.QueryRow(t.Context(), "SELECT pg_sleep(3)").Scan(new(any))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-locked
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT pg_advisory_xact_lock(7)").Scan(new(any))
	})
	if err != nil {
		t.Error(err)
	}
	all.Wait()
}
