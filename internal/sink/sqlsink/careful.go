package sqlsink

import (
	"context"

	"ferryman/internal/pipeline"
)

// land writes a chunk in parts of at first size rows, counts what it wrote, and puts
// aside what the target refuses.
func (s *Sink) land(ctx context.Context, tx *transaction, p *plan, rows [][]any, size int, count *pipeline.TableCount, reject rejecter) error {
	return s.sieve(ctx, tx, rows, size, func(part [][]any) error {
		done, err := p.upserter.upsert(ctx, tx, part)
		if err == nil {
			done.addTo(count)
		}
		return err
	}, func(row []any, reason error) error { return reject(row, true, reason) })
}

// sieve does something to rows. In a careful transaction it does so in parts, at
// first of size rows, until each row that the target refuses stands alone. Parts
// shrink where rows are refused and grow where they are not: the costs are a few
// parts for each refused row among many, and one for each where most are refused.
func (s *Sink) sieve(ctx context.Context, tx *transaction, rows [][]any, size int, do func([][]any) error, refuse func(row []any, reason error) error) error {
	switch {
	case len(rows) == 0:
		return nil
	case !tx.careful:
		return do(rows)
	}
	guard := savepoint{tx: tx, traits: s.dialect.traits()}
	bad := 0 // a row before this place is known to be refused, if it lies ahead
	for i := 0; i < len(rows); {
		if err := guard.set(ctx); err != nil {
			return err
		}
		part := rows[i:min(i+size, len(rows))]
		reason := do(part)
		switch {
		case reason == nil:
			guard.used = true
			i += len(part)
			if size = 2 * len(part); i < bad {
				size = max(1, (bad-i)/2)
			}
			continue
		case s.dialect.diagnose(reason).class != refused:
			return reason
		}
		if err := guard.rollback(ctx); err != nil {
			return err
		}
		if len(part) > 1 {
			bad, size = i+len(part), len(part)/2
			continue
		}
		if err := refuse(part[0], reason); err != nil {
			return err
		}
		i++
		bad, size = i, 1
	}
	return guard.release(ctx)
}

// savepoint is what a part of a transaction can be rolled back to. It stays after a
// rollback and is moved after a success, which saves round trips.
type savepoint struct {
	tx     *transaction
	traits traits
	there  bool
	used   bool // what has been done since is to stay
}

func (g *savepoint) set(ctx context.Context) error {
	statement := g.traits.savepoint
	switch {
	case g.there && !g.used:
		return nil
	case g.there && g.traits.moveSavepoint != "":
		statement = g.traits.moveSavepoint
	}
	g.there, g.used = true, false
	_, err := g.tx.ExecContext(ctx, statement)
	return err
}

func (g *savepoint) rollback(ctx context.Context) error {
	_, err := g.tx.ExecContext(ctx, g.traits.rollbackTo)
	return err
}

func (g *savepoint) release(ctx context.Context) error {
	if !g.there || g.traits.release == "" {
		return nil
	}
	_, err := g.tx.ExecContext(ctx, g.traits.release)
	return err
}
