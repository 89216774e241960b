package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

func sweep(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if err := l.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// missed are the records of a cron's missed starts: how many each stands for, and
// the last of those.
func missed(t testing.TB, d *db.DB, cron int64) (all []string) {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT repeats, scheduled_for FROM executions WHERE cron_id = $1 AND status = 'missed' ORDER BY id", cron)
	if err != nil {
		t.Fatal(err)
	}
	all, err = db.Collect(rows, func(r *db.Rows) (string, error) {
		var n int64
		var at db.Time
		err := r.Scan(&n, &at)
		return fmt.Sprintf("%d %s", n, at.Format(time.DateTime)), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func cronOf(t testing.TB, l *ledger.Ledger, id int64) ledger.Cron {
	t.Helper()
	c, err := l.Cron(t.Context(), 0, ledger.Ref{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantEvents(t testing.TB, l *ledger.Ledger, app int64, want ...string) {
	t.Helper()
	if got := events(t, l, app); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func wantMissed(t testing.TB, d *db.DB, cron int64, want ...string) {
	t.Helper()
	if got := missed(t, d, cron); !slices.Equal(got, want) {
		t.Errorf("missed %q, want %q", got, want)
	}
}

func TestMissedStarts(t *testing.T) {
	for _, one := range []struct {
		schedule        string
		first, then     string
		expected, again time.Duration // after noon
	}{
		{"every 10m", "1 2026-03-01 12:10:00", "1 2026-03-01 12:20:00", 20 * time.Minute, 30 * time.Minute},
		{"*/10 * * * *", "1 2026-03-01 12:10:00", "1 2026-03-01 12:20:00", 20 * time.Minute, 30 * time.Minute},
	} {
		t.Run(one.schedule, func(t *testing.T) {
			c := newClock()
			noon := c.now()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				c.set(noon)
				l, app := ledger.New(d), addApp(t, d, "shop")
				cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = one.schedule })
				c.set(cron.LateAt.Add(-time.Microsecond))
				sweep(t, l)
				wantMissed(t, d, cron.ID)
				c.add(time.Microsecond)
				sweep(t, l)
				sweep(t, l)
				wantMissed(t, d, cron.ID, one.first)
				wantEvents(t, l, app, "missed")
				got := cronOf(t, l, cron.ID)
				if !got.MissedSince.Equal(noon.Add(10*time.Minute)) || !got.ExpectedAt.Equal(noon.Add(one.expected)) || got.Records != 1 || got.Runs != 0 {
					t.Errorf("stands as %+v", got)
				}
				c.set(got.LateAt)
				sweep(t, l)
				wantMissed(t, d, cron.ID, one.first, one.then)
				wantEvents(t, l, app, "missed")
				c.set(noon.Add(one.again))
				if e := startOf(t, l, app, "job"); !e.ScheduledFor.Equal(c.now()) {
					t.Errorf("it stands for %v", e.ScheduledFor)
				}
				sweep(t, l)
				wantEvents(t, l, app, "missed", "recovered missed")
				if got := cronOf(t, l, cron.ID); !got.MissedSince.IsZero() || got.Records != 2 || got.Runs != 1 {
					t.Errorf("after a start %+v", got)
				}
			})
		})
	}
}

func TestAnOutageIsOneRecord(t *testing.T) {
	for schedule, want := range map[string]string{
		"every 7m":       "17 2026-03-01 13:59:00",
		"0,30 * * * *":   "3 2026-03-01 13:30:00",
		"*/1 12 * * *":   "59 2026-03-01 12:59:00",
		"* * * * *":      "119 2026-03-01 13:59:00",
		"@daily":         "",
		"every 1s":       "7141 2026-03-01 13:59:01",
		"*/30 * 1 3 MON": "3 2026-03-01 13:30:00",
	} {
		t.Run(schedule, func(t *testing.T) {
			c := newClock()
			noon := c.now()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				c.set(noon)
				app := addApp(t, d, "shop")
				cron := create(t, ledger.New(d), app, "job", func(s *ledger.Settings) { s.Schedule = schedule })
				c.add(2*time.Hour + time.Second)
				l := ledger.New(d)
				sweep(t, l)
				if want == "" {
					wantMissed(t, d, cron.ID)
					return
				}
				wantMissed(t, d, cron.ID, want)
				wantEvents(t, l, app, "missed")
				if next := cronOf(t, l, cron.ID); !next.LateAt.After(c.now()) {
					t.Errorf("late again at %v", next.LateAt)
				}
			})
		})
	}
}

func TestAYearIsNotCountedToTheEnd(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = "* * * * *" })
		c.add(365 * 24 * time.Hour)
		sweep(t, l)
		if all := missed(t, d, cron.ID); len(all) != 1 || !strings.HasPrefix(all[0], "10080 ") {
			t.Errorf("missed %q", all)
		}
		if got := cronOf(t, l, cron.ID); !got.LateAt.After(c.now()) {
			t.Errorf("late at %v", got.LateAt)
		}
	})
}

func TestWhatCouldNotStartIsNotMissed(t *testing.T) {
	c := newClock()
	noon := c.now()
	for name, one := range map[string]struct {
		settings func(*ledger.Settings)
		before   func(t *testing.T, l *ledger.Ledger, app int64)
		missed   bool
		expected time.Duration // after noon; 0: never
	}{
		"inactive": {nil, func(t *testing.T, l *ledger.Ledger, app int64) {
			if _, err := l.Pause(t.Context(), app, bySlug("job"), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}, false, 0},
		"paused": {nil, func(t *testing.T, l *ledger.Ledger, app int64) {
			if _, err := l.Pause(t.Context(), app, bySlug("job"), noon.Add(45*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}, false, 55 * time.Minute},
		"deleted": {nil, func(t *testing.T, l *ledger.Ledger, app int64) {
			if _, err := l.Delete(t.Context(), app, bySlug("job")); err != nil {
				t.Fatal(err)
			}
		}, false, 0},
		"full": {func(s *ledger.Settings) { s.MaxRunning = 1 }, func(t *testing.T, l *ledger.Ledger, app int64) {
			startOf(t, l, app, "job")
		}, false, 40 * time.Minute},
		"full of what is overdue": {func(s *ledger.Settings) { s.MaxRunning, s.MaxRuntime = 1, time.Minute }, func(t *testing.T, l *ledger.Ledger, app int64) {
			startOf(t, l, app, "job")
		}, true, 40 * time.Minute},
		"a place is free": {func(s *ledger.Settings) { s.MaxRunning = 2 }, func(t *testing.T, l *ledger.Ledger, app int64) {
			startOf(t, l, app, "job")
		}, true, 40 * time.Minute},
		"a start would replace": {func(s *ledger.Settings) { s.Overlap = ledger.Replace }, func(t *testing.T, l *ledger.Ledger, app int64) {
			startOf(t, l, app, "job")
		}, true, 40 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				c.set(noon)
				l, app := ledger.New(d), addApp(t, d, "shop")
				cron := create(t, l, app, "job", func(s *ledger.Settings) {
					s.Schedule = "every 10m"
					if one.settings != nil {
						one.settings(s)
					}
				})
				one.before(t, l, app)
				c.add(31*time.Minute + time.Second)
				sweep(t, l)
				if got := missed(t, d, cron.ID); (len(got) > 0) != one.missed {
					t.Errorf("missed %q", got)
				}
				var expected db.Time
				if err := d.QueryRow(t.Context(), "SELECT expected_at FROM crons WHERE id = $1", cron.ID).Scan(&expected); err != nil {
					t.Fatal(err)
				}
				want := time.Time{}
				if one.expected != 0 {
					want = noon.Add(one.expected)
				}
				if !expected.Equal(want) {
					t.Errorf("expected at %v, want %v", expected, want)
				}
			})
		})
	}
}

// What an application says of its start does not keep the next one from being
// expected.
func TestAStartForANonsensicalTimeIsWatched(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = "0 * * * *" })
		next := cron.ExpectedAt
		for _, forTime := range []time.Time{next.AddDate(70, 0, 0), next.AddDate(-70, 0, 0)} {
			_, _, err := l.Start(t.Context(), ledger.Start{App: app, Cron: bySlug("job"), Trigger: ledger.HTTP, ScheduledFor: forTime})
			if err != nil {
				t.Fatal(err)
			}
			if got := cronOf(t, l, cron.ID).ExpectedAt; !got.Equal(next) {
				t.Errorf("for %v, the next is expected at %v, want %v", forTime, got, next)
			}
		}
	})
}

func TestNightsOfTheClockChange(t *testing.T) {
	for name, one := range map[string]struct {
		schedule   string
		begin, end string // UTC
		want       []string
	}{
		"a gap, at its end":    {"30 2 * * *", "2026-03-28 12:00", "2026-03-30 12:00", []string{"1 2026-03-29 01:00:00", "1 2026-03-30 00:30:00"}},
		"a gap, each half":     {"*/30 1-3 * * *", "2026-03-28 23:00", "2026-03-29 05:00", []string{"1 2026-03-29 00:00:00", "1 2026-03-29 00:30:00", "1 2026-03-29 01:00:00", "1 2026-03-29 01:30:00"}},
		"a doubled hour, once": {"30 2 * * *", "2026-10-24 12:00", "2026-10-26 12:00", []string{"1 2026-10-25 00:30:00", "1 2026-10-26 01:30:00"}},
		"elapsed time":         {"0 * * * *", "2026-10-24 23:30", "2026-10-25 03:30", []string{"1 2026-10-25 00:00:00", "1 2026-10-25 01:00:00", "1 2026-10-25 02:00:00", "1 2026-10-25 03:00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			at := func(s string) time.Time {
				parsed, err := time.Parse("2006-01-02 15:04", s)
				if err != nil {
					t.Fatal(err)
				}
				return parsed
			}
			c := newClock()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				c.set(at(one.begin))
				l, app := ledger.New(d), addApp(t, d, "shop")
				cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule, s.Zone = one.schedule, "Europe/Berlin" })
				for c.now().Before(at(one.end)) {
					c.add(15 * time.Minute)
					sweep(t, l)
				}
				wantMissed(t, d, cron.ID, one.want...)
				wantEvents(t, l, app, "missed")
			})
		})
	}
}

func TestLapsedExecutionsEnd(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		create(t, l, app, "deadline", func(s *ledger.Settings) { s.MaxRuntime = time.Minute })
		create(t, l, app, "talks", func(s *ledger.Settings) { s.MaxRuntime = time.Minute })
		create(t, l, app, "silent", func(s *ledger.Settings) { s.Heartbeat = time.Minute })
		create(t, l, app, "well", func(s *ledger.Settings) { s.Heartbeat, s.MaxRuntime = 3*time.Minute, 3*time.Minute })
		own := register(t, l, "own", ledger.Settings{MaxRuntime: time.Minute})
		ids := map[string]int64{}
		for _, slug := range []string{"deadline", "talks", "silent", "well"} {
			ids[slug] = startOf(t, l, app, slug).ID
		}
		kept, _, err := l.StartOwn(t.Context(), own.ID, ledger.Start{Trigger: ledger.Schedule, Holder: "n1", Lease: 2 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Say(t.Context(), app, ids["talks"], []ledger.Message{{Type: ledger.Info, Text: "here"}}); err != nil {
			t.Fatal(err)
		}
		c.add(time.Minute)
		sweep(t, l)
		wantEvents(t, l, app)
		c.add(time.Microsecond)
		sweep(t, l)
		sweep(t, l)
		for slug, want := range map[string]ledger.Status{
			"deadline": ledger.TimedOut, "talks": ledger.TimedOut, "silent": ledger.Failed, "well": ledger.Running,
		} {
			e, err := l.Execution(t.Context(), app, ids[slug])
			if err != nil || e.Status != want || e.Overdue != (want == ledger.TimedOut) {
				t.Errorf("%s is %+v, %v", slug, e, err)
			}
			said, err := l.Messages(t.Context(), ids[slug], 0, 10)
			if err != nil || e.Messages != int64(len(said)) {
				t.Errorf("%s said %d of %d, %v", slug, len(said), e.Messages, err)
			}
			if want == ledger.Running {
				continue
			}
			if last := said[len(said)-1]; last.Text != e.Detail || !last.Ending || last.Type != ledger.Error {
				t.Errorf("%s said at last %+v", slug, last)
			}
		}
		if got := events(t, l, app); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"failing", "overdue", "overdue"}) {
			t.Errorf("events %q", got)
		}
		if e, err := l.Execution(t.Context(), 0, kept.ID); err != nil || e.Status != ledger.Running {
			t.Errorf("a sync past its deadline: %+v, %v", e, err)
		}
		c.add(time.Minute)
		sweep(t, l)
		if e, err := l.Execution(t.Context(), 0, kept.ID); err != nil || e.Reason != ledger.ReasonInterrupted {
			t.Errorf("a sync past its lease: %+v, %v", e, err)
		}
		report(t, l, app, ids["deadline"], true)
		if e, err := l.Execution(t.Context(), app, ids["deadline"]); err != nil || e.Status != ledger.Success || !e.Overdue {
			t.Errorf("reported late: %+v, %v", e, err)
		}
	})
}

func TestSuppressedEventsAreToldWhenTheyStillHold(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		told := func() (all []string) {
			listed, err := l.Events(t.Context(), ledger.EventFilter{App: app, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range slices.Backward(listed) {
				if e.Suppressed == ledger.Told {
					all = append(all, fmt.Sprintf("%s %s", e.Slug, e.Kind))
				}
			}
			return all
		}
		stands := create(t, l, app, "stands", func(s *ledger.Settings) { s.Schedule = "every 10m" })
		create(t, l, app, "heals", func(s *ledger.Settings) { s.Schedule = "every 10m" })
		create(t, l, app, "snoozed", func(s *ledger.Settings) { s.Schedule = "every 10m" })
		if _, err := l.Snooze(t.Context(), app, bySlug("snoozed"), c.now().Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		window, err := l.AddMaintenance(t.Context(), ledger.Window{AppID: app, EndsAt: c.now().Add(time.Hour), Reason: "moving"})
		if err != nil {
			t.Fatal(err)
		}
		c.add(11 * time.Minute)
		sweep(t, l)
		wantEvents(t, l, app, "missed", "missed", "missed")
		startOf(t, l, app, "heals")
		exec(t, d, "UPDATE crons SET late_at = NULL, expected_at = NULL WHERE slug = 'heals'")
		c.set(window.EndsAt)
		sweep(t, l)
		if got := told(); !slices.Equal(got, []string{"stands missed"}) {
			t.Errorf("told %q", got)
		}
		sweep(t, l)
		if got := told(); len(got) != 1 {
			t.Errorf("told again: %q", got)
		}
		if got := waking(t, d); len(got) != 1 || got["missed"] != c.now().Add(time.Hour).UnixMicro() {
			t.Errorf("to be told: %v", got) // the snoozed one
		}
		startOf(t, l, app, "stands")
		if got := told(); !slices.Equal(got, []string{"stands missed", "stands recovered"}) {
			t.Errorf("told %q", got)
		}
		exec(t, d, "UPDATE crons SET late_at = NULL, expected_at = NULL WHERE id = $1", stands.ID)
		c.add(time.Hour)
		sweep(t, l)
		if got := told(); !slices.Contains(got, "snoozed missed") {
			t.Errorf("told %q", got)
		}
		if got := waking(t, d); len(got) != 0 {
			t.Errorf("still to be told: %v", got)
		}
	})
}

// Whoever was not told of a trouble is not told that it is over, by whatever name.
func TestRecoveryFromWhatWasNotTold(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		create(t, l, app, "job", func(s *ledger.Settings) { s.MaxRuntime = time.Minute })
		mute := func(muted bool) {
			if _, err := l.Change(t.Context(), app, bySlug("job"), func(_ *string, s *ledger.Settings) { s.Muted = muted }); err != nil {
				t.Fatal(err)
			}
		}
		for _, muted := range []bool{false, true, false} {
			mute(muted)
			startOf(t, l, app, "job")
			c.add(2 * time.Minute)
			sweep(t, l)
			report(t, l, app, startOf(t, l, app, "job").ID, true)
			c.add(time.Second)
		}
		all, err := l.Events(t.Context(), ledger.EventFilter{App: app, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, e := range slices.Backward(all) {
			told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Suppressed, e.Kind, e.Subject)))
		}
		once := []string{"overdue", "recovered overdue"}
		want := slices.Concat(once, []string{"muted overdue", "muted recovered overdue"}, once)
		if !slices.Equal(told, want) {
			t.Errorf("events %q, want %q", told, want)
		}
	})
}

// Two nodes watch a hundred and more crons while some of these start.
func TestNodesRecordEachMissedStartOnce(t *testing.T) {
	const crons = 150
	dbtest.URLs(t, func(t *testing.T, url string) {
		c := newClock()
		nodes := []*db.DB{dbtest.Open(t, url, c.options())}
		if nodes[0].Dialect() == db.Postgres {
			nodes = append(nodes, dbtest.Open(t, url, c.options()))
		} else {
			nodes = append(nodes, nodes[0])
		}
		d, l := nodes[0], ledger.New(nodes[0])
		app := addApp(t, d, "shop")
		for i := range crons {
			create(t, l, app, fmt.Sprintf("job-%d", i), func(s *ledger.Settings) { s.Schedule, s.MaxRuntime, s.MaxRunning = "every 10m", time.Hour, int64(i%2) })
		}
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		for _, node := range nodes {
			watching.Go(func() { ledger.New(node).Watch(ctx, slog.New(slog.DiscardHandler)) })
		}
		defer watching.Wait()
		defer stop()
		count := func(query string) (n int) {
			if err := d.QueryRow(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		c.add(11 * time.Minute)
		var starting sync.WaitGroup
		for i := range 30 {
			starting.Go(func() {
				_, _, err := l.Start(t.Context(), ledger.Start{App: app, Cron: bySlug(fmt.Sprintf("job-%d", i)), Trigger: ledger.HTTP})
				if err != nil {
					t.Error(err)
				}
			})
		}
		starting.Wait()
		records := func(repeats int) int {
			return count(fmt.Sprintf("SELECT count(*) FROM executions WHERE status = 'missed' AND repeats = %d", repeats))
		}
		testwait.Until(t, "all are missed", func() bool { return records(1) >= crons })
		c.add(20 * time.Minute)
		testwait.Until(t, "all are missed again", func() bool { return count("SELECT count(*) FROM executions WHERE status = 'missed'") >= 2*crons-15 })
		stop()
		watching.Wait()
		if n := count("SELECT count(*) FROM (SELECT cron_id, scheduled_for FROM executions WHERE status = 'missed' GROUP BY cron_id, scheduled_for) AS each_one"); n != 2*crons-15 {
			t.Errorf("%d starts were missed, want %d", n, 2*crons-15)
		}
		if n := count("SELECT count(*) FROM executions WHERE status = 'missed'"); n != 2*crons-15 {
			t.Errorf("%d records", n) // 15 of those that started have but one place
		}
		if n := count("SELECT count(*) FROM events WHERE kind = 'missed'"); n != crons+15 {
			t.Errorf("%d events of missed starts, want %d", n, crons+15)
		}
		if n := count("SELECT count(*) FROM events WHERE kind = 'recovered'"); n != 30 {
			t.Errorf("%d events of recovery", n)
		}
		if n := count("SELECT CAST(sum(records) AS BIGINT) FROM crons"); n != 2*crons-15 {
			t.Errorf("%d records are counted", n)
		}
	})
}

func TestWatchAfterAClockThatWasFast(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		var ids []int64
		for i, schedule := range []string{"every 10m", "*/10 * * * *"} {
			ids = append(ids, create(t, l, app, fmt.Sprintf("job-%d", i), func(s *ledger.Settings) { s.Schedule = schedule }).ID)
		}
		paused := create(t, l, app, "paused", func(s *ledger.Settings) { s.Schedule = "every 10m" })
		if _, err := l.Pause(t.Context(), app, bySlug("paused"), c.now().Add(3000*time.Hour)); err != nil {
			t.Fatal(err)
		}
		expected := cronOf(t, l, paused.ID).ExpectedAt
		right := c.now()
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { l.Watch(ctx, slog.New(slog.DiscardHandler)) })
		defer watching.Wait()
		defer stop()
		for range 2 { // of two looks, the second has seen the fast clock from its beginning
			c.add(1000 * time.Hour)
			testwait.Until(t, "the fast clock has its effect", func() bool {
				return !slices.ContainsFunc(ids, func(id int64) bool { return cronOf(t, l, id).LateAt.Before(c.now()) })
			})
		}
		c.set(right)
		testwait.Until(t, "starts are expected in time again", func() bool {
			return !slices.ContainsFunc(ids, func(id int64) bool { return cronOf(t, l, id).LateAt.After(right.Add(11 * time.Minute)) })
		})
		if got := cronOf(t, l, paused.ID).ExpectedAt; !got.Equal(expected) {
			t.Errorf("the paused one is expected at %v, was at %v", got, expected)
		}
	})
}

func TestWatchOutlivesTrouble(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = "every 10m" })
		exec(t, d, "ALTER TABLE maintenance_windows RENAME TO gone")
		c.add(11 * time.Minute)
		if err := l.Sweep(t.Context()); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("a broken store gives %v", err)
		}
		var logged lockedBuffer
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { l.Watch(ctx, slog.New(slog.NewTextHandler(&logged, nil))) })
		defer watching.Wait()
		defer stop()
		testwait.Until(t, "the trouble is logged", func() bool { return logged.String() != "" })
		exec(t, d, "ALTER TABLE gone RENAME TO maintenance_windows")
		testwait.Until(t, "the watch goes on", func() bool { return len(missed(t, d, cron.ID)) == 1 })
		if n := strings.Count(logged.String(), "\n"); n != 1 {
			t.Errorf("%d lines:\n%s", n, logged.String())
		}
	})
}

// A question by a connection that was cut off without a word is never answered: the watch
// gives it up.
func TestWatchOutlivesASilentCut(t *testing.T) {
	url := testdb.Postgres(t)
	witness := dbtest.Open(t, url, db.Options{})
	cron := create(t, ledger.New(witness), addApp(t, witness, "shop"), "job", func(s *ledger.Settings) { s.Schedule = "every 10m" })
	line := dbtest.OpenLine(t, url)
	d := dbtest.Open(t, line.URL, db.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { ledger.New(d).Watch(ctx, slog.New(slog.DiscardHandler)) })
	t.Cleanup(func() { stop(); watching.Wait() })
	late := func(records int) {
		t.Helper()
		exec(t, witness, "UPDATE crons SET expected_at = $1, late_at = $1", db.Time{Time: witness.Now().Add(-time.Second)})
		testwait.Until(t, "a missed start is recorded", func() bool { return len(missed(t, witness, cron.ID)) == records })
	}
	late(1)
	line.Forget()
	late(2)
}

// lockedBuffer is a buffer that several write and read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (c *clock) set(t time.Time) { c.micros.Store(t.UnixMicro()) }
