package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"ferryman/internal/fault"
)

// Load is one transaction that fills an empty store with rows as they were in
// another.
type Load struct {
	tx       *Tx
	replaced int64
}

// Load runs fn in a transaction on the store alone, while nothing reckons by itself:
// triggers do not count what was counted already. Whatever cuts it off, the store is
// as empty as before. A store that holds more than a new one is refused with a fault
// of code store_not_empty, one of another schema as by Shape.Fits, and one that is in
// use with store_served or store_in_use.
func (d *DB) Load(ctx context.Context, shape Shape, fn func(l *Load) error) error {
	if err := d.Serve(); err != nil {
		return err
	}
	vacant := func(tx *Tx) error {
		if err := shape.Fits(ctx, tx); err != nil {
			return err
		}
		return tx.vacant(ctx, shape)
	}
	if err := d.Snapshot(ctx, vacant); err != nil { // before anybody is kept out
		return err
	}
	return d.Tx(ctx, func(tx *Tx) error {
		suspend := sqliteSuspend
		if d.dialect == Postgres {
			suspend = postgresSuspend
		}
		resume, err := suspend(ctx, tx, shape)
		if err != nil {
			return err
		}
		if err := vacant(tx); err != nil {
			return err
		}
		if err := tx.clear(ctx, shape); err != nil {
			return err
		}
		if err := fn(&Load{tx: tx}); err != nil {
			return err
		}
		return resume()
	})
}

// vacant refuses a store that has more than a new one.
func (t *Tx) vacant(ctx context.Context, shape Shape) error {
	var found []string
	for _, table := range shape.Tables {
		var n int64
		if err := t.QueryRow(ctx, "SELECT count(*) FROM "+quoted(table.Name)).Scan(&n); err != nil {
			return fmt.Errorf("look into %s: %w", table.Name, err)
		}
		if n > table.Given {
			found = append(found, fmt.Sprintf("%s (%d)", table.Name, n))
		}
	}
	if found != nil {
		return &fault.Error{
			Kind: fault.Conflict, Code: "store_not_empty", Detail: "the store is not empty: it has rows in " + strings.Join(found, ", "),
			Hint: "name a new store with --store or FERRYMAN_STORE_URL; nothing is put on top of what is there",
		}
	}
	return nil
}

// clear takes away what a new store has.
func (t *Tx) clear(ctx context.Context, shape Shape) error {
	for _, table := range slices.Backward(shape.Tables) { // children first
		if table.Given == 0 {
			continue
		}
		if _, err := t.Exec(ctx, "DELETE FROM "+quoted(table.Name)); err != nil {
			return fmt.Errorf("clear %s: %w", table.Name, err)
		}
	}
	return nil
}

// Table writes the rows that next gives until io.EOF, whose values are in the order
// of the table's columns. next may use a slice again. It gives how many there were.
func (l *Load) Table(ctx context.Context, table Table, next func() ([]any, error)) (int64, error) {
	if l.tx.db.dialect == Postgres {
		return l.copyRows(ctx, table, next)
	}
	return l.insertRows(ctx, table, next)
}

// LastID sees to it that the ids that the store gives to rows of the table are larger
// than last, and than those of its rows.
func (l *Load) LastID(ctx context.Context, table Table, last int64) error {
	most, err := l.largest(ctx, table)
	if err != nil {
		return err
	}
	if last = max(last, most); last == 0 {
		return nil
	}
	if l.tx.db.dialect == Postgres {
		// It holds whatever becomes of the transaction, and does no harm in an empty store.
		_, err = l.tx.Exec(ctx, "SELECT setval(pg_get_serial_sequence($1, $2), $3)", quoted(table.Name), table.Key[0], last)
		return err
	}
	n, err := l.tx.Exec(ctx, "UPDATE sqlite_sequence SET seq = $1 WHERE name = $2", last, table.Name)
	if err == nil && n == 0 {
		_, err = l.tx.Exec(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table.Name, last)
	}
	return err
}

func (l *Load) largest(ctx context.Context, table Table) (id int64, err error) {
	err = l.tx.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(max(%s), 0) FROM %s", quoted(table.Key[0]), quoted(table.Name))).Scan(&id)
	return id, err
}

// Replaced is how many texts had what PostgreSQL cannot hold, NUL or what is no
// UTF-8, and have the replacement character U+FFFD instead.
func (l *Load) Replaced() int64 { return l.replaced }

// object is an index or a trigger.
type object struct{ kind, name, definition string }

func scanObject(r *Rows) (o object, err error) {
	err = r.Scan(&o.kind, &o.name, &o.definition)
	return o, err
}

// putAway drops what would be kept up row by row, and gives what brings it back: an
// index is made faster once all rows are there.
func putAway(ctx context.Context, tx *Tx, all []object) (back func() error, err error) {
	for _, o := range all {
		if _, err := tx.Exec(ctx, "DROP "+o.kind+" "+quoted(o.name)); err != nil {
			return nil, fmt.Errorf("put away %s: %w", o.name, err)
		}
	}
	return func() error {
		for _, o := range all {
			if _, err := tx.Exec(ctx, o.definition); err != nil {
				return fmt.Errorf("bring back %s: %w", o.name, err)
			}
		}
		return nil
	}, nil
}

// inUse tells of a lock that somebody else holds.
func inUse(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" {
		return &fault.Error{
			Kind: fault.Conflict, Code: "store_in_use", Detail: "somebody uses the store", Err: errors.New(pg.Message),
			Hint: "stop all servers and commands that work on it",
		}
	}
	return err
}
