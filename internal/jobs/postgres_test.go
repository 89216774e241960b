package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/jobs"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// postgres gives a migrated store for tests of several nodes.
func postgres(t *testing.T) *db.DB {
	t.Helper()
	return dbtest.Open(t, testdb.Postgres(t), db.Options{}, jobs.Migrate)
}

// Schedules that are due at the same time do not wait for each other's commits.
func TestSchedulesFireSideBySide(t *testing.T) {
	d := postgres(t)
	e := newEngine(t, d, "n1", func(context.Context, jobs.Job[greet]) error { return nil })
	second := make(chan struct{})
	tell := sync.OnceFunc(func() { close(second) })
	fired := make(chan error, 1)
	e.Every(jobs.Schedule{Name: "first", Every: time.Hour, CatchUp: jobs.Once, Fire: func(ctx context.Context, _ *db.Tx, _ time.Time) error {
		select {
		case <-second:
			fired <- nil
		case <-time.After(testwait.Limit / 2):
			fired <- errors.New("the second one waited for the first")
		case <-ctx.Done():
		}
		return nil
	}})
	e.Every(jobs.Schedule{Name: "second", Every: time.Hour, CatchUp: jobs.Once, Fire: func(context.Context, *db.Tx, time.Time) error {
		tell()
		return nil
	}})
	start(t, e)
	if err := testwait.Receive(t, fired); err != nil {
		t.Error(err)
	}
}

// A schedule whose connection never answers, as after a cut of which nobody was told, is
// given up and tried again, and does not hold up the others for ever.
func TestAScheduleThatHangsIsTriedAgain(t *testing.T) {
	d := postgres(t)
	e := newEngine(t, d, "n1", func(context.Context, jobs.Job[greet]) error { return nil })
	again := make(chan struct{}, 1)
	hung := false
	e.Every(jobs.Schedule{Name: "hangs", Every: time.Hour, CatchUp: jobs.Once, Fire: func(ctx context.Context, tx *db.Tx, _ time.Time) error {
		if !hung {
			hung = true
			_, err := tx.Exec(ctx, "SELECT pg_sleep(3600)")
			return err
		}
		again <- struct{}{}
		return nil
	}})
	start(t, e)
	testwait.Receive(t, again)
}
