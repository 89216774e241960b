package outbox

import (
	"context"
	"time"

	"ferryman/internal/db"
)

const (
	tripsAt   = 5 // troubles in a row make the channel rest
	firstRest = time.Second
	lastRest  = 30 * time.Second
	restsMost = 24 * time.Hour // whatever the other side asks for
	// A delivery is spared so many attempts at most: a day's outage, and no more than
	// can be kept of one whose trouble is its own.
	sparedMost = 1000
)

// standing is how a channel stands, and what a turn makes of it.
type standing struct {
	pausedBy  string
	heldUntil time.Time // zero: it rests not
	troubles  int
	next      time.Time // of its rate
	urgent    bool      // an alert is due

	changed bool
	blocked bool   // just now
	tripped bool   // likewise
	reason  string // of a pause just made
}

// stand reads how the channel stands, and locks it if the turn may change it.
func (t *turn) stand(ctx context.Context, tx *db.Tx) error {
	if t.open {
		_, err := tx.Exec(ctx, `
			INSERT INTO channels (name, configured) VALUES ($1, TRUE) ON CONFLICT (name) DO UPDATE SET configured = TRUE,
				pause_reason = CASE WHEN channels.paused_by = 'fault' THEN '' ELSE channels.pause_reason END,
				paused_at = CASE WHEN channels.paused_by = 'fault' THEN NULL ELSE channels.paused_at END,
				paused_by = CASE WHEN channels.paused_by = 'fault' THEN '' ELSE channels.paused_by END`, t.d.name)
		if err != nil {
			return err
		}
	}
	locked := t.d.c.Rate.N > 0 || t.d.c.Recipient != nil
	fine := false
	for _, r := range t.results {
		locked = locked || r.Trouble || r.Verdict == Blocked || r.probe || r.Rest != Nobody
		fine = fine || !r.Trouble && !r.unsent
	}
	if err := t.ch.read(ctx, tx, t.d.name, locked); err != nil {
		return err
	}
	if !locked && (t.ch.troubles >= tripsAt || t.ch.troubles > 0 && fine) {
		locked = true
		if err := t.ch.read(ctx, tx, t.d.name, true); err != nil {
			return err
		}
	}
	if locked { // another node may have had it in the meantime
		t.now = t.d.o.db.Now()
	}
	return nil
}

func (c *standing) read(ctx context.Context, tx *db.Tx, channel string, locked bool) error {
	*c = standing{}
	lock := ""
	if locked {
		lock = tx.ForUpdate()
	}
	return tx.QueryRow(ctx, `SELECT paused_by, held_until, troubles, next_at,
			EXISTS (SELECT 1 FROM deliveries d WHERE d.channel = $1 AND d.state = 0 AND d.topic = 1 AND d.due_at <= $2)
		FROM channels WHERE name = $1`+lock, channel, db.Time{Time: tx.Now()}).
		Scan(&c.pausedBy, db.ScanTime(&c.heldUntil), &c.troubles, db.ScanTime(&c.next), &c.urgent)
}

// store writes what a turn has changed.
func (c *standing) store(ctx context.Context, tx *db.Tx, channel string) error {
	if c.blocked {
		if _, err := tx.Exec(ctx, "UPDATE channels SET paused_by = 'fault', paused_at = $1, pause_reason = $2 WHERE name = $3",
			db.Time{Time: tx.Now()}, c.reason, channel); err != nil {
			return err
		}
	}
	if !c.changed {
		return nil
	}
	_, err := tx.Exec(ctx, "UPDATE channels SET held_until = $1, troubles = $2, next_at = $3 WHERE name = $4",
		db.Time{Time: c.heldUntil}, c.troubles, c.next.UnixMicro(), channel)
	return err
}

// hold makes the channel rest.
func (c *standing) hold(until time.Time) {
	if c.heldUntil.Before(until) {
		c.heldUntil, c.changed = until, true
	}
}

// learn draws what an attempt says about the channel itself.
func (c *standing) learn(r result, now time.Time) {
	if r.unsent {
		if r.probe { // the next one may go
			c.heldUntil, c.changed = time.Time{}, true
		}
		return
	}
	if r.probe {
		c.heldUntil, c.changed = time.Time{}, true
	}
	switch {
	case !r.Trouble && c.troubles > 0:
		c.troubles, c.changed = 0, true
	case r.Trouble && (c.troubles < tripsAt || r.probe): // what began before it rested tells nothing new
		c.troubles, c.changed = c.troubles+1, true
		if c.troubles >= tripsAt {
			c.tripped = c.tripped || !r.probe
			c.hold(now.Add(jittered(min(firstRest<<min(c.troubles-tripsAt, 10), lastRest), 0.2)))
		}
	}
	if r.Rest == TheChannel && r.RetryAfter > 0 {
		c.hold(now.Add(min(r.RetryAfter, restsMost)))
	}
	if r.Verdict == Blocked && c.pausedBy == "" {
		c.pausedBy, c.blocked, c.reason = "fault", true, r.lastError()
	}
}
