package sqlsink

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/pipeline"
)

// mostStanding bounds how many letters of a table are known by their ids.
const mostStanding = 10_000

// standing are the dead letters of earlier batches for one table.
type standing struct {
	ids  map[string]bool
	more bool // than ids
}

// letterRange is the condition that a letter belongs to a row of the table, and its
// arguments, which follow n others. Letters of rows without a key are not within:
// nothing clears them.
func (s *Sink) letterRange(table string, n int) (string, []any) {
	d, prefix := s.dialect, s.letterPrefix(table)
	return fmt.Sprintf("%s >= %s AND %s < %s", d.quote("id"), d.placeholder(n+1), d.quote("id"), d.placeholder(n+2)),
		[]any{prefix + "0", prefix + "g"} // g follows all hexadecimal digits
}

// findLetters asks which tables have dead letters that a batch may clear.
func (s *Sink) findLetters(ctx context.Context, tx *transaction, b pipeline.Batch) error {
	var tables, probes []string
	var args []any
	for _, c := range b.Changes {
		if c.Table == nil || len(c.Rows) == 0 && c.Scope == nil || slices.Contains(tables, c.Table.Name) {
			continue
		}
		tables = append(tables, c.Table.Name)
		condition, ends := s.letterRange(c.Table.Name, len(args))
		args = append(args, ends...)
		probes = append(probes, fmt.Sprintf("CASE WHEN EXISTS (SELECT 1 FROM %s WHERE %s) THEN 1 ELSE 0 END",
			s.dialect.quote("ferryman_dead_letters"), condition))
	}
	if len(tables) == 0 {
		return nil
	}
	found := make([]bool, len(tables))
	pointers := make([]any, len(tables))
	for i := range found {
		pointers[i] = &found[i]
	}
	if _, err := single(ctx, tx, "SELECT "+strings.Join(probes, ", "), args, pointers...); err != nil {
		return s.explain(ctx, "read", "ferryman_dead_letters", err)
	}
	for i, table := range tables {
		if !found[i] {
			continue
		}
		have := standing{ids: map[string]bool{}}
		err := s.readStanding(ctx, tx, table, "id", mostStanding+1, func(id, _ string) { have.ids[id] = true })
		if err != nil {
			return s.explain(ctx, "read", "ferryman_dead_letters", err)
		}
		have.more = len(have.ids) > mostStanding
		if tx.standing == nil {
			tx.standing = map[string]standing{}
		}
		tx.standing[table] = have
	}
	return nil
}

// readStanding calls f with up to limit letters of a table, their ids and another
// column.
func (s *Sink) readStanding(ctx context.Context, tx *transaction, table, column string, limit int, f func(id, value string)) error {
	d := s.dialect
	condition, args := s.letterRange(table, 0)
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s ORDER BY %s%s",
		d.quote("id"), d.quote(column), d.quote("ferryman_dead_letters"), condition, d.quote("id"), d.limit(limit)), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var id, value string
	for rows.Next() {
		if err := rows.Scan(&id, &value); err != nil {
			return err
		}
		f(id, value)
	}
	return rows.Err()
}

// clearLetters forgets the letters of rows that a change brings again, whose keys
// are in the scratch, and of those that have gone with its scope. Those that are
// refused again get a new one in the end.
func (s *Sink) clearLetters(ctx context.Context, tx *transaction, p *plan, rows [][]any, gone stale) error {
	table := p.table.Name
	have, lettered := tx.standing[table]
	pending := map[string]bool{}
	for _, l := range tx.letters {
		if l.table == table {
			pending[l.id] = true
		}
	}
	if !lettered && len(pending) == 0 {
		return nil
	}
	prefix := s.letterPrefix(table)
	cleared := map[string]bool{}
	for _, i := range s.scratch.last {
		if id := prefix + digest(p.rowKey(rows[i]), 16); have.more || have.ids[id] || pending[id] {
			cleared[id] = true
		}
	}
	over := func(l letter) bool {
		return l.table == table && (cleared[l.id] || strings.HasPrefix(l.id, prefix) && gone.holds(p, l.row))
	}
	tx.letters = slices.DeleteFunc(tx.letters, over)
	if !lettered {
		return nil
	}
	if gone.listed != nil {
		err := s.readStanding(ctx, tx, table, "row_json", mostStanding, func(id, row string) {
			if !cleared[id] && gone.holds(p, row) {
				cleared[id] = true
			}
		})
		if err != nil {
			return s.explain(ctx, "read", "ferryman_dead_letters", err)
		}
	}
	ids := make([][]any, 0, len(cleared))
	for id := range cleared {
		ids = append(ids, []any{id})
	}
	_, err := s.deleteRows(ctx, tx, s.plans["ferryman_dead_letters"], ids, func(_ []any, reason error) error { return reason })
	return s.explain(ctx, "write to", "ferryman_dead_letters", err)
}

// holds tells whether a letter's row belongs to a parent of the scope.
func (g *stale) holds(p *plan, rowJSON string) bool {
	if g.listed == nil {
		return false
	}
	decoder := json.NewDecoder(strings.NewReader(rowJSON))
	decoder.UseNumber()
	var row map[string]any
	if decoder.Decode(&row) != nil {
		return false
	}
	values := make([]any, p.width)
	for _, place := range g.places[len(p.key):] {
		c := &p.columns[place]
		v, err := decode(c.typ, row[p.table.Columns[place].Name])
		if err == nil {
			v, err = c.value(v)
		}
		if err != nil {
			return false
		}
		values[place] = v
	}
	return g.listed(values)
}
