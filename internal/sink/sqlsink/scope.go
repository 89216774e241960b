package sqlsink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// stale are the rows that a scope says have gone.
type stale struct {
	places []int   // of the key's columns, then of the scope's
	rows   [][]any // their values
	// listed tells whether a row's values belong to one of the scope's parents; nil
	// without a scope.
	listed func(values []any) bool
}

// findStale finds the rows of a scope's parents whose key is not among those in
// the scratch. Only keys are read, and compared here: a statement with all the
// keys that stay would have no bound.
func (s *Sink) findStale(ctx context.Context, tx *transaction, p *plan, scope *pipeline.Scope) (stale, error) {
	if scope == nil {
		return stale{}, nil
	}
	parents, places, err := p.parents(scope)
	if err != nil || len(parents) == 0 {
		return stale{}, err
	}
	// A column's collation may take another parent for this one.
	exact := make(map[string]bool, len(parents))
	for _, parent := range parents {
		exact[string(appendParts(nil, parent))] = true
	}
	gone := stale{places: slices.Concat(p.key, places)}
	gone.listed = func(values []any) bool {
		buffer := s.scratch.buffer[:0]
		for _, place := range places {
			buffer = appendPart(buffer, values[place], true)
		}
		s.scratch.buffer = buffer
		return exact[string(buffer)]
	}
	d := s.dialect
	columns, keyColumns := p.pick(places), p.pick(p.key)
	for _, c := range keyColumns {
		// Such a column may return a key in another spelling than it was given.
		if c.typ == pipeline.Text && c.kind != textKind {
			return stale{}, schemaFault(p.table, fmt.Sprintf("has the key column %q of type %s, where text is needed to tell what has gone", c.name, c.sqlType), "")
		}
	}
	absent := func([]any, error) error { return nil } // a parent that the column cannot hold has no rows
	for group := range groups(d.traits(), parents, len(columns)) {
		err := s.sieve(ctx, tx, group, len(group), func(part [][]any) error {
			condition, args := among(d, columns, part)
			query := fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s", names(keyColumns), names(columns), d.quote(p.table.Name), condition)
			before := len(gone.rows)
			err := p.scan(ctx, tx, query, args, gone.places, func(values []any) {
				if gone.listed(values) && !s.scratch.find(p, values) {
					gone.rows = append(gone.rows, choose(values, gone.places))
				}
			})
			if err != nil {
				gone.rows = gone.rows[:before]
			}
			return err
		}, absent)
		if err != nil {
			return stale{}, err
		}
	}
	return gone, nil
}

// sighting is what the read of a scope tells of the keys of its change.
type sighting struct {
	scratch *scratch
	listed  func(values []any) bool
}

// sightingOf is nil where nothing can be told: without a scope, and after deletes,
// which may take rows along that were there, by foreign keys.
func (s *Sink) sightingOf(gone stale) *sighting {
	if gone.listed == nil || len(gone.rows) > 0 {
		return nil
	}
	return &sighting{&s.scratch, gone.listed}
}

// of tells whether a row is there under its key, as in appendKey, and whether that
// is known. A row that is not may have been another parent's, and collide.
func (g *sighting) of(row []any, key []byte) (there, known bool) {
	if g == nil || !g.listed(row) {
		return false, false
	}
	return g.scratch.found[g.scratch.last[string(key)]], true
}

// deleteRows deletes rows that begin with the values of their keys.
func (s *Sink) deleteRows(ctx context.Context, tx *transaction, p *plan, rows [][]any, refuse func(row []any, reason error) error) (int64, error) {
	d := s.dialect
	var deleted int64
	for group := range groups(d.traits(), rows, len(p.key)) {
		err := s.sieve(ctx, tx, group, len(group), func(part [][]any) error {
			condition, args := among(d, p.pick(p.key), part)
			n, err := tx.exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s", d.quote(p.table.Name), condition), args...)
			if err == nil {
				deleted += n
			}
			return err
		}, refuse)
		if err != nil {
			return 0, err
		}
	}
	return deleted, nil
}

// unread is a value that was not read from the target.
type unread struct{}

// spread puts values into their places of a row.
func (p *plan) spread(values []any, places []int) []any {
	row := make([]any, p.width)
	for i := range row {
		row[i] = unread{}
	}
	for i, place := range places {
		row[place] = values[i]
	}
	return row
}

// choose is the values at the given places.
func choose(values []any, places []int) []any {
	chosen := make([]any, len(places))
	for i, place := range places {
		chosen[i] = values[place]
	}
	return chosen
}

// parents are the scope's values as the database keeps them, and the places of
// its columns.
func (p *plan) parents(scope *pipeline.Scope) ([][]any, []int, error) {
	places := make([]int, len(scope.Columns))
	for i, name := range scope.Columns {
		if places[i] = p.table.Index(name); places[i] < 0 {
			return nil, nil, badTable(p.table, fmt.Sprintf("has no column %q, which a scope names", name), "")
		}
	}
	columns := p.pick(places)
	parents := make([][]any, 0, len(scope.Parents))
each:
	for _, parent := range scope.Parents {
		if len(parent) != len(columns) || len(columns) == 0 {
			return nil, nil, badTable(p.table, fmt.Sprintf("has a scope of %d columns with a parent of %d values", len(columns), len(parent)), "")
		}
		values := make([]any, len(parent))
		for i, v := range parent {
			value, err := columns[i].value(v)
			if err == nil && value == nil {
				err = columns[i].refuse("is NULL")
			}
			if err != nil && fmt.Sprintf("%T", v) == goType(columns[i].typ) {
				continue each // the column cannot hold it, so it has no rows
			}
			if err != nil {
				return nil, nil, &fault.Error{Kind: fault.Invalid, Code: "target_refused_row", Err: err,
					Detail: fmt.Sprintf("a parent in the scope of table %q", p.table.Name)}
			}
			values[i] = value
		}
		parents = append(parents, values)
	}
	return parents, places, nil
}

// scan runs a query for the columns at the given places and calls f with a row of
// values, of which only those places are set; it is used again for the next row.
func (p *plan) scan(ctx context.Context, q querier, query string, args []any, places []int, f func(values []any)) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	found, pointers := scanTarget(len(places))
	values := make([]any, p.width)
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		for i, place := range places {
			c := &p.columns[place]
			v, err := decode(c.typ, found[i])
			if err == nil {
				v, err = c.value(v)
			}
			if err != nil {
				return fmt.Errorf("column %q of table %q: %w", c.name, p.table.Name, err)
			}
			values[place] = v
		}
		f(values)
	}
	return rows.Err()
}

func names(columns []*column) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = c.quoted
	}
	return strings.Join(quoted, ", ")
}
