package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// loadLines is how many rows one COPY takes: the server keeps in memory which of
// them it has yet to look up the parents of.
const loadLines = 50_000

// postgresSuspend keeps all others out, the triggers from firing, and the indexes that
// no constraint needs away, until resume.
func postgresSuspend(ctx context.Context, tx *Tx, shape Shape) (resume func() error, err error) {
	var names []string
	for _, t := range shape.Tables {
		names = append(names, quoted(t.Name))
	}
	all := strings.Join(names, ", ")
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', '5s', true), set_config('enable_seqscan', 'on', true), "+unhurried); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE "+all+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return nil, inUse(err)
	}
	triggers := func(do string) error {
		for _, name := range names {
			if _, err := tx.Exec(ctx, "ALTER TABLE "+name+" "+do+" TRIGGER USER"); err != nil {
				return fmt.Errorf("switch the triggers of %s: %w", name, err)
			}
		}
		return nil
	}
	if err := triggers("DISABLE"); err != nil {
		return nil, err
	}
	indexes, err := postgresIndexes(ctx, tx, names)
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	back, err := putAway(ctx, tx, indexes)
	return func() error {
		if err := errors.Join(back(), triggers("ENABLE")); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "ANALYZE "+all)
		return err
	}, err
}

func postgresIndexes(ctx context.Context, tx *Tx, tables []string) ([]object, error) {
	rows, err := tx.Query(ctx, `SELECT 'index', c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = c.oid) ORDER BY c.oid`, tables)
	if err != nil {
		return nil, err
	}
	return Collect(rows, scanObject)
}

func (l *Load) copyRows(ctx context.Context, table Table, next func() ([]any, error)) (int64, error) {
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	var total int64
	for more := true; more; {
		lines := &lines{next: next}
		n, err := l.tx.pgxTx.CopyFrom(ctx, pgx.Identifier{table.Name}, names, lines)
		if lines.err != nil {
			err = lines.err // rather than what the driver makes of it
		}
		if err != nil {
			return total, l.tx.db.classify(err)
		}
		total, more, l.replaced = total+n, !lines.ended, l.replaced+lines.replaced
	}
	return total, nil
}

// lines are the rows of one COPY. It implements pgx.CopyFromSource.
type lines struct {
	next     func() ([]any, error)
	n        int
	row      []any
	err      error
	ended    bool // there are no more
	replaced int64
}

// Next implements pgx.CopyFromSource.
func (s *lines) Next() bool {
	if s.n == loadLines {
		return false
	}
	s.row, s.err = s.next()
	if errors.Is(s.err, io.EOF) {
		s.ended, s.err = true, nil
		return false
	}
	s.n++
	return s.err == nil
}

// Values implements pgx.CopyFromSource.
func (s *lines) Values() ([]any, error) {
	for i, v := range s.row {
		if text, ok := v.(string); ok && (strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text)) {
			s.row[i] = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
			s.replaced++
		}
	}
	return s.row, nil
}

// Err implements pgx.CopyFromSource.
func (s *lines) Err() error { return s.err }
