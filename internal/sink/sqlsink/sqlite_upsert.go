package sqlsink

import (
	"context"
	"fmt"
	"strings"

	"ferryman/internal/pipeline"
)

// sqliteUpserter writes row by row: the driver looks through all arguments for
// each one that it binds. With 8 rows of 25 columns a statement, it is down to
// two thirds of the rate, with 32 to half.
type sqliteUpserter struct {
	plan  *plan
	query string
	args  []any
}

func (d *sqliteDB) compile(p *plan) upserter {
	all := make([]*column, len(p.columns))
	for i := range p.columns {
		all[i] = &p.columns[i]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES (?%s) ON CONFLICT (%s) DO ", d.quote(p.table.Name), names(all),
		strings.Repeat(", ?", len(all)-1), names(p.pick(p.key)))
	if len(p.rest) == 0 {
		b.WriteString("NOTHING")
		return &sqliteUpserter{plan: p, query: b.String()}
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
	fmt.Fprintf(&b, "UPDATE SET %s WHERE %s", strings.Join(set, ", "), strings.Join(differ, " OR "))
	return &sqliteUpserter{plan: p, query: b.String()}
}

func (u *sqliteUpserter) upsert(ctx context.Context, tx *transaction, rows [][]any) (int64, error) {
	stmt, err := tx.statement(ctx, u.query) //nolint:sqlclosecheck // the transaction keeps it
	if err != nil {
		return 0, err
	}
	u.args = append(append(u.args[:0], make([]any, u.plan.width)...), u.plan.stampValues(tx)...)
	// The driver starts a goroutine for each statement that can be cancelled:
	// looking at the context ourselves is cheaper.
	background := context.WithoutCancel(ctx)
	defer clear(u.args)
	var written int64
	for i, row := range rows {
		if i%64 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		copy(u.args, row)
		result, err := stmt.ExecContext(background, u.args...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		written += n
	}
	return written, nil
}
