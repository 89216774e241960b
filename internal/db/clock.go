package db

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// measureEvery is how old the difference between two clocks may be. Clocks drift
// by far less than a lease in that time.
const measureEvery = 10 * time.Second

// sharedClock knows how far a node's own clock is from the server's.
type sharedClock struct {
	on bool // off for a clock that a test moves

	mu       sync.Mutex
	ahead    time.Duration // of the server
	measured time.Time     // by the monotonic clock
}

func (c *sharedClock) offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

// measure asks the server for the time, now and then, and compares it with own.
func (c *sharedClock) measure(ctx context.Context, conn *pgx.Conn, own func() time.Time) error {
	c.mu.Lock()
	due := c.on && (c.measured.IsZero() || time.Since(c.measured) > measureEvery)
	c.mu.Unlock()
	if !due {
		return nil
	}
	asked := own()
	var there time.Time
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
		return err
	}
	took := own().Sub(asked)
	c.mu.Lock()
	defer c.mu.Unlock()
	// The answer was true half-way between question and answer.
	c.ahead, c.measured = there.Sub(asked.Add(took/2)), time.Now()
	return nil
}
