package sqlsink

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// unheld stands for a value that the column does not hold until it is widened.
type unheld struct{}

// comparer is an upserter that finds out what there would be to write.
type comparer struct {
	rehearsal *rehearsal
	plan      *plan
	there     bool // the table is
}

func (u *comparer) upsert(ctx context.Context, tx *transaction, rows [][]any) (written, error) {
	p, places := u.plan, map[string]int{}
	keys := make([][]any, len(rows))
	for i, row := range rows {
		keys[i] = choose(row, p.key)
		places[string(p.appendKey(nil, row))] = i
	}
	found := make([]bool, len(rows))
	var done written
	if u.there {
		compared := slices.DeleteFunc(slices.Clone(p.rest), func(i int) bool { return p.columns[i].absent })
		d := u.rehearsal.sink.dialect
		for group := range groups(d.traits(), keys, len(p.key)) {
			condition, args := among(d, p.pick(p.key), group)
			query := fmt.Sprintf("SELECT %s FROM %s WHERE %s", u.reading(compared), d.quote(p.table.Name), condition)
			err := u.scan(ctx, tx, query, args, func(key string, held []any) {
				i, wanted := places[key]
				if !wanted { // a collation takes it for another
					return
				}
				found[i] = true
				if names := u.differing(rows[i], compared, held); len(names) > 0 {
					done.updated++
					u.rehearsal.tell(p, rows[i], Different, names)
				}
			})
			if err != nil {
				return written{}, err
			}
		}
	}
	for i, row := range rows {
		if !found[i] {
			done.inserted++
			u.rehearsal.tell(p, row, Missing, nil)
		}
	}
	return done, nil
}

// differing are the columns in which a row is not what the target holds, whose
// values at the given places follow.
func (u *comparer) differing(row []any, places []int, held []any) []string {
	p := u.plan
	var names []string
	for i, c := range p.columns[:p.width] {
		at := slices.Index(places, i)
		if c.absent && row[i] != nil || at >= 0 && (row[i] == unheld{} || !c.same(row[i], held[at])) {
			names = append(names, p.table.Columns[i].Name)
		}
	}
	return names
}

// reading is what is selected: the key's columns, then others.
func (u *comparer) reading(places []int) string {
	p := u.plan
	var selected []string
	for _, c := range p.pick(slices.Concat(p.key, places)) {
		switch {
		case c.reading != "":
			selected = append(selected, c.reading)
		case c.flexible && !c.key: // the driver makes something else of a boolean or a time
			selected = append(selected, "+"+c.quoted)
		default:
			selected = append(selected, c.quoted)
		}
	}
	return strings.Join(selected, ", ")
}

// scan calls f with each row: its key, as in appendKey, and the other values as the
// driver returns them, until the next one is read.
func (u *comparer) scan(ctx context.Context, tx *transaction, query string, args []any, f func(key string, held []any)) error {
	p := u.plan
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, pointers := scanTarget(len(names))
	row := make([]any, p.width)
	var buffer []byte
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		for i, k := range p.key {
			v, err := decode(p.columns[k].typ, values[i])
			if err != nil {
				return fmt.Errorf("column %q of table %q: %w", p.columns[k].name, p.table.Name, err)
			}
			if row[k], err = p.value(k, v); err != nil {
				row[k] = nil // no source gives such a key
			}
		}
		buffer = p.appendKey(buffer[:0], row)
		f(string(buffer), values[len(p.key):])
	}
	return rows.Err()
}
