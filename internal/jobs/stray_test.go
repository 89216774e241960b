package jobs

import (
	"context"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

type nothing struct{}

func (nothing) Kind() string { return "nothing" }

func TestStraysAreHandedBackAndOthersLeftAlone(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		e, err := New(d, Options{Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Tx(ctx, func(tx *db.Tx) error {
			if _, err := e.Enqueue(ctx, tx, "q", nothing{}); err != nil {
				return err
			}
			owner := `'["n1"]'`
			if d.Dialect() == db.Postgres {
				owner = "ARRAY['n1']"
			}
			_, err := tx.Exec(ctx, "UPDATE river_job SET state = 'running', attempt = 1, attempted_by = "+owner)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ids, err := e.runningHere(ctx)
		if err != nil || len(ids) != 1 {
			t.Fatal(ids, err)
		}
		since, begun := map[place]time.Time{}, time.Now()
		look := func(after time.Duration, want string) {
			t.Helper()
			if err := e.handBackStrays(ctx, since, begun.Add(after)); err != nil {
				t.Fatal(err)
			}
			var state string
			if err := d.QueryRow(ctx, "SELECT state FROM river_job").Scan(&state); err != nil || state != want {
				t.Errorf("after %v it is %s, %v; want %s", after, state, err, want)
			}
		}
		_, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		e.track(ids[0], cancel)
		look(0, "running")
		look(time.Hour, "running") // a handler has it
		e.untrack(ids[0])
		look(time.Hour, "running") // it may just have ended
		look(time.Hour+strayAfter, "available")
	}, Migrate)
}

// A tick that lies further off than the interval was set by a clock gone wrong.
func TestAScheduleOutlivesAWrongClock(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	dbtest.Run(t, db.Options{Clock: func() time.Time { return now }}, func(t *testing.T, d *db.DB) {
		now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		e, err := New(d, Options{Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		fired := 0
		s := Schedule{Name: "s", Every: time.Minute, CatchUp: Once, Fire: func(context.Context, *db.Tx, time.Time) error { fired++; return nil }}
		e.Every(s)
		if err := e.storeSchedules(t.Context()); err != nil {
			t.Fatal(err)
		}
		advance := func(wantFired int) {
			t.Helper()
			next, err := e.advance(t.Context(), s)
			if err != nil || fired != wantFired || next.After(now.Add(time.Minute)) {
				t.Errorf("at %v: fired %d times, next %v, %v", now, fired, next, err)
			}
		}
		advance(1)
		now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // the clock is put right
		advance(1)
		now = now.Add(time.Minute)
		advance(2)
	}, Migrate)
}

// A node that is cut off gives up what it runs before others may begin it, and one that
// comes back later has time to ask what is still its own.
func TestRejoinEndsInTime(t *testing.T) {
	for silent := time.Duration(0); silent < 10*time.Second; silent += 10 * time.Millisecond {
		within := rejoinWithin(silent)
		switch {
		case within <= 0 || within > rejoinAfter:
			t.Errorf("silent for %v it tries for %v", silent, within)
		case silent >= surelyOurs && within != rejoinAfter:
			t.Errorf("back after %v it tries for %v only", silent, within)
		case silent < surelyOurs && silent+within >= silentAfter+deadAfter:
			t.Errorf("silent for %v it goes on for %v", silent, within)
		}
	}
	if left := surelyOurs - 2*answerAfter; left < recoverEvery {
		t.Errorf("two looks leave %v", left)
	}
}
