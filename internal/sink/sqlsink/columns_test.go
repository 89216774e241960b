package sqlsink

import (
	"fmt"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// As many columns as SQLite takes, and as many as fit into a row elsewhere.
func TestManyColumns(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			var names []string
			for i := range map[string]int{"sqlite": 1998, "postgres": 400, "mariadb": 400}[target.name] {
				names = append(names, fmt.Sprint("c", i))
			}
			table := textTable(names...)
			s := adapting(t, target.url(t), "p", table)
			rows := [][]any{textRow(table, "a"), textRow(table, "b")}
			for again := range 2 {
				if got := took(t, s, pipeline.Change{Table: table, Rows: rows}); got.Inserted != int64(2-2*again) || got.Unchanged != int64(2*again) {
					t.Errorf("landed %+v", got)
				}
			}
			rows[1][len(names)] = "changed"
			if got := took(t, s, pipeline.Change{Table: table, Rows: rows}); got.Updated != 1 || got.Unchanged != 1 {
				t.Errorf("landed %+v", got)
			}
			checkRow(t, s, table, "a")
		})
	}
}

// As many columns as there can be, most of them empty, as custom fields are. A row
// with more than a page has room for is refused by itself, with what to do about it.
func TestManyColumnsWithLittle(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			var names []string
			for i := range map[string]int{"postgres": 1598, "mariadb": 1000}[target.name] {
				names = append(names, fmt.Sprint("c", i))
			}
			table := textTable(names...)
			s := adapting(t, target.url(t), "p", textTable(names[:10]...))
			took(t, s, pipeline.Change{Table: textTable(names[:10]...)})
			sparse := func(id string) []any {
				row := make([]any, 1+len(names))
				row[0], row[1], row[500], row[len(names)] = id, "first", strings.Repeat("long", 20_000), "last"
				return row
			}
			rows := [][]any{sparse("a"), textRow(table, "full"), sparse("b")}
			for again := range 2 {
				if got := took(t, s, pipeline.Change{Table: table, Rows: rows}); got.Rejected != 1 || got.Inserted != int64(2-2*again) || got.Unchanged != int64(2*again) {
					t.Errorf("landed %+v", got)
				}
			}
			row, err := s.Get(t.Context(), table, "b")
			if err != nil || fmt.Sprint(row[:len(row)-1]) != fmt.Sprint(sparse("b")) {
				t.Errorf("read %.500v, %v", row, err)
			}
			if letters := readLetters(t, s); len(letters) != 1 || letters[0].key != "full" || !strings.Contains(letters[0].reason, "--max-fields") {
				t.Errorf("letters %.1000v", letters)
			}
		})
	}
}

func TestTooManyColumns(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		var names []string
		for i := range 2000 {
			names = append(names, fmt.Sprint("c", i))
		}
		s := adapting(t, url, "p", textTable("c0"))
		took(t, s, pipeline.Change{Table: textTable("c0"), Rows: [][]any{{"a", "b"}}})
		_, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: textTable(names...)}}})
		checkFault(t, err, fault.Unconfigured, "target_schema", `"t"`, "2002 columns", "--max-fields")
		all := textTable(names...)
		all.Name = "another"
		_, err = adapting(t, url, "q", all).Cursor(t.Context())
		checkFault(t, err, fault.Unconfigured, "target_schema", `"another"`, "--max-fields")
	})
}
