package ledger

import (
	"context"
	"time"

	"ferryman/internal/db"
)

// Renew extends a running execution's lease from now. It gives ErrEnded once the
// execution has ended, by whatever hand: the caller no longer holds it and must
// stop.
func (l *Ledger) Renew(ctx context.Context, id int64, lease time.Duration) error {
	return l.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE executions SET lease_until = $1 WHERE id = $2 AND ended_at IS NULL",
			db.Time{Time: tx.Now().Add(lease)}, id)
		if err == nil && n == 0 {
			err = ErrEnded
		}
		return err
	})
}

// lapsed tells whether a running execution of cron must be ended at now: its
// lease has run out, or it is past its deadline. What Ferryman runs itself keeps
// its own deadline, and says what it has done until then.
func lapsed(cron *Cron, e Execution, now time.Time) bool {
	return e.EndedAt.IsZero() && (before(e.LeaseUntil, now) || cron.Kind != Sync && before(e.DeadlineAt, now))
}

func before(t, now time.Time) bool { return !t.IsZero() && t.Before(now) }

// endLapsed ends the executions of a cron that must be, and tells whether there
// were any.
func (l *Ledger) endLapsed(ctx context.Context, tx *db.Tx, cron *Cron) (bool, error) {
	rows, err := tx.Query(ctx, "SELECT "+executionColumns+` FROM executions e
		WHERE e.cron_id = $1 AND e.ended_at IS NULL AND (e.lease_until < $2 OR e.deadline_at < $2) ORDER BY e.id LIMIT 100`+free(tx),
		cron.ID, db.Time{Time: tx.Now()})
	if err != nil {
		return false, err
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Execution, error) { return scanExecution(r) })
	if err != nil {
		return false, err
	}
	some := false
	for _, e := range all {
		if !lapsed(cron, e, tx.Now()) {
			continue
		}
		if err := l.lapse(ctx, tx, cron, &e); err != nil {
			return false, err
		}
		some = true
	}
	return some, nil
}

// lapse ends one that must be.
func (l *Ledger) lapse(ctx context.Context, tx *db.Tx, cron *Cron, e *Execution) error {
	e.lapse(tx.Now())
	_, err := tx.Exec(ctx, "UPDATE executions SET status = $1, ended_at = $2, reason = $3, detail = $4, overdue = $5 WHERE id = $6",
		string(e.Status), db.Time{Time: e.EndedAt}, e.Reason, e.Detail, e.Overdue, e.ID)
	if err != nil {
		return err
	}
	if _, err := l.say(ctx, tx, e, []Message{{Type: Error, Text: e.Detail, Ending: true}}); err != nil {
		return err
	}
	return l.ended(ctx, tx, cron, *e)
}

// lapse sets how an execution stands that must be ended at now.
func (e *Execution) lapse(now time.Time) {
	e.EndedAt = now
	if before(e.LeaseUntil, now) {
		e.Status, e.Reason, e.Detail = Failed, ReasonInterrupted, "its holder stopped answering"
		if e.Holder != "" {
			e.Detail = "its holder " + e.Holder + " stopped answering"
		}
		return
	}
	e.Status, e.Reason, e.Overdue = TimedOut, ReasonDeadline, true
	e.Detail = "it has run for longer than " + e.DeadlineAt.Sub(e.StartedAt).String()
}
