package outbox

import (
	"context"
	"time"

	"ferryman/internal/db"
)

// inherit settles what earlier processes of a SQLite store were sending on the
// channels that this one serves: nobody else does.
func (o *Outbox) inherit(ctx context.Context) error {
	id, _ := o.current()
	for more := true; more; {
		var err error
		if more, err = o.takeOver(ctx, []int64{id}); err != nil {
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

// sweepSenders settles what dead senders were sending, and forgets them.
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
	alive, dead := o.watch.see(others, o.db.Now(), time.Now(), o.silence(), o.every())
	alive = append([]int64{own}, alive...)
	if o.db.Dialect() == db.SQLite {
		alive = alive[:1] // they serve other channels
	}
	// Also of senders that are forgotten already: a claim may have been on its way.
	for round, more := o.rounds(), true; more && round(); {
		if more, err = o.takeOver(ctx, alive); err != nil {
			return err
		}
	}
	if len(dead) == 0 {
		return nil
	}
	o.log.Warn("senders are dead: what they were sending is uncertain", "senders", dead)
	return o.db.Tx(ctx, func(tx *db.Tx) error {
		list, err := listed(idRows(dead))
		if err != nil {
			return err
		}
		// Another node may be at it.
		rows, err := tx.Query(ctx, "SELECT d.id FROM senders d WHERE d.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($1) AS v) ORDER BY d.id"+skipLocked(tx, "d"), list)
		if err != nil {
			return err
		}
		ours, err := db.Collect(rows, func(r *db.Rows) (id int64, err error) {
			err = r.Scan(&id)
			return id, err
		})
		if err != nil || len(ours) == 0 {
			return err
		}
		return forget(ctx, tx, ours)
	})
}

// see notes the leases of others as they stand, and tells who is alive and who is dead:
// now is by the store's clock, at by the monotonic one.
func (w *watch) see(others []lease, now, at time.Time, silence, beat time.Duration) (alive, dead []int64) {
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
			dead = append(dead, l.id)
		} else {
			alive = append(alive, l.id)
		}
	}
	w.known, w.looked = known, at
	return alive, dead
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

// takeOver settles some of what is being sent by others than those, who are
// alive, and tells whether there may be more. Processes that share a SQLite store
// serve a channel each: there, what is sent on those of others is left alone.
func (o *Outbox) takeOver(ctx context.Context, alive []int64) (more bool, err error) {
	list, err := listed(idRows(alive))
	if err != nil {
		return false, err
	}
	args := []any{list, sweepMost}
	which := ""
	if o.o.Hold || o.db.Dialect() == db.SQLite {
		// Whether the other side knows what it was given before is for the channel to
		// say, if somebody sets it in time.
		served, err := listedOf(o.served(), func(name string) []any { return []any{name} })
		if err != nil {
			return false, err
		}
		which = " AND (claimed_at <= $3 OR channel IN (SELECT v.value->>0 FROM json_each($4) AS v))"
		args = append(args, db.Time{Time: o.db.Now().Add(-unservedMost)}, served)
	}
	rows, err := o.db.Query(ctx, "SELECT "+leftColumns+` FROM deliveries WHERE topic IN (0, 1, 2) AND state = 1
		AND coalesce(sender_id, 0) NOT IN (SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($1) AS v)`+which+" ORDER BY topic, id LIMIT CAST($2 AS BIGINT)", args...)
	if err != nil {
		return false, err
	}
	all, err := db.Collect(rows, scanLeft)
	if err != nil || len(all) == 0 {
		return false, err
	}
	var freed []string
	err = o.db.Tx(ctx, func(tx *db.Tx) (err error) {
		freed, err = o.interrupt(ctx, tx, all)
		return err
	})
	if err != nil {
		return false, err
	}
	o.log.Warn("attempts were interrupted: nobody knows what became of them", "attempts", len(all))
	o.wakeEach(freed)
	return len(all) == sweepMost, nil
}

// interrupt notes attempts whose sender died as uncertain, and gives the names of
// the channels where something may go.
func (o *Outbox) interrupt(ctx context.Context, tx *db.Tx, all []left) (channels []string, err error) {
	if err := lockOrder(ctx, tx, keysOf(all)); err != nil {
		return nil, err
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
		return nil, err
	}
	var attempts [][]any
	var keys []orderKey
	totals := map[string]*Totals{}
	for i, l := range all {
		if !ours[l.id] {
			continue
		}
		attempts = append(attempts, []any{l.id, l.attempt, microsOf(l.claimed), nil, Uncertain, 0, codeInterrupted, ""})
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
		return nil, err
	}
	if known > 0 {
		o.log.Error("attempts were in the store already: they stay as they are", "attempts", known)
	}
	id, _ := o.current()
	freed, err := o.settled(ctx, tx, id, totals, keys)
	return append(channels, freed...), err
}

func senderOf(l left) int64 {
	if l.sender == nil {
		return 0
	}
	return *l.sender
}
