package ledger_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/testwait"
)

// inLine is a context that tells when the call that it belongs to stands in line
// for a shared transaction.
type inLine struct {
	context.Context //nolint:containedctx // it is one

	once  *sync.Once
	stood chan struct{}
}

func newInLine(ctx context.Context) inLine {
	return inLine{ctx, &sync.Once{}, make(chan struct{})}
}

func (c inLine) Done() <-chan struct{} {
	pc, _, _, _ := runtime.Caller(1)
	if strings.HasSuffix(runtime.FuncForPC(pc).Name(), ".(*DB).Group") {
		c.once.Do(func() { close(c.stood) })
	}
	return c.Context.Done()
}

// holdTurn keeps calls about the keys waiting until the returned function is called.
func holdTurn(t *testing.T, d *db.DB, keys ...int64) (release func()) {
	t.Helper()
	gate, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			err := d.Group(context.WithoutCancel(t.Context()), key, func(context.Context, *db.Tx) error {
				held <- struct{}{}
				<-gate
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		testwait.Receive(t, held)
	}
	release = sync.OnceFunc(func() { close(gate); wg.Wait() })
	t.Cleanup(release)
	return release
}

// Whoever calls off a start before its turn has been told that it came to nothing.
func TestAStartWhoseCallerHasLeftTakesNoPlace(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		cron := create(t, l, 1, "job", func(s *ledger.Settings) { s.MaxRunning = 1 })
		release := holdTurn(t, d, cron.ID)
		leaving, leave := context.WithCancel(t.Context())
		ctx, left := newInLine(leaving), make(chan error, 1)
		go func() {
			_, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: bySlug("job"), Trigger: ledger.HTTP})
			left <- err
		}()
		testwait.Receive(t, ctx.stood)
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
		release := holdTurn(t, d, lanes...)
		var wg sync.WaitGroup
		var refused error
		changing, starting := newInLine(t.Context()), newInLine(t.Context())
		wg.Go(func() {
			_, refused = l.Change(changing, 1, ledger.Ref{ID: job.ID}, func(_ *string, s *ledger.Settings) {
				edits++
				s.Grace = -time.Second
			})
		})
		wg.Go(func() {
			if _, _, err := l.Start(starting, ledger.Start{App: 1, Cron: ledger.Ref{ID: other.ID}, Trigger: ledger.HTTP}); err != nil {
				t.Error(err)
			}
		})
		testwait.Receive(t, changing.stood)
		testwait.Receive(t, starting.stood)
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
		release := holdTurn(t, d, cron.ID)
		ctx, released := newInLine(t.Context()), make(chan error, 1)
		go func() {
			_, err := l.Release(ctx, 1, e.ID, "")
			released <- err
		}()
		testwait.Receive(t, ctx.stood)
		release()
		if err := testwait.Receive(t, released); err != nil {
			t.Error(err)
		}
		if _, err := l.Release(t.Context(), 1, e.ID, ""); !errors.Is(err, ledger.ErrEnded) {
			t.Errorf("again: %v", err)
		}
	})
}
