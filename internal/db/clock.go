package db

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// The server's time is told from what it was and what has passed since. Clocks drift by
// far less than a lease in measureEvery. An answer that took longer than quick may be
// wrong by more than half of that, and so is asked for again after askAgain.
const (
	measureEvery = 10 * time.Second
	quick        = 500 * time.Millisecond
	askAgain     = time.Second
)

// sharedClock is the server's, whatever the node's own tells, and wherever that
// jumps.
type sharedClock struct {
	on bool // off for a clock that a test moves

	mu       sync.Mutex
	there    time.Time // on the server
	measured time.Time // at this time by the monotonic clock; zero: not yet
	due      time.Time // when it is asked again, by the monotonic clock
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
	due := c.on && !time.Now().Before(c.due)
	c.mu.Unlock()
	if !due {
		return nil
	}
	asked := time.Now()
	var there int64
	// In one trip, which a statement that is prepared first is not: half of it would
	// not be half-way.
	err := conn.QueryRow(ctx, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)", pgx.QueryExecModeExec).Scan(&there)
	if err != nil {
		return err
	}
	c.learn(asked, time.Now(), time.UnixMicro(there))
	return nil
}

// learn takes in that the server told the time there, at some instant between question
// and answer. A quick answer is taken for true half-way. Any other, as of a connection
// that stood still, says no more than that it is now there at least, and there plus what
// the answer took at most: a clock that tells a time between these goes on as it was, one
// that does not is set to the nearer of the two. So a server that is always slow is
// followed, too, when its clock jumps: within measureEvery, and to what an answer takes.
// Only the first answer has to do however slow it was, until the next transaction asks.
func (c *sharedClock) learn(asked, answered, there time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, took := c.measured.IsZero(), answered.Sub(asked)
	if !first && c.measured.After(asked) {
		return // what was asked earlier and is answered later may be from before a jump
	}
	latest := there.Add(took)
	now := c.there.Add(answered.Sub(c.measured))
	switch {
	case first || took <= quick:
		now = there.Add(took / 2)
	case now.Before(there):
		now = there
	case now.After(latest):
		now = latest
	}
	c.there, c.measured = now, answered
	switch {
	case took <= quick:
		c.due = answered.Add(measureEvery)
	case first:
		c.due = answered
	default:
		c.due = answered.Add(askAgain)
	}
}
