package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/db"
)

const (
	sweepMost   = 500  // deliveries in a transaction of the sweep
	sweepRounds = 20   // of these in a beat
	tidyMost    = 1000 // rates of recipients in a beat
	// With Options.Hold, and on SQLite, what was interrupted on a channel that nobody
	// serves waits so long for somebody to.
	unservedMost = 10 * time.Minute
	// Others are dead when their lease has run out and they have not renewed it for so
	// many beats before our eyes. So a clock that jumps kills nobody.
	deadBeats = 5
	// So many are enough whatever the store's clock makes of their lease.
	stillBeats = 10
	// Of the time between two looks so much counts as before our eyes: where we could
	// not reach the store, or stood still, others may not have either.
	blindBeats = 2
)

// watch is what this process has seen of other senders, and of the clock. Each half
// belongs to a loop of its own.
type watch struct {
	known  map[int64]sighting
	looked time.Time // when, last, by the monotonic clock

	now     time.Time    // by the store's clock, at the last beat
	realign *realignment // nil unless the clock has gone back
}

// lease is what the store says of another sender.
type lease struct {
	id    int64
	until time.Time
}

type sighting struct {
	until time.Time // of its lease
	since time.Time // by the monotonic clock: first seen so; later by what did not count
}

// lookAfter tells the dispatchers what is due, expires what is late, and puts right
// what a clock that has gone back would make late. What hangs or takes long holds up
// none of the rest: each part has a limit of its own.
func (o *Outbox) lookAfter(ctx context.Context) error {
	now := o.db.Now()
	if o.watch.now.After(now) {
		o.log.Warn("the clock has gone back: what waits is given new times", "from", o.watch.now, "to", now)
		o.watch.realign = &realignment{}
	}
	o.watch.now = now
	var failed []error
	for _, part := range []func(context.Context) error{
		o.sweepDue,
		func(ctx context.Context) error { return o.sweepLate(ctx, now) },
		func(ctx context.Context) error { return o.sweepRates(ctx, now) },
		o.sweepClock,
	} {
		failed = append(failed, o.limited(ctx, part))
	}
	return errors.Join(failed...)
}

// limited does a part of what is done each beat, for so long at most.
func (o *Outbox) limited(ctx context.Context, part func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, lookBeats*o.every())
	defer cancel()
	return part(ctx)
}

// rounds tells before each round of a part whether there is time for it in this beat.
func (o *Outbox) rounds() (another func() bool) {
	begun, n := time.Now(), 0
	return func() bool {
		n++
		return n == 1 || n <= sweepRounds && time.Since(begun) < o.every()
	}
}

// sweepLate expires what is late.
func (o *Outbox) sweepLate(ctx context.Context, now time.Time) error {
	var late bool
	err := o.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM deliveries WHERE expires_at IS NOT NULL AND expires_at <= $1 AND state IN (0, 2))", db.Time{Time: now}).Scan(&late)
	for round := o.rounds(); err == nil && late && round(); {
		late, err = o.expire(ctx, now)
	}
	if err != nil {
		return fmt.Errorf("expire deliveries: %w", err)
	}
	return nil
}

// sweepRates removes rates that are fully rested.
func (o *Outbox) sweepRates(ctx context.Context, now time.Time) error {
	var rested bool
	err := o.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM recipient_rates WHERE next_at <= $1)", db.Time{Time: now}).Scan(&rested)
	if err == nil && rested {
		err = o.db.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM recipient_rates WHERE (channel, recipient) IN (
				SELECT r.channel, r.recipient FROM recipient_rates r WHERE r.next_at <= $1 ORDER BY r.next_at LIMIT CAST($2 AS BIGINT)`+skipLocked(tx, "r")+")",
				db.Time{Time: now}, tidyMost)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("remove rates of recipients: %w", err)
	}
	return nil
}

// sweepDue tells the dispatchers when something may go.
func (o *Outbox) sweepDue(ctx context.Context) error {
	names := o.served()
	if len(names) == 0 {
		return nil
	}
	next, err := o.nextDue(ctx, names)
	if err != nil {
		return fmt.Errorf("look for what is due: %w", err)
	}
	for name, at := range next {
		if d := o.dispatcherOf(name); d != nil {
			d.tell(at)
		}
	}
	return nil
}

// nextDue gives when something may go on each of the channels where something
// waits and that is not paused.
func (o *Outbox) nextDue(ctx context.Context, channels []string) (map[string]time.Time, error) {
	rows := make([][1]string, len(channels))
	for i, name := range channels {
		rows[i][0] = name
	}
	list, err := listed(rows)
	if err != nil {
		return nil, err
	}
	answer, err := o.db.Query(ctx, `
		SELECT c.name, c.held_until, (SELECT d.due_at FROM deliveries d
			WHERE d.channel = c.name AND d.state = 0 AND (d.expires_at IS NULL OR d.expires_at > $2) ORDER BY d.due_at, d.id LIMIT 1)
		FROM json_each($1) AS v JOIN channels c ON c.name = v.value->>0 WHERE c.paused_by = ''`, list, db.Time{Time: o.db.Now()})
	if err != nil {
		return nil, err
	}
	next := map[string]time.Time{}
	_, err = db.Collect(answer, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var held, due time.Time
		if err = r.Scan(&name, db.ScanTime(&held), db.ScanTime(&due)); err == nil && !due.IsZero() {
			next[name] = due
			if held.After(due) {
				next[name] = held
			}
		}
		return struct{}{}, err
	})
	return next, err
}

// left is a delivery that the sweep has found.
type left struct {
	id        int64
	channel   string
	orderKey  *string
	sender    *int64
	claimed   time.Time
	attempt   int
	spared    int
	uncertain int
}

const leftColumns = "id, channel, order_key, sender_id, claimed_at, attempts, spared, uncertain"

func scanLeft(r *db.Rows) (l left, err error) {
	err = r.Scan(&l.id, &l.channel, &l.orderKey, &l.sender, db.ScanTime(&l.claimed), &l.attempt, &l.spared, &l.uncertain)
	return l, err
}

func (l left) row() []any { return []any{l.id, l.sender} }

func keysOf(all []left) (keys []orderKey) {
	for _, l := range all {
		if l.orderKey != nil {
			keys = append(keys, orderKey{l.channel, *l.orderKey})
		}
	}
	return keys
}

// expire ends some that are late, and tells whether there may be more.
func (o *Outbox) expire(ctx context.Context, now time.Time) (more bool, err error) {
	rows, err := o.db.Query(ctx, "SELECT "+leftColumns+` FROM deliveries
		WHERE expires_at IS NOT NULL AND state IN (0, 2) AND expires_at <= $1 ORDER BY expires_at LIMIT CAST($2 AS BIGINT)`, db.Time{Time: now}, sweepMost)
	if err != nil {
		return false, err
	}
	all, err := db.Collect(rows, scanLeft)
	if err != nil || len(all) == 0 {
		return false, err
	}
	list, err := listedOf(all, left.row)
	if err != nil {
		return false, err
	}
	sender, _ := o.current()
	var freed []string
	err = o.db.Tx(ctx, func(tx *db.Tx) error {
		if err := lockOrder(ctx, tx, keysOf(all)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `UPDATE deliveries SET state = 6, ended_at = $2 WHERE state IN (0, 2) AND expires_at <= $2 AND id IN (
				SELECT d.id FROM deliveries d WHERE d.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($1) AS v) ORDER BY d.id`+skipLocked(tx, "d")+`)
			RETURNING `+leftColumns, list, db.Time{Time: now})
		if err != nil {
			return err
		}
		ended, err := db.Collect(rows, scanLeft)
		if err != nil {
			return err
		}
		totals := map[string]*Totals{}
		for _, l := range ended {
			totalsOf(totals, l.channel).Expired++
		}
		freed, err = o.settled(ctx, tx, sender, totals, keysOf(ended))
		return err
	})
	if err != nil {
		return false, err
	}
	o.wakeEach(freed)
	return len(all) == sweepMost, nil
}

// settled counts what was done on channels, and gives the names of those where
// the end of deliveries with these keys lets others go.
func (o *Outbox) settled(ctx context.Context, tx *db.Tx, sender int64, totals map[string]*Totals, keys []orderKey) (freed []string, err error) {
	names := make([]string, 0, len(totals))
	for name := range totals {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := addToTotals(ctx, tx, name, sender, *totals[name]); err != nil {
			return nil, err
		}
	}
	return release(ctx, tx, keys)
}

func totalsOf(all map[string]*Totals, channel string) *Totals {
	n := all[channel]
	if n == nil {
		n = &Totals{}
		all[channel] = n
	}
	return n
}

// wakeEach wakes channels, and none if there are none.
func (o *Outbox) wakeEach(channels []string) {
	if len(channels) > 0 {
		o.Wake(channels...)
	}
}
