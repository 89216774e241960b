package ledger_test

import (
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// ran has a cron run once.
func ran(t *testing.T, d *db.DB, l *ledger.Ledger, cron int64, by ledger.Trigger) {
	t.Helper()
	e, _, err := l.StartOwn(t.Context(), cron, ledger.Start{Trigger: by, Holder: "n", Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := end(t, d, l, e.ID, ledger.Outcome{Status: ledger.Failed}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoLongerConfiguredIsNotWaitedFor(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		every := ledger.Settings{MaxRunning: 1, Schedule: "every 60s"}
		crons := map[string]ledger.Cron{}
		for _, slug := range []string{"kept", "gone", "never-ran", "follows", "once"} {
			crons[slug] = register(t, l, slug, every)
		}
		register(t, l, "by-hand", ledger.Settings{MaxRunning: 1})
		ran(t, d, l, crons["gone"].ID, ledger.Schedule)
		ran(t, d, l, crons["once"].ID, ledger.Schedule)
		ran(t, d, l, crons["once"].ID, ledger.CLI)
		for range 4 {
			ran(t, d, l, crons["follows"].ID, ledger.CLI)
		}
		c.add(10 * time.Minute)
		defer c.add(-10 * time.Minute)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		status := func(slug string) ledger.CronStatus {
			t.Helper()
			s, err := l.CronStatus(ctx, 0, ledger.Ref{ID: crons[slug].ID})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := status("gone"); s.State != ledger.StateMissed {
			t.Fatalf("it is %s", s.State)
		}
		for _, want := range [][]string{{"gone", "never-ran", "once"}, nil} {
			if got, err := l.Retire(ctx, []string{"kept"}); err != nil || !slices.Equal(got, want) {
				t.Errorf("retired %v, %v, want %v", got, err, want)
			}
		}
		for _, slug := range []string{"gone", "never-ran", "once"} {
			if s := status(slug); s.Schedule != "" || !s.ExpectedAt.IsZero() || s.Name != "Nightly (no longer configured)" || !s.Active ||
				s.State == ledger.StateMissed || s.State == ledger.StateFailing {
				t.Errorf("%s: %+v", slug, s)
			}
		}
		for _, slug := range []string{"kept", "follows"} {
			if s := status(slug); s.State != ledger.StateMissed || s.Name != "Nightly" {
				t.Errorf("%s: %+v", slug, s)
			}
		}
		events, err := l.Events(ctx, ledger.EventFilter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		over := 0
		for _, e := range events {
			if e.Kind == ledger.EventRecovered && e.CronID == crons["gone"].ID {
				over++
				if e.Detail != "it is no longer in the configuration of the server" {
					t.Errorf("told %q", e.Detail)
				}
			}
		}
		if over != 2 { // missed and failing
			t.Errorf("%d troubles are over", over)
		}
		c.add(time.Hour)
		defer c.add(-time.Hour)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if s := status("gone"); s.State == ledger.StateMissed {
			t.Error("it is waited for")
		}
		// Configured again, it is waited for again.
		register(t, l, "gone", every)
		if s := status("gone"); s.Schedule == "" || !s.ExpectedAt.After(c.now()) || s.Name != "Nightly" {
			t.Errorf("it came back as %+v", s)
		}
	})
}

// A sync whose rhythm is taken from it is not missed any more.
func TestWhatIsNoLongerScheduledIsNotMissed(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := register(t, l, "things", ledger.Settings{MaxRunning: 1, Schedule: "every 60s"})
		c.add(10 * time.Minute)
		defer c.add(-10 * time.Minute)
		if err := l.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		register(t, l, "things", ledger.Settings{MaxRunning: 1})
		if s, err := l.CronStatus(ctx, 0, ledger.Ref{ID: cron.ID}); err != nil || s.State == ledger.StateMissed || !s.ExpectedAt.IsZero() {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestRecentOfSeveral(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		var crons []int64
		for _, slug := range []string{"a", "b", "c"} {
			crons = append(crons, register(t, l, slug, ledger.Settings{MaxRunning: 1}).ID)
		}
		for _, i := range []int{0, 0, 1, 2, 0} {
			ran(t, d, l, crons[i], ledger.CLI)
		}
		for n, want := range map[int][]int64{10: {crons[0], crons[0], crons[1], crons[0]}, 2: {crons[1], crons[0]}} {
			got, err := l.RecentOf(ctx, crons[:2], n)
			var of []int64
			for _, e := range got {
				of = append(of, e.CronID)
			}
			if err != nil || !slices.Equal(of, want) {
				t.Errorf("the last %d are of %v, %v, want %v", n, of, err, want)
			}
		}
		if got, err := l.RecentOf(ctx, nil, 10); err != nil || len(got) > 0 {
			t.Errorf("of none %v, %v", got, err)
		}
	})
}
