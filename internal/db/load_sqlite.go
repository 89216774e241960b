package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// loadValues is about how many values one INSERT takes: the driver looks through all of
// them for each.
const loadValues = 64

// sqliteSuspend keeps the triggers from firing, and the indexes away, until resume.
func sqliteSuspend(ctx context.Context, tx *Tx, shape Shape) (resume func() error, err error) {
	var all []object
	for _, t := range shape.Tables {
		rows, err := tx.Query(ctx, "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = $1 AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid", t.Name)
		if err != nil {
			return nil, err
		}
		some, err := Collect(rows, scanObject)
		if err != nil {
			return nil, fmt.Errorf("list what belongs to %s: %w", t.Name, err)
		}
		all = append(all, some...)
	}
	return putAway(ctx, tx, all)
}

// insertRows writes as many rows as fit with each statement.
func (l *Load) insertRows(ctx context.Context, table Table, next func() ([]any, error)) (int64, error) {
	atOnce := max(1, loadValues/len(table.Columns))
	one := "(?" + strings.Repeat(", ?", len(table.Columns)-1) + ")"
	insert := func(rows int) string {
		return "INSERT INTO " + quoted(table.Name) + " (" + table.QuotedColumns() + ") VALUES " + one + strings.Repeat(", "+one, rows-1)
	}
	full, err := l.tx.sqlTx.PrepareContext(ctx, insert(atOnce))
	if err != nil {
		return 0, l.tx.db.classify(err)
	}
	defer full.Close() //nolint:errcheck // it was run
	var total int64
	values := make([]any, 0, atOnce*len(table.Columns))
	for {
		row, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return total, err
		}
		total++
		if values = append(values, row...); len(values) < cap(values) {
			continue
		}
		if _, err := full.ExecContext(ctx, values...); err != nil {
			return total, l.tx.db.classify(err)
		}
		values = values[:0]
	}
	if len(values) > 0 {
		_, err = l.tx.Exec(ctx, insert(len(values)/len(table.Columns)), values...)
	}
	return total, err
}
