package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// inherit settles what earlier processes of a SQLite store were sending on the
// channels that this one serves: nobody else does.
func (o *Outbox) inherit(ctx context.Context) error {
	id, _ := o.current()
	for more := true; more; {
		var err error
		if more, err = o.takeOver(ctx); err != nil {
			return err
		}
	}
	return o.db.Tx(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM senders WHERE id <> $1 AND alive_until < $2
			UNION SELECT sender_id FROM channel_totals WHERE sender_id NOT IN (0, $1) AND sender_id NOT IN (SELECT id FROM senders WHERE alive_until >= $2)`,
			id, db.Time{Time: o.db.Now().Add(-o.silence())})
		if err != nil {
			return err
		}
		others, err := db.Collect(rows, func(r *db.Rows) (id int64, err error) {
			err = r.Scan(&id)
			return id, err
		})
		if err != nil || len(others) == 0 {
			return err
		}
		return forget(ctx, tx, others)
	})
}

// sweepSenders forgets dead senders, and settles what was being sent by senders that
// are not there. In this order: who is forgotten cannot renew its lease any more, so
// what is taken over is of nobody who could go on with it. A process that dies in between
// leaves what the next look of any other finds.
func (o *Outbox) sweepSenders(ctx context.Context) error {
	own, _ := o.current()
	rows, err := o.db.Query(ctx, "SELECT id, alive_until FROM senders WHERE id <> $1", own)
	if err != nil {
		return err
	}
	others, err := db.Collect(rows, func(r *db.Rows) (l lease, err error) {
		err = r.Scan(&l.id, db.ScanTime(&l.until))
		return l, err
	})
	if err != nil {
		return err
	}
	failed := o.forgetDead(ctx, o.watch.see(others, o.db.Now(), time.Now(), o.silence(), o.every()))
	// Also of senders that were forgotten before: a claim may have been on its way.
	for round, more := o.rounds(), true; err == nil && more && round(); {
		more, err = o.takeOver(ctx)
	}
	return errors.Join(failed, err)
}

// forgetDead removes senders whose lease still is as it was seen.
func (o *Outbox) forgetDead(ctx context.Context, dead []lease) error {
	if len(dead) == 0 {
		return nil
	}
	list, err := listedOf(dead, func(l lease) []any { return []any{l.id, l.until.UnixMicro()} })
	if err != nil {
		return err
	}
	var names []string
	var sending int64
	err = o.db.Tx(ctx, func(tx *db.Tx) error {
		var ours []int64
		names, sending = nil, 0
		// Another node may be at it, or the sender itself, which is alive then.
		rows, err := tx.Query(ctx, `SELECT d.id, d.name FROM senders d JOIN json_each($1) AS v
			ON d.id = CAST(v.value->>0 AS BIGINT) AND d.alive_until = CAST(v.value->>1 AS BIGINT) ORDER BY d.id`+skipLocked(tx, "d"), list)
		if err != nil {
			return err
		}
		names, err = db.Collect(rows, func(r *db.Rows) (name string, err error) {
			var id int64
			err = r.Scan(&id, &name)
			ours = append(ours, id)
			return name, err
		})
		if err != nil || len(ours) == 0 {
			return err
		}
		if sending, err = sentBy(ctx, tx, ours); err != nil {
			return err
		}
		return forget(ctx, tx, ours)
	})
	switch {
	case err != nil || len(names) == 0:
	case sending > 0:
		o.log.Warn("senders are dead: what they were sending is uncertain", "senders", names)
	default:
		o.log.Info("senders are dead; they were sending nothing", "senders", names)
	}
	return err
}

// sentBy counts what senders have under way.
func sentBy(ctx context.Context, tx *db.Tx, senders []int64) (n int64, err error) {
	list, err := listed(idRows(senders))
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE topic IN (0, 1, 2) AND state = 1
		AND sender_id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($1) AS v)`, list).Scan(&n)
	return n, err
}

// see notes the leases of others as they stand, and tells who is dead: now
// is by the store's clock, at by the monotonic one.
func (w *watch) see(others []lease, now, at time.Time, silence, beat time.Duration) (dead []lease) {
	// Of a longer time without a look only so much counts. It counts each time: who
	// is slow to look must find out the dead as well.
	blind := max(0, at.Sub(w.looked)-blindBeats*beat)
	known := make(map[int64]sighting, len(others))
	for _, l := range others {
		seen, ok := w.known[l.id]
		if !ok || !seen.until.Equal(l.until) {
			seen = sighting{l.until, at}
		} else {
			seen.since = seen.since.Add(blind)
		}
		known[l.id] = seen
		unmoved := at.Sub(seen.since)
		lapsed := l.until.Before(now) && unmoved > silence
		if lapsed || unmoved > max(silence, stillBeats*beat) {
			dead = append(dead, l)
		}
	}
	w.known, w.looked = known, at
	return dead
}

// silence is how long another sender may not renew its lease before our eyes, once
// that has run out, until it is dead.
func (o *Outbox) silence() time.Duration {
	beats := deadBeats
	if o.db.Dialect() == db.SQLite {
		beats = 2 * beatsSQLite
	}
	return time.Duration(beats) * o.every()
}

// takeOver settles some of what is being sent by senders that are not there, and
// tells whether there may be more. Who sends has registered before, and an id is never
// given again; one statement looks at both, so that nobody registers in between.
// Processes that share a SQLite store serve a channel each: there, what others send on
// the channels that this one serves is taken over, whoever they are.
func (o *Outbox) takeOver(ctx context.Context) (more bool, err error) {
	args := []any{sweepMost}
	gone := "coalesce(sender_id, 0) NOT IN (SELECT s.id FROM senders s)"
	if o.db.Dialect() == db.SQLite {
		own, _ := o.current()
		args = append(args, own)
		gone = "coalesce(sender_id, 0) <> $2"
	}
	which := ""
	if o.o.Hold || o.db.Dialect() == db.SQLite {
		// Whether the other side knows what it was given before is for the channel to
		// say, if somebody sets it in time.
		served, err := listedOf(o.served(), func(name string) []any { return []any{name} })
		if err != nil {
			return false, err
		}
		n := len(args)
		which = fmt.Sprintf(" AND (claimed_at <= $%d OR channel IN (SELECT v.value->>0 FROM json_each($%d) AS v))", n+1, n+2)
		args = append(args, db.Time{Time: o.db.Now().Add(-unservedMost)}, served)
	}
	rows, err := o.db.Query(ctx, "SELECT "+leftColumns+` FROM deliveries WHERE topic IN (0, 1, 2) AND state = 1
		AND `+gone+which+" ORDER BY topic, id LIMIT CAST($1 AS BIGINT)", args...)
	if err != nil {
		return false, err
	}
	all, err := db.Collect(rows, scanLeft)
	if err != nil || len(all) == 0 {
		return false, err
	}
	var ours, freed []string
	err = o.db.Tx(ctx, func(tx *db.Tx) (err error) {
		ours, freed, err = o.interrupt(ctx, tx, all)
		return err
	})
	if err != nil {
		return false, err
	}
	if len(ours) > 0 { // others may have been quicker
		o.log.Warn("attempts were interrupted: nobody knows what became of them", "attempts", len(ours))
	}
	if o.o.Observe != nil {
		for _, channel := range ours {
			o.o.Observe(channel, Outcome{Verdict: Uncertain, Code: codeInterrupted}, 0, 0)
		}
	}
	o.wakeEach(freed)
	return len(all) == sweepMost, nil
}

// interrupt notes attempts whose sender died as uncertain. It gives the channels of
// those that nobody else had noted, one for each, and those where something may go.
func (o *Outbox) interrupt(ctx context.Context, tx *db.Tx, all []left) (interrupted, channels []string, err error) {
	if err := lockOrder(ctx, tx, keysOf(all)); err != nil {
		return nil, nil, err
	}
	now := tx.Now()
	held := Outcome{Code: codeUncertain, Detail: "its sender was interrupted"}.lastError()
	ends := make([]ending, len(all))
	rows := make([][]any, len(all))
	for i, l := range all {
		e := ending{state: Waiting, due: now, lastError: codeInterrupted}
		switch d := o.dispatcherOf(l.channel); {
		case d == nil && o.o.Hold, d != nil && d.gives(flight{uncertain: l.uncertain}):
			e = ending{state: Failed, ended: now, lastError: held}
		case d != nil && l.attempt-l.spared >= d.c.Backoff.attempts():
			e = ending{state: Failed, ended: now, lastError: codeInterrupted}
		}
		e.uncertain = 1
		ends[i] = e
		rows[i] = e.row(result{flight: flight{Delivery: Delivery{ID: l.id, Attempt: l.attempt}, sender: senderOf(l)}})
	}
	ours, err := noteDeliveries(ctx, tx, rows)
	if err != nil {
		return nil, nil, err
	}
	var attempts [][]any
	var keys []orderKey
	totals := map[string]*Totals{}
	for i, l := range all {
		if !ours[l.id] {
			continue
		}
		attempts = append(attempts, []any{l.id, l.attempt, microsOf(l.claimed), nil, Uncertain, 0, codeInterrupted, ""})
		interrupted = append(interrupted, l.channel)
		totalsOf(totals, l.channel).count(ends[i].state, Uncertain, false)
		switch {
		case ends[i].state == Waiting:
			channels = append(channels, l.channel)
		case l.orderKey != nil:
			keys = append(keys, orderKey{l.channel, *l.orderKey})
		}
	}
	known, err := noteAttempts(ctx, tx, attempts, true)
	if err != nil {
		return nil, nil, err
	}
	if known > 0 {
		o.log.Error("attempts were in the store already: they stay as they are", "attempts", known)
	}
	id, _ := o.current()
	freed, err := o.settled(ctx, tx, id, totals, keys)
	return interrupted, append(channels, freed...), err
}

func senderOf(l left) int64 {
	if l.sender == nil {
		return 0
	}
	return *l.sender
}
