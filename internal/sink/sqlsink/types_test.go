package sqlsink

import (
	"fmt"
	"strings"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// put writes one change and returns what it took.
func put(t *testing.T, s *Sink, c pipeline.Change) pipeline.TableCount {
	t.Helper()
	landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{c}})
	if err != nil {
		t.Fatal(err)
	}
	return plain(t, landed[0])
}

// checkPut checks that a row lands as it is or, where it would be changed on its
// way, is refused; a row that has landed is unchanged the second time.
func checkPut(t *testing.T, s *Sink, table *pipeline.Table, row []any, lands bool) {
	t.Helper()
	for again := range 2 {
		got := put(t, s, pipeline.Change{Table: table, Rows: [][]any{row}})
		want := pipeline.TableCount{Table: table.Name, Read: 1, Rejected: 1}
		if lands {
			want = pipeline.TableCount{Table: table.Name, Read: 1, Written: int64(1 - again), Unchanged: int64(again)}
		}
		if got != want {
			t.Errorf("%.60v: landed %+v, want %+v", row, got, want)
		}
	}
}

// A cast to a domain would cut, and an assignment to one would round.
func TestDomainsAndNamesCutNothing(t *testing.T) {
	url := testdb.Postgres(t)
	exec(t, connect(t, url), "CREATE DOMAIN short AS varchar(5)", "CREATE DOMAIN shorter AS short CHECK (value <> 'never')", "CREATE DOMAIN price AS numeric(10,2)",
		"CREATE TABLE t (id bigint PRIMARY KEY, a short, b shorter, n price, x name)")
	text := func(name string) pipeline.Column { return pipeline.Column{Name: name, Type: pipeline.Text} }
	tbl := table(text("a"), text("b"), pipeline.Column{Name: "n", Type: pipeline.Decimal}, text("x"))
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	checkPut(t, s, tbl, []any{int64(1), "abcde", "äöüßé", "3092.44", strings.Repeat("n", 63)}, true)
	bad := [][]any{
		{int64(2), "abcdef", nil, nil, nil},
		{int64(3), nil, "abcdef", nil, nil},
		{int64(4), nil, "never", nil, nil},
		{int64(5), nil, nil, "3092.445", nil},
		{int64(6), nil, nil, nil, strings.Repeat("n", 64)},
		{int64(7), nil, nil, nil, strings.Repeat("ä", 32)},
	}
	for _, row := range bad {
		checkPut(t, s, tbl, row, false)
	}
	rows := make([][]any, copyFrom) // by COPY
	for i := range rows {
		rows[i] = []any{int64(i + 100), "abcde", nil, "3092.44", nil}
	}
	if got := put(t, s, pipeline.Change{Table: tbl, Rows: append(bad, rows...)}); got.Rejected != int64(len(bad)) || got.Written != copyFrom {
		t.Errorf("landed %+v", got)
	}
}

func TestTextIntoNumbers(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), "CREATE TABLE t (id bigint PRIMARY KEY, a int, b decimal(10,0), d float, e double precision)")
			tbl := table(pipeline.Column{Name: "a", Type: pipeline.Text}, pipeline.Column{Name: "b", Type: pipeline.Text},
				pipeline.Column{Name: "d", Type: pipeline.Decimal}, pipeline.Column{Name: "e", Type: pipeline.Boolean})
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
			checkPut(t, s, tbl, []any{int64(1), "12", "-13", "0.5", true}, true)
			checkPut(t, s, tbl, []any{int64(2), "12.7", nil, nil, nil}, false)
			checkPut(t, s, tbl, []any{int64(3), nil, "12.7", nil, nil}, target.name == "sqlite") // which keeps it
			checkPut(t, s, tbl, []any{int64(4), nil, nil, "12345678.1234567890123", nil}, false)
			checkPut(t, s, tbl, []any{int64(5), "five", nil, nil, nil}, target.name == "sqlite")
			checkPut(t, s, tbl, []any{int64(6), nil, nil, "0e999999999999", nil}, true)
			row, err := s.Get(t.Context(), tbl, int64(1))
			if want := fmt.Sprint([]any{int64(1), "12", "-13", "0.5", true}); err != nil || fmt.Sprint(row) != want {
				t.Errorf("read %v, %v", row, err)
			}
		})
	}
}

// What the charset of an old column lacks costs one row, not the batch.
func TestLegacyCharsets(t *testing.T) {
	url := testdb.MySQL(t)
	for charset, kept := range map[string]int{"latin1": 2, "utf8mb3": 3, "utf16": 4} {
		exec(t, connect(t, url), fmt.Sprintf("CREATE TABLE %s (label varchar(50) PRIMARY KEY, v int) CHARSET=%[1]s COLLATE=%[1]s_bin", charset))
		tbl := &pipeline.Table{Name: charset, Key: []string{"label"},
			Columns: []pipeline.Column{{Name: "label", Type: pipeline.Text}, {Name: "v", Type: pipeline.Integer}}}
		s := openSink(t, url, Options{Pipeline: charset, Tables: []*pipeline.Table{tbl}})
		for i := range int64(2) {
			got := put(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{"plain", i}, {"ä", i}, {"日本", i}, {"😀", i}}})
			if got.Written != int64(kept) || got.Rejected != int64(4-kept) {
				t.Errorf("%s: landed %+v", charset, got)
			}
		}
	}
}

// Types that know no equality are compared as text.
func TestPostgresTypesWithoutEquality(t *testing.T) {
	url := testdb.Postgres(t)
	exec(t, connect(t, url), "CREATE TABLE t (id bigint PRIMARY KEY, doc json, at point, u uuid)")
	tbl := table(pipeline.Column{Name: "doc", Type: pipeline.Text}, pipeline.Column{Name: "at", Type: pipeline.Text}, pipeline.Column{Name: "u", Type: pipeline.Text})
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	const id = "0b5c1d2e-0000-4000-8000-00000000000a"
	checkPut(t, s, tbl, []any{int64(1), `{"a": 1}`, "(1,2)", id}, true)
	checkPut(t, s, tbl, []any{int64(1), `{"a":  1}`, "(1,2)", id}, true)
	checkPut(t, s, tbl, []any{int64(1), nil, "(1,3)", nil}, true)
	checkPut(t, s, tbl, []any{int64(2), `{"a"`, nil, nil}, false)
}

func TestMySQLBits(t *testing.T) {
	url := testdb.MySQL(t)
	exec(t, connect(t, url), "CREATE TABLE t (id bigint PRIMARY KEY, b bit(1), n bit(8))")
	tbl := table(pipeline.Column{Name: "b", Type: pipeline.Boolean}, pipeline.Column{Name: "n", Type: pipeline.Integer})
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	checkPut(t, s, tbl, []any{int64(1), true, int64(0x37)}, true)
	checkPut(t, s, tbl, []any{int64(2), false, int64(0)}, true)
	checkPut(t, s, tbl, []any{int64(3), nil, int64(256)}, false)
	rows, err := s.List(t.Context(), tbl, nil, 9)
	if err != nil || fmt.Sprint(rows) != "[[1 true 55] [2 false 0]]" {
		t.Errorf("read %v, %v", rows, err)
	}
}

// Without the right to make temporary tables large batches go another way.
func TestPostgresWithoutTemporaryTables(t *testing.T) {
	url := testdb.Postgres(t)
	admin := connect(t, url)
	user := testdb.Name()
	var database string
	if err := admin.QueryRow("SELECT current_database()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	exec(t, admin, fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD '%s'`, user, secret), fmt.Sprintf(`GRANT CREATE ON SCHEMA public TO %q`, user),
		fmt.Sprintf(`REVOKE TEMPORARY ON DATABASE %q FROM PUBLIC`, database))
	t.Cleanup(func() { exec(t, admin, fmt.Sprintf(`DROP OWNED BY %q`, user), fmt.Sprintf(`DROP ROLE %q`, user)) })
	s := openSink(t, as(t, url, user, secret, ""), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
	rows := make([][]any, 2*copyFrom+1)
	for i := range rows {
		rows[i] = []any{int64(i)}
	}
	if got := put(t, s, pipeline.Change{Table: table(), Rows: rows}); got.Written != int64(len(rows)) {
		t.Errorf("landed %+v", got)
	}
	if got := put(t, s, pipeline.Change{Table: table(), Rows: rows}); got.Unchanged != int64(len(rows)) {
		t.Errorf("landed %+v", got)
	}
}

// An idle sink holds none of a source's rows.
func TestMySQLForgetsRows(t *testing.T) {
	s := openSink(t, testdb.MySQL(t), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
	put(t, s, pipeline.Change{Table: table(), Rows: [][]any{{int64(1)}, {int64(2)}}})
	put(t, s, pipeline.Change{Table: table(), Rows: [][]any{{int64(1)}, {int64(3)}}})
	u := s.plans["t"].upserter.(*mysqlUpserter)
	for _, rows := range [][][]any{u.fresh, u.there} {
		if cap(rows) == 0 {
			t.Error("no rows passed")
		}
		for _, row := range rows[:cap(rows)] {
			if row != nil {
				t.Errorf("keeps %v", row)
			}
		}
	}
	if len(u.known) > 0 {
		t.Errorf("keeps %v", u.known)
	}
}
