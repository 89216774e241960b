package transfer_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/jobs"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
	"ferryman/internal/transfer"
)

// stores are the kinds of stores that things are moved between.
func stores() map[string]func(t *testing.T) *db.DB {
	open := func(t *testing.T, url string) *db.DB {
		t.Helper()
		return dbtest.Open(t, url, db.Options{Synchronous: "NORMAL"}, jobs.Migrate)
	}
	return map[string]func(t *testing.T) *db.DB{
		"sqlite": func(t *testing.T) *db.DB {
			t.Helper()
			return open(t, dbtest.SQLite(filepath.Join(t.TempDir(), "ferryman.db")))
		},
		"postgres": func(t *testing.T) *db.DB {
			t.Helper()
			return open(t, testdb.Postgres(t))
		},
	}
}

// directions runs a test for each kind of store moved to each.
func directions(t *testing.T, run func(t *testing.T, from, to func(t *testing.T) *db.DB)) {
	t.Helper()
	for a, from := range stores() {
		for b, to := range stores() {
			t.Run(a+" to "+b, func(t *testing.T) {
				t.Parallel()
				run(t, from, to)
			})
		}
	}
}

func export(t *testing.T, d *db.DB) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := transfer.Export(t.Context(), d, &file, "test", nil); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func mustImport(t *testing.T, d *db.DB, file []byte) transfer.Summary {
	t.Helper()
	s, err := transfer.Import(t.Context(), d, bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever is in a store is in the one that it was moved to, and nothing else.
func TestWhatIsMovedIsTheSame(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("15"); err != nil { // each asks the databases some thousand times
			t.Fatal(err)
		}
	}
	directions(t, func(t *testing.T, from, to func(t *testing.T) *db.DB) {
		model := newFiller(t, stores()["sqlite"](t))
		source, target := from(t), to(t)
		odd := source.Dialect() == db.SQLite && target.Dialect() == db.SQLite
		seen := map[string]bool{}
		rapid.Check(t, func(rt *rapid.T) {
			model.empty(t, source)
			model.empty(t, target)
			model.fill(t, rt, source, odd)
			want := contents(t, source)
			s := mustImport(t, target, export(t, source))
			got := contents(t, target)
			for table, rows := range want {
				if !slices.Equal(rows, got[table]) {
					rt.Fatalf("%s has\n%s\nand should have\n%s", table, strings.Join(got[table], "\n"), strings.Join(rows, "\n"))
				}
				if n, is := s.Tables[table]; !is || n != int64(len(rows)) {
					rt.Fatalf("%d rows of %s are told, and there are %d", n, table, len(rows))
				}
				seen[table] = seen[table] || len(rows) > 0
			}
			if s.Replaced != 0 {
				rt.Fatalf("%d texts were changed", s.Replaced)
			}
		})
		for _, table := range model.shape.Tables {
			if !seen[table.Name] {
				t.Errorf("the test has never had a row in %s", table.Name)
			}
		}
	})
}

// A table that a migration brings cannot be forgotten, and is alike on both databases.
func TestShapeIsThatOfTheStores(t *testing.T) {
	shape, err := db.NewShape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]db.Kind{
		"bigint": db.Int, "integer": db.Int, "smallint": db.Int, "INTEGER": db.Int, "BIGINT": db.Int,
		"boolean": db.Bool, "BOOLEAN": db.Bool, "text": db.Text, "TEXT": db.Text, "bytea": db.Bytes, "BLOB": db.Bytes,
	}
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			columns := "SELECT name || ' ' || type FROM pragma_table_info($1)"
			parents := `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`
			if d.Dialect() == db.Postgres {
				columns = "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER'"
				parents = "SELECT DISTINCT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::regclass ORDER BY 1"
			}
			var names []string
			for _, table := range shape.Tables {
				names = append(names, table.Name)
				var want, got []string
				for _, c := range table.Columns {
					want = append(want, c.Name+" "+string(c.Kind))
				}
				for _, pair := range texts(t, d, columns, table.Name) {
					column, declared, _ := strings.Cut(pair, " ")
					got = append(got, column+" "+string(kinds[declared]))
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(want, got) {
					t.Errorf("%s has the columns %v, and the shape %v", table.Name, got, want)
				}
				if refers := texts(t, d, parents, table.Name); !slices.Equal(refers, table.Parents) {
					t.Errorf("%s refers to %v, in the shape to %v", table.Name, refers, table.Parents)
				}
			}
			slices.Sort(names)
			if there := tablesOf(t, d); !slices.Equal(names, there) {
				t.Errorf("the store has the tables %v, and the shape %v", there, names)
			}
			if at, err := d.SchemaVersion(t.Context()); err != nil || at != shape.Version {
				t.Errorf("schema version %d, in the shape %d: %v", at, shape.Version, err)
			}
		})
	}
}

// Ids that were given are not given again, though their rows are gone.
func TestIDsGoOn(t *testing.T) {
	directions(t, func(t *testing.T, from, to func(t *testing.T) *db.DB) {
		source, target := from(t), to(t)
		add := func(d *db.DB, name string) (id int64) {
			t.Helper()
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(t.Context(), "INSERT INTO applications (name, created_at) VALUES ($1, 1) RETURNING id", name).Scan(&id)
			})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		add(source, "stays")
		gone := add(source, "gone")
		err := source.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM applications WHERE id = $1", gone)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		mustImport(t, target, export(t, source))
		if id := add(target, "new"); id != gone+1 {
			t.Errorf("the next id is %d, after %d", id, gone)
		}
		// A table without rows, in which no id was ever given, begins with 1.
		err = target.Tx(t.Context(), func(tx *db.Tx) error {
			var id int64
			err := tx.QueryRow(t.Context(), "INSERT INTO senders (name, alive_until) VALUES ('a', 1) RETURNING id").Scan(&id)
			if id != 1 {
				t.Errorf("the first sender is %d", id)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Triggers count again once the store is filled, and indexes keep what they kept.
func TestAStoreWorksAfterwards(t *testing.T) {
	directions(t, func(t *testing.T, from, to func(t *testing.T) *db.DB) {
		source, target := from(t), to(t)
		ctx := t.Context()
		const cron = "INSERT INTO crons (application_id, slug, name, kind, created_at, updated_at) VALUES (1, 'a', 'a', 'sync', 0, 0)"
		const run = `INSERT INTO executions (cron_id, application_id, slot, status, "trigger", holder, started_at, ended_at) VALUES (1, 1, 0, $1, 'api', 'x', 1, $2)`
		do := func(d *db.DB, query string, args ...any) error {
			return d.Tx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, query, args...)
				return err
			})
		}
		for _, err := range []error{do(source, cron), do(source, run, "success", 2), do(source, run, "running", nil)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		tally := func(d *db.DB) []string {
			return texts(t, d, "SELECT status || ' ' || CAST(n AS TEXT) FROM execution_hours ORDER BY 1")
		}
		before, indexes := tally(source), definitions(t, target)
		mustImport(t, target, export(t, source))
		if got := tally(target); !slices.Equal(got, before) || len(got) != 1 {
			t.Fatalf("counted %q, and before it was %q", got, before)
		}
		if err := do(target, run, "running", nil); err == nil {
			t.Error("two executions hold one slot")
		}
		if err := do(target, "UPDATE executions SET status = 'success', ended_at = 5 WHERE id = 2"); err != nil {
			t.Fatal(err)
		}
		if got := tally(target); !slices.Equal(got, []string{"success 2"}) {
			t.Errorf("counted %q", got)
		}
		if got := definitions(t, target); !slices.Equal(got, indexes) {
			t.Errorf("the store has\n%s\nand had\n%s", strings.Join(got, "\n"), strings.Join(indexes, "\n"))
		}
	})
}

// definitions are the indexes and triggers of a store.
func definitions(t *testing.T, d *db.DB) []string {
	t.Helper()
	if d.Dialect() == db.SQLite {
		return texts(t, d, "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master WHERE type <> 'table' ORDER BY 1")
	}
	return texts(t, d, `SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
		UNION ALL SELECT tgrelid::regclass::text || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger ORDER BY 1`)
}

// An export is the store of one moment: what was written before is in it, and of what
// others write meanwhile all of a transaction or nothing.
func TestExportWhileOthersWrite(t *testing.T) {
	directions(t, func(t *testing.T, from, to func(t *testing.T) *db.DB) {
		source := from(t)
		write := func(n int64) error {
			ctx := context.Background()
			return source.Tx(ctx, func(tx *db.Tx) error {
				// The tables are exported one after the other, these among the first and the last.
				_, err := tx.Exec(ctx, "INSERT INTO applications (name, created_at) VALUES ($1, $2)", fmt.Sprint("app", n), n)
				for i := range 3 {
					if err == nil {
						_, err = tx.Exec(ctx, "INSERT INTO webhooks (name, url, profile, rate, created_at, changed_at) VALUES ($1, $2, 'seed', '', 0, 0)", fmt.Sprint(n, "/", i), []byte{})
					}
				}
				return err
			})
		}
		var acknowledged atomic.Int64
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := write(n); err != nil {
					t.Error(err)
					return
				}
				acknowledged.Store(n)
			}
		})
		defer writer.Wait()
		defer close(stop)
		testwait.Until(t, "something is written", func() bool { return acknowledged.Load() > 20 })
		before := acknowledged.Load()
		s := mustImport(t, to(t), export(t, source))
		if apps := s.Tables["applications"] - 1; apps < before || s.Tables["webhooks"] != 3*apps {
			t.Errorf("%d applications with %d webhooks, and %d were there before", apps, s.Tables["webhooks"], before)
		}
	})
}

func TestProgressIsTold(t *testing.T) {
	d := stores()["sqlite"](t)
	const rows = 40_000
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) INSERT INTO marks (name, value) SELECT 'm' || i, '' FROM n", rows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	var told [2][]string
	tell := func(i int) transfer.Progress {
		return func(table string, rows int64) { told[i] = append(told[i], fmt.Sprint(table, " ", rows)) }
	}
	if _, err := transfer.Export(t.Context(), d, &file, "test", tell(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Import(t.Context(), stores()["sqlite"](t), &file, tell(1)); err != nil {
		t.Fatal(err)
	}
	want := []string{"marks 16384", "marks 32768"}
	if !slices.Equal(told[0], want) || !slices.Equal(told[1], want) {
		t.Errorf("told %q", told)
	}
}
