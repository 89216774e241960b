package sqlsink

import "fmt"

// scratch is memory that one write leaves to the next.
type scratch struct {
	keys   []string       // of each row of a change; "" where the key is bad
	last   map[string]int // the place of the last row with a key
	bad    map[int]error  // rows without a usable key
	found  []bool         // of each row of a change: whether its scope's read found the key
	values []any          // of the chunk in hand
	rows   [][]any        // the same, by row
	buffer []byte
}

// release forgets the rows, so that an idle sink holds none of a source's memory.
func (sc *scratch) release() {
	const large = 1 << 18
	if len(sc.keys) > large || cap(sc.values) > large {
		*sc = scratch{}
		return
	}
	clear(sc.keys)
	clear(sc.last)
	clear(sc.bad)
	clear(sc.values[:cap(sc.values)])
	clear(sc.rows[:cap(sc.rows)])
}

// index finds the last row of each key.
func (sc *scratch) index(p *plan, rows [][]any) {
	if sc.last == nil {
		sc.last = make(map[string]int, len(rows))
	}
	clear(sc.last)
	clear(sc.bad)
	sc.found = append(sc.found[:0], make([]bool, len(rows))...)
	sc.keys = sc.keys[:0]
	values := make([]any, p.width)
	for i, row := range rows {
		err := p.keyValues(values, row)
		if err != nil {
			if sc.bad == nil {
				sc.bad = map[int]error{}
			}
			sc.bad[i] = err
			sc.keys = append(sc.keys, "")
			continue
		}
		var key string
		if text, ok := values[p.key[0]].(string); ok && len(p.key) == 1 {
			key = text // the row's own, no copy
		} else {
			sc.buffer = p.appendKey(sc.buffer[:0], values)
			key = string(sc.buffer)
		}
		sc.last[key] = i
		sc.keys = append(sc.keys, key)
	}
}

// find tells whether a row of the target has a key of the change, and remembers it.
func (sc *scratch) find(p *plan, values []any) bool {
	sc.buffer = p.appendKey(sc.buffer[:0], values)
	i, ok := sc.last[string(sc.buffer)]
	if ok {
		sc.found[i] = true
	}
	return ok
}

// keyValues puts the key's values of a source's row into their places.
func (p *plan) keyValues(values, row []any) error {
	for _, k := range p.key {
		if k >= len(row) {
			return p.wrongWidth(row)
		}
		v, err := p.value(k, row[k])
		if err != nil {
			return err
		}
		values[k] = v
	}
	return nil
}

func (p *plan) wrongWidth(row []any) error {
	return &refusal{"", fmt.Sprintf("the row has %d values and the table %d columns", len(row), p.width)}
}
