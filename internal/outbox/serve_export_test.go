package outbox

import "time"

// SetBeat sets how often the outbox renews its lease and looks after the rest.
// It comes before Run.
func (o *Outbox) SetBeat(every time.Duration) { o.self.beat = every }

// Refused is how many turns of a channel the store has refused, in a row.
func (o *Outbox) Refused(channel string) int { return int(o.dispatcherOf(channel).refusals.Load()) }
