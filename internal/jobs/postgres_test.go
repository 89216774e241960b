package jobs_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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

// A schedule whose connection is cut off without a word goes on by another.
func TestSchedulesOutliveASilentCut(t *testing.T) {
	url := testdb.Postgres(t)
	dbtest.Open(t, url, db.Options{}, jobs.Migrate)
	line := dbtest.OpenLine(t, url)
	d := dbtest.Open(t, line.URL, db.Options{}, jobs.Migrate)
	e := newEngine(t, d, "n1", func(context.Context, jobs.Job[greet]) error { return nil })
	fired := make(chan struct{}, 100)
	e.Every(jobs.Schedule{Name: "often", Every: 100 * time.Millisecond, CatchUp: jobs.Once, Fire: func(context.Context, *db.Tx, time.Time) error {
		select {
		case fired <- struct{}{}:
		default:
		}
		return nil
	}})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { // by lines that are broken River takes its time to give up its office
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testwait.Limit)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	testwait.Receive(t, fired)
	line.Forget()
	for len(fired) > 0 { // from before
		<-fired
	}
	testwait.Receive(t, fired)
	testwait.Receive(t, fired) // the first may have been under way
	line.Break()               // one that was cut off while it was being made would hold up the end
}

// A schedule that hangs is given up and tried again, and does not hold up the others.
func TestAScheduleThatHangsIsTriedAgain(t *testing.T) {
	d := postgres(t)
	e := newEngine(t, d, "n1", func(context.Context, jobs.Job[greet]) error { return nil })
	again, others := make(chan struct{}), make(chan struct{}, 100)
	var hung atomic.Bool
	tell := sync.OnceFunc(func() { close(again) })
	e.Every(jobs.Schedule{Name: "hangs", Every: time.Hour, CatchUp: jobs.Once, Fire: func(ctx context.Context, tx *db.Tx, _ time.Time) error {
		if hung.CompareAndSwap(false, true) {
			_, err := tx.Exec(ctx, "SELECT pg_sleep(3600)")
			return err
		}
		tell()
		return nil
	}})
	e.Every(jobs.Schedule{Name: "another", Every: 100 * time.Millisecond, CatchUp: jobs.Once, Fire: func(context.Context, *db.Tx, time.Time) error {
		select {
		case others <- struct{}{}:
		default:
		}
		return nil
	}})
	start(t, e)
	testwait.Receive(t, again)
	testwait.Receive(t, others)
	testwait.Receive(t, others)
}
