package dialfire

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"ferryman/internal/fault"
)

// gate holds all calls for a while.
type gate struct {
	mu    sync.Mutex
	until time.Time
}

func (g *gate) hold(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until = until
	}
}

// wait waits until the gate is open. Those who wait come through one after another,
// over a quarter of the time that is left: all at once they would be refused again.
func (g *gate) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		left := time.Until(g.until)
		g.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, left+chance(left/4)); err != nil {
			return err
		}
	}
}

// pause is how long to wait after a failed attempt.
func (t *tempo) pause(attempt int) time.Duration {
	d := t.longestPause
	if n := attempt - 1; n < 16 {
		d = min(d, t.firstPause<<n)
	}
	return d/2 + chance(d/2)
}

// chance is a random time up to d.
func chance(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // it spreads calls, and guards no secret
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ended(ctx)
	case <-timer.C:
		return nil
	}
}

// ended is the error of work that ctx has ended.
func ended(ctx context.Context) error {
	return &fault.Error{Kind: fault.KindOf(ctx.Err()), Detail: "called off", Err: ctx.Err()}
}
