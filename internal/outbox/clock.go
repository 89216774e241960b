package outbox

import (
	"context"
	"time"

	"ferryman/internal/db"
)

// backRest is how long a rest goes on at most after the clock has gone back.
const backRest = time.Minute

// realign gives new times to what would be late by the jump of a clock that has
// gone back. It changes nothing when it is run again, so that every node may.
func (o *Outbox) realign(ctx context.Context) error {
	err := o.db.Tx(ctx, func(tx *db.Tx) error {
		now, rest := db.Time{Time: tx.Now()}, db.Time{Time: tx.Now().Add(backRest)}
		// What was not tried yet is due when it was asked for; a rate puts it off again.
		if _, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = CASE WHEN start_at > $1 THEN start_at ELSE $1 END
			WHERE state = 0 AND due_at > $1 AND attempts = spared AND (start_at IS NULL OR start_at < due_at)`, now); err != nil {
			return err
		}
		// A retry keeps its pause after an attempt that now lies ahead.
		if _, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = $1 + deliveries.due_at - a.at FROM attempts a
			WHERE deliveries.state = 0 AND deliveries.due_at > $1 AND a.delivery_id = deliveries.id AND a.n = deliveries.attempts
			AND a.at > $1 AND deliveries.due_at > a.at`, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE channels SET held_until = $1 WHERE held_until > $1", rest); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE recipient_rates SET next_at = $1 WHERE next_at > $1", rest)
		return err
	})
	if err == nil {
		o.Wake()
	}
	return err
}
