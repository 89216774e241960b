package outbox

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"ferryman/internal/db"
)

// SetBeat sets how often the outbox renews its lease and looks after the rest.
// It comes before Run.
func (o *Outbox) SetBeat(every time.Duration) { o.self.beat = every }

// Refused is how many turns of a channel the store has refused, in a row.
func (o *Outbox) Refused(channel string) int { return int(o.dispatcherOf(channel).refusals.Load()) }

// FailTurns makes turns number n and n+1 seem to fail, once they are committed or
// before that. It comes before Set and Run.
func (o *Outbox) FailTurns(n int64, committed bool) {
	var turns atomic.Int64
	o.turnWith = func(key int64, fn func(context.Context, *db.Tx) error) error {
		if turn := turns.Add(1); turn != n && turn != n+1 {
			return o.commit(key, fn)
		}
		lost := errors.New("the answer was lost")
		if committed {
			return errors.Join(lost, o.commit(key, fn))
		}
		return o.commit(key, func(ctx context.Context, tx *db.Tx) error { return errors.Join(lost, fn(ctx, tx)) })
	}
}

// Inherit settles what other senders left, as Run does where it begins on SQLite.
func (o *Outbox) Inherit(ctx context.Context) error { return o.inherit(ctx) }
