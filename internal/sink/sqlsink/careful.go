package sqlsink

import "context"

// land writes a chunk, and puts aside what the target refuses of it.
func (s *Sink) land(ctx context.Context, tx *transaction, p *plan, rows [][]any, reject rejecter) (int64, error) {
	var written int64
	err := s.halve(ctx, tx, rows, func(part [][]any) error {
		n, err := p.upserter.upsert(ctx, tx, part)
		if err == nil {
			written += n
		}
		return err
	}, func(row []any, reason error) error { return reject(row, true, reason) })
	return written, err
}

// halve does something to rows. In a careful transaction rows that the target
// refuses are halved until the one that it refuses stands alone.
func (s *Sink) halve(ctx context.Context, tx *transaction, rows [][]any, do func([][]any) error, refuse func(row []any, reason error) error) error {
	if !tx.careful {
		return do(rows)
	}
	tr := s.dialect.traits()
	if _, err := tx.ExecContext(ctx, tr.savepoint); err != nil {
		return err
	}
	reason := do(rows)
	if reason != nil {
		if s.dialect.diagnose(reason).class != refused {
			return reason
		}
		if _, err := tx.ExecContext(ctx, tr.rollbackTo); err != nil {
			return err
		}
	}
	if tr.release != "" {
		if _, err := tx.ExecContext(ctx, tr.release); err != nil {
			return err
		}
	}
	switch {
	case reason == nil:
		return nil
	case len(rows) == 1:
		return refuse(rows[0], reason)
	}
	half := len(rows) / 2
	if err := s.halve(ctx, tx, rows[:half], do, refuse); err != nil {
		return err
	}
	return s.halve(ctx, tx, rows[half:], do, refuse)
}
