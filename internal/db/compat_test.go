package db_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
)

// Each migration since releases run side by side says whether the one before can work
// on what it makes.
func TestMigrationsSayWhomTheyLeaveBehind(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("migrations", "*", "*.sql"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(file) < "0009" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if raises := strings.Contains(string(text), "UPDATE schema_compatibility"); raises == strings.Contains(string(text), "-- The release before works on it.") {
			t.Errorf(`%s neither raises schema_compatibility nor says "-- The release before works on it."`, file)
		}
	}
}

// A release that older ones cannot live with does not take the store away from one that
// serves it; nor does it stop half-way.
func TestABreakingMigrationWaitsForTheLastServer(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		ctx := t.Context()
		open := func() *db.DB {
			t.Helper()
			d, err := db.Open(ctx, url, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			return d
		}
		older := open()
		if _, err := older.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		version, err := older.SchemaVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := older.Serve(); err != nil {
			t.Fatal(err)
		}
		seen := func(ago time.Duration) {
			t.Helper()
			err := older.Tx(ctx, func(tx *db.Tx) error {
				at := db.Time{Time: tx.Now().Add(-ago)}
				_, err := tx.Exec(ctx, "INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ('m-1-a', '1', '', $1, $1) ON CONFLICT (name) DO UPDATE SET seen_at = $1", at)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		seen(-time.Hour) // it is not to seem silent on a slow machine

		newer := open()
		_, err = newer.MigrateFurther(ctx)
		f, ok := errors.AsType[*fault.Error](err)
		who := "m-1-a"
		if older.Dialect() == db.SQLite {
			who = "a server on this machine"
		}
		if !ok || f.Code != "older_serve" || !strings.Contains(f.Detail, who) {
			t.Fatalf("served by an older one: %v", err)
		}
		if v, err := newer.SchemaVersion(ctx); err != nil || v != version {
			t.Fatalf("it is left at %d, %v, not at %d", v, err, version)
		}

		seen(time.Hour) // as one that was killed
		if err := older.Close(); err != nil {
			t.Fatal(err)
		}
		if applied, err := newer.MigrateFurther(ctx); err != nil || len(applied) != 2 {
			t.Fatalf("%d applied, %v", len(applied), err)
		}
		if _, err := open().Migrate(ctx); fault.CodeOf(err) != "schema_newer" {
			t.Errorf("the older one on it: %v", err)
		}
	})
}

// Nor does it while a process sends that is no server, such as a contact sync that posts.
func TestABreakingMigrationWaitsForWhoSends(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		ctx := t.Context()
		older := dbtest.Open(t, url, db.Options{})
		release, ok, err := older.Take("contacts/spring 1")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		sends := func(until time.Duration) {
			t.Helper()
			if older.Dialect() == db.SQLite {
				return // where the row goes by no lease
			}
			err := older.Tx(ctx, func(tx *db.Tx) error {
				if _, err := tx.Exec(ctx, "DELETE FROM senders"); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "INSERT INTO senders (name, alive_until) VALUES ('m-1-a', $1)", db.Time{Time: tx.Now().Add(until)})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		sends(time.Minute)

		newer, err := db.Open(ctx, url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer newer.Close()
		for _, serves := range []bool{false, true} { // one that serves a SQLite file does not see itself
			if serves {
				if err := newer.Serve(); err != nil {
					t.Fatal(err)
				}
			}
			_, err = newer.MigrateFurther(ctx)
			f, ok := errors.AsType[*fault.Error](err)
			who := "m-1-a"
			if older.Dialect() == db.SQLite {
				who = "contacts/spring 1"
			}
			if !ok || f.Code != "older_serve" || !strings.HasSuffix(f.Detail, ": "+who) && !strings.HasSuffix(f.Detail, ": a process that sends for "+who) {
				t.Fatalf("beside one that sends: %v", err)
			}
		}

		sends(-time.Millisecond)
		release()
		if older.Dialect() == db.SQLite { // that of a store beside it
			beside := dbtest.Open(t, url+".next.db", db.Options{})
			if err := beside.Serve(); err != nil {
				t.Fatal(err)
			}
			if _, ok, err := beside.Take("contacts/spring 1"); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		if applied, err := newer.MigrateFurther(ctx); err != nil || len(applied) != 2 {
			t.Fatalf("%d applied, %v", len(applied), err)
		}
	})
}
