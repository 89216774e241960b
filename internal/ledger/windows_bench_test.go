package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/ledger"
)

// BenchmarkOpenWindows lists and counts 10,000 crons, and has the watch record a
// hundred missed starts, with no maintenance window, with 5,000 of crons that are
// open, and with as many of applications.
func BenchmarkOpenWindows(b *testing.B) {
	c := newClock()
	stores(b, c.options(), func(b *testing.B, d *db.DB) {
		l, ctx := ledger.New(d), b.Context()
		exec(b, d, "INSERT INTO applications (name, created_at) SELECT 'app-' || n, 0 FROM "+numbered(100))
		manyCrons(b, d, 10_000, c.now().Add(10_000*time.Hour))
		exec(b, d, "UPDATE crons SET application_id = 1 + id % 100")
		for _, of := range []string{"none", "crons", "applications"} {
			switch of {
			case "crons":
				exec(b, d, "INSERT INTO maintenance_windows (application_id, cron_id, starts_at, ends_at, reason, created_at) SELECT application_id, id, $1, $2, '', 0 FROM crons WHERE id % 2 = 0",
					db.Time{Time: c.now()}, db.Time{Time: c.now().Add(5000 * time.Hour)})
			case "applications":
				exec(b, d, "DELETE FROM maintenance_windows")
				exec(b, d, "INSERT INTO maintenance_windows (application_id, starts_at, ends_at, reason, created_at) SELECT 1 + n % 50, $1, $2, '', 0 FROM "+numbered(5000),
					db.Time{Time: c.now()}, db.Time{Time: c.now().Add(5000 * time.Hour)})
			}
			exec(b, d, "ANALYZE")
			for name, call := range map[string]func() error{
				"list":    func() error { _, err := l.Crons(ctx, ledger.CronFilter{Limit: 50}); return err },
				"trouble": func() error { _, err := l.Crons(ctx, ledger.CronFilter{TroubleFirst: true, Limit: 50}); return err },
				"failing": func() error {
					_, err := l.Crons(ctx, ledger.CronFilter{TroubleFirst: true, States: []ledger.State{ledger.StateFailing}, Limit: 50})
					return err
				},
				"counts":     func() error { _, err := l.StateCounts(ctx, 0); return err },
				"cron":       func() error { _, err := l.CronStatus(ctx, 0, ledger.Ref{ID: 5000}); return err },
				"watch/idle": func() error { return l.Sweep(ctx) },
				"watch/100": func() error {
					exec(b, d, "UPDATE crons SET expected_at = $1, late_at = $1, missed_since = NULL WHERE id BETWEEN 5000 AND 5099", db.Time{Time: c.now().Add(-time.Minute)}) //nolint:contextcheck // a test's
					return l.Sweep(ctx)
				},
			} {
				timed(b, fmt.Sprintf("%s/%s", of, name), call)
			}
		}
	})
}
