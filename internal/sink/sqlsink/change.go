package sqlsink

import (
	"context"
	"fmt"

	"ferryman/internal/pipeline"
)

// scratch is memory that one write leaves to the next.
type scratch struct {
	keys   []string       // of each row of a change; "" where the key is bad
	last   map[string]int // the place of the last row with a key
	bad    map[int]error  // rows without a usable key
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

// change writes the rows of one change, then deletes what its scope says.
func (s *Sink) change(ctx context.Context, tx *transaction, p *plan, c *pipeline.Change) error {
	var count pipeline.TableCount
	err := s.upsert(ctx, tx, p, c.Rows, &count, func(row []any, keyed bool, reason error) error {
		count.Rejected++
		return s.reject(tx, p, row, keyed, reason)
	})
	if err != nil {
		return err
	}
	if tx.lettered[p.table.Name] {
		if err := s.clearLetters(ctx, tx, p, c.Rows); err != nil {
			return err
		}
	}
	if c.Scope != nil {
		if count.Deleted, err = s.deleteStale(ctx, tx, p, c.Scope); err != nil {
			return err
		}
	}
	count.Unchanged = count.Read - count.Written - count.Rejected
	total := tx.count(p.table.Name)
	total.Read += count.Read
	total.Written += count.Written
	total.Unchanged += count.Unchanged
	total.Deleted += count.Deleted
	total.Rejected += count.Rejected
	return nil
}

// rejecter takes a row that cannot land, as the source gave it or as it would
// have been written; keyed tells whether its key is of use. Its error ends the batch.
type rejecter func(row []any, keyed bool, reason error) error

// upsert writes rows in chunks; of rows with the same key the last one. It leaves
// the rows' keys in the scratch.
func (s *Sink) upsert(ctx context.Context, tx *transaction, p *plan, rows [][]any, count *pipeline.TableCount, reject rejecter) error {
	sc := &s.scratch
	sc.index(p, rows)
	sc.values, sc.rows = sc.values[:0], sc.rows[:0]
	size := 0
	flush := func() error {
		if len(sc.rows) == 0 {
			return nil
		}
		written, err := s.land(ctx, tx, p, sc.rows, reject)
		count.Written += written
		sc.rows, size = sc.rows[:0], 0
		return err
	}
	for i, row := range rows {
		err := sc.bad[i]
		if err == nil && sc.last[sc.keys[i]] != i {
			continue
		}
		count.Read++
		start := len(sc.values)
		bytes := 0
		if err == nil {
			sc.values, bytes, err = p.encode(sc.values, row)
		}
		if err != nil {
			sc.values = sc.values[:start]
			if err := reject(row, sc.bad[i] == nil, err); err != nil {
				return err
			}
			continue
		}
		if len(sc.rows) > 0 && (len(sc.rows) == p.chunk.rows || p.chunk.bytes > 0 && size+bytes > p.chunk.bytes) {
			if err := flush(); err != nil {
				return err
			}
			sc.values = sc.values[:copy(sc.values, sc.values[start:])]
			start = 0
		}
		sc.rows = append(sc.rows, sc.values[start:len(sc.values):len(sc.values)])
		size += bytes
	}
	return flush()
}

// index finds the last row of each key.
func (sc *scratch) index(p *plan, rows [][]any) {
	if sc.last == nil {
		sc.last = make(map[string]int, len(rows))
	}
	clear(sc.last)
	clear(sc.bad)
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

// keyValues puts the key's values of a source's row into their places.
func (p *plan) keyValues(values, row []any) error {
	if len(row) != p.width {
		return &refusal{"", fmt.Sprintf("the row has %d values and the table %d columns", len(row), p.width)}
	}
	for _, k := range p.key {
		v, err := p.columns[k].value(row[k])
		if err != nil {
			return err
		}
		values[k] = v
	}
	return nil
}

// encode appends a row's values as they are handed to the database, and returns
// about how many bytes they take.
func (p *plan) encode(dst []any, row []any) ([]any, int, error) {
	size := 0
	for i, v := range row {
		v, err := p.columns[i].value(v)
		if err != nil {
			return dst, 0, err
		}
		if text, ok := v.(string); ok {
			size += len(text)
		}
		size += 8
		dst = append(dst, v)
	}
	if p.chunk.rowBytes > 0 && size > p.chunk.rowBytes {
		return dst, 0, &refusal{"", fmt.Sprintf("the row has %d bytes and the server takes %d at once", size, p.chunk.rowBytes)}
	}
	return dst, size, nil
}

// land writes a chunk. In a careful transaction a chunk with a row that the
// target refuses is halved until that row stands alone.
func (s *Sink) land(ctx context.Context, tx *transaction, p *plan, rows [][]any, reject rejecter) (int64, error) {
	if !tx.careful {
		return p.upserter.upsert(ctx, tx, rows)
	}
	tr := s.dialect.traits()
	if _, err := tx.ExecContext(ctx, tr.savepoint); err != nil {
		return 0, err
	}
	written, err := p.upserter.upsert(ctx, tx, rows)
	undo := err != nil
	if undo {
		if s.dialect.diagnose(err).class != refused {
			return 0, err
		}
		if _, err := tx.ExecContext(ctx, tr.rollbackTo); err != nil {
			return 0, err
		}
	}
	if tr.release != "" {
		if _, err := tx.ExecContext(ctx, tr.release); err != nil {
			return 0, err
		}
	}
	switch {
	case !undo:
		return written, nil
	case len(rows) == 1:
		return 0, reject(rows[0], true, err)
	}
	half := len(rows) / 2
	first, err := s.land(ctx, tx, p, rows[:half], reject)
	if err != nil {
		return 0, err
	}
	second, err := s.land(ctx, tx, p, rows[half:], reject)
	return first + second, err
}
