package sqlsink

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"ferryman/internal/pipeline"
)

// hostileNames are custom fields as an upstream could name them.
func hostileNames() []string {
	return []string{
		`a"b`, `a""b`, "a`b", "a``b", "a]b", "a[b", "a'b", `a\`, `\`, "a;b", "a--b", "/*", "*/", "$1", "$$", "?", ":a", "@a", "%s", "%", "{}",
		`x" TEXT); DROP TABLE bystander; --`, "x` TEXT); DROP TABLE bystander; --", "x] TEXT); DROP TABLE bystander; --", "x'); DROP TABLE bystander; --",
		"select", "SELECT", "from", "table", "order", "group", "user", "null", "true", "default", "rowid", "oid", "ctid", "xmin", "tableoid", "_rowid_", "id", "ID", "Id ",
		"a\x00b", "\x00", "a\nb", "a\r\nb", "\t", " ", "", ".", "a.b", "\xff", "ü", "İ", "ı", "ſ", "K", "😀", "\u202e", "\u200b", "茶箱", strings.Repeat("x", 64), strings.Repeat("x", 1000),
		strings.Repeat(`"`, 40), strings.Repeat("`", 40), strings.Repeat("é", 100), "ferryman_dead_letters", "1", "1a", "-1", "<script>", "$changed", "(SELECT 1)",
	}
}

// TestHostileNames has an upstream name its fields so, with the same for values: all land
// where they belong, and nothing else is touched. No statement is one that the database
// cannot read: that would be an error here.
func TestHostileNames(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		db := connect(t, url)
		exec(t, db, "CREATE TABLE bystander (id INTEGER)", "INSERT INTO bystander VALUES (7)")
		names := hostileNames()
		const piece = 20 // columns that come at a time, as fields do
		for begin := 0; begin < len(names); begin += piece {
			some := names[begin:min(begin+piece, len(names))]
			if begin == 0 {
				some = append([]string{names[len(names)-1]}, some...)
			}
			fields := fieldsOf(some)
			table := textTable(fields...)
			table.Name = fmt.Sprintf("t%d", begin)
			s := adapting(t, url, "p", table)
			row := []any{`k'"` + "`"}
			for i := range fields {
				row = append(row, hostileNames()[(begin+i)%len(names)])
			}
			for again := range 2 {
				if got := took(t, s, pipeline.Change{Table: table, Rows: [][]any{row}}); got.Rejected != 0 || got.Inserted != int64(1-again) || got.Unchanged != int64(again) {
					t.Errorf("columns from %d: landed %+v", begin, got)
				}
			}
			got, err := s.Get(t.Context(), table, row[0])
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range row {
				if got[i] != clean(want.(string)) {
					t.Errorf("column %q holds %q, want %q", table.Columns[i].Name, got[i], want)
				}
			}
		}
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT id FROM bystander").Scan(&n); err != nil || n != 7 {
			t.Errorf("the bystander: %d, %v", n, err)
		}
	})
}

// fieldsOf leaves out names that come again: the fields of an object do not.
func fieldsOf(names []string) (all []string) {
	seen := map[string]bool{"id": true} // the table's own
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// FuzzNames does so with any pair of names and any value, on SQLite.
func FuzzNames(f *testing.F) {
	for i, name := range hostileNames() {
		f.Add(name, hostileNames()[len(hostileNames())-1-i], name)
	}
	url := "sqlite://" + filepath.Join(f.TempDir(), "target.db")
	_, db, err := open(url)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(f.Context(), "CREATE TABLE bystander (id INTEGER)"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, one, other, value string) {
		fields := fieldsOf([]string{one, other})
		table := textTable(fields...)
		if _, err := db.ExecContext(t.Context(), "DROP TABLE IF EXISTS t"); err != nil {
			t.Fatal(err)
		}
		s := adapting(t, url, "p", table)
		row := []any{"key"}
		for i := range fields {
			row = append(row, fmt.Sprint(i, value))
		}
		if got := took(t, s, pipeline.Change{Table: table, Rows: [][]any{row}}); got.Rejected != 0 || got.Inserted != 1 {
			t.Fatalf("landed %+v", got)
		}
		got, err := s.Get(t.Context(), table, "key")
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range row {
			if got[i] != clean(want.(string)) {
				t.Errorf("column %q holds %q, want %q", table.Columns[i].Name, got[i], want)
			}
		}
		var tables string
		if err := db.QueryRowContext(t.Context(), "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name)").Scan(&tables); err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(tables, ",") {
			if name != "bystander" && name != "t" && !strings.HasPrefix(name, "ferryman_") {
				t.Errorf("there is a table %q", name)
			}
		}
		if !strings.Contains(tables, "bystander") {
			t.Error("the bystander is gone")
		}
	})
}
