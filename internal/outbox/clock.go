package outbox

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// backRest is how long a rest goes on at most after the clock has gone back.
const backRest = time.Minute

// realignment is how far it has come that what would be late by the jump of a clock
// that has gone back is given new times. It goes in slices, so that any number ends.
type realignment struct {
	begun bool
	topic int   // of deliveries, counted from 1: first come the rates, by which turns put deliveries off
	id    int64 // those up to this one, of the topic, have theirs
	slice int   // how many are done at a time; 0: sweepMost
}

// most is how many there are in a slice.
func (r realignment) most() int { return cmp.Or(r.slice, sweepMost) }

// shrink halves the slices: one was not done within the limit.
func (r *realignment) shrink() { r.slice = max(r.most()/2, 1) }

// grow doubles them again where that fits: what was slow for a while, or away, must
// not make all the rest slow.
func (r *realignment) grow(took, limit time.Duration) {
	if took < limit/2 {
		r.slice = min(2*r.most(), sweepMost)
	}
}

// topics are those that deliveries have.
const topics = 3

// sweepClock goes on with what a clock that has gone back asks for. Every node does it,
// and may begin again.
func (o *Outbox) sweepClock(ctx context.Context) error {
	r := o.watch.realign
	if r == nil {
		return nil
	}
	defer o.Wake()
	for round := o.rounds(); round(); {
		next, begun := *r, time.Now()
		err := o.db.Tx(ctx, func(tx *db.Tx) (err error) {
			next, err = realign(ctx, tx, *r)
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				r.shrink()
			}
			return fmt.Errorf("give new times to what waits: %w", err)
		}
		if next.topic > topics {
			o.watch.realign = nil
			return nil
		}
		next.grow(time.Since(begun), lookBeats*o.every())
		*r = next
	}
	return nil
}

// realign does a slice and tells how far it has come.
func realign(ctx context.Context, tx *db.Tx, r realignment) (realignment, error) {
	if r.topic == 0 {
		if err := lockChannels(ctx, tx); err != nil {
			return r, err
		}
	}
	now, rest := db.Time{Time: tx.Now()}, db.Time{Time: tx.Now().Add(backRest)}
	if !r.begun {
		r.begun = true
		if _, err := tx.Exec(ctx, "UPDATE channels SET held_until = $1 WHERE held_until > $1", rest); err != nil {
			return r, err
		}
	}
	if r.topic == 0 {
		// By their index alone: to sort those of one moment, which may be all, takes a
		// small slice as long as a large one.
		n, err := tx.Exec(ctx, `UPDATE recipient_rates SET next_at = $1 WHERE (channel, recipient) IN (
			SELECT r.channel, r.recipient FROM recipient_rates r WHERE r.next_at > $1 ORDER BY r.next_at LIMIT CAST($2 AS BIGINT)`+tx.ForUpdate()+")",
			rest, r.most())
		if n < int64(r.most()) {
			r.topic++
		}
		return r, err
	}
	rows, err := tx.Query(ctx, `SELECT id FROM deliveries WHERE topic = CAST($1 AS BIGINT) AND state = 0 AND id > $2 AND due_at > $3
		ORDER BY id LIMIT CAST($4 AS BIGINT)`+tx.ForUpdate(), r.topic-1, r.id, now, r.most())
	if err != nil {
		return r, err
	}
	ids, err := db.Collect(rows, func(r *db.Rows) (id int64, err error) {
		err = r.Scan(&id)
		return id, err
	})
	if err != nil {
		return r, err
	}
	list, err := listed(idRows(ids))
	if err != nil {
		return r, err
	}
	// They are locked, and wait. That their state is not named here keeps PostgreSQL from
	// reading all that wait in place of these.
	const these = "deliveries.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($2) AS v)"
	// What was not tried yet is due when it was asked for; a rate puts it off again.
	if _, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = CASE WHEN start_at > $1 THEN start_at ELSE $1 END
		WHERE due_at > $1 AND attempts = spared AND (start_at IS NULL OR start_at < due_at) AND `+these, now, list); err != nil {
		return r, err
	}
	// A retry keeps its pause after an attempt that now lies ahead.
	if _, err := tx.Exec(ctx, `UPDATE deliveries SET due_at = $1 + deliveries.due_at - a.at FROM attempts a
		WHERE deliveries.due_at > $1 AND a.delivery_id = deliveries.id AND a.n = deliveries.attempts
		AND a.at > $1 AND deliveries.due_at > a.at AND `+these, now, list); err != nil {
		return r, err
	}
	if len(ids) < r.most() {
		r.topic, r.id = r.topic+1, 0
	} else {
		r.id = ids[len(ids)-1]
	}
	return r, nil
}

// lockChannels has no turn read a rate that is just being put right: it would put off by
// the old one what is never looked at again.
func lockChannels(ctx context.Context, tx *db.Tx) error {
	if tx.ForUpdate() == "" {
		return nil // nobody else writes
	}
	_, err := tx.Exec(ctx, "SELECT name FROM channels ORDER BY name"+tx.ForUpdate())
	return err
}
