package ledger

import (
	"fmt"
	"strings"
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

// String is the clause, "" without conditions.
func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}
