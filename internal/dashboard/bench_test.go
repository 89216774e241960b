package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testdb"
)

// BenchmarkPages asks for each page of a store with 10,000 crons, a million
// executions of the last days and a million deliveries.
func BenchmarkPages(b *testing.B) {
	for name, url := range map[string]func(*testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite://" + b.TempDir() + "/ferryman.db" },
		"postgres": func(b *testing.B) string { return testdb.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			d := dbtest.Open(b, url(b), db.Options{Synchronous: "NORMAL"})
			fill(b, d)
			s := siteOn(b, d)
			for _, path := range []string{
				"", "crons", "crons?state=failing", "crons?search=job-99", "crons/17", "crons/17?status=failed", "runs", "runs?status=failed", "runs?before=500000",
				"runs/999000", "timeline", "timeline?range=1h", "timeline?range=7d", "timeline?range=30d", "syncs", "outbox", "outbox?state=failed",
				"outbox?channel=telegram", "outbox?recipient=42", "outbox/500000", "channels", "rejected", "applications", "maintenance", "settings", "record",
			} {
				s.timed(b, path)
			}
		})
	}
}

func (s *site) timed(b *testing.B, path string) {
	name := path
	if name == "" {
		name = "overview"
	}
	b.Run(strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(name), func(b *testing.B) {
		var took []time.Duration
		var size int
		for b.Loop() {
			begun := time.Now()
			status, page := s.get(Root + path)
			took = append(took, time.Since(begun))
			if size = len(page); status != http.StatusOK {
				b.Fatalf("%s: %d %.400s", path, status, page)
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		b.ReportMetric(float64(size)/1000, "kB")
		b.ReportMetric(0, "ns/op")
	})
}

// numbers counts from 1 to %d.
const numbers = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) "

// fill makes the store. What triggers would keep is made at once, as PostgreSQL's
// would take minutes for a million rows in one transaction.
func fill(b *testing.B, d *db.DB) {
	b.Helper()
	now := d.Now()
	off, on := "DROP TRIGGER IF EXISTS executions_recorded", "SELECT 1"
	if d.Dialect() == db.Postgres {
		off, on = "ALTER TABLE executions DISABLE TRIGGER USER", "ALTER TABLE executions ENABLE TRIGGER USER"
	}
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{fmt.Sprintf(numbers, 4) + "INSERT INTO applications (name, created_at) SELECT 'app-' || i, 0 FROM n", nil},
		{fmt.Sprintf(numbers, 10_000) + `INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at, schedule, last_execution_id, expected_at, late_at, failing_since)
			SELECT a.id, 'job-' || i, 'Job ' || i, 'external', 0, 0, '*/5 * * * *', 990000 + i, CAST($1 AS BIGINT) + i * 1000000, CAST($1 AS BIGINT) + i * 1000000 + 60000000, CASE WHEN i % 400 = 17 THEN CAST($1 AS BIGINT) END
			FROM n JOIN applications a ON a.name = 'app-' || (1 + i % 4)`, []any{db.Time{Time: now}}},
		{off, nil},
		{fmt.Sprintf(numbers, 1_000_000) + `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at, detail, message_count)
			SELECT c.id, c.application_id,
				CASE WHEN i > 999980 THEN 'running' WHEN i % 50 = 0 THEN 'failed' WHEN i % 97 = 0 THEN 'missed' WHEN i % 211 = 0 THEN 'skipped' ELSE 'success' END,
				'http', 'host-' || (i % 9), CAST($1 AS BIGINT) - (1000001 - i) * 700000, CASE WHEN i > 999980 THEN NULL ELSE CAST($1 AS BIGINT) - (1000001 - i) * 700000 + (i % 900) * 100000 END,
				CASE WHEN i % 50 = 0 THEN 'exit code 2: disk full' ELSE '' END, 3
			FROM n JOIN crons c ON c.slug = 'job-' || (1 + (i * CAST(7919 AS BIGINT)) % 10000)`, []any{db.Time{Time: now}}},
		{`INSERT INTO execution_hours (cron_id, at, status, n, took)
			SELECT cron_id, ended_at - ended_at % 3600000000, status, count(*), sum(ended_at - started_at) FROM executions WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3`, nil},
		{`INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
			SELECT ended_at - ended_at % 3600000000, application_id, status, 0, count(*), sum(ended_at - started_at), count(*) FROM executions WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3`, nil},
		{on, nil},
		{fmt.Sprintf(numbers, 3) + `INSERT INTO messages (execution_id, type, message, at, seq, received_at, size)
			SELECT e.id, 'info', 'line ' || i, e.started_at, i, e.started_at, 6 FROM executions e, n WHERE e.id > 900000`, nil},
		{fmt.Sprintf(numbers, 1_000_000) + `INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at, attempts, ended_at, last_error)
			SELECT CASE i % 10 WHEN 0 THEN 4 WHEN 1 THEN 0 WHEN 2 THEN 0 WHEN 3 THEN 0 WHEN 4 THEN 5 ELSE 3 END, 0,
				CASE i % 3 WHEN 0 THEN 'telegram' WHEN 1 THEN 'viber' ELSE 'whatsapp' END, CAST(i % 50000 AS TEXT), 'text ' || i,
				CAST($1 AS BIGINT) + (i % 100000) * 1000000, CAST($1 AS BIGINT) - (1000001 - i) * 700000, 1, CASE WHEN i % 10 > 3 THEN CAST($1 AS BIGINT) END, CASE WHEN i % 10 = 0 THEN '400: chat not found' ELSE '' END
			FROM n`, []any{db.Time{Time: now}}},
		{fmt.Sprintf(numbers, 200) + `INSERT INTO channel_hours (at, channel, sender_id, sent, failed, retried, uncertain, expired)
			SELECT CAST($1 AS BIGINT) - (CAST($1 AS BIGINT) % 3600000000) - i * 3600000000, 'telegram', 1, 1000, 10, 20, 0, 0 FROM n`, []any{db.Time{Time: now}}},
		{"ANALYZE", nil},
	} {
		err := d.Tx(b.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(b.Context(), statement.sql, statement.args...)
			return err
		})
		if err != nil {
			b.Fatalf("%.200s: %v", statement.sql, err)
		}
	}
}
