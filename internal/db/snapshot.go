package db

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Snapshot runs fn on the store as it is at one moment, whatever is written
// meanwhile. It holds nobody up. As long as it lasts, a SQLite store's WAL file
// grows with what is written, and PostgreSQL keeps old rows.
func (d *DB) Snapshot(ctx context.Context, fn func(tx *Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	first := "SELECT count(*) FROM sqlite_master" // the moment is that of the first statement
	if d.dialect == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
		first = "SELECT set_config('enable_seqscan', 'on', true) || " + unhurried // whole tables are read, and written to a file
	}
	t, err := d.read.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", d.classify(err))
	}
	defer t.Rollback()
	tx := &Tx{db: d, now: d.Now(), q: plainTx{t}}
	var ignored any
	if err := tx.QueryRow(ctx, first).Scan(&ignored); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return fn(tx)
}

// plainTx runs statements that are not worth keeping compiled.
type plainTx struct{ *sql.Tx }

func (p plainTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(p.ExecContext(ctx, query, args...))
}

func (p plainTx) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.QueryContext(ctx, query, args...)
}

func (p plainTx) row(ctx context.Context, query string, args ...any) scanner {
	return p.QueryRowContext(ctx, query, args...)
}

// Rows reads all rows of a table, in the order of their keys.
func (t *Tx) Rows(ctx context.Context, table Table) (*Rows, error) {
	order := table.QuotedColumns()
	if len(table.Key) > 0 {
		var key []string
		for _, name := range table.Key {
			key = append(key, quoted(name))
		}
		order = strings.Join(key, ", ")
	}
	return t.Query(ctx, "SELECT "+table.QuotedColumns()+" FROM "+quoted(table.Name)+" ORDER BY "+order)
}

// LastID is the largest id that the store has ever given to a row of the table, as
// far as it knows; 0 if none.
func (t *Tx) LastID(ctx context.Context, table Table) (last int64, err error) {
	if t.db.dialect == Postgres {
		var sequence string
		err = t.QueryRow(ctx, "SELECT pg_get_serial_sequence($1, $2)", quoted(table.Name), table.Key[0]).Scan(&sequence)
		if err == nil {
			err = t.QueryRow(ctx, "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM "+sequence).Scan(&last)
		}
		return last, err
	}
	err = t.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = $1", table.Name).Scan(&last)
	return last, err
}
