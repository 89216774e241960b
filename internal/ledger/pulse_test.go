package ledger_test

import (
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

func TestThePulse(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		create(t, l, app, "job", func(s *ledger.Settings) { s.Heartbeat = time.Minute })
		pulse := func() string {
			text, err := l.Pulse(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		var first, second, past ledger.Execution
		var window ledger.Window
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		last := pulse()
		for _, step := range []struct {
			what string
			do   func()
		}{
			{"an execution begins", func() { first = startOf(t, l, app, "job") }},
			{"it says something", func() {
				_, err := l.Say(ctx, app, first.ID, lines(1, 1))
				must(err)
			}},
			{"it ends", func() {
				_, err := l.Report(ctx, app, first.ID, ledger.Report{Success: true, Type: ledger.Info})
				must(err)
			}},
			{"one begins and ends", func() {
				second = startOf(t, l, app, "job")
				must(end(t, d, l, second.ID, ledger.Outcome{Status: ledger.Cancelled}))
			}},
			{"its end is reported a day afterwards", func() {
				c.add(24 * time.Hour)
				last = pulse() // which goes by the hour, too
				_, err := l.Report(ctx, app, second.ID, ledger.Report{Success: true, Type: ledger.Info, EndedAt: c.now().Add(-23 * time.Hour)})
				must(err)
			}},
			{"a start of yesterday is reported", func() {
				e, _, err := l.Start(ctx, ledger.Start{App: app, Cron: bySlug("job"), Trigger: ledger.HTTP, Began: c.now().Add(-24 * time.Hour)})
				must(err)
				past = e
			}},
			{"its end of yesterday is", func() {
				_, err := l.Report(ctx, app, past.ID, ledger.Report{Success: true, Type: ledger.Info, EndedAt: c.now().Add(-23 * time.Hour)})
				must(err)
			}},
			{"an execution is interrupted", func() {
				startOf(t, l, app, "job")
				c.add(2 * time.Minute)
				last = pulse()
				sweep(t, l)
			}},
			{"a cron is added", func() { create(t, l, app, "other", nil) }},
			{"a cron is paused", func() {
				c.add(time.Second)
				_, err := l.Pause(ctx, app, bySlug("other"), time.Time{})
				must(err)
			}},
			{"a window is added", func() {
				w, err := l.AddMaintenance(ctx, ledger.Window{EndsAt: c.now().Add(time.Hour), Reason: "moving"})
				must(err)
				window = w
			}},
			{"a window is removed", func() {
				_, err := l.RemoveMaintenance(ctx, 0, window.ID)
				must(err)
			}},
		} {
			step.do()
			now := pulse()
			if now == last {
				t.Errorf("no change when %s: %s", step.what, now)
			}
			last = now
		}
		if again := pulse(); again != last {
			t.Errorf("%s, then %s, and nothing happened", last, again)
		}
	})
}

// What is stored later may have a smaller number.
func TestThePulseSeesWhatIsStoredLate(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := create(t, l, 1, "job", nil)
		insert := func(id int64) {
			exec(t, d, `INSERT INTO executions (id, cron_id, application_id, status, "trigger", holder, started_at) `+overriding(d)+`
				VALUES ($1, $2, 1, 'running', 'http', '', 0)`, id, cron.ID)
		}
		insert(6)
		before, err := l.Pulse(ctx)
		if err != nil {
			t.Fatal(err)
		}
		insert(5)
		if after, err := l.Pulse(ctx); err != nil || after == before {
			t.Errorf("%s, then %s, %v", before, after, err)
		}
	})
}
