// Package dbtest runs a test against Ferryman's own store on both databases.
package dbtest

import (
	"context"
	"path/filepath"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/testdb"
)

// URLs are the stores that a test runs on: a fresh SQLite file and a fresh
// PostgreSQL database.
func URLs(t *testing.T, run func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		run(t, "sqlite://"+filepath.Join(t.TempDir(), "ferryman.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, testdb.Postgres(t))
	})
}

// Run runs a test on a migrated store of each database.
func Run(t *testing.T, opts db.Options, run func(t *testing.T, d *db.DB), parts ...func(context.Context, *db.DB) error) {
	t.Helper()
	URLs(t, func(t *testing.T, url string) {
		run(t, Open(t, url, opts, parts...))
	})
}

// Open opens and migrates the store at url and closes it when the test ends.
func Open(t testing.TB, url string, opts db.Options, parts ...func(context.Context, *db.DB) error) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if _, err := d.Migrate(t.Context(), parts...); err != nil {
		t.Fatal(err)
	}
	return d
}
