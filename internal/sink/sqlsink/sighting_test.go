package sqlsink

import (
	"fmt"
	"strconv"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// What a scope has read needs no second look, whether the rows are there or not.
func TestKeysOfAScopeAreReadOnce(t *testing.T) {
	s := openSink(t, testdb.MySQL(t), Options{Pipeline: "p", Tables: []*pipeline.Table{people()}})
	s.db.SetMaxOpenConns(1) // the counter is the session's
	selects := func(scope *pipeline.Scope, want pipeline.TableCount) int {
		t.Helper()
		read := func() int {
			var name, value string
			if err := s.db.QueryRow("SHOW SESSION STATUS LIKE 'Com_select'").Scan(&name, &value); err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		var rows [][]any
		for i := range 2500 {
			rows = append(rows, []any{fmt.Sprint("id", i), "red", "name", nil, nil, nil, nil})
		}
		before := read()
		want.Table, want.Read = "people", 2500
		if got := write(t, s, pipeline.Change{Table: people(), Rows: rows, Scope: scope}); got != want {
			t.Errorf("landed %+v", got)
		}
		return read() - before
	}
	selects(within("team", "blue"), pipeline.TableCount{Written: 2500}) // the sink learns of the tables
	exec(t, s.db, "DELETE FROM people")
	for _, want := range []pipeline.TableCount{{Written: 2500}, {Unchanged: 2500}} {
		scoped := selects(within("team", "red"), want)
		if want.Written > 0 {
			exec(t, s.db, "DELETE FROM people")
		}
		if other := selects(within("team", "blue"), want); scoped+3 > other {
			t.Errorf("%d statements read for a change with its scope, %d for one of another", scoped, other)
		}
	}
}

// A row may come under another parent than it has, or under one that its scope does
// not list.
func TestRowsOfOtherParents(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		tbl := table(integers("g", "x")...)
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
		rows := func(groups ...any) (rows [][]any) {
			for i, g := range groups {
				rows = append(rows, []any{int64(i), g, int64(7)})
			}
			return rows
		}
		one, two := int64(1), int64(2)
		write(t, s, pipeline.Change{Table: tbl, Rows: rows(one, one, two, nil)})
		for _, step := range []struct {
			whole  bool
			parent int64
			groups []any
			want   pipeline.TableCount
		}{
			{true, 2, []any{one, two, two, nil}, pipeline.TableCount{Read: 4, Written: 1, Unchanged: 3}},
			{false, 1, []any{one, one, one, one}, pipeline.TableCount{Read: 4, Written: 3, Unchanged: 1}},
			{false, 2, []any{one, two, nil, one, one}, pipeline.TableCount{Read: 5, Written: 3, Unchanged: 2}},
			{false, 2, []any{one, nil, nil}, pipeline.TableCount{Read: 3, Written: 1, Unchanged: 2}},
		} {
			step.want.Table = "t"
			batch := pipeline.Batch{Whole: step.whole, Changes: []pipeline.Change{{Table: tbl, Rows: rows(step.groups...), Scope: within("g", step.parent)}}}
			landed, err := s.Write(t.Context(), batch)
			if err != nil || plain(t, landed[0]) != step.want {
				t.Errorf("%v of %d: landed %+v, %v", step.groups, step.parent, landed, err)
			}
			got := allRows(t, s, tbl)
			if want := rows(step.groups...); fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) {
				t.Errorf("%v of %d: rows %v", step.groups, step.parent, got)
			}
		}
	})
}

// A row that goes may take one along that was there when the scope was read.
func TestRowTakenAlong(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		for _, name := range []string{"plain", "otherwise_unique"} {
			unique := map[string]string{"otherwise_unique": ", UNIQUE (x)"}[name]
			exec(t, connect(t, url), fmt.Sprintf("CREATE TABLE %s (id bigint NOT NULL, g bigint, x bigint, up bigint, PRIMARY KEY (id)%s, FOREIGN KEY (up) REFERENCES %s (id) ON DELETE CASCADE)", name, unique, name))
			tbl := table(integers("g", "x", "up")...)
			tbl.Name = name
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
			one := int64(1)
			write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{one, one, int64(5), nil}, {int64(2), one, int64(6), one}}})
			rows := [][]any{{int64(2), one, int64(6), nil}}
			landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: tbl, Rows: rows, Scope: within("g", one)}}})
			if err != nil || landed[0].Inserted != 1 || landed[0].Deleted != 1 {
				t.Errorf("%s: landed %+v, %v", name, landed, err)
			}
			if got := allRows(t, s, tbl); fmt.Sprint(got) != fmt.Sprint(rows) {
				t.Errorf("%s: rows %v", name, got)
			}
		}
	})
}
