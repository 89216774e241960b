package db_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

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
			if !c.answered {
				line.Forget()
				ask()
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
			if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "lost on the way") {
				t.Errorf("logged %q", text)
			}
		})
	}
}

// waitsForLock tells whether anybody waits for an advisory lock of the database.
func waitsForLock(ctx context.Context, tx *db.Tx) (some bool) {
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_locks
		WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&some)
	return err == nil && some
}

// An answer that only takes its time is waited for, whatever that is taken by.
func TestSlowAnswersAreWaitedFor(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	var all sync.WaitGroup
	locked := make(chan struct{})
	all.Go(func() {
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			err := tx.QueryRow(t.Context(), "SELECT pg_advisory_xact_lock(7)").Scan(new(any))
			close(locked)
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
