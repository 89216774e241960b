package sqlsink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/pipeline"
)

// Pick reads some columns of the rows with the given keys, of a table with a
// single-column key: the key, then the columns, for each row that is there, in no
// order. A table that does not exist yet has no rows, a column that does not is
// NULL. It may be called at any time.
func (s *Sink) Pick(ctx context.Context, t *pipeline.Table, columns []string, keys []any) (rows [][]any, err error) {
	err = s.look(ctx, t.Name, func() error {
		rows, err = s.pickAsSeen(ctx, t, columns, keys)
		if s.dialect.diagnose(err).class == mismatched {
			s.seen.forget() // somebody else has changed the table
			rows, err = s.pickAsSeen(ctx, t, columns, keys)
		}
		return err
	})
	return rows, err
}

func (s *Sink) pickAsSeen(ctx context.Context, t *pipeline.Table, columns []string, keys []any) ([][]any, error) {
	v, err := s.viewBy(t, func() (*description, error) { return s.seen.of(ctx, s.dialect, s.db, t.Name) })
	if err != nil || v == nil {
		return nil, err
	}
	selected := []string{v.key.quoted}
	types := []pipeline.Type{v.key.typ}
	names := s.shape(t, v.have).names
	for _, name := range columns {
		i := t.Index(name)
		if i < 0 {
			return nil, badTable(t, fmt.Sprintf("has no column %q to be picked", name), "")
		}
		selected = append(selected, s.reading(v.have, names[i]))
		types = append(types, t.Columns[i].Type)
	}
	// A collation may take another key for one of these.
	wanted := make(map[string]bool, len(keys))
	tuples := make([][]any, 0, len(keys))
	for _, key := range keys {
		value, err := v.key.value(key)
		if err != nil || value == nil {
			continue // the column cannot hold it, so it has no row
		}
		if part := string(appendPart(nil, value, false)); !wanted[part] {
			wanted[part] = true
			tuples = append(tuples, []any{value})
		}
	}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE ", strings.Join(selected, ", "), s.dialect.quote(t.Name))
	picked, err := s.pick(ctx, query, &v.key, tuples, types)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(picked, func(row []any) bool {
		value, err := v.key.value(row[0])
		return err != nil || !wanted[string(appendPart(nil, value, false))]
	}), nil
}

func (s *Sink) pick(ctx context.Context, query string, key *column, tuples [][]any, types []pipeline.Type) ([][]any, error) {
	if len(tuples) == 0 {
		return nil, nil
	}
	tx, err := s.beginReading(ctx, s.db)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // it has changed nothing
	var picked [][]any
	for group := range groups(s.dialect.traits(), tuples, 1) {
		condition, args := among(s.dialect, []*column{key}, group)
		rows, err := s.query(ctx, tx, query+condition, args, types)
		if err != nil {
			return nil, err
		}
		picked = append(picked, rows...)
	}
	return picked, nil
}

// Keys is up to limit keys of a table with a single-column key, in their order, from
// the first one after the given key, or from the beginning if that is nil. It may be
// called at any time.
func (s *Sink) Keys(ctx context.Context, t *pipeline.Table, after any, limit int) ([]any, error) {
	bare := *t
	bare.Stamps, bare.Columns = nil, nil
	for _, k := range t.KeyIndexes() {
		if k >= 0 {
			bare.Columns = append(bare.Columns, t.Columns[k])
		}
	}
	rows, err := s.List(ctx, &bare, after, limit)
	if err != nil {
		return nil, err
	}
	keys := make([]any, len(rows))
	for i, row := range rows {
		keys[i] = row[0]
	}
	return keys, nil
}

// Count is how many rows a table has; none if it does not exist yet. It may be
// called at any time.
func (s *Sink) Count(ctx context.Context, t *pipeline.Table) (n int64, err error) {
	err = s.look(ctx, t.Name, func() error {
		have, err := s.dialect.describe(ctx, s.db, t.Name)
		if err != nil || have == nil {
			return err
		}
		return s.db.QueryRowContext(ctx, "SELECT count(*) FROM "+s.dialect.quote(t.Name)).Scan(&n)
	})
	return n, err
}
