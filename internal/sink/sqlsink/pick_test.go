package sqlsink

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

func TestPickKeysCount(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		table := people()
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table}})
		pick := func(keys ...any) string {
			t.Helper()
			rows, err := s.Pick(t.Context(), table, []string{"name", "n"}, keys)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
			return fmt.Sprint(rows)
		}
		count := func() int64 {
			t.Helper()
			n, err := s.Count(t.Context(), table)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		// Without the table there is nothing.
		if keys, err := s.Keys(t.Context(), table, nil, 10); pick("a") != "[]" || count() != 0 || err != nil || len(keys) != 0 {
			t.Errorf("keys %v, %v", keys, err)
		}
		var rows [][]any
		for i := range 2500 {
			rows = append(rows, []any{fmt.Sprintf("k%04d", i), nil, fmt.Sprint("name ", i), fmt.Sprint(i), nil, nil, nil})
		}
		rows = append(rows, []any{"a", nil, "small", "1.5", nil, nil, nil}, []any{"A", nil, "large", nil, nil, nil, nil})
		write(t, s, pipeline.Change{Table: table, Rows: rows})
		if got := pick("a", "a ", "b", nil, "a", 7, "nul\x00"); got != "[[a small 1.5]]" {
			t.Errorf("picked %s", got)
		}
		var all []any
		for _, row := range rows {
			all = append(all, row[0], row[0].(string)+"?")
		}
		if got, err := s.Pick(t.Context(), table, nil, all); err != nil || len(got) != len(rows) {
			t.Errorf("picked %d, %v", len(got), err)
		}
		if n := count(); n != int64(len(rows)) {
			t.Errorf("%d rows", n)
		}
		var after any
		var keys []any
		for {
			page, err := s.Keys(t.Context(), table, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			keys = append(keys, page...)
			after = page[len(page)-1]
		}
		if len(keys) != len(rows) || keys[0] != "A" || keys[1] != "a" || keys[2] != "k0000" {
			t.Errorf("%d keys, the first %v", len(keys), keys[:3])
		}
		// A column that the table lacks is NULL; one that nobody described is a mistake.
		wider := people()
		wider.Columns = append(wider.Columns, pipeline.Column{Name: "new", Type: pipeline.Text})
		if got, err := s.Pick(t.Context(), wider, []string{"new", "name"}, []any{"a"}); err != nil || fmt.Sprint(got) != "[[a <nil> small]]" {
			t.Errorf("picked %v, %v", got, err)
		}
		if _, err := s.Pick(t.Context(), table, []string{"new"}, nil); err == nil {
			t.Error("picked a column that the table is not described with")
		}
	})
}

// A collation that takes other keys for one of those wanted brings no other rows.
func TestPickIsExact(t *testing.T) {
	url := testdb.MySQL(t)
	exec(t, connect(t, url), "CREATE TABLE loose (id varchar(50) PRIMARY KEY, v int) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci",
		"INSERT INTO loose VALUES ('Ann', 1), ('b', 2)")
	loose := &pipeline.Table{Name: "loose", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "v", Type: pipeline.Integer}}}
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{loose}})
	got, err := s.Pick(t.Context(), loose, []string{"v"}, []any{"ann", "b ", "B", "b"})
	if err != nil || fmt.Sprint(got) != "[[b 2]]" {
		t.Errorf("picked %v, %v", got, err)
	}
}

// What others do to a table that was described before is noticed.
func TestPickOfATableThatIsAltered(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		tbl := table(pipeline.Column{Name: "a", Type: pipeline.Text}, pipeline.Column{Name: "b", Type: pipeline.Text})
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
		pick := func(want string) {
			t.Helper()
			if got, err := s.Pick(t.Context(), tbl, []string{"a", "b"}, []any{int64(1)}); err != nil || fmt.Sprint(got) != want {
				t.Errorf("picked %v, %v, want %s", got, err, want)
			}
		}
		pick("[]")
		write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{int64(1), "x", "y"}}})
		pick("[[1 x y]]")
		exec(t, s.db, "ALTER TABLE t DROP COLUMN b")
		pick("[[1 x <nil>]]")
		exec(t, s.db, "ALTER TABLE t ADD COLUMN b varchar(10)", "UPDATE t SET b = 'z'")
		if _, err := s.Cursor(t.Context()); err != nil { // another run
			t.Fatal(err)
		}
		pick("[[1 x z]]")
		exec(t, s.db, "DROP TABLE t")
		pick("[]")
	})
}
