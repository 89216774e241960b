package sqlsink

import (
	"context"
	"fmt"
	"strings"
)

// groups cuts tuples into what one statement may hold. Many columns make a chain
// of ORs, which databases take less well than a list.
func groups(tr traits, tuples [][]any, width int) func(func([][]any) bool) {
	const parameters = 2098 // that SQL Server takes
	size := tr.list
	switch {
	case width > 1:
		size = min(100, parameters/width)
	case size == 0:
		size = 900 // MariaDB makes a temporary table of 1000
	}
	return func(yield func([][]any) bool) {
		for len(tuples) > 0 {
			n := min(size, len(tuples))
			if !yield(tuples[:n]) {
				return
			}
			tuples = tuples[n:]
		}
	}
}

// among is the condition that columns hold one of the tuples, which begin with
// their values, and its arguments.
func among(d dialect, columns []*column, tuples [][]any) (string, []any) {
	if len(columns) == 1 {
		values := make([]any, len(tuples))
		for i, tuple := range tuples {
			values[i] = tuple[0]
		}
		return d.list(columns[0], values)
	}
	var b strings.Builder
	args := make([]any, 0, len(tuples)*len(columns))
	for i, tuple := range tuples {
		if i > 0 {
			b.WriteString(" OR ")
		}
		for j, c := range columns {
			args = append(args, tuple[j])
			b.WriteString([...]string{"(", " AND "}[min(j, 1)])
			b.WriteString(c.quoted)
			b.WriteString(" = ")
			b.WriteString(d.placeholder(len(args)))
		}
		b.WriteString(")")
	}
	return b.String(), args
}

// findKeys adds the keys of those rows that are there, as in appendKey. A collation
// may find others as well, which does no harm.
func (p *plan) findKeys(ctx context.Context, tx *transaction, d dialect, rows [][]any, lock string, known map[string]bool) error {
	keys := make([][]any, len(rows))
	for i, row := range rows {
		keys[i] = choose(row, p.key)
	}
	columns := p.pick(p.key)
	var buffer []byte
	for group := range groups(d.traits(), keys, len(p.key)) {
		condition, args := among(d, columns, group)
		query := fmt.Sprintf("SELECT %s FROM %s WHERE %s%s", names(columns), d.quote(p.table.Name), condition, lock)
		err := p.scan(ctx, tx, query, args, p.key, func(values []any) {
			buffer = p.appendKey(buffer[:0], values)
			known[string(buffer)] = true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inList is a list with a parameter for each value.
func inList(d dialect, c *column, values []any) (string, []any) {
	var b strings.Builder
	b.WriteString(c.quoted)
	for i := range values {
		b.WriteString([...]string{" IN (", ", "}[min(i, 1)])
		b.WriteString(d.placeholder(i + 1))
	}
	b.WriteString(")")
	return b.String(), values
}

func (d *mysql) list(c *column, values []any) (string, []any) { return inList(d, c, values) }

// list takes an array, whose type the server chooses by the column's.
func (d *postgres) list(c *column, values []any) (string, []any) {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(appendText(nil, v))
	}
	return c.quoted + " = ANY ($1)", []any{texts}
}

// list takes an array in JSON: the driver looks through all arguments for each one
// that it binds.
func (d *sqliteDB) list(c *column, values []any) (string, []any) {
	if !inJSON(values) {
		return inList(d, c, values)
	}
	return c.quoted + " IN (SELECT value FROM json_each(?))", []any{marshal(values)}
}

// inJSON tells whether JSON has the values as they are. It has no blobs, nor all
// digits of a floating-point number.
func inJSON(values []any) bool {
	for _, v := range values {
		switch v.(type) {
		case []byte, float64:
			return false
		}
	}
	return true
}
