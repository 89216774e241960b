package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/pipeline"
)

// change deletes what its scope says has gone, then writes its rows: what goes may
// hold what another row needs, such as a place in a unique index. What the target
// refuses is tried once more when all else is done, backwards, since each may have
// waited for what comes behind it.
func (s *Sink) change(ctx context.Context, tx *transaction, p *plan, c *pipeline.Change) error {
	start := time.Now()
	s.scratch.index(p, c.Rows)
	gone, err := s.findStale(ctx, tx, p, c.Scope)
	if err != nil {
		return err
	}
	if err := s.clearLetters(ctx, tx, p, c.Rows, gone); err != nil {
		return err
	}
	count := pipeline.TableCount{Table: p.table.Name}
	if err := s.rejectUnmade(tx, p, c.Rejected, &count); err != nil {
		return err
	}
	var stuck [][]any
	count.Deleted, err = s.deleteRows(ctx, tx, p, gone.rows, func(row []any, _ error) error {
		stuck = append(stuck, row)
		return nil
	})
	if err != nil {
		return err
	}
	tx.seen = s.sightingOf(gone)
	defer func() { tx.seen = nil }()
	reject := func(row []any, keyed bool, reason error) error {
		count.Rejected++
		return s.reject(tx, p, row, keyed, "written to", reason)
	}
	var waiting []refusedRow
	err = s.upsert(ctx, tx, p, c.Rows, &count, func(row []any, keyed bool, reason error) error {
		if _, ours := errors.AsType[*refusal](reason); ours || s.dialect.diagnose(reason).alone {
			return reject(row, keyed, reason)
		}
		waiting = append(waiting, refusedRow{slices.Clone(row), reason, count.Written + count.Deleted})
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
	if err := s.landWaiting(ctx, tx, p, waiting, &count, reject); err != nil {
		return err
	}
	count.Unchanged = count.Read - count.Written - count.Rejected
	count.Rejected += kept
	count.Micros = time.Since(start).Microseconds()
	tx.count(p.table.Name).Add(count)
	return nil
}

// refusedRow is a row that waits to be tried once more.
type refusedRow struct {
	row    []any
	reason error
	done   int64 // how many rows had been written and deleted when it was refused
}

// landWaiting tries rows once more, but for those since which nothing has changed.
func (s *Sink) landWaiting(ctx context.Context, tx *transaction, p *plan, waiting []refusedRow, count *pipeline.TableCount, reject rejecter) error {
	var rows [][]any
	for _, w := range slices.Backward(waiting) {
		if w.done < count.Written+count.Deleted {
			rows = append(rows, w.row)
		} else if err := reject(w.row, true, w.reason); err != nil {
			return err
		}
	}
	return s.land(ctx, tx, p, rows, 1, count, reject)
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
		err := s.land(ctx, tx, p, sc.rows, len(sc.rows), count, reject)
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
		count.Bytes += int64(bytes)
	}
	return flush()
}

// encode appends a row's values as they are handed to the database, and returns
// about how many bytes they take.
func (p *plan) encode(dst []any, row []any) ([]any, int, error) {
	if len(row) != p.width {
		return dst, 0, p.wrongWidth(row)
	}
	size := 0
	for i, v := range row {
		v, err := p.value(i, v)
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
