package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/testdb"
)

// BenchmarkMillion reads from a store with a million executions and 10,000 crons.
func BenchmarkMillion(b *testing.B) {
	for name, url := range map[string]func(*testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite://" + b.TempDir() + "/ferryman.db" },
		"postgres": func(b *testing.B) string { return testdb.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			d := dbtest.Open(b, url(b), db.Options{Synchronous: "NORMAL"})
			generate(b, d, 1_000_000)
			million(b, d)
			dashboards(b, d)
		})
	}
}

func million(b *testing.B, d *db.DB) {
	l, ctx := ledger.New(d), b.Context()
	exec(b, d, numbers+`INSERT INTO crons (application_id, slug, kind, name, created_at, updated_at)
		SELECT (SELECT id FROM applications WHERE name = 'app-' || (i % 4)), 'more-' || i, 'external', 'More ' || i, 0, 0 FROM n`, 0, 9800)
	newest, _, err := l.Executions(ctx, ledger.ExecutionFilter{Limit: 8})
	if err != nil {
		b.Fatal(err)
	}
	// The newest ones are of all four applications; app-1 never succeeds.
	at := func(part float64) time.Time { return generated.Add(time.Duration(part * 1e7 * float64(time.Second))) }
	bad := slices.IndexFunc(newest, func(e ledger.ListedExecution) bool { return e.App == "app-1" }) // 7 × 3 mod 4
	good := slices.IndexFunc(newest, func(e ledger.ListedExecution) bool { return e.App == "app-0" })
	filters := map[string]ledger.ExecutionFilter{
		"all":                  {},
		"all/deep":             {Before: 500_000},
		"app":                  {App: newest[good].AppID},
		"cron":                 {Cron: newest[good].CronID},
		"cron/deep":            {Cron: newest[good].CronID, Before: 10_000},
		"failed":               {Statuses: []ledger.Status{ledger.Failed}},
		"failed/app":           {App: newest[good].AppID, Statuses: []ledger.Status{ledger.Failed, ledger.TimedOut, ledger.Missed}},
		"failed/cron/day":      {Cron: newest[good].CronID, Statuses: []ledger.Status{ledger.Failed}, Since: at(.5), Until: at(.51)},
		"missed":               {Statuses: []ledger.Status{ledger.Missed, ledger.Skipped}},
		"running":              {Statuses: []ledger.Status{ledger.Running}},
		"running/app":          {App: newest[good].AppID, Statuses: []ledger.Status{ledger.Running}},
		"success":              {Statuses: []ledger.Status{ledger.Success}},
		"success/app/never":    {App: newest[bad].AppID, Statuses: []ledger.Status{ledger.Success}, Before: 900_000},
		"success/cron/never":   {Cron: newest[bad].CronID, Statuses: []ledger.Status{ledger.Success}},
		"since":                {Since: at(.5)},
		"until":                {Until: at(.1)},
		"cron/day":             {Cron: newest[good].CronID, Since: at(.3), Until: at(.31)},
		"app/day":              {App: newest[good].AppID, Since: at(.3), Until: at(.31)},
		"trigger":              {Trigger: ledger.CLI},
		"host/app":             {App: newest[good].AppID, Host: "host-7"},
		"host/nobody":          {Host: "nobody"},
		"host/nobody/failed":   {Host: "nobody", Statuses: []ledger.Status{ledger.Failed}},
		"overdue":              {Overdue: true},
		"overdue/app/deep/day": {App: newest[good].AppID, Overdue: true, Since: at(.1), Until: at(.11)},
	}
	for name, f := range filters {
		f.Limit = 100
		timed(b, "executions/"+name, func() error { _, _, err := l.Executions(ctx, f); return err })
	}
	timed(b, "execution", func() error { _, err := l.Listed(ctx, 0, 500_000); return err })
	timed(b, "messages", func() error { _, err := l.Messages(ctx, 500_000, 0, 1000); return err })
	for name, f := range map[string]ledger.CronFilter{
		"all": {}, "all/deep": {After: "app-3/more-5"}, "app": {App: newest[good].AppID}, "never-succeeded": {App: newest[bad].AppID},
		"running": {States: []ledger.State{ledger.StateRunning}}, "failing": {States: []ledger.State{ledger.StateFailing}}, "search": {Search: "99"},
	} {
		f.Limit = 100
		timed(b, "crons/"+name, func() error { _, err := l.Crons(ctx, f); return err })
	}
	timed(b, "cron", func() error { _, err := l.CronStatus(ctx, 0, ledger.Ref{ID: newest[bad].CronID}); return err })
}

// dashboards reads what pages show, while 10,000 crons have a schedule, and have run
// each hour of the last day: as many rows of hours as there can be of it.
func dashboards(b *testing.B, d *db.DB) {
	l, ctx := ledger.New(d), b.Context()
	now := d.Now().Truncate(time.Hour)
	exec(b, d, "UPDATE crons SET expected_at = $1 + id * 100000, late_at = $1 + id * 100000 + grace, failing_since = CASE WHEN id % 500 = 3 THEN 1 END WHERE id % 10 > 0",
		db.Time{Time: now.Add(time.Hour)})
	exec(b, d, "INSERT INTO execution_hours (cron_id, at, status, n, took) SELECT id, CAST($1 AS BIGINT) - n * CAST(3600000000 AS BIGINT), 'success', 4, 4000000 FROM crons, "+numbered(168)+" WHERE n <= 24 OR id % 100 = 3",
		db.Time{Time: now})
	exec(b, d, `INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
		SELECT h.at, c.application_id, h.status, numbers.n, sum(h.n), sum(h.took), sum(h.n) FROM execution_hours h JOIN crons c ON c.id = h.cron_id, `+numbered(4)+`
		WHERE h.at >= $1 GROUP BY h.at, c.application_id, h.status, numbers.n`, db.Time{Time: now.Add(-168 * time.Hour)})
	exec(b, d, "ANALYZE")
	first, err := l.Crons(ctx, ledger.CronFilter{App: 3, Limit: 100})
	if err != nil {
		b.Fatal(err)
	}
	var ids, idle []int64
	for _, c := range first {
		ids = append(ids, c.ID)
	}
	exec(b, d, "INSERT INTO execution_hours (cron_id, at, status, n, took) SELECT id, CAST($1 AS BIGINT) - n * CAST(3600000000 AS BIGINT), 'failed', 1, 1000000 FROM crons, "+
		numbered(24*90)+" WHERE application_id = 3 AND slug < 'm'", db.Time{Time: now})
	rest, err := l.Crons(ctx, ledger.CronFilter{Search: "more-9", Limit: 100})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range rest {
		idle = append(idle, c.ID)
	}
	middle := generated.Add(5_000_000 * time.Second)
	for name, call := range map[string]func() error{
		"hours/day":    func() error { _, err := l.Hours(ctx, ledger.HourFilter{Since: now.Add(-24 * time.Hour)}); return err },
		"hours/90days": func() error { _, err := l.Hours(ctx, ledger.HourFilter{}); return err },
		"hours/app/30days": func() error {
			_, err := l.Hours(ctx, ledger.HourFilter{App: 3, Since: now.Add(-720 * time.Hour)})
			return err
		},
		"hours/cron/90days": func() error { _, err := l.Hours(ctx, ledger.HourFilter{Cron: ids[0]}); return err },
		"tallies/week":      func() error { _, err := l.Tallies(ctx, ids, now.Add(-168*time.Hour)); return err },
		"tallies/90days":    func() error { _, err := l.Tallies(ctx, ids, time.Time{}); return err },
		"states":            func() error { _, err := l.StateCounts(ctx, 0); return err },
		"states/app":        func() error { _, err := l.StateCounts(ctx, 3); return err },
		"strips/20":         func() error { _, err := l.Strips(ctx, ids, 20); return err },
		"strips/20/never":   func() error { _, err := l.Strips(ctx, idle, 20); return err },
		"strips/one/100":    func() error { _, err := l.Strips(ctx, ids[:1], 100); return err },
		"upcoming":          func() error { _, err := l.Upcoming(ctx, 0, now.Add(24*time.Hour), 50); return err },
		"upcoming/app":      func() error { _, err := l.Upcoming(ctx, 3, now.Add(24*time.Hour), 50); return err },
		"neighbours":        func() error { _, err := l.Neighbours(ctx, 500_000); return err },
		"message-page":      func() error { _, err := l.MessagePage(ctx, 500_000, ledger.MessageFilter{Limit: 500}); return err },
		"message-counts":    func() error { _, err := l.MessageCounts(ctx, 500_000); return err },
		"pulse":             func() error { _, err := l.Pulse(ctx); return err },
		"span/hour/newest": func() error {
			_, err := l.Span(ctx, ledger.SpanFilter{Crons: ids, Since: generated.Add(9_990_000 * time.Second), PerCron: 100})
			return err
		},
		"span/hour/long-ago": func() error {
			_, err := l.Span(ctx, ledger.SpanFilter{Crons: ids, Since: middle, Until: middle.Add(time.Hour), PerCron: 100})
			return err
		},
		"span/day": func() error {
			_, err := l.Span(ctx, ledger.SpanFilter{Crons: ids, Since: middle, Until: middle.Add(24 * time.Hour), PerCron: 100})
			return err
		},
		"span/30days": func() error {
			_, err := l.Span(ctx, ledger.SpanFilter{Crons: ids, Since: middle, Until: middle.Add(720 * time.Hour), PerCron: 100})
			return err
		},
	} {
		timed(b, "pages/"+name, call)
	}
	for name, f := range map[string]ledger.CronFilter{
		"all": {}, "app": {App: 3}, "deep": {After: "5/app-2/more-5"},
		"states": {States: []ledger.State{ledger.StateFailing, ledger.StateMissed, ledger.StateOverdue, ledger.StateLate}},
	} {
		f.TroubleFirst, f.Limit = true, 100
		timed(b, "pages/trouble-first/"+name, func() error { _, err := l.Crons(ctx, f); return err })
	}
}

// timed reports how long the slowest twentieth of the calls takes at least.
func timed(b *testing.B, name string, call func() error) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			begun := time.Now()
			if err := call(); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		b.ReportMetric(0, fmt.Sprintf("%s/op", "ns"))
	})
}
