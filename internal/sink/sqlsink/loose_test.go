package sqlsink

import (
	"fmt"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

func looseTable() *pipeline.Table {
	return &pipeline.Table{Name: "loose", Key: []string{"id"},
		Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "parent", Type: pipeline.Text}, {Name: "v", Type: pipeline.Text}},
		Stamps:  []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}},
		Indexes: [][]string{{"parent"}}}
}

// Keys that a collation takes for one are refused one by one: no row is merged with
// another, changed or deleted in another's place.
func TestLooseKeys(t *testing.T) {
	for name, test := range map[string]struct {
		target int
		create []string
	}{
		"utf16":  {2, []string{"CREATE TABLE loose (id varchar(50) PRIMARY KEY, parent varchar(50), v varchar(50)) CHARSET=utf16 COLLATE=utf16_general_ci"}},
		"latin1": {2, []string{"CREATE TABLE loose (id varchar(50) PRIMARY KEY, parent varchar(50), v varchar(50)) CHARSET=latin1 COLLATE=latin1_swedish_ci"}},
		"citext": {1, []string{"CREATE EXTENSION citext", "CREATE TABLE loose (id citext PRIMARY KEY, parent citext, v citext)"}},
		"icu": {1, []string{"CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
			"CREATE TABLE loose (id varchar(50) COLLATE folded PRIMARY KEY, parent varchar(50) COLLATE folded, v varchar(50) COLLATE folded)"}},
	} {
		for _, many := range []int{0, copyFrom} { // by arrays, and by COPY
			t.Run(fmt.Sprint(name, many), func(t *testing.T) {
				url := targets[test.target].url(t)
				exec(t, connect(t, url), test.create...)
				table := looseTable()
				s := adapting(t, url, "p", table)
				row := func(id, parent, v string) []any { return []any{id, parent, v} }
				first := true
				write := func(want pipeline.TableCount, scope *pipeline.Scope, rows ...[]any) {
					t.Helper()
					for i := range many {
						rows = append(rows, row(fmt.Sprintf("%06d", i), "many", "v"))
					}
					want.Read += int64(many)
					if first {
						want.Inserted += int64(many)
					} else {
						want.Unchanged += int64(many)
					}
					first = false
					want.Table, want.Written = "loose", want.Inserted+want.Updated
					if got := took(t, s, pipeline.Change{Table: table, Rows: rows, Scope: scope}); got != want {
						t.Errorf("landed %+v, want %+v, %.500v", got, want, readLetters(t, s))
					}
				}
				write(pipeline.TableCount{Read: 3, Inserted: 2, Rejected: 1}, nil, row("a", "P", "1"), row("A", "P", "2"), row("b", "p", "3"))
				write(pipeline.TableCount{Read: 4, Updated: 1, Unchanged: 1, Rejected: 2}, nil, row("a", "P", "X"), row("A", "P", "2"), row("B", "P", "2"), row("b", "p", "3"))
				write(pipeline.TableCount{Read: 2, Updated: 1, Unchanged: 1}, nil, row("a", "P", "x"), row("b", "p", "3")) // by the letter
				// The scope names p, and not P, whose row is another's.
				write(pipeline.TableCount{Read: 1, Inserted: 1, Deleted: 1, Unchanged: 0}, within("parent", "p"), row("c", "p", "4"))
				write(pipeline.TableCount{Read: 1, Inserted: 1, Deleted: 1}, within("parent", "p"), row("C", "p", "5"))
				for id, want := range map[string]string{"a": "P x", "C": "p 5"} {
					found, err := s.Get(t.Context(), table, id)
					if err != nil || found[0] != id || fmt.Sprint(found[1], " ", found[2]) != want {
						t.Errorf("%s is %v, %v", id, found, err)
					}
				}
			})
		}
	}
}

// Where rows would be merged or could not be told apart, such a key stays a fault.
func TestLooseKeysThatAreNotTaken(t *testing.T) {
	for target, create := range map[int]string{
		0: "CREATE TABLE loose (id varchar(50) COLLATE NOCASE PRIMARY KEY, parent text, v text)",
		1: "CREATE TABLE loose (id char(50) PRIMARY KEY, parent text, v text)",
	} {
		url := targets[target].url(t)
		exec(t, connect(t, url), create)
		_, err := adapting(t, url, "p", looseTable()).Cursor(t.Context())
		checkFault(t, err, fault.Unconfigured, "target_schema", "different values of its key")
	}
}
