package ledger

import (
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/db"
)

// where collects the conditions of a query and their values.
type where struct {
	conditions []string
	args       []any
}

// arg adds a value and gives its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

// is adds a condition; each %s in it stands for the placeholder of a value.
func (w *where) is(condition string, values ...any) {
	placeholders := make([]any, len(values))
	for i, v := range values {
		placeholders[i] = w.arg(v)
	}
	w.conditions = append(w.conditions, fmt.Sprintf(condition, placeholders...))
}

// in adds that a column has one of some values; there is at least one.
func in[T any](w *where, column string, values []T) {
	placeholders := make([]string, len(values))
	for i, v := range values {
		placeholders[i] = w.arg(v)
	}
	w.conditions = append(w.conditions, column+" IN ("+strings.Join(placeholders, ", ")+")")
}

// span adds that the leading columns of an index have the given values and that
// the id after them is from lo on and below hi, and gives the order of that
// index, backwards.
//
// PostgreSQL is told so by comparing rows, which leaves its planner no other
// index: by equality it would rather look through all ids for rows that it takes
// for frequent, and that may be none. SQLite looks up no row but by equality.
func (w *where) span(dialect db.Dialect, index []string, values []any, lo, hi int64) (order string) {
	lead := make([]string, len(values))
	for i, v := range values {
		lead[i] = w.arg(v)
	}
	order = strings.Join(index, " DESC, ") + " DESC"
	if dialect == db.Postgres {
		row := func(id int64) string { return "(" + strings.Join(append(slices.Clip(lead), w.arg(id)), ", ") + ")" }
		columns := "(" + strings.Join(index, ", ") + ")"
		w.conditions = append(w.conditions, columns+" >= "+row(lo), columns+" < "+row(hi))
		return order
	}
	for i, value := range lead {
		w.conditions = append(w.conditions, index[i]+" = "+value)
	}
	id := index[len(lead)]
	w.conditions = append(w.conditions, id+" >= "+w.arg(lo), id+" < "+w.arg(hi))
	return order
}

// String is the clause, "" without conditions.
func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// of tells by which columns of an index rows e of a cron or else of an application
// are found; 0 is any. An application beside a cron is only asked for.
func (w *where) of(app, cron int64) (index []string, values []any) {
	switch {
	case cron != 0:
		if app != 0 {
			w.is("e.application_id + 0 = %s", app)
		}
		return []string{"e.cron_id"}, []any{cron}
	case app != 0:
		return []string{"e.application_id"}, []any{app}
	}
	return nil, nil
}

// containing is the pattern of LIKE for a text that contains s, with \ as ESCAPE.
func containing(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(s)) + "%"
}
