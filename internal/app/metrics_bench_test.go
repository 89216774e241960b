package app

import (
	"path/filepath"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
)

// What a scrape costs the store that has a million deliveries, of which half wait, and
// ten thousand crons.
func BenchmarkStanding(b *testing.B) {
	for name, url := range map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return config.SQLiteURL(filepath.Join(b.TempDir(), "store.db")) },
		"postgres": func(b *testing.B) string { return testdb.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			d, err := db.Open(b.Context(), url(b), db.Options{Synchronous: "NORMAL"})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			if _, err := d.Migrate(b.Context(), jobs.Migrate); err != nil {
				b.Fatal(err)
			}
			const many = "WITH RECURSIVE many (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < CAST($1 AS BIGINT)) "
			err = d.Tx(b.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(b.Context(), many+`
					INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at)
					SELECT CASE i % 20 WHEN 0 THEN 4 ELSE (i % 2) * 3 END, 0, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'c' END, '', '', i, 1
					FROM many`, 1_000_000)
				if err != nil {
					return err
				}
				_, err = tx.Exec(b.Context(), many+`
					INSERT INTO crons (application_id, slug, kind, name, created_at, updated_at)
					SELECT (SELECT min(id) FROM applications), 'c' || i, 'external', 'c', 1, 1 FROM many`, 10_000)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			box, l, book := outbox.New(d, outbox.Options{}), ledger.New(d), node.New(d, nil)
			for b.Loop() {
				if _, err := readStanding(b.Context(), d, box, l, book); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
