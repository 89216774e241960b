package transfer

import (
	"context"
	"fmt"
	"io"

	"ferryman/internal/db"
)

// Export writes the store as it is at one moment, while others work on it. The schema
// must be this binary's; version is what made the file. What w gives as an error comes
// back as it is.
func Export(ctx context.Context, d *db.DB, w io.Writer, version string, progress Progress) (Summary, error) {
	shape, err := db.NewShape(ctx)
	if err != nil {
		return Summary{}, err
	}
	var s Summary
	err = d.Snapshot(ctx, func(tx *db.Tx) error {
		if err := shape.Fits(ctx, tx); err != nil {
			return err
		}
		h := header{
			Format: format, Schema: shape.Version, Dialect: string(d.Dialect()), MadeAt: tx.Now(), MadeBy: "ferryman " + version,
		}
		if err := tx.QueryRow(ctx, "SELECT id FROM store_identity").Scan(&h.Store); err != nil {
			return fmt.Errorf("read the store's identity: %w", err)
		}
		s = Summary{Schema: h.Schema, Dialect: h.Dialect, Store: h.Store, MadeAt: h.MadeAt, Tables: map[string]int64{}}
		to := newWriter(w)
		if err := to.json(h); err != nil {
			return err
		}
		for _, table := range shape.Tables {
			n, err := exportTable(ctx, tx, to, table, progress)
			if err != nil {
				return fmt.Errorf("export %s: %w", table.Name, err)
			}
			s.Tables[table.Name] = n
			s.Rows += n
		}
		return to.end(s.Rows)
	})
	return s, err
}

func exportTable(ctx context.Context, tx *db.Tx, to *writer, table db.Table, progress Progress) (n int64, err error) {
	head := tableHead{Table: table.Name}
	for _, c := range table.Columns {
		head.Columns = append(head.Columns, column(c))
	}
	if table.IDs {
		if head.LastID, err = tx.LastID(ctx, table); err != nil {
			return 0, err
		}
	}
	if err := to.json(head); err != nil {
		return 0, err
	}
	rows, err := tx.Rows(ctx, table)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	row := make([]any, len(table.Columns))
	into := make([]any, len(row))
	for i := range row {
		into[i] = &row[i]
	}
	var line []byte
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		if line, err = appendRow(line[:0], table, row); err != nil {
			return n, err
		}
		if err := to.line(line); err != nil {
			return n, err
		}
		n++
		progress.at(table.Name, n)
	}
	if err := rows.Err(); err != nil {
		return n, err
	}
	return n, to.json(tableEnd{Table: table.Name, Rows: n})
}
