package db

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// A shared transaction on PostgreSQL sends the statements of its members
// together: each member runs up to its next statement, then all of these go to
// the server at once, and each member goes on with its answer. So a transaction
// of many waits for as many answers as its longest member alone, however far the
// server is.

// errCalledOff ends the other members when one has failed.
var errCalledOff = errors.New("another call of the transaction failed")

// voice is a member that runs, or several of the same key, one after the other.
type voice struct {
	ctx   context.Context //nolint:containedctx // of the transaction that it is a part of
	conn  *sql.Conn
	steps chan step  // what it wants next
	heard chan error // the answer
}

// step is what a voice waits for.
type step struct {
	query string
	args  []any
	dest  []any  // where to scan the row
	rows  *int64 // where to tell how many rows it changed; nil for a query of one row
	alone bool   // it uses the connection itself until its next step
	done  bool   // there is none: the voice has ended with err
	err   error
}

// pipelined runs a batch, whose members are sorted by key, on one connection.
func (d *DB) pipelined(ctx context.Context, conn *sql.Conn, tx *Tx, batch []*member) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var voices []*voice
	for len(batch) > 0 {
		n := slices.IndexFunc(batch, func(m *member) bool { return m.key != batch[0].key })
		if n < 0 {
			n = len(batch)
		}
		v := &voice{ctx: ctx, conn: conn, steps: make(chan step), heard: make(chan error)}
		go v.run(batch[:n], &Tx{db: d, now: tx.now, q: v})
		voices, batch = append(voices, v), batch[n:]
	}
	var failed error
	for len(voices) > 0 {
		steps := make([]step, 0, len(voices))
		var waiting []*voice
		for _, v := range voices {
			s := v.next(failed)
			if s.done {
				if s.err != nil && failed == nil {
					failed = s.err
					cancel(errCalledOff)
				}
				continue
			}
			waiting, steps = append(waiting, v), append(steps, s)
		}
		voices = waiting
		if failed == nil {
			failed = send(ctx, conn, steps)
		}
		for i, v := range voices {
			err := steps[i].err
			if failed != nil {
				err = errors.Join(errCalledOff, failed)
			}
			v.heard <- err
		}
	}
	return failed
}

// next gives a voice's next step that can go together with those of others; what
// it must do alone it has done.
func (v *voice) next(failed error) step {
	for {
		s := <-v.steps
		if !s.alone {
			return s
		}
		v.heard <- failed
	}
}

func (v *voice) run(members []*member, tx *Tx) {
	for _, m := range members {
		if err := guarded(v.ctx, m.fn, tx); err != nil {
			v.steps <- step{done: true, err: err}
			return
		}
	}
	v.steps <- step{done: true}
}

// send runs statements in one go and scans their answers. The error is that of
// the transaction: a row that is not there is the step's own.
func send(ctx context.Context, conn *sql.Conn, steps []step) error {
	if len(steps) == 0 {
		return nil
	}
	var b pgx.Batch
	for i := range steps {
		b.Queue(steps[i].query, steps[i].args...)
	}
	return conn.Raw(func(driverConn any) error {
		answers := driverConn.(*stdlib.Conn).Conn().SendBatch(ctx, &b)
		for i := range steps {
			s := &steps[i]
			if s.rows != nil {
				tag, err := answers.Exec()
				if err != nil {
					return errors.Join(err, answers.Close())
				}
				*s.rows = tag.RowsAffected()
				continue
			}
			s.err = answers.QueryRow().Scan(s.dest...)
			if s.err != nil && !errors.Is(s.err, pgx.ErrNoRows) {
				return errors.Join(s.err, answers.Close())
			}
		}
		return answers.Close()
	})
}

// exec implements querier.
func (v *voice) exec(_ context.Context, query string, args ...any) (int64, error) {
	var rows int64
	v.steps <- step{query: query, args: args, rows: &rows}
	err := <-v.heard
	return rows, err
}

// row implements querier.
func (v *voice) row(_ context.Context, query string, args ...any) scanner {
	return scanFunc(func(dest ...any) error {
		v.steps <- step{query: query, args: args, dest: dest}
		return <-v.heard
	})
}

// rows implements querier. It takes the connection for itself.
func (v *voice) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	v.steps <- step{alone: true}
	if err := <-v.heard; err != nil {
		return nil, err
	}
	return v.conn.QueryContext(ctx, query, args...)
}
