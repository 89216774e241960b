package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/testwait"
)

// fill gives a cron so many executions of a status, a minute apart, the last of
// them now, and counts them.
func fill(tb testing.TB, d *db.DB, cron int64, status ledger.Status, n int) {
	tb.Helper()
	counter := "runs"
	if status == ledger.Missed || status == ledger.Skipped {
		counter = "records"
	}
	now := db.Time{Time: d.Now()}
	exec(tb, d, fmt.Sprintf(`INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at)
		SELECT $1, 1, '%s', 'http', '', CAST($2 AS BIGINT) - (%d - n) * CAST(60000000 AS BIGINT), CASE WHEN '%s' <> 'running' THEN CAST($2 AS BIGINT) - (%d - n) * CAST(60000000 AS BIGINT) END FROM `+numbered(n), status, n, status, n), cron, now)
	exec(tb, d, fmt.Sprintf("UPDATE crons SET %s = %s + %d WHERE id = $1", counter, counter, n), cron)
}

// kept counts the executions of a cron by status, and checks its counters.
func kept(tb testing.TB, d *db.DB, cron int64) string {
	tb.Helper()
	rows, err := d.Query(tb.Context(), "SELECT status, count(*) FROM executions WHERE cron_id = $1 GROUP BY status ORDER BY status", cron)
	if err != nil {
		tb.Fatal(err)
	}
	var runs, records int64
	all, err := db.Collect(rows, func(r *db.Rows) (string, error) {
		var status ledger.Status
		var n int64
		err := r.Scan(&status, &n)
		if status == ledger.Missed || status == ledger.Skipped {
			records += n
		} else {
			runs += n
		}
		return fmt.Sprintf("%d %s", n, status), err
	})
	if err != nil {
		tb.Fatal(err)
	}
	var counted [2]int64
	if err := d.QueryRow(tb.Context(), "SELECT coalesce(max(runs), 0), coalesce(max(records), 0) FROM crons WHERE id = $1", cron).Scan(&counted[0], &counted[1]); err != nil {
		tb.Fatal(err)
	}
	if counted != [2]int64{runs, records} {
		tb.Errorf("cron %d counts %v, and has %d runs and %d records", cron, counted, runs, records)
	}
	return strings.Join(all, ", ")
}

func prune(t testing.TB, l *ledger.Ledger) int64 {
	t.Helper()
	n, err := l.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPruneKeepsWhatIsToBeKept(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		ids := map[string]int64{}
		for slug, settings := range map[string]ledger.Settings{
			"few": {KeepRuns: 10}, "flooded": {KeepRuns: 10}, "aged": {KeepRuns: 1000, KeepFor: time.Hour}, "many": {KeepRuns: 1000}, "gone": {KeepRuns: 1000},
		} {
			cron, err := l.Create(t.Context(), app, slug, settings)
			if err != nil {
				t.Fatal(err)
			}
			ids[slug] = cron.ID
		}
		fill(t, d, ids["few"], ledger.Running, 3)
		fill(t, d, ids["few"], ledger.Success, 20)
		fill(t, d, ids["few"], ledger.Failed, 5)
		fill(t, d, ids["flooded"], ledger.Success, 10)
		fill(t, d, ids["flooded"], ledger.Skipped, 1500)
		fill(t, d, ids["flooded"], ledger.Missed, 4)
		fill(t, d, ids["aged"], ledger.Running, 2)
		fill(t, d, ids["aged"], ledger.Success, 100)
		fill(t, d, ids["aged"], ledger.Missed, 70)
		fill(t, d, ids["many"], ledger.Success, 1000)
		fill(t, d, ids["gone"], ledger.Success, 700)
		fill(t, d, ids["gone"], ledger.Running, 1)
		if _, err := l.Delete(t.Context(), app, bySlug("gone")); err != nil {
			t.Fatal(err)
		}
		// Of "aged" 100 minutes and 70 minutes are there, of which 61 are within the hour.
		if n := prune(t, l); n != 15+1494+(39+9)+700 {
			t.Errorf("%d were deleted", n)
		}
		for slug, want := range map[string]string{
			"few": "5 failed, 3 running, 5 success", "flooded": "4 missed, 6 skipped, 10 success",
			"aged": "61 missed, 2 running, 61 success", "many": "1000 success", "gone": "1 running",
		} {
			if got := kept(t, d, ids[slug]); got != want {
				t.Errorf("of %s are left %s, want %s", slug, got, want)
			}
		}
		if n := prune(t, l); n != 0 {
			t.Errorf("%d were deleted again", n)
		}
		exec(t, d, "UPDATE executions SET status = 'failed', ended_at = 1 WHERE cron_id = $1", ids["gone"])
		if n := prune(t, l); n != 1 {
			t.Errorf("%d of the deleted cron", n)
		}
		var left int
		if err := d.QueryRow(t.Context(), "SELECT count(*) FROM crons WHERE id = $1", ids["gone"]).Scan(&left); err != nil || left != 0 {
			t.Errorf("the deleted cron is there: %d, %v", left, err)
		}
	})
}

func TestPruneTakesMessagesAlong(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron, err := l.Create(t.Context(), app, "talks", ledger.Settings{Active: true, KeepRuns: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1000, 30, 0, 3, 1} {
			e := startOf(t, l, app, "talks")
			for ; n > 0; n -= 100 {
				some := make([]ledger.Message, min(n, 100))
				for i := range some {
					some[i] = ledger.Message{Type: ledger.Info, Text: strings.Repeat("x", 2000)}
				}
				if _, err := l.Say(t.Context(), app, e.ID, some); err != nil {
					t.Fatal(err)
				}
			}
			report(t, l, app, e.ID, true)
		}
		if n := prune(t, l); n != 3 {
			t.Errorf("%d were deleted", n)
		}
		if got := kept(t, d, cron.ID); got != "2 success" {
			t.Error(got)
		}
		var messages int
		if err := d.QueryRow(t.Context(), "SELECT count(*) FROM messages").Scan(&messages); err != nil || messages != 4 {
			t.Errorf("%d messages are left, %v", messages, err)
		}
	})
}

func TestPruneEventsAndWindows(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		create(t, l, app, "job", func(s *ledger.Settings) { s.EachSuccess = true })
		succeed := func() { report(t, l, app, startOf(t, l, app, "job").ID, true) }
		if _, err := l.AddMaintenance(t.Context(), ledger.Window{EndsAt: c.now().Add(time.Hour), Reason: "moving"}); err != nil {
			t.Fatal(err)
		}
		succeed()
		succeed()
		c.add(90*24*time.Hour + time.Second)
		succeed()
		prune(t, l)
		wantEvents(t, l, app, "succeeded")
		windows := func() int {
			all, err := l.Maintenance(t.Context(), 0, true, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		if n := windows(); n != 1 {
			t.Errorf("%d windows after 90 days", n)
		}
		c.add(366 * 24 * time.Hour)
		prune(t, l)
		if n := windows(); n != 0 {
			t.Errorf("%d windows after a year", n)
		}
		wantEvents(t, l, app)
		// The newest million stays.
		exec(t, d, "INSERT INTO events (id, cron_id, application_id, kind, at) "+overriding(d)+" SELECT 5000000 + n * 100000, id, 1, 'failed', $1 FROM crons, "+numbered(20),
			db.Time{Time: c.now()})
		prune(t, l)
		if n := len(events(t, l, 0)); n != 10 {
			t.Errorf("%d events are left", n)
		}
	})
}

// overriding lets an INSERT choose ids.
func overriding(d *db.DB) string {
	if d.Dialect() == db.Postgres {
		return "OVERRIDING SYSTEM VALUE"
	}
	return ""
}

func TestPruneCanBeCalledOff(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron, err := l.Create(t.Context(), app, "job", ledger.Settings{KeepRuns: 1})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, d, cron.ID, ledger.Success, 100)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if n, err := l.Prune(gone); n != 0 || err == nil {
			t.Errorf("called off, it deleted %d and gave %v", n, err)
		}
		kept(t, d, cron.ID)
	})
}

func TestTheEnginePrunes(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron, err := l.Create(t.Context(), app, "job", ledger.Settings{KeepRuns: 1})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, d, cron.ID, ledger.Success, 100)
		e, err := jobs.New(d, jobs.Options{Node: "n1"})
		if err != nil {
			t.Fatal(err)
		}
		l.PruneOn(e)
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}()
		testwait.Until(t, "it is pruned", func() bool {
			var n int
			err := d.QueryRow(t.Context(), "SELECT count(*) FROM executions").Scan(&n)
			return err == nil && n == 1
		})
	}, jobs.Migrate)
}
