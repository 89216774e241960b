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
// First come the rates, by which turns put deliveries off.
type realignment struct {
	begun     bool
	channels  []string // whose rests and rates have no new times yet
	recipient string   // those before this one, of the first channel, have theirs
	topic     int      // of deliveries, counted from 1; 0: the rates are not done
	id        int64    // those up to this one, of the topic, have theirs
	slice     int      // how many are done at a time; 0: sweepMost
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

// passOver has the other channels come first: somebody may have kept this one.
func (r *realignment) passOver() {
	if n := len(r.channels); n > 1 {
		r.channels, r.recipient = append(r.channels[1:n:n], r.channels[0]), ""
	}
}

// timesMark is the mark in the store that is another after every slice of rates or
// deliveries that got new times, by whichever node: what a channel kept in mind from
// before does not hold any more.
const timesMark = "outbox_times"

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
	started := time.Now()
	// Slices of channels are not counted: most have nothing to be put right.
	for round := o.rounds(); len(r.channels) > 0 && time.Since(started) < o.every() || round(); {
		next, begun := *r, time.Now()
		err := o.db.Tx(ctx, func(tx *db.Tx) (err error) {
			next, err = o.realign(ctx, tx, *r)
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				r.shrink()
				r.passOver()
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
func (o *Outbox) realign(ctx context.Context, tx *db.Tx, r realignment) (realignment, error) {
	if !r.begun {
		rows, err := tx.Query(ctx, "SELECT name FROM channels ORDER BY name")
		if err != nil {
			return r, err
		}
		r.channels, err = db.Collect(rows, scanName)
		r.begun = true
		return r, err
	}
	if len(r.channels) > 0 {
		return o.realignChannel(ctx, tx, r)
	}
	r.topic = max(r.topic, 1)
	return realignDeliveries(ctx, tx, r)
}

// realignChannel puts a channel's rest right, and a slice of its rates. It has the channel
// meanwhile, as turns have that go by these: one that has read what is put right here ends
// before, so that what it puts off by that is seen afterwards, and two nodes that do this,
// or one and a turn, do not lock each other's rows.
func (o *Outbox) realignChannel(ctx context.Context, tx *db.Tx, r realignment) (realignment, error) {
	channel, rest := r.channels[0], db.Time{Time: tx.Now().Add(backRest)}
	if lock := tx.ForUpdate(); lock != "" {
		if _, err := tx.Exec(ctx, "SELECT name FROM channels WHERE name = $1"+lock, channel); err != nil {
			return r, err
		}
	}
	if _, err := tx.Exec(ctx, "UPDATE channels SET held_until = $1 WHERE name = $2 AND held_until > $1", rest, channel); err != nil {
		return r, err
	}
	if d := o.dispatcherOf(channel); d != nil && d.c.Recipient == nil { // there are no rates
		r.channels = r.channels[1:]
		return r, nil
	}
	rows, err := tx.Query(ctx, `SELECT recipient FROM recipient_rates WHERE channel = $1 AND recipient >= $2 AND next_at > $3
		ORDER BY recipient LIMIT CAST($4 AS BIGINT)`, channel, r.recipient, rest, r.most())
	if err != nil {
		return r, err
	}
	recipients, err := db.Collect(rows, scanName)
	if err != nil {
		return r, err
	}
	list, err := listedOf(recipients, func(name string) []any { return []any{name} })
	if err != nil {
		return r, err
	}
	if _, err := tx.Exec(ctx, "UPDATE recipient_rates SET next_at = $2 WHERE channel = $3 AND recipient IN (SELECT v.value->>0 FROM "+few(tx)+")", list, rest, channel); err != nil {
		return r, err
	}
	if len(recipients) < r.most() {
		r.channels, r.recipient = r.channels[1:], ""
	} else {
		r.recipient = recipients[len(recipients)-1]
	}
	return r, mark(ctx, tx, timesMark)
}

func scanName(r *db.Rows) (name string, err error) {
	err = r.Scan(&name)
	return name, err
}

// realignDeliveries does a slice of a topic's deliveries.
func realignDeliveries(ctx context.Context, tx *db.Tx, r realignment) (realignment, error) {
	now := db.Time{Time: tx.Now()}
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
	return r, mark(ctx, tx, timesMark)
}
