package transfer_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testdb"
	"ferryman/internal/transfer"
)

// BenchmarkMillion exports a store with a million executions and a message of each,
// and imports it into the other database and into its own.
func BenchmarkMillion(b *testing.B) {
	urls := map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { b.Helper(); return dbtest.SQLite(filepath.Join(b.TempDir(), "ferryman.db")) },
		"postgres": func(b *testing.B) string { b.Helper(); return testdb.Postgres(b) },
	}
	const n = 1_000_000
	file := filepath.Join(b.TempDir(), "export")
	first := dbtest.Open(b, urls["sqlite"](b), db.Options{Synchronous: "NORMAL"})
	fillMillion(b, first, n)
	exportTo := func(b *testing.B, d *db.DB, file string) {
		b.Helper()
		to, err := os.Create(file)
		if err != nil {
			b.Fatal(err)
		}
		defer to.Close()
		begun := time.Now()
		s, err := transfer.Export(b.Context(), d, to, "bench", nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.Rows)/time.Since(begun).Seconds(), "exported_rows/s")
		if at, err := to.Seek(0, io.SeekCurrent); err == nil {
			b.ReportMetric(float64(at)/1e6, "MB")
		}
	}
	exportTo(b, first, file)
	b.Run("sqlite/export", func(b *testing.B) {
		for b.Loop() {
			exportTo(b, first, file)
		}
	})
	for name, url := range urls {
		b.Run(name+"/import", func(b *testing.B) {
			for b.Loop() {
				d := dbtest.Open(b, url(b), db.Options{})
				from, err := os.Open(file)
				if err != nil {
					b.Fatal(err)
				}
				begun := time.Now()
				s, err := transfer.Import(b.Context(), d, from, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.Rows)/time.Since(begun).Seconds(), "imported_rows/s")
				_ = from.Close()
				if name == "postgres" {
					exportTo(b, d, filepath.Join(b.TempDir(), "export"))
				}
			}
		})
	}
}

func fillMillion(b *testing.B, d *db.DB, n int64) {
	b.Helper()
	err := d.Tx(b.Context(), func(tx *db.Tx) error {
		const numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
		for _, query := range []string{
			numbers + "INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at) SELECT 1, 'cron-' || i, 'Cron ' || i, 'external', 0, 0 FROM n WHERE i <= 1000",
			numbers + `INSERT INTO executions (cron_id, application_id, status, "trigger", request, holder, started_at, ended_at, reported_at, message_count, head_count)
				SELECT i % 1000 + 1, 1, CASE i % 20 WHEN 0 THEN 'failed' ELSE 'success' END, 'api', 'rid:' || hex(randomblob(16)), 'host-' || (i % 50),
				1767225600000000 + i * 1000000, 1767225600000000 + i * 1000000 + 250000, 1767225600000000 + i * 1000000 + 250000, 1, 1 FROM n`,
			numbers + `INSERT INTO messages (execution_id, type, message, at, seq, received_at, size)
				SELECT i, 'info', 'the nightly import of file ' || hex(randomblob(8)) || ' has taken ' || i || ' rows', 1767225600000000 + i * 1000000, 1, 1767225600000000 + i * 1000000, 60 FROM n`,
		} {
			if _, err := tx.Exec(b.Context(), query, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
