package sqlsink

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// textTable has the key id, and columns of text.
func textTable(names ...string) *pipeline.Table {
	t := &pipeline.Table{Name: "t", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}},
		Stamps: []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}}}
	for _, name := range names {
		t.Columns = append(t.Columns, pipeline.Column{Name: name, Type: pipeline.Text})
	}
	return t
}

// textRow holds, in each column, what tells whose value it is.
func textRow(t *pipeline.Table, id string) []any {
	row := []any{id}
	for _, c := range t.Columns[1:] {
		row = append(row, "value of "+c.Name)
	}
	return row
}

func checkRow(t *testing.T, s *Sink, table *pipeline.Table, id string) {
	t.Helper()
	row, err := s.Get(t.Context(), table, id)
	if err != nil {
		t.Fatal(err)
	}
	want := textRow(table, id)
	for i := range want {
		if want[i] = clean(want[i].(string)); row[i] != want[i] {
			t.Errorf("column %q of %s holds %v", table.Columns[i].Name, id, row[i])
		}
	}
}

// A batch's table may have more columns or fewer than the one that the sink was
// opened for, from one batch to the next and within one.
func TestTablesGrow(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		first, more, fewer, other := textTable("a"), textTable("a", "b", "c"), textTable("c"), textTable("d", "a")
		s := adapting(t, url, "p", first)
		for i, table := range []*pipeline.Table{first, more, fewer, other, first, textTable("a", "b", "c")} {
			for again := range 2 {
				id := fmt.Sprint("row", i)
				if got := took(t, s, pipeline.Change{Table: table, Rows: [][]any{textRow(table, id)}}); got.Inserted != int64(1-again) {
					t.Errorf("landed %+v", got)
				}
				checkRow(t, s, table, id)
			}
		}
		if len(s.grown) != 3 {
			t.Errorf("%d plans are kept", len(s.grown))
		}
		landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{
			{Table: first, Rows: [][]any{textRow(first, "x")}}, {Table: other, Rows: [][]any{textRow(other, "y")}}, {Table: textTable("e"), Rows: [][]any{textRow(textTable("e"), "z")}},
		}})
		if err != nil || landed[0].Inserted != 3 {
			t.Errorf("landed %+v, %v", landed, err)
		}
		for i := range 2 * mostGrown {
			table := textTable("a", fmt.Sprint("more", i))
			if got := took(t, s, pipeline.Change{Table: table, Rows: [][]any{textRow(table, "x")}}); got.Updated != 1 {
				t.Errorf("landed %+v", got)
			}
		}
		if len(s.grown) > mostGrown+1 {
			t.Errorf("%d plans are kept", len(s.grown))
		}
		stranger := textTable("a")
		stranger.Name = "stranger"
		_, err = s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: stranger}}})
		checkFault(t, err, fault.Invalid, "target_schema", `"stranger"`, "was not opened for")
		twice := textTable("a", "a")
		_, err = s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: twice}}})
		checkFault(t, err, fault.Invalid, "target_schema", `two columns named "a"`)
	})
}

// Columns are added by several at once.
func TestGrowingTogether(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		var group sync.WaitGroup
		for i := range 4 {
			s := adapting(t, url, fmt.Sprint("p", i), textTable("a"))
			group.Go(func() {
				for n := range 4 {
					table := textTable("a", fmt.Sprint("b", n), fmt.Sprint("B", n))
					_, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: table, Rows: [][]any{textRow(table, fmt.Sprint("row", i, n))}}}})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		s := adapting(t, url, "reader", textTable("a"))
		for i := range 4 {
			for n := range 4 {
				checkRow(t, s, textTable("a", fmt.Sprint("b", n), fmt.Sprint("B", n)), fmt.Sprint("row", i, n))
			}
		}
	})
}

// Names that no database likes have columns of their own, and keep them when others
// come and go.
func TestOddNames(t *testing.T) {
	odd := []string{"Name", "name", "NAME", "nAme ", "naïve", "NAÏVE", "İ", "ı", "i", "I", "", " ", "a b", "a.b", "100%s", "%d", "why?", "??", "$1", ":x", "@p1", "'", "''", `"`, `""`, "`", "``",
		`\`, `\n`, "[", "]", "[]", "](", "--", "/*", "*/", ";", "#", "\x00", "\xff", "a\x00", "\n", "\t", "trailing\t", "😀", "日本", "Straße", "STRASSE", strings.Repeat("long", 30), strings.Repeat("long", 30) + "er",
		strings.Repeat("ü", 64), strings.Repeat("ü", 65), "select", "order", "rowid", "oid", "_rowid_", "ctid", "xmin", "DB_ROW_ID", "$changed", "$Changed", "ID", "id_changed", "c0", "s", "t", "excluded", "ferryman new", "value"}
	eachTarget(t, func(t *testing.T, url string) {
		table := textTable(odd...)
		write := func(s *Sink, table *pipeline.Table, id string) {
			t.Helper()
			rows := [][]any{textRow(table, id)}
			for again := range 2 {
				if got := took(t, s, pipeline.Change{Table: table, Rows: rows, Scope: within("id", id)}); got.Inserted != int64(1-again) || got.Unchanged != int64(again) {
					t.Fatalf("landed %+v, %v", got, readLetters(t, s))
				}
			}
			rows[0][len(rows[0])-1] = "changed"
			if got := took(t, s, pipeline.Change{Table: table, Rows: rows}); got.Updated != 1 {
				t.Errorf("landed %+v", got)
			}
			took(t, s, pipeline.Change{Table: table, Rows: [][]any{textRow(table, id)}})
			checkRow(t, s, table, id)
		}
		write(adapting(t, url, "p", table), table, "first")
		backwards := slices.Clone(odd)
		slices.Reverse(backwards)
		half := textTable(backwards[:len(backwards)/2]...)
		write(adapting(t, url, "p", half), half, "second")
		again := textTable(append(backwards, "newcomer", "Newcomer")...)
		s := adapting(t, url, "p", half)
		write(s, again, "third")
		checkRow(t, s, table, "first")
	})
}

// Many rows whose table has a question mark in a name.
func TestManyParameters(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		names := []string{"why?"}
		for i := range 150 {
			names = append(names, fmt.Sprint("c", i))
		}
		table := textTable(names...)
		var rows [][]any
		for i := range 600 {
			rows = append(rows, textRow(table, fmt.Sprint("row", i)))
		}
		s := adapting(t, url, "p", table)
		for again := range 2 {
			if got := took(t, s, pipeline.Change{Table: table, Rows: rows}); got.Inserted != int64(600*(1-again)) || got.Unchanged != int64(600*again) {
				t.Errorf("landed %+v", got)
			}
		}
		checkRow(t, s, table, "row599")
	})
}

func indexedTable() *pipeline.Table {
	t := textTable("parent", "md5")
	t.Indexes = [][]string{{"parent"}, {"id", "md5"}, {"id"}}
	return t
}

func indexesOf(t *testing.T, s *Sink) [][]string {
	t.Helper()
	have, err := s.dialect.describe(t.Context(), s.db, "t")
	if err != nil {
		t.Fatal(err)
	}
	return have.indexes
}

// Indexes are made with a table, and on one that is there, where none begins with
// their columns.
func TestIndexes(t *testing.T) {
	for name, create := range map[string][]string{
		"new":     nil,
		"bare":    {"CREATE TABLE t (id varchar(50) PRIMARY KEY, parent varchar(50), md5 varchar(50))"},
		"text":    {"CREATE TABLE t (id varchar(50) PRIMARY KEY, parent text, md5 text)"},
		"long":    {"CREATE TABLE t (id varchar(50) PRIMARY KEY, parent varchar(2000), md5 varchar(50))"},
		"partial": {"CREATE TABLE t (id varchar(50) PRIMARY KEY, parent varchar(50), md5 varchar(50))", "CREATE INDEX mine ON t (parent, md5)", "CREATE INDEX other ON t (md5)"},
		"taken":   {"CREATE TABLE t (id varchar(50) PRIMARY KEY, parent varchar(50), md5 varchar(50))", "CREATE INDEX t_parent_idx ON t (md5)"},
	} {
		t.Run(name, func(t *testing.T) {
			eachTarget(t, func(t *testing.T, url string) {
				exec(t, connect(t, url), create...)
				var log bytes.Buffer
				s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{indexedTable()}, Adapt: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				took(t, s, pipeline.Change{Table: indexedTable(), Rows: [][]any{textRow(indexedTable(), "a")}})
				indexes := indexesOf(t, s)
				for _, columns := range indexedTable().Indexes {
					if !beginWith(indexes, columns) && (name != "taken" || columns[0] != "parent") {
						t.Errorf("no index begins with %v: %v\n%s", columns, indexes, &log)
					}
				}
				if name == "taken" && !beginWith(indexes, []string{"parent"}) && !strings.Contains(log.String(), "stays without an index") {
					t.Errorf("nothing tells of the index that is not made: %v\n%s", indexes, &log)
				}
				log.Reset()
				again := openSink(t, url, Options{Pipeline: "q", Tables: []*pipeline.Table{indexedTable()}, Adapt: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if err := again.Prepare(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := indexesOf(t, s); len(got) != len(indexes) || name != "taken" && log.Len() > 0 {
					t.Errorf("a second sink makes %v of %v:\n%s", got, indexes, &log)
				}
			})
		})
	}
}

// An index that can't be made is no reason to leave its column as it is.
func TestColumnOfAnIndexThatIsMissing(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), "CREATE TABLE t (id varchar(50) PRIMARY KEY, parent varchar(5), md5 varchar(50))", "CREATE INDEX t_parent_idx ON t (md5)")
			s := adapting(t, url, "p", indexedTable())
			if got := took(t, s, pipeline.Change{Table: indexedTable(), Rows: [][]any{textRow(indexedTable(), "a")}}); got.Inserted != 1 {
				t.Errorf("landed %+v, %v", got, readLetters(t, s))
			}
			if indexes := indexesOf(t, s); beginWith(indexes, []string{"parent"}) {
				t.Errorf("the index was made: %v", indexes)
			}
		})
	}
}

func TestConnections(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		for conns, want := range map[int]int{0: 4, 7: 7} {
			s := openSink(t, url, Options{Pipeline: "p", Conns: conns})
			if got := s.db.Stats().MaxOpenConnections; got != want {
				t.Errorf("%d connections, want %d", got, want)
			}
		}
	})
}
