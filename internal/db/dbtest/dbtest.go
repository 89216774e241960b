// Package dbtest runs a test against Ferryman's own store on both databases.
package dbtest

import (
	"context"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// URLs are the stores that a test runs on: a fresh SQLite file and a fresh
// PostgreSQL database.
func URLs(t *testing.T, run func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		run(t, SQLite(filepath.Join(t.TempDir(), "ferryman.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, testdb.Postgres(t))
	})
}

// SQLite is the URL of a store in a file. Folders of tests may have a # in their names.
func SQLite(file string) string { return (&url.URL{Scheme: "sqlite", Path: file}).String() }

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

// HoldTurn runs a call of Group for each of the keys, all at the same time, until
// the returned function is called or the test ends.
func HoldTurn(t *testing.T, d *db.DB, keys ...int64) (release func()) {
	t.Helper()
	gate, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			err := d.Group(context.WithoutCancel(t.Context()), key, func(ctx context.Context, tx *db.Tx) (err error) {
				if d.Dialect() == db.Postgres { // it may stand still
					_, err = tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0")
				}
				held <- struct{}{}
				<-gate
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		testwait.Receive(t, held)
	}
	release = sync.OnceFunc(func() { close(gate); wg.Wait() })
	t.Cleanup(release)
	return release
}

// AwaitLine waits until n calls of Group stand in line.
func AwaitLine(t *testing.T, d *db.DB, n int) {
	t.Helper()
	testwait.Until(t, "calls stand in line", func() bool { return d.Waiting() == n })
}
