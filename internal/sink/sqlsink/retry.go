package sqlsink

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// attempts bound how often a batch is tried that loses against other transactions.
	attempts = 6
	// patience bounds how long a target is waited for that is locked or overloaded.
	patience = 10 * time.Second
)

// again tells whether to repeat what failed with err, after the pause that helps.
func (s *Sink) again(ctx context.Context, err error, attempt int, since time.Time) bool {
	if ctx.Err() != nil || errors.Is(err, errUnconfirmed) {
		return false
	}
	switch s.dialect.diagnose(err).class {
	case lost:
		return attempt == 1 // it had died in the pool
	case contended:
		if attempt >= attempts {
			return false
		}
	case busy:
		if time.Since(since) > s.patience {
			return false
		}
	default:
		return false
	}
	s.log.DebugContext(ctx, "target is busy", "attempt", attempt, "err", err)
	return pause(ctx, attempt) == nil
}

// pause lets the winner of a deadlock finish.
func pause(ctx context.Context, attempt int) error {
	longest := 10 * time.Millisecond << min(attempt, 5)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
