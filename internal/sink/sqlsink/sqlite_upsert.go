package sqlsink

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/pipeline"
)

// sqliteUpserter writes row by row: the driver looks through all arguments for
// each one that it binds. With 8 rows of 25 columns a statement, it is down to
// two thirds of the rate, with 32 to half.
type sqliteUpserter struct {
	dialect *sqliteDB
	plan    *plan
	query   string
	there   string // counts the rows that are there of those whose keys it is given
	args    []driver.NamedValue
}

func (d *sqliteDB) compile(p *plan) upserter {
	all := make([]*column, len(p.columns))
	for i := range p.columns {
		all[i] = &p.columns[i]
	}
	u := &sqliteUpserter{dialect: d, plan: p, there: countByKeys(d, p)}
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES (?%s) ON CONFLICT (%s) DO ", d.quote(p.table.Name), names(all),
		strings.Repeat(", ?", len(all)-1), names(p.pick(p.key)))
	if len(p.rest) == 0 {
		b.WriteString("NOTHING")
		u.query, u.there = b.String(), ""
		return u
	}
	var set, differ []string
	for _, c := range p.pick(p.rest) {
		set = append(set, c.quoted+" = excluded."+c.quoted)
		collate := ""
		if c.kind != integerKind && c.kind != booleanKind {
			collate = " COLLATE BINARY" // the column's own may take different texts for equal
		}
		differ = append(differ, fmt.Sprintf("%s.%s IS NOT excluded.%s%s", d.quote(p.table.Name), c.quoted, c.quoted, collate))
	}
	for _, c := range all[p.width:] {
		if c.stamp == pipeline.OnChange {
			set = append(set, c.quoted+" = excluded."+c.quoted)
		}
	}
	fmt.Fprintf(&b, "UPDATE SET %s WHERE %s", strings.Join(set, ", "), anyOf(differ))
	u.query = b.String()
	return u
}

// anyOf is that one of the conditions holds. A plain chain of many is deeper than
// SQLite takes.
func anyOf(conditions []string) string {
	const most = 200
	var groups []string
	for group := range slices.Chunk(conditions, most) {
		groups = append(groups, "("+strings.Join(group, " OR ")+")")
	}
	return strings.Join(groups, " OR ")
}

// countByKeys takes the keys as an array in JSON, of arrays if the key has several
// columns. Its comparison is that of the unique index: a column may have another.
func countByKeys(d *sqliteDB, p *plan) string {
	var on []string
	for i, c := range p.pick(p.key) {
		value := "s.value"
		if len(p.key) > 1 {
			value = fmt.Sprintf("json_extract(s.value, '$[%d]')", i)
		}
		on = append(on, fmt.Sprintf("t.%s COLLATE BINARY = %s", c.quoted, value))
	}
	return fmt.Sprintf("SELECT count(*) FROM json_each(?) AS s CROSS JOIN %s AS t WHERE %s", d.quote(p.table.Name), strings.Join(on, " AND "))
}

func (u *sqliteUpserter) upsert(ctx context.Context, tx *transaction, rows [][]any) (written, error) {
	var there int64
	if u.there != "" {
		var err error
		if there, err = u.countThere(ctx, tx, rows); err != nil {
			return written{}, err
		}
	}
	total, err := u.each(ctx, tx, rows)
	// A trigger may have had some ignored.
	inserted := min(int64(len(rows))-there, total)
	return written{inserted, total - inserted}, err
}

// countThere counts the rows that are there already.
func (u *sqliteUpserter) countThere(ctx context.Context, tx *transaction, rows [][]any) (n int64, err error) {
	keys := make([]any, len(rows))
	exact := true
	for i, row := range rows {
		key := choose(row, u.plan.key)
		exact = exact && inJSON(key)
		if keys[i] = key; len(key) == 1 {
			keys[i] = key[0]
		}
	}
	if exact {
		return n, tx.QueryRowContext(ctx, u.there, marshal(keys)).Scan(&n)
	}
	known := map[string]bool{}
	if err := u.plan.findKeys(ctx, tx, u.dialect, rows, "", known); err != nil {
		return 0, err
	}
	var buffer []byte
	for _, row := range rows {
		if buffer = u.plan.appendKey(buffer[:0], row); known[string(buffer)] {
			n++
		}
	}
	return n, nil
}

// each writes below database/sql, which would look at each value once more.
func (u *sqliteUpserter) each(ctx context.Context, tx *transaction, rows [][]any) (total int64, err error) {
	// The driver starts a goroutine for each statement that can be cancelled:
	// looking at the context ourselves is cheaper.
	background := context.WithoutCancel(ctx)
	err = tx.conn.Raw(func(conn any) error {
		stmt, err := conn.(driver.ConnPrepareContext).PrepareContext(background, u.query)
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }() // what went wrong, the statement has told
		u.args = u.args[:0]
		for _, v := range slices.Concat(make([]any, u.plan.width), u.plan.stampValues(tx)) {
			u.args = append(u.args, driver.NamedValue{Ordinal: len(u.args) + 1, Value: v})
		}
		defer clear(u.args)
		for i, row := range rows {
			if i%64 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			for j, v := range row {
				u.args[j].Value = v
			}
			result, err := stmt.(driver.StmtExecContext).ExecContext(background, u.args)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}
