package db_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/testdb"
)

func TestExamine(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		if e, err := db.Examine(t.Context(), url); err != nil || e.Version != 0 || e.There && (e.Newest == 0 || !e.MayCreate) {
			t.Errorf("before it is made: %+v, %v", e, err)
		}
		d := dbtest.Open(t, url, db.Options{})
		e, err := db.Examine(t.Context(), url)
		if err != nil || !e.There || e.Version != e.Newest || e.Newest == 0 || e.Asked > e.Newest || e.Dialect != d.Dialect() || e.Served || e.Damage != "" {
			t.Errorf("%+v, %v", e, err)
		}
		if d.Dialect() == db.Postgres {
			if e.Server == "" || e.User == "" || e.Latency <= 0 || e.Ahead.Abs() > time.Minute || e.ReadOnly || !e.MayCreate || !e.MayWrite || e.Pooled {
				t.Errorf("%+v", e)
			}
			return
		}
		if e.Bytes == 0 || e.Path != d.Path() {
			t.Errorf("%+v", e)
		}
		if err := d.Serve(); err != nil {
			t.Fatal(err)
		}
		if e, err := db.Examine(t.Context(), url); err != nil || !e.Served {
			t.Errorf("while it is served: %+v, %v", e, err)
		}
	})
}

// What is not there is not made, and what is damaged is told.
func TestExamineLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "store.db")
	if e, err := db.Examine(t.Context(), dbtest.SQLite(file)); err != nil || e.There {
		t.Errorf("%+v, %v", e, err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) > 0 {
		t.Errorf("it left %v, %v", entries, err)
	}
	if err := os.WriteFile(file, []byte("this is no database, and never was one, however long it may be"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := db.Examine(t.Context(), dbtest.SQLite(file)); fault.CodeOf(err) != "store_corrupt" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := db.Examine(t.Context(), "sqlite://host/x.db"); fault.CodeOf(err) != "store_url" {
		t.Error(err)
	}
	if _, err := db.Examine(t.Context(), "postgres://u:secret@127.0.0.1:1/d"); fault.CodeOf(err) != "store_unavailable" {
		t.Error(err)
	}
}

// A user without rights is told from one who has them, and a server that takes no writes.
func TestExamineRights(t *testing.T) {
	admin := testdb.Postgres(t)
	d := dbtest.Open(t, admin, db.Options{})
	name := testdb.Name()
	for _, statement := range []string{
		"CREATE ROLE " + name + " LOGIN PASSWORD 'p'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + name,
		"ALTER ROLE " + name + " SET default_transaction_read_only = on",
	} {
		if _, err := d.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range []string{"DROP OWNED BY " + name, "DROP ROLE " + name} {
			if _, err := d.Pool().Exec(context.Background(), statement); err != nil {
				t.Error(err)
			}
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, "p")
	e, err := db.Examine(t.Context(), u.String())
	if err != nil || e.MayCreate || e.MayWrite || !e.ReadOnly || e.User != name || e.Version != e.Newest || e.Pooled {
		t.Errorf("%+v, %v", e, err)
	}
}
