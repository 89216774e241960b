package outbox

import (
	"context"
	"time"

	"ferryman/internal/db"
)

// SetBeat sets how often the outbox renews its lease and looks after the rest.
// It comes before Run.
func (o *Outbox) SetBeat(every time.Duration) { o.self.beat = every }

// Refused is how many turns of a channel the store has refused, in a row.
func (o *Outbox) Refused(channel string) int { return int(o.dispatcherOf(channel).refusals.Load()) }

// Watcher is a process that looks at another sender, whose lease it first saw at a time.
type Watcher struct{ w watch }

// Look tells whether the other one, whose lease has ended and does not move, is dead in
// the eyes of a process that looks at this time.
func (w *Watcher) Look(at time.Time) (dead bool) {
	others := []lease{{id: 1, until: time.Unix(0, 0)}}
	return len(w.w.see(others, time.Unix(1, 0), at, deadBeats*usualBeat, usualBeat)) > 0
}

// ForgetDead has a sender forgotten that was seen dead, with its lease until a time.
func (o *Outbox) ForgetDead(ctx context.Context, id int64, until time.Time) error {
	return o.forgetDead(ctx, []lease{{id, until}})
}

// Unclaim takes back the claim of a delivery by a sender at a time, of which it is not known
// whether it was committed.
func Unclaim(ctx context.Context, d *db.DB, delivery, sender int64, at time.Time) error {
	t := &turn{doubtful: []flight{{Delivery: Delivery{ID: delivery}, sender: sender, claimed: at}}}
	return d.Tx(ctx, func(tx *db.Tx) error { return t.unclaim(ctx, tx) })
}
