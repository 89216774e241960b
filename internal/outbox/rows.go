package outbox

import (
	"encoding/json"
	"strconv"

	"ferryman/internal/db"
)

// listed gives values as the JSON object that json_each takes in either dialect:
// only PostgreSQL's wants one, rather than an array.
func listed[T any](values []T) (string, error) {
	b := []byte{'{'}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, '"'), int64(i), 10), '"', ':')
		value, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		b = append(b, value...)
	}
	return string(append(b, '}')), nil
}

// listedOf lists a row of each.
func listedOf[T any](all []T, row func(T) []any) (string, error) {
	rows := make([][]any, len(all))
	for i, v := range all {
		rows[i] = row(v)
	}
	return listed(rows)
}

// idRows gives ids as rows for listed.
func idRows(ids []int64) [][1]int64 {
	rows := make([][1]int64, len(ids))
	for i, id := range ids {
		rows[i][0] = id
	}
	return rows
}

// few is the table of the rows that are the parameter $1, to update others by.
// PostgreSQL takes a function's rows for a hundred, and then would rather read all
// of a table that is not large than look those up. What it may stop at it cannot
// see, and so it expects a tenth.
func few(tx *db.Tx) string {
	if tx.ForUpdate() != "" {
		return "(SELECT value FROM json_each($1) LIMIT (SELECT 1000000)) AS v"
	}
	return "json_each($1) AS v"
}

// skipLocked ends a SELECT of rows of a table that other nodes may be changing:
// it leaves those to them.
func skipLocked(tx *db.Tx, table string) string {
	if lock := tx.ForUpdate(); lock != "" {
		return lock + " OF " + table + " SKIP LOCKED"
	}
	return ""
}
