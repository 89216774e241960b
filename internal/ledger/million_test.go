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
		"running": {State: ledger.StateRunning}, "failing": {State: ledger.StateFailing}, "search": {Search: "99"},
	} {
		f.Limit = 100
		timed(b, "crons/"+name, func() error { _, err := l.Crons(ctx, f); return err })
	}
	timed(b, "cron", func() error { _, err := l.CronStatus(ctx, 0, ledger.Ref{ID: newest[bad].CronID}); return err })
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
		b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		b.ReportMetric(0, fmt.Sprintf("%s/op", "ns"))
	})
}
