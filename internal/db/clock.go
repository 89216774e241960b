package db

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// measureEvery is how long the server's time is told from what it was and what
// has passed since. Clocks drift by far less than a lease in that time.
const measureEvery = 10 * time.Second

// sharedClock is the server's, whatever the node's own tells, and wherever that
// jumps.
type sharedClock struct {
	on bool // off for a clock that a test moves

	mu       sync.Mutex
	there    time.Time // on the server
	measured time.Time // at this time by the monotonic clock; zero: not yet
}

// now gives the server's time, and false before it was asked for the first time.
func (c *sharedClock) now() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.there.Add(time.Since(c.measured)), !c.measured.IsZero()
}

// measure asks the server for the time, now and then.
func (c *sharedClock) measure(ctx context.Context, conn *pgx.Conn) error {
	c.mu.Lock()
	due := c.on && (c.measured.IsZero() || time.Since(c.measured) > measureEvery)
	c.mu.Unlock()
	if !due {
		return nil
	}
	asked := time.Now()
	var there time.Time
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// The answer was true half-way between question and answer.
	c.there, c.measured = there, asked.Add(time.Since(asked)/2)
	return nil
}
