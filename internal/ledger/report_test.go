package ledger_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

var good, bad = ledger.Report{Success: true, Type: ledger.Succeeded, Message: "done"}, ledger.Report{Type: ledger.Error, Message: "no"}

func TestTheFirstReportStands(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		e := started(t, l, "s")
		const callers = 16
		var mu sync.Mutex
		var wg sync.WaitGroup
		first, same, other := map[bool]int{}, map[bool]int{}, map[bool]int{}
		message := map[int64]bool{}
		for i := range callers {
			wg.Go(func() {
				report := good
				if i%2 == 1 {
					report = bad
				}
				r, err := l.Report(ctx, 1, e.ID, report)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, ledger.ErrEnded):
					other[report.Success]++
				case err != nil:
					t.Error(err)
				case r.Replayed:
					same[report.Success]++
					message[r.MessageID] = true
				default:
					first[report.Success]++
					message[r.MessageID] = true
				}
			})
		}
		wg.Wait()
		got, err := l.Execution(ctx, 1, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		won := got.Status == ledger.Success
		if first[won] != 1 || first[!won] != 0 || same[won] != callers/2-1 || other[!won] != callers/2 || len(message) != 1 || len(said(t, l, e.ID)) != 1 {
			t.Errorf("first %v, same %v, other %v, messages %v", first, same, other, message)
		}
	})
}

// An end that comes after the ledger has ended the execution itself.
func TestAnEndThatComesLate(t *testing.T) {
	for name, tc := range map[string]struct {
		settings func(*ledger.Settings)
		wait     time.Duration
		cut      ledger.Status // how the ledger ended it
		success  ledger.Status // how it stands after a good report
	}{
		"past its deadline":   {func(s *ledger.Settings) { s.MaxRuntime, s.Overlap = time.Minute, ledger.Forbid }, 2 * time.Minute, ledger.TimedOut, ledger.Success},
		"silent for too long": {func(s *ledger.Settings) { s.Heartbeat, s.Overlap = time.Minute, ledger.Forbid }, 2 * time.Minute, ledger.Failed, ledger.Success},
		"replaced by another": {func(s *ledger.Settings) { s.Overlap = ledger.Replace }, time.Second, ledger.Superseded, ledger.Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				l, ctx := ledger.New(d), t.Context()
				cron := create(t, l, 1, "s", tc.settings)
				start := func() ledger.Execution {
					e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP, Holder: "h"})
					if err != nil {
						t.Fatal(err)
					}
					return e
				}
				first := start()
				c.add(tc.wait)
				start()
				if e, err := l.Execution(ctx, 1, first.ID); err != nil || e.Status != tc.cut || e.Overdue != (tc.cut == ledger.TimedOut) {
					t.Fatalf("cut off as %s, overdue %v, %v", e.Status, e.Overdue, err)
				}
				r, err := l.Report(ctx, 1, first.ID, good)
				if err != nil || r.Replayed || r.Status != tc.success || !r.ReportedSuccess || r.Overdue != (tc.cut == ledger.TimedOut) {
					t.Errorf("reported %+v, %v", r, err)
				}
				if again, err := l.Report(ctx, 1, first.ID, good); err != nil || !again.Replayed || again.MessageID != r.MessageID {
					t.Errorf("again: %+v, %v", again, err)
				}
				if _, err := l.Report(ctx, 1, first.ID, bad); !errors.Is(err, ledger.ErrEnded) {
					t.Errorf("otherwise: %v", err)
				}
			})
		})
	}
}

// One execution is one failure, also if it was given up before it said so.
func TestAFailureIsCountedOnce(t *testing.T) {
	for name, settings := range map[string]func(*ledger.Settings){
		"past its deadline":   func(s *ledger.Settings) { s.MaxRuntime = time.Minute },
		"silent for too long": func(s *ledger.Settings) { s.Heartbeat = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				l := ledger.New(d)
				cron := create(t, l, 1, "job", settings)
				id := startOf(t, l, 1, "job").ID
				c.add(2 * time.Minute)
				sweep(t, l)
				report(t, l, 1, id, false)
				if got := cronOf(t, l, cron.ID); got.Failures != 1 {
					t.Errorf("%d failures", got.Failures)
				}
			})
		})
	}
}

func TestOthersExecutionsAreUnknown(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		e := started(t, l, "s")
		if _, err := l.Report(ctx, 2, e.ID, good); !errors.Is(err, ledger.ErrNoExecution) {
			t.Error(err)
		}
		if _, err := l.Execution(ctx, 2, e.ID); !errors.Is(err, ledger.ErrNoExecution) {
			t.Error(err)
		}
		if _, _, err := l.Start(ctx, ledger.Start{App: 2, Cron: ledger.Ref{ID: e.CronID}}); !errors.Is(err, ledger.ErrNoCron) {
			t.Error(err)
		}
		if _, err := l.Release(ctx, 2, e.ID, "by hand"); !errors.Is(err, ledger.ErrNoExecution) {
			t.Error(err)
		}
		released, err := l.Release(ctx, 1, e.ID, "by hand")
		if err != nil || released.Status != ledger.Cancelled || released.Detail != "by hand" {
			t.Errorf("%+v, %v", released, err)
		}
		if r, err := l.Report(ctx, 1, e.ID, good); err != nil || r.Status != ledger.Success {
			t.Errorf("reported after it was released: %+v, %v", r, err)
		}
	})
}
