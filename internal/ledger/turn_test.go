package ledger_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/testwait"
)

// Whoever calls off a start before its turn has been told that it came to nothing.
func TestAStartWhoseCallerHasLeftTakesNoPlace(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		cron := create(t, l, 1, "job", func(s *ledger.Settings) { s.MaxRunning = 1 })
		release := dbtest.HoldTurn(t, d, cron.ID)
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, _, err := l.Start(leaving, ledger.Start{App: 1, Cron: bySlug("job"), Trigger: ledger.HTTP})
			left <- err
		}()
		dbtest.AwaitLine(t, d, 1)
		leave()
		if err := testwait.Receive(t, left); !errors.Is(err, context.Canceled) {
			t.Errorf("left with %v", err)
		}
		release()
		startOf(t, l, 1, "job")
		if got := cronOf(t, l, cron.ID); got.Runs != 1 || got.Records != 0 {
			t.Errorf("%d runs, %d refusals", got.Runs, got.Records)
		}
	})
}

// A change that is refused costs those who share its transaction nothing.
func TestAChangeIsRefusedOnce(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, edits := ledger.New(d), 0
		job, other := create(t, l, 1, "job", nil), create(t, l, 1, "other", nil)
		lanes := []int64{-1}
		if d.Dialect() == db.Postgres {
			lanes = append(lanes, -2)
		}
		release := dbtest.HoldTurn(t, d, lanes...)
		var wg sync.WaitGroup
		var refused error
		wg.Go(func() {
			_, refused = l.Change(t.Context(), 1, ledger.Ref{ID: job.ID}, func(_ *string, s *ledger.Settings) {
				edits++
				s.Grace = -time.Second
			})
		})
		wg.Go(func() {
			if _, _, err := l.Start(t.Context(), ledger.Start{App: 1, Cron: ledger.Ref{ID: other.ID}, Trigger: ledger.HTTP}); err != nil {
				t.Error(err)
			}
		})
		dbtest.AwaitLine(t, d, 2)
		release()
		wg.Wait()
		if len(pointers(refused)) != 1 || edits != 1 {
			t.Errorf("%d edits, and %v", edits, refused)
		}
	})
}

// A release by hand stands against no start that replaces: both would wait for
// what the other has locked.
func TestAReleaseWaitsForItsTurn(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		cron := create(t, l, 1, "job", nil)
		e := startOf(t, l, 1, "job")
		release := dbtest.HoldTurn(t, d, cron.ID)
		released := make(chan error, 1)
		go func() {
			_, err := l.Release(t.Context(), 1, e.ID, "")
			released <- err
		}()
		dbtest.AwaitLine(t, d, 1)
		release()
		if err := testwait.Receive(t, released); err != nil {
			t.Error(err)
		}
		if _, err := l.Release(t.Context(), 1, e.ID, ""); !errors.Is(err, ledger.ErrEnded) {
			t.Errorf("again: %v", err)
		}
	})
}
