package transfer_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/db"
)

// filler puts random rows into a store, whatever tables it has.
type filler struct {
	shape    db.Shape
	nullable map[string]bool   // table.column
	parents  map[string]string // table.column that refers to a table's id
}

// newFiller learns from a SQLite store, which tells more of its schema.
func newFiller(t *testing.T, model *db.DB) *filler {
	t.Helper()
	shape, err := db.NewShape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &filler{shape: shape, nullable: map[string]bool{}, parents: map[string]string{}}
	for _, table := range shape.Tables {
		for _, name := range texts(t, model, `SELECT name FROM pragma_table_info($1) WHERE "notnull" = 0 AND pk = 0`, table.Name) {
			f.nullable[table.Name+"."+name] = true
		}
		for _, pair := range texts(t, model, `SELECT "from" || ' ' || "table" FROM pragma_foreign_key_list($1)`, table.Name) {
			name, parent, _ := strings.Cut(pair, " ")
			f.parents[table.Name+"."+name] = parent
		}
	}
	return f
}

// What may stand in columns that the schema is particular about.
func (f *filler) special() map[string]*rapid.Generator[any] {
	of := func(values ...any) *rapid.Generator[any] { return rapid.SampledFrom(values) }
	small := of(int64(0), int64(1), int64(2))
	wide := of(int64(0), int64(math.MaxInt64), int64(math.MinInt64), int64(1)<<53+1)
	return map[string]*rapid.Generator[any]{
		"crons.kind": of("sync", "external"), "crons.overlap": of("allow", "forbid", "replace"),
		"executions.status":   of("running", "success", "failed", "timed_out", "cancelled", "superseded", "missed", "skipped"),
		"executions.end_type": of("info", "success", "warning", "error", nil), "executions.rows_read": wide, "executions.rows_deleted": wide,
		"messages.type": of("info", "success", "warning", "error"), "api_keys.scope": of("ping", "read", "admin"),
		"schedules.catch_up": of("skip", "once", "all"), "channels.paused_by": of("", "person", "fault"),
		"events.kind": of("missed", "overdue", "failing", "failed", "succeeded", "recovered"), "events.suppressed": of("", "muted", "snoozed", "maintenance"),
		"attempts.outcome": of("sent", "retry", "failed", "paused", "uncertain"), "webhooks.profile": of("seed", "standard"),
		"deliveries.state": small, "deliveries.topic": small, "postings.pipeline_id": small, "postings.posted": small,
	}
}

// fill adds a few random rows to each table; odd ones have texts that only SQLite holds.
func (f *filler) fill(t *testing.T, rt *rapid.T, d *db.DB, odd bool) {
	words := []any{"", "a", "Ä", "zero\u200bwidth 😀", "line\r\n\t\"quoted\" \\ back", "<&>\u2028\u2029", `{"a":"\u0000"}`, "\x7f\x01", strings.Repeat("long ", 20_000)}
	if odd {
		words = append(words, "nul\x00", "no \xff\xfe UTF-8", "cut \xf0\x9f")
	}
	kinds := map[db.Kind]*rapid.Generator[any]{
		db.Int:   rapid.SampledFrom([]any{int64(1), int64(2), int64(7), int64(3_600_000_001), int64(1_767_225_600_123_456)}),
		db.Bool:  rapid.SampledFrom([]any{true, false}),
		db.Text:  rapid.SampledFrom(words),
		db.Bytes: rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) any { return b }),
	}
	special := f.special()
	for _, table := range f.shape.Tables {
		if table.Name == "store_identity" || table.Name == "schema_compatibility" { // one row for ever
			continue
		}
		for range rapid.SampledFrom([]int{0, 1, 2, 3, 5, 8}).Draw(rt, table.Name) {
			row := map[string]any{}
			for _, c := range table.Columns {
				where := table.Name + "." + c.Name
				from, is := special[where]
				if !is {
					from = kinds[c.Kind]
				}
				if ids := f.ids(t, d, f.parents[where]); ids != nil {
					from = rapid.SampledFrom(ids)
				}
				if table.IDs && c.Name == table.Key[0] {
					from = rapid.Map(rapid.Int64Range(1, 1_000), func(n int64) any { return n })
				}
				if f.nullable[where] && rapid.Bool().Draw(rt, "null") {
					row[c.Name] = nil
					continue
				}
				row[c.Name] = from.Draw(rt, where)
			}
			fitting(table.Name, row)
			insert(t, d, table, row)
		}
	}
}

// fitting heeds conditions over more than one column.
func fitting(table string, row map[string]any) {
	switch table {
	case "executions":
		if row["status"] == "running" {
			row["ended_at"] = nil
		} else if row["ended_at"] == nil {
			row["ended_at"] = int64(1_767_225_600_000_000)
		}
	case "maintenance_windows":
		row["ends_at"] = row["starts_at"].(int64) + 1
	}
}

// ids are those of a table's rows; nil if it is none.
func (f *filler) ids(t *testing.T, d *db.DB, table string) []any {
	t.Helper()
	if table == "" {
		return nil
	}
	all := []any{}
	for _, id := range texts(t, d, "SELECT CAST(id AS TEXT) FROM "+table) {
		var n int64
		if _, err := fmt.Sscan(id, &n); err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// insert adds a row, unless it collides with another or lacks a parent.
func insert(t *testing.T, d *db.DB, table db.Table, row map[string]any) {
	t.Helper()
	var values []any
	var marks []string
	for i, c := range table.Columns {
		values = append(values, row[c.Name])
		marks = append(marks, fmt.Sprintf("$%d", i+1))
	}
	overriding := ""
	if d.Dialect() == db.Postgres {
		overriding = " OVERRIDING SYSTEM VALUE"
	}
	query := fmt.Sprintf(`INSERT INTO %q (%s)%s VALUES (%s) ON CONFLICT DO NOTHING`, table.Name, table.QuotedColumns(), overriding, strings.Join(marks, ", "))
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), query, values...)
		return err
	})
	orphan := err != nil && strings.Contains(strings.ToLower(err.Error()), "foreign key")
	if err != nil && !orphan {
		t.Fatalf("%s of %v: %v", query, values, err)
	}
}

// texts are the answer of a query for one column of text.
func texts(t *testing.T, d *db.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := d.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (s string, err error) {
		err = r.Scan(&s)
		return s, err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

// tablesOf lists the tables of a store as the database itself does, but for those of
// the engine and the list of migrations.
func tablesOf(t *testing.T, d *db.DB) []string {
	t.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if d.Dialect() == db.Postgres {
		query = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
	}
	all := slices.DeleteFunc(texts(t, d, query), func(name string) bool {
		return strings.HasPrefix(name, "river_") || strings.HasPrefix(name, "sqlite_") || name == "ferryman_migrations"
	})
	slices.Sort(all)
	return all
}

// columnsOf lists the columns of a table likewise.
func columnsOf(t *testing.T, d *db.DB, table string) []string {
	t.Helper()
	if d.Dialect() == db.SQLite {
		return texts(t, d, "SELECT name FROM pragma_table_info($1)", table)
	}
	return texts(t, d, "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1", table)
}

// contents gives all rows of all tables, each as one text that both databases would
// give, in an order of its own.
func contents(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range tablesOf(t, d) {
		names := columnsOf(t, d, table)
		rows, err := d.Query(t.Context(), fmt.Sprintf(`SELECT "%s" FROM %q`, strings.Join(names, `", "`), table))
		if err != nil {
			t.Fatal(err)
		}
		all[table], err = db.Collect(rows, func(r *db.Rows) (string, error) {
			values := make([]any, len(names))
			into := make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			err := r.Scan(into...)
			var parts []string
			for i, name := range names {
				if yes, is := values[i].(bool); is { // SQLite has numbers
					values[i] = map[bool]int64{true: 1}[yes]
				}
				parts = append(parts, fmt.Sprintf("%s=%T %q", name, values[i], fmt.Sprint(values[i])))
			}
			slices.Sort(parts)
			return strings.Join(parts, " "), err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(all[table])
	}
	return all
}

// empty makes a store as empty as a new one.
func (f *filler) empty(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		for _, table := range slices.Backward(f.shape.Tables) {
			query := fmt.Sprintf("DELETE FROM %q", table.Name)
			switch table.Name {
			case "store_identity", "schema_compatibility":
				continue
			case "applications":
				query += " WHERE name <> 'ferryman'"
			}
			if _, err := tx.Exec(t.Context(), query); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
