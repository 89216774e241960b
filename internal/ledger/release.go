package ledger

import (
	"context"
	"errors"
	"fmt"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Release frees the place of a running execution of app by hand. Its application
// may still report its end. It gives ErrNoExecution, or ErrEnded.
func (l *Ledger) Release(ctx context.Context, app, id int64, why string) (Execution, error) {
	e, err := l.Execution(ctx, app, id)
	if err != nil {
		return Execution{}, err
	}
	released, err := l.release(ctx, e.CronID, []int64{id}, why)
	if err == nil && released == 0 {
		err = fmt.Errorf("release execution %d: %w", id, ErrEnded)
	}
	if err != nil {
		return Execution{}, err
	}
	return l.Execution(ctx, app, e.ID)
}

// ReleaseAll frees the places of the executions of a cron by hand that run when it
// is called, and gives how many there were. Beside an error, which is also what
// ctx ends with, it gives how many were released until then: they stay so. Their
// application may still report their end.
func (l *Ledger) ReleaseAll(ctx context.Context, app int64, ref Ref, why string) (released int, err error) {
	id, err := l.resolve(ctx, app, ref)
	if err != nil {
		return 0, fmt.Errorf("release executions: %w", err)
	}
	var last, newest int64 // what starts meanwhile is not waited for
	err = l.db.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM executions WHERE cron_id = $1 AND ended_at IS NULL", id).Scan(&newest)
	for err == nil && last < newest {
		var some []int64
		some, err = l.runningAfter(ctx, id, last, newest)
		if err != nil || len(some) == 0 {
			break
		}
		// Whoever gives up waits for this slice, so as to know what came of it.
		n, sliceErr := l.release(context.WithoutCancel(ctx), id, some, why)
		released, last = released+n, some[len(some)-1]
		if err = sliceErr; err == nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		return released, fmt.Errorf("release executions: %w", notAll(released, err))
	}
	return released, nil
}

// notAll is an error that came after some executions had been released, and says
// so.
func notAll(released int, err error) error {
	if released == 0 {
		return err
	}
	said := &fault.Error{
		Kind: fault.KindOf(err), Code: fault.CodeOf(err), Detail: fmt.Sprintf("%d executions were released before it failed", released),
		Hint: "release the rest once more", Err: err,
	}
	if said.Kind == fault.Internal { // of which nobody is told more than that
		said.Kind, said.Code = fault.Unavailable, "store_failed"
	}
	if cause, ok := errors.AsType[*fault.Error](err); ok {
		said.RetryAfter = cause.RetryAfter
	}
	return said
}

// runningAfter gives the next executions of a cron that run, as many as are
// released in one transaction.
func (l *Ledger) runningAfter(ctx context.Context, cron, after, newest int64) ([]int64, error) {
	rows, err := l.db.Query(ctx, "SELECT id FROM executions WHERE cron_id = $1 AND ended_at IS NULL AND id > $2 AND id <= $3 ORDER BY id LIMIT $4",
		cron, after, newest, sliceRows)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (id int64, err error) { return id, r.Scan(&id) })
}

// release ends those of some executions of a cron that run, in one transaction, and
// gives how many they were. It does so in the cron's turn, so that it stands against
// no report of the end.
func (l *Ledger) release(ctx context.Context, cron int64, some []int64, why string) (int, error) {
	return grouped(ctx, l.db, cron, func(ctx context.Context, tx *db.Tx) (released int, refused, err error) {
		for _, id := range some {
			switch err := l.End(ctx, tx, id, Outcome{Status: Cancelled, Reason: ReasonReleased, Detail: why}); {
			case err == nil:
				released++
			case !errors.Is(err, ErrEnded):
				return 0, nil, err
			}
		}
		return released, nil, nil
	})
}
