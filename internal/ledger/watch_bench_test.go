package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/testdb"
)

// stores runs a benchmark on a durable store of each database.
func stores(b *testing.B, opts db.Options, run func(b *testing.B, d *db.DB)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) {
		run(b, dbtest.Open(b, "sqlite://"+b.TempDir()+"/ferryman.db", opts))
	})
	b.Run("postgres", func(b *testing.B) {
		run(b, dbtest.Open(b, testdb.Postgres(b), opts))
	})
}

// manyCrons inserts crons that are well and expected to start at the given time.
func manyCrons(tb testing.TB, d *db.DB, n int, expected time.Time) {
	tb.Helper()
	exec(tb, d, `INSERT INTO crons (application_id, slug, name, kind, schedule, expected_at, late_at, created_at, updated_at, max_running)
		SELECT 1, 'c' || n, 'c' || n, 'external', 'every 10m', $1, $2, 0, 0, CASE WHEN n % 2 = 0 THEN 1 END FROM `+numbered(n),
		db.Time{Time: expected}, db.Time{Time: expected.Add(time.Minute)})
	exec(tb, d, "ANALYZE")
}

// numbered is a table n of the numbers up to n.
func numbered(n int) string {
	return fmt.Sprintf("(WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < %d) SELECT n FROM up) AS numbers", n)
}

// BenchmarkMissed has 10,000 starts missed at the same moment, and another cron
// start and end all the while.
func BenchmarkMissed(b *testing.B) {
	c := newClock()
	stores(b, c.options(), func(b *testing.B, d *db.DB) {
		l := ledger.New(d)
		manyCrons(b, d, 10_000, c.now())
		busy(b, d, l, func() {
			for b.Loop() {
				c.add(10 * time.Minute)
				if err := l.Sweep(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		var records int
		if err := d.QueryRow(b.Context(), "SELECT count(*) FROM executions WHERE status = 'missed'").Scan(&records); err != nil || records != 10_000*b.N {
			b.Fatalf("%d records, %v", records, err)
		}
	})
}

// BenchmarkOverdue has 10,000 executions overdue at the same moment.
func BenchmarkOverdue(b *testing.B) {
	c := newClock()
	stores(b, c.options(), func(b *testing.B, d *db.DB) {
		l := ledger.New(d)
		manyCrons(b, d, 10_000, c.now().Add(10_000*time.Hour))
		busy(b, d, l, func() {
			for b.Loop() {
				b.StopTimer()
				exec(b, d, `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, deadline_at)
					SELECT id, 1, 'running', 'http', 'host', $1, $2 FROM crons WHERE slug LIKE 'c%'`,
					db.Time{Time: c.now()}, db.Time{Time: c.now().Add(time.Minute)})
				c.add(10 * time.Minute)
				b.StartTimer()
				if err := l.Sweep(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		var overdue int
		if err := d.QueryRow(b.Context(), "SELECT count(*) FROM executions WHERE status = 'timed_out'").Scan(&overdue); err != nil || overdue != 10_000*b.N {
			b.Fatalf("%d overdue, %v", overdue, err)
		}
	})
}

// busy runs work while a cron starts and ends, and reports how long a start took.
func busy(b *testing.B, d *db.DB, l *ledger.Ledger, work func()) {
	b.Helper()
	app := addApp(b, d, "busy")
	create(b, l, app, "busy", nil)
	ctx, stop := context.WithCancel(b.Context())
	took := make(chan []time.Duration)
	go func() {
		var all []time.Duration
		defer func() { took <- all }()
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			begun := time.Now()
			e, _, err := l.Start(ctx, ledger.Start{App: app, Cron: bySlug("busy"), Trigger: ledger.HTTP})
			all = append(all, time.Since(begun))
			if err == nil {
				_, err = l.Report(ctx, app, e.ID, ledger.Report{Success: true, Type: ledger.Info})
			}
			if err != nil && ctx.Err() == nil {
				b.Error(err)
			}
		}
	}()
	work()
	stop()
	all := <-took
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms/start-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms/start-p99")
	b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms/start-max")
}

// BenchmarkIdleWatch is one look at 10,000 crons that are well.
func BenchmarkIdleWatch(b *testing.B) {
	c := newClock()
	stores(b, c.options(), func(b *testing.B, d *db.DB) {
		l := ledger.New(d)
		manyCrons(b, d, 10_000, c.now())
		for b.Loop() {
			if err := l.Sweep(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPrune deletes half of a million executions with a message each, while
// another cron starts and ends.
func BenchmarkPrune(b *testing.B) {
	const crons, each = 100, 10_000
	stores(b, db.Options{}, func(b *testing.B, d *db.DB) {
		l := ledger.New(d)
		manyCrons(b, d, crons, time.Now().Add(1000*time.Hour))
		if d.Dialect() == db.Postgres { // it keeps each version of an hour's row until the transaction is over
			exec(b, d, "ALTER TABLE executions DISABLE TRIGGER USER")
		}
		exec(b, d, fmt.Sprintf(`INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at, message_count, head_count)
			SELECT c.id, 1, CASE WHEN n %% 10 = 0 THEN 'skipped' ELSE 'success' END, 'http', 'host', n, n, 1, 1 FROM %s CROSS JOIN crons c`, numbered(each)))
		if d.Dialect() == db.Postgres {
			exec(b, d, "ALTER TABLE executions ENABLE TRIGGER USER")
		}
		exec(b, d, "INSERT INTO messages (execution_id, seq, type, message, at, received_at, size) SELECT id, 1, 'info', 'imported 100 rows', 1, 1, 17 FROM executions")
		exec(b, d, fmt.Sprintf("UPDATE crons SET runs = %d, records = %d, keep_runs = %d", each*9/10, each/10, each/2))
		exec(b, d, "ANALYZE")
		var deleted int64
		busy(b, d, l, func() {
			b.ResetTimer()
			for range b.N {
				n, err := l.Prune(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				deleted += n
			}
			b.StopTimer()
		})
		b.ReportMetric(float64(deleted), "deleted")
		b.ReportMetric(float64(deleted)/b.Elapsed().Seconds(), "deleted/s")
	})
}
