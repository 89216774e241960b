package campaign

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// deadLetters is what GET expected/… calls the rows that cannot be.
const deadLetters = "dead_letters"

// expectation is which rows of the perfect mirror are asked for.
type expectation struct {
	table    string
	filter   filter
	prefix   string // of tables' names, told with dead letters
	vanished bool   // contacts that are gone upstream stay, as they were last
}

// writeExpected writes the rows that a perfect mirror holds now, sorted by their
// keys, one a line. Changes that come meanwhile are not among them.
func (c *campaign) writeExpected(w io.Writer, want expectation) error {
	out := bufio.NewWriterSize(w, 1<<16)
	f := &flattener{only: want.table, filter: want.filter}
	c.mu.Lock()
	m, _ := c.moments()
	fields := slices.Concat(c.fields, c.extra)
	extra := c.extra
	c.mu.Unlock()
	f.contacts = contactColumns(fields)
	var err error
	switch want.table {
	case contactsTable:
		err = c.flattenAll(f, m, extra, want.vanished, func(r row) error {
			_, err := out.Write(r.json)
			return err
		})
	case deadLetters:
		if err = c.flattenAll(f, m, extra, want.vanished, nil); err == nil {
			err = writeLetters(out, f.letters, want.prefix)
		}
	default:
		err = c.writeSorted(out, f, m, extra, want)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// writeSorted writes rows that do not come in the order of their keys.
func (c *campaign) writeSorted(out io.Writer, f *flattener, m moment, extra []field, want expectation) error {
	rows, err := newSpool()
	if err != nil {
		return err
	}
	defer rows.remove()
	if want.table == callsTable {
		err = c.flattenCalls(f, m, rows.add)
	} else {
		err = c.flattenAll(f, m, extra, want.vanished, rows.add)
	}
	if err != nil {
		return err
	}
	return rows.writeTo(out)
}

// flattenAll goes through all contacts in the order of their ids.
func (c *campaign) flattenAll(f *flattener, m moment, extra []field, vanished bool, use func(row) error) error {
	c.mu.Lock()
	n := uint32(len(c.history.newest)) //nolint:gosec // at most maxContacts
	c.mu.Unlock()
	order := make([]entry, 0, n)
	for contact := range n {
		order = append(order, entry{scrambled(c.Seed, contact), uint64(contact)})
	}
	slices.SortFunc(order, entry.compare)
	var text []byte
	for _, e := range order {
		s := c.lastShape(uint32(e.b), m, vanished) //nolint:gosec // at most maxContacts
		if s == nil {
			continue
		}
		text = c.render(text[:0], s, extra, true)
		c.pool.Put(s)
		f.rows = f.rows[:0]
		if err := f.contact(text); err != nil {
			return err
		}
		for _, r := range f.rows {
			if err := use(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastShape is the shape of a contact at a moment, or nil if it is not there.
func (c *campaign) lastShape(contact uint32, m moment, vanished bool) *shape {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state(contact, m).there {
		return c.shapeAt(contact, m)
	}
	before, gone := c.history.beforeDeletion(contact, m)
	if !gone || !vanished {
		return nil
	}
	return c.shapeAt(contact, before)
}

func (c *campaign) flattenCalls(f *flattener, m moment, use func(row) error) error {
	c.mu.Lock()
	calls := c.firstCalls() + len(c.history.calls)
	c.mu.Unlock()
	for call := range calls {
		c.mu.Lock()
		there, at := c.callThere(call, m), c.callAt(call)
		c.mu.Unlock()
		if !there {
			continue
		}
		f.rows = f.rows[:0]
		if err := f.call(c.appendCall(nil, call, at)); err != nil {
			return err
		}
		if err := use(f.rows[0]); err != nil {
			return err
		}
	}
	return nil
}

// writeLetters counts dead letters by what they are.
func writeLetters(out io.Writer, letters []letter, prefix string) error {
	counts := map[letter]int{}
	for _, l := range letters {
		counts[l]++
	}
	list := make([]letter, 0, len(counts))
	for l := range counts {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b letter) int {
		return cmp.Or(strings.Compare(a.table, b.table), strings.Compare(a.key, b.key), strings.Compare(a.kind, b.kind))
	})
	for _, l := range list {
		line, err := json.Marshal(map[string]any{"table": prefix + l.table, "key": l.key, "kind": l.kind, "count": counts[l]})
		if err == nil {
			_, err = fmt.Fprintf(out, "%s\n", line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
