package sqlsink

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
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
	d := s.dialect.diagnose(err)
	switch d.class {
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
		if attempt >= d.tries {
			return false
		}
	}
	s.log.DebugContext(ctx, "target is busy", "attempt", attempt, "err", err)
	trace.SpanFromContext(ctx).AddEvent("target is busy", trace.WithAttributes(attribute.Int("ferryman.attempt", attempt)))
	if d.wait == 0 {
		d.wait = rand.N(10 * time.Millisecond << min(attempt, 5))
	}
	return pause(ctx, d.wait) == nil
}

// pause lets the winner of a deadlock finish.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
