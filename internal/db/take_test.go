package db_test

import (
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testdb"
)

func TestTake(t *testing.T) {
	take := func(d *db.DB, name string, want bool) func() {
		t.Helper()
		release, ok, err := d.Take(name)
		if err != nil || ok != want {
			t.Fatalf("%s: taken is %t, want %t, %v", name, ok, want, err)
		}
		return release
	}
	address := "sqlite://" + t.TempDir() + "/ferryman.db"
	one, other := dbtest.Open(t, address, db.Options{}), dbtest.Open(t, address, db.Options{})
	release := take(one, "contacts/a b", true)
	take(one, "contacts/a b", false)
	lost := take(other, "contacts/a b", false)
	take(other, "contacts/a", true)
	lost()
	take(other, "contacts/a b", false)
	release()
	take(other, "contacts/a b", true)
	if err := one.Serve(); err != nil {
		t.Errorf("it stands in the way of who serves the store: %v", err)
	}

	for _, name := range []string{"contacts", "next.db.contacts/a"} { // of another store's, for all that anybody knows
		if _, ok, err := one.Take(name); ok || err == nil {
			t.Errorf("%s: taken is %t, %v", name, ok, err)
		}
	}

	shared := testdb.Postgres(t)
	take(dbtest.Open(t, shared, db.Options{}), "contacts/a", true)
	take(dbtest.Open(t, shared, db.Options{}), "contacts/a", true)
}
