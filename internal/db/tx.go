package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Tx is one transaction of the store. Its clock stands still.
type Tx struct {
	db    *DB
	now   time.Time
	q     querier
	sqlTx *sql.Tx // SQLite
	pgxTx pgx.Tx  // PostgreSQL
}

// querier runs the statements of a transaction.
type querier interface {
	exec(ctx context.Context, query string, args ...any) (int64, error)
	rows(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	row(ctx context.Context, query string, args ...any) scanner
}

type scanner interface{ Scan(dest ...any) error }

type scanFunc func(dest ...any) error

// Scan implements scanner.
func (f scanFunc) Scan(dest ...any) error { return f(dest...) }

// Tx runs fn in a transaction, commits when fn returns nil and rolls back
// otherwise, also on a panic. When Tx returns nil everything is durable; after
// an error nothing has happened, unless the connection broke during the commit.
//
// When ctx ended it, the error wraps that of ctx, whatever the driver said.
func (d *DB) Tx(ctx context.Context, fn func(tx *Tx) error) error {
	run := d.sqliteTx
	if d.dialect == Postgres {
		run = d.postgresTx
	}
	err := run(ctx, fn)
	d.remember(err)
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

func (d *DB) sqliteTx(ctx context.Context, fn func(tx *Tx) error) error {
	t, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", d.classify(err))
	}
	defer t.Rollback()
	if err := fn(&Tx{db: d, now: d.Now(), q: preparedTx{t, d.writes}, sqlTx: t}); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", d.classify(err))
	}
	d.writes.catchUp(ctx)
	return nil
}

// preparedTx runs statements of a SQLite transaction as compiled ones where they
// are.
type preparedTx struct {
	tx         *sql.Tx
	statements *prepared
}

func (p preparedTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if s := p.statements.get(query); s != nil {
		return affected(p.tx.StmtContext(ctx, s).ExecContext(ctx, args...)) //nolint:sqlclosecheck // the transaction's end closes it
	}
	return affected(p.tx.ExecContext(ctx, query, args...))
}

func (p preparedTx) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := p.statements.get(query); s != nil {
		return p.tx.StmtContext(ctx, s).QueryContext(ctx, args...) //nolint:sqlclosecheck // likewise
	}
	return p.tx.QueryContext(ctx, query, args...)
}

func (p preparedTx) row(ctx context.Context, query string, args ...any) scanner {
	if s := p.statements.get(query); s != nil {
		return p.tx.StmtContext(ctx, s).QueryRowContext(ctx, args...) //nolint:sqlclosecheck // likewise
	}
	return p.tx.QueryRowContext(ctx, query, args...)
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// connTx runs statements on the connection that a PostgreSQL transaction is
// open on.
type connTx struct{ *sql.Conn }

func (c connTx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(c.ExecContext(ctx, query, args...))
}

func (c connTx) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.QueryContext(ctx, query, args...)
}

func (c connTx) row(ctx context.Context, query string, args ...any) scanner {
	return c.QueryRowContext(ctx, query, args...)
}

// postgresTx begins the transaction on the driver's own connection, so that the
// job engine, which speaks pgx, writes in the same one.
func (d *DB) postgresTx(ctx context.Context, fn func(tx *Tx) error) error {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", d.classify(err))
	}
	defer conn.Close()
	var t pgx.Tx
	err = conn.Raw(func(driverConn any) error {
		pgxConn := driverConn.(*stdlib.Conn).Conn()
		err := d.shared.measure(ctx, pgxConn)
		if err == nil {
			t, err = pgxConn.Begin(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin: %w", d.classify(err))
	}
	// Raw keeps the connection ours meanwhile. Once a statement has found it
	// broken it is given up, and the transaction with it.
	end := func(how func(broken bool) error) error {
		return conn.Raw(func(any) error { return how(t.Conn().IsClosed()) })
	}
	committed := false
	defer func() {
		if committed {
			return
		}
		// A rollback must reach the server even if ctx is what ended fn.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := end(func(broken bool) error {
			if broken {
				return nil // with the connection the server gives up what it was at
			}
			return t.Rollback(undo)
		})
		if err != nil && !errors.Is(err, pgx.ErrTxClosed) && !errors.Is(err, sql.ErrConnDone) {
			d.log.Warn("roll back", "err", err)
		}
	}()
	if err := fn(&Tx{db: d, now: d.Now(), q: connTx{conn}, pgxTx: t}); err != nil {
		return err
	}
	// The driver takes a connection that breaks before the answer for one that was closed
	// before, and a commit for safe to repeat.
	sent := false
	err = end(func(broken bool) error {
		sent = !broken && ctx.Err() == nil
		return t.Commit(ctx)
	})
	if err != nil {
		pg, answered := errors.AsType[*pgconn.PgError](err)
		undone := answered && pg.SeverityUnlocalized == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback)
		err = fmt.Errorf("commit: %w", d.classify(err))
		if sent && !undone {
			err = doubtfulError{err}
		}
		return err
	}
	committed = true
	return nil
}

// doubtfulError is of a commit that may have taken effect.
type doubtfulError struct{ error }

func (e doubtfulError) Unwrap() error { return e.error }

// Now is when the transaction began, the same however often it is asked.
func (t *Tx) Now() time.Time { return t.now }

// SQL is the transaction for the job engine on SQLite; nil on PostgreSQL.
func (t *Tx) SQL() *sql.Tx { return t.sqlTx }

// PGX is the transaction for the job engine on PostgreSQL; nil on SQLite.
func (t *Tx) PGX() pgx.Tx { return t.pgxTx }

// ForUpdate ends a SELECT of rows that the transaction is going to change, but
// for their keys: on PostgreSQL it locks them. SQLite has one writer anyway.
func (t *Tx) ForUpdate() string {
	if t.db.dialect == Postgres {
		// FOR UPDATE would also wait for, and hold up, whoever writes rows that refer
		// to these: a deadlock once both want the same row.
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// Exec runs a statement and gives the number of rows that it changed.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := t.q.exec(ctx, query, args...)
	return n, t.db.classify(err)
}

// Query reads within the transaction. The rows must be closed before the next
// statement.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	rows, err := t.q.rows(ctx, query, args...) //nolint:rowserrcheck // the caller asks Rows.Err
	return &Rows{rows, t.db}, t.db.classify(err)
}

// QueryRow reads one row within the transaction.
func (t *Tx) QueryRow(ctx context.Context, query string, args ...any) Row {
	return Row{t.q.row(ctx, query, args...), t.db}
}
