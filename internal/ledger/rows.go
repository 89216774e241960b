package ledger

import (
	"encoding/json"
	"strconv"
	"time"

	"ferryman/internal/db"
)

// rowsTable is the table of the rows that are a statement's first parameter, each
// a JSON array; v.value->>0 is the first column, as text on PostgreSQL. So one
// statement writes any number of rows, and both databases keep it compiled.
func (l *Ledger) rowsTable() string {
	if l.db.Dialect() == db.Postgres {
		return "json_array_elements(CAST(CAST($1 AS TEXT) AS JSON)) AS v"
	}
	return "json_each($1) AS v"
}

// rowsOf gives rows as that parameter.
func rowsOf(rows [][]any) (string, error) {
	b, err := json.Marshal(rows)
	return string(b), err
}

// idsOf gives ids as that parameter, each a row of its own.
func idsOf[T any](all []T, id func(T) int64) string {
	b := []byte{'['}
	for i, v := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, id(v), 10)
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

// moment is a time in such a row: NULL if it is zero.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}
