package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// change deletes what its scope says has gone, then writes its rows: what goes may
// hold what another row needs, such as a place in a unique index. What the target
// refuses is tried once more when all else is done, backwards, since each may have
// waited for what comes behind it.
func (s *Sink) change(ctx context.Context, tx *transaction, p *plan, c *pipeline.Change) error {
	s.scratch.index(p, c.Rows)
	gone, err := s.findStale(ctx, tx, p, c.Scope)
	if err != nil {
		return err
	}
	if err := s.clearLetters(ctx, tx, p, c.Rows, gone); err != nil {
		return err
	}
	var count pipeline.TableCount
	var stuck [][]any
	count.Deleted, err = s.deleteRows(ctx, tx, p, gone.rows, func(row []any, _ error) error {
		stuck = append(stuck, row)
		return nil
	})
	if err != nil {
		return err
	}
	type refusedRow struct {
		row    []any
		reason error
	}
	var refused []refusedRow
	reject := func(row []any, keyed bool, reason error) error {
		count.Rejected++
		return s.reject(tx, p, row, keyed, "written to", reason)
	}
	err = s.upsert(ctx, tx, p, c.Rows, &count, func(row []any, keyed bool, reason error) error {
		if _, ours := errors.AsType[*refusal](reason); ours {
			return reject(row, keyed, reason)
		}
		refused = append(refused, refusedRow{slices.Clone(row), reason})
		return nil
	})
	if err != nil {
		return err
	}
	var kept int64
	for _, row := range slices.Backward(stuck) {
		n, err := s.deleteRows(ctx, tx, p, [][]any{row}, func(row []any, reason error) error {
			kept++
			return s.reject(tx, p, p.spread(row, gone.places), true, "deleted from", reason)
		})
		if err != nil {
			return err
		}
		count.Deleted += n
	}
	for _, r := range slices.Backward(refused) {
		if count.Written == 0 && count.Deleted == 0 { // nothing is different now
			err = reject(r.row, true, r.reason)
		} else {
			var written int64
			written, err = s.land(ctx, tx, p, [][]any{r.row}, reject)
			count.Written += written
		}
		if err != nil {
			return err
		}
	}
	total := tx.count(p.table.Name)
	total.Read += count.Read
	total.Written += count.Written
	total.Unchanged += count.Read - count.Written - count.Rejected
	total.Deleted += count.Deleted
	total.Rejected += count.Rejected + kept
	return nil
}

// rejecter takes a row that cannot land, as the source gave it or as it would
// have been written; keyed tells whether its key is of use. Its error ends the batch.
type rejecter func(row []any, keyed bool, reason error) error

// upsert writes rows, whose keys are in the scratch, in chunks; of rows with the
// same key the last one.
func (s *Sink) upsert(ctx context.Context, tx *transaction, p *plan, rows [][]any, count *pipeline.TableCount, reject rejecter) error {
	sc := &s.scratch
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

// has tells whether a row's key is among those of the change.
func (sc *scratch) has(p *plan, values []any) bool {
	sc.buffer = p.appendKey(sc.buffer[:0], values)
	_, ok := sc.last[string(sc.buffer)]
	return ok
}

// keyValues puts the key's values of a source's row into their places.
func (p *plan) keyValues(values, row []any) error {
	for _, k := range p.key {
		if k >= len(row) {
			return p.wrongWidth(row)
		}
		v, err := p.columns[k].value(row[k])
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

// encode appends a row's values as they are handed to the database, and returns
// about how many bytes they take.
func (p *plan) encode(dst []any, row []any) ([]any, int, error) {
	if len(row) != p.width {
		return dst, 0, p.wrongWidth(row)
	}
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
