package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Cancel ends what is not sent. It gives ErrNotFound, or ErrState for what is
// being sent, sent or expired; to cancel again does nothing.
func (o *Outbox) Cancel(ctx context.Context, id int64) error {
	return o.change(ctx, id, "cancel", func(tx *db.Tx, now int64) (int64, error) {
		return tx.Exec(ctx, "UPDATE deliveries SET state = 5, ended_at = $2 WHERE id = $1 AND state IN (0, 2, 4)", id, now)
	}, func(d subject) error {
		if d.state == Cancelled {
			return nil
		}
		return errState(id, "cancelled", d.state.standing())
	})
}

// Move sets a new time, nil being at once, for what waits. It gives ErrNotFound,
// ErrState for what does not wait, and a fault of kind Invalid for a time at
// which the delivery has expired.
func (o *Outbox) Move(ctx context.Context, id int64, start *time.Time) error {
	return o.change(ctx, id, "move", func(tx *db.Tx, now int64) (int64, error) {
		due := now
		if start != nil {
			due = max(due, start.UnixMicro())
		}
		return tx.Exec(ctx, `UPDATE deliveries SET start_at = $2, due_at = $3
			WHERE id = $1 AND state IN (0, 2) AND (expires_at IS NULL OR expires_at > $3)`, id, micros(start), due)
	}, func(d subject) error {
		if d.state != Waiting && d.state != Behind {
			return errState(id, "moved", d.state.standing())
		}
		return &fault.Error{
			Kind: fault.Invalid, Code: "start_at_expired",
			Detail: fmt.Sprintf("start_at must be before %s, when the delivery expires", d.expires.Format(time.RFC3339Nano)),
		}
	})
}

// Revive makes a dead letter wait again, due at once and with all its attempts
// before it. It gives ErrNotFound, or ErrState for what has not failed, or has
// expired since.
func (o *Outbox) Revive(ctx context.Context, id int64) error {
	return o.change(ctx, id, "revive", func(tx *db.Tx, now int64) (int64, error) {
		return tx.Exec(ctx, "UPDATE deliveries SET "+revived+" WHERE id = $2 AND "+revivable, now, id)
	}, func(d subject) error {
		if d.state != Failed {
			return errState(id, "revived", d.state.standing())
		}
		return errState(id, "revived", "it has failed, and its time is over since "+d.expires.Format(time.RFC3339Nano))
	})
}

// What makes a dead letter wait again, and which ones can; $1 is the time. What is
// in an order goes Behind, until release finds that nothing is before it.
const (
	revived   = "state = CASE WHEN order_key IS NULL THEN 0 ELSE 2 END, due_at = $1, spared = attempts, ended_at = NULL"
	revivable = "state = 4 AND (expires_at IS NULL OR expires_at > $1)"
)

// subject is what a change of a delivery depends on.
type subject struct {
	state    State
	channel  string
	orderKey *string
	expires  *time.Time
}

func subjectOf(ctx context.Context, tx *db.Tx, id int64) (d subject, err error) {
	var expires *int64
	err = tx.QueryRow(ctx, "SELECT state, channel, order_key, expires_at FROM deliveries WHERE id = $1", id).
		Scan(&d.state, &d.channel, &d.orderKey, &expires)
	d.expires = fromMicros(expires)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return d, err
}

// change makes a change by an UPDATE that asks for the state: the delivery may be
// claimed meanwhile. If that finds nothing, not says why.
func (o *Outbox) change(ctx context.Context, id int64, what string, update func(tx *db.Tx, now int64) (int64, error), not func(subject) error) error {
	var wake []string
	err := o.db.Tx(ctx, func(tx *db.Tx) error {
		wake = nil
		d, err := subjectOf(ctx, tx, id)
		if err != nil {
			return err
		}
		var keys []orderKey
		if d.orderKey != nil {
			keys = []orderKey{{d.channel, *d.orderKey}}
		}
		if err := lockOrder(ctx, tx, keys); err != nil {
			return err
		}
		n, err := update(tx, tx.Now().UnixMicro())
		if err != nil {
			return err
		}
		if n == 0 {
			if d, err = subjectOf(ctx, tx, id); err != nil {
				return err
			}
			return not(d)
		}
		wake = append(wake, d.channel)
		if _, err = release(ctx, tx, keys); err != nil {
			return err
		}
		return mark(ctx, tx, changesMark)
	})
	if err != nil {
		return fmt.Errorf("%s delivery: %w", what, err)
	}
	o.Wake(wake...)
	return nil
}
