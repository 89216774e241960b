package ledger_test

import (
	"errors"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// What ran while nobody could be told is in the book as it was, whatever runs or
// is switched off by the time it is told.
func TestAnExecutionThatIsReportedAfterwards(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := create(t, l, 1, "s", func(s *ledger.Settings) { s.Overlap, s.MaxRuntime = ledger.Forbid, time.Minute })
		ref := ledger.Ref{ID: cron.ID}
		running, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ref, Trigger: ledger.HTTP})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Pause(ctx, 1, ref, time.Time{}); err != nil {
			t.Fatal(err)
		}
		began, ended := c.now().Add(-3*time.Hour), c.now().Add(-2*time.Hour)
		late := ledger.Start{App: 1, Cron: ref, Trigger: ledger.HTTP, Holder: "h", Request: "r", Began: began}
		e, replayed, err := l.Start(ctx, late)
		if err != nil || replayed {
			t.Fatal(e, replayed, err)
		}
		if again, replayed, err := l.Start(ctx, late); err != nil || !replayed || again.ID != e.ID {
			t.Errorf("again: %+v, %v, %v", again, replayed, err)
		}
		r, err := l.Report(ctx, 1, e.ID, ledger.Report{Success: true, Type: ledger.Succeeded, EndedAt: ended})
		if err != nil || !r.StartedAt.Equal(began) || !r.EndedAt.Equal(ended) || r.Status != ledger.Success || r.Overdue {
			t.Errorf("reported %+v, %v", r, err)
		}
		if got, err := l.Execution(ctx, 1, running.ID); err != nil || got.Status != ledger.Running {
			t.Errorf("the one that runs: %s, %v", got.Status, err)
		}
		// An end before the start, or to come, is no time of an end.
		for name, end := range map[string]time.Time{"before": began.Add(-time.Hour), "to come": c.now().Add(time.Hour)} {
			e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ref, Trigger: ledger.HTTP, Request: name, Began: began})
			if err != nil {
				t.Fatal(err)
			}
			r, err := l.Report(ctx, 1, e.ID, ledger.Report{Success: true, Type: ledger.Succeeded, EndedAt: end})
			if err != nil || r.EndedAt.Before(r.StartedAt) || r.EndedAt.After(c.now()) {
				t.Errorf("%s: %v, %v", name, r.EndedAt, err)
			}
		}
		// One whose end does not follow is not taken for running.
		if e, _, err = l.Start(ctx, ledger.Start{App: 1, Cron: ref, Trigger: ledger.HTTP, Request: "alone", Began: began}); err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Minute)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Execution(ctx, 1, e.ID); err != nil || got.Status != ledger.Failed {
			t.Errorf("without an end: %s, %v", got.Status, err)
		}
	})
}

// A report shows that a start was not missed, and changes nothing that is known
// since.
func TestAReportOfThePastAndTheWatch(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := create(t, l, 1, "s", func(s *ledger.Settings) { s.Schedule, s.Grace = "every 10m", time.Minute })
		ref := ledger.Ref{ID: cron.ID}
		standing := func() ledger.Cron {
			got, err := l.Cron(ctx, 1, ref)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		report := func(request string, began time.Time, success bool) {
			t.Helper()
			e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ref, Trigger: ledger.HTTP, Request: request, Began: began})
			if err == nil {
				_, err = l.Report(ctx, 1, e.ID, ledger.Report{Success: success, Type: ledger.Info, EndedAt: began.Add(time.Second)})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		due := c.now().Add(10 * time.Minute)
		c.add(12 * time.Minute)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		missed := standing()
		if missed.MissedSince.IsZero() {
			t.Fatal("nothing was missed")
		}
		report("before", due.Add(-5*time.Minute), true)
		if got := standing(); got.MissedSince.IsZero() || got.ExpectedAt.Before(missed.ExpectedAt) {
			t.Errorf("after a report of an earlier run: missed since %v, expected at %v", got.MissedSince, got.ExpectedAt)
		}
		report("it", due, true)
		if got := standing(); !got.MissedSince.IsZero() || got.ExpectedAt.Before(missed.ExpectedAt) {
			t.Errorf("after a report of the run itself: missed since %v, expected at %v", got.MissedSince, got.ExpectedAt)
		}

		// A failure that is reported afterwards is over if a later run ended well.
		report("old failure", due.Add(-time.Minute), false)
		if got := standing(); !got.FailingSince.IsZero() || got.Failures != 0 {
			t.Errorf("failing since %v, %d failures", got.FailingSince, got.Failures)
		}
		report("new failure", due.Add(30*time.Second), false)
		if got := standing(); got.FailingSince.IsZero() {
			t.Error("the last run failed, and the cron is not failing")
		}
		report("new success", c.now().Add(-time.Second), true)

		// A success that is reported afterwards does not end a failure since.
		e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ref, Trigger: ledger.HTTP})
		if err == nil {
			_, err = l.Report(ctx, 1, e.ID, bad)
		}
		if err != nil {
			t.Fatal(err)
		}
		report("old success", due.Add(time.Second), true)
		if got := standing(); got.FailingSince.IsZero() || got.Failures != 1 {
			t.Errorf("failing since %v, %d failures", got.FailingSince, got.Failures)
		}
	})
}

func TestNothingSaidIsAHeartbeat(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := create(t, l, 1, "s", func(s *ledger.Settings) { s.Overlap, s.Heartbeat = ledger.Forbid, 10*time.Second })
		start := func() (ledger.Execution, error) {
			e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP})
			return e, err
		}
		e, err := start()
		if err != nil || e.Heartbeat != 10*time.Second {
			t.Fatal(e.Heartbeat, err)
		}
		for range 5 {
			c.add(8 * time.Second)
			if said, err := l.Say(ctx, 1, e.ID, nil); err != nil || len(said) != 0 {
				t.Fatal(said, err)
			}
		}
		if _, err := start(); !errors.Is(err, ledger.ErrRunning) {
			t.Errorf("beside one that lives: %v", err)
		}
		if got, err := l.Execution(ctx, 1, e.ID); err != nil || got.Messages != 0 {
			t.Errorf("%d messages, %v", got.Messages, err)
		}
		c.add(11 * time.Second)
		if _, err := start(); err != nil {
			t.Errorf("after it died: %v", err)
		}
	})
}

// What is reported afterwards in its order leaves the cron as if it had been
// reported at once: a success that came after the failures ends the trouble.
func TestPastFailuresAndAPastSuccess(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := create(t, l, 1, "s", func(*ledger.Settings) {})
		for i, success := range []bool{false, false, true} {
			began := c.now().Add(time.Duration(i-10) * time.Hour)
			e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP, Began: began})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Report(ctx, 1, e.ID, ledger.Report{Success: success, Type: ledger.Info, EndedAt: began.Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
			got, err := l.Cron(ctx, 1, ledger.Ref{ID: cron.ID})
			if err != nil || got.FailingSince.IsZero() != success {
				t.Errorf("after %d: failing since %v, %v", i, got.FailingSince, err)
			}
			if !success && !got.FailingSince.Equal(c.now().Add(-10*time.Hour+time.Minute)) {
				t.Errorf("failing since %v", got.FailingSince)
			}
		}
	})
}
