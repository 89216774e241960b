package sqlsink

import (
	"fmt"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// checkTables finds what could never be made, before anything is connected. A sink
// that adapts has other names for columns whose own the database does not take.
func checkTables(d dialect, name string, tables []*pipeline.Table, adapts func(*pipeline.Table) bool) error {
	if name == "" || len(name) > 255 {
		return &fault.Error{Kind: fault.Invalid, Code: "target_schema", Detail: "the pipeline's name must have 1 to 255 bytes"}
	}
	seen := map[string]bool{}
	for _, t := range tables {
		name := t.Name
		if d.traits().foldsTables {
			name = strings.ToLower(name)
		}
		if seen[name] {
			return badTable(t, "is described twice as this database sees its name", "give each table a name of its own")
		}
		seen[name] = true
		if err := checkTable(d.traits(), t, adapts(t)); err != nil {
			return err
		}
	}
	return nil
}

func checkTable(tr traits, t *pipeline.Table, adapt bool) error {
	if err := checkName(tr, t, t.Name); err != nil {
		return err
	}
	names := map[string]bool{}
	column := func(name string) error {
		folded := name
		if !adapt {
			if err := checkName(tr, t, name); err != nil {
				return err
			}
		}
		if tr.foldsNames && !adapt {
			folded = strings.ToLower(name)
		}
		if names[folded] {
			return badTable(t, fmt.Sprintf("has two columns named %q as this database sees it", name), "rename one")
		}
		names[folded] = true
		return nil
	}
	for _, c := range t.Columns {
		if err := column(c.Name); err != nil {
			return err
		}
		if c.Type < pipeline.Integer || c.Type > pipeline.Time {
			return badTable(t, fmt.Sprintf("has the column %q of unknown type", c.Name), "")
		}
	}
	if adapt {
		clear(names) // a column may well be named like a stamp
	}
	for _, s := range t.Stamps {
		if err := column(s.Name); err != nil {
			return err
		}
		if s.Type != pipeline.Time && s.Type != pipeline.Text || s.On != pipeline.OnInsert && s.On != pipeline.OnChange {
			return badTable(t, fmt.Sprintf("has the stamp %q that is no time or text, or has no occasion", s.Name), "")
		}
	}
	if len(t.Key) == 0 {
		return badTable(t, "has no key", "a table needs a key to be written again")
	}
	for _, k := range t.Key {
		i := t.Index(k)
		if i < 0 {
			return badTable(t, fmt.Sprintf("has the key column %q that is not among its columns", k), "")
		}
		if t.Columns[i].Type == pipeline.Decimal {
			return badTable(t, fmt.Sprintf("has the decimal key column %q", k), "a key is an integer, text, a boolean or a time")
		}
	}
	for _, r := range t.References {
		if t.Index(r.Column) < 0 {
			return badTable(t, fmt.Sprintf("refers with the column %q that is not among its columns", r.Column), "")
		}
	}
	for _, columns := range t.Indexes {
		for _, name := range columns {
			if t.Index(name) < 0 {
				return badTable(t, fmt.Sprintf("has an index on the column %q that is not among its columns", name), "")
			}
		}
	}
	return nil
}

func checkName(tr traits, t *pipeline.Table, name string) error {
	length, unit := nameLength(tr, name), "bytes"
	if tr.inCharacters {
		unit = "characters"
	}
	switch {
	case name == "":
		return badTable(t, "has an empty name", "")
	case length > tr.maxName:
		return badTable(t, fmt.Sprintf("has the name %q of %d %s", name, length, unit), fmt.Sprintf("this database takes %d", tr.maxName))
	case name != clean(name):
		return badTable(t, fmt.Sprintf("has the name %q with characters that no database takes", name), "")
	}
	return nil
}

func badTable(t *pipeline.Table, what, hint string) error {
	return &fault.Error{Kind: fault.Invalid, Code: "target_schema", Detail: fmt.Sprintf("table %q %s", t.Name, what), Hint: hint}
}
