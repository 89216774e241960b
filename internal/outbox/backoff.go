package outbox

import (
	"math/rand/v2"
	"time"
)

// Backoff is when to try again what failed in passing.
type Backoff struct {
	// Pauses are the times before the second attempt, the third, and so on: there is
	// one attempt more than pauses.
	Pauses []time.Duration
	// Jitter spreads each pause by up to this part of it, both ways: 0.2 is ±20 %.
	Jitter float64
}

// DefaultBackoff is that of a channel that names none: 8 attempts, with pauses
// that double from 5 s on.
func DefaultBackoff() Backoff { return Doubling(8, 5*time.Second, 10*time.Minute, 0.2) }

// Doubling is a backoff of so many attempts whose pauses double from first on, up
// to most.
func Doubling(attempts int, first, most time.Duration, jitter float64) Backoff {
	b := Backoff{Pauses: make([]time.Duration, 0, max(0, attempts-1)), Jitter: jitter}
	for pause := first; len(b.Pauses) < attempts-1; pause = min(2*pause, most) {
		b.Pauses = append(b.Pauses, min(pause, most))
	}
	return b
}

// attempts is how many there are at most.
func (b Backoff) attempts() int { return len(b.Pauses) + 1 }

// pause is the time after the n-th attempt; after the last one, if it is to be
// made again, as after the one before it.
func (b Backoff) pause(n int) time.Duration {
	if len(b.Pauses) == 0 {
		return firstRest
	}
	return jittered(b.Pauses[min(max(0, n-1), len(b.Pauses)-1)], b.Jitter)
}

func jittered(d time.Duration, jitter float64) time.Duration {
	return d + time.Duration((2*rand.Float64()-1)*jitter*float64(d)) //nolint:gosec // not for secrets
}
