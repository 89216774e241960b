package alert_test

import (
	"testing"

	"ferryman/internal/alert"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testdb"
)

// BenchmarkTell takes 1,000 events and makes deliveries for a webhook and a chat.
// BenchmarkTellNothing is what a look costs that finds none.
func BenchmarkTell(b *testing.B) { benchmark(b, 1000) }

func BenchmarkTellNothing(b *testing.B) { benchmark(b, 0) }

func benchmark(b *testing.B, events int) {
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return "sqlite://" + b.TempDir() + "/ferryman.db" },
		"postgres": func() string { return testdb.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, dbtest.Open(b, url(), db.Options{}), &clock{})
			w.chat(b, "1")
			w.add(b, alert.Recipient{Channel: "webhook/pager"})
			cron := w.addCron(b, w.shop, "import", nil)
			insert := `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
				INSERT INTO events (cron_id, application_id, execution_id, kind, since, detail, at) SELECT $1, $2, 1, 'missed', $3 + n, 'of a benchmark', $3 FROM n`
			for i := 0; b.Loop(); i++ {
				if events > 0 {
					b.StopTimer()
					w.exec(b, insert, cron.ID, cron.AppID, int64(i)*1000)
					b.StartTimer()
				}
				w.tell(b)
			}
			if events > 0 {
				b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
			}
		})
	}
}
