package jobs

import (
	"context"
	"time"

	"ferryman/internal/db"
)

// Housekeeping is the queue of what every part of Ferryman tidies up, one at a
// time. Each queue is looked at several times a second, so there are few.
const Housekeeping = "housekeeping"

// tidyTime is how long one part may tidy up at a time: the others wait.
const tidyTime = 30 * time.Second

// Housekeep lets the engine call tidy at an interval, on one node at a time, by the
// schedule and the job of the given names. When tidy is not done after 30 seconds
// its context ends; what it left is for the next time, and no error.
func Housekeep[A Args](e *Engine, schedule string, every time.Duration, job A, tidy func(ctx context.Context) error) {
	e.Queue(Housekeeping, 1)
	Handle(e, func(ctx context.Context, _ Job[A]) error { return forAWhile(ctx, tidyTime, tidy) })
	e.Every(Schedule{
		Name: schedule, Every: every, CatchUp: Once,
		Fire: func(ctx context.Context, tx *db.Tx, _ time.Time) error {
			_, err := e.Enqueue(ctx, tx, Housekeeping, job)
			return err
		},
	})
}

// forAWhile calls tidy and ends its context after the limit, which is no error.
func forAWhile(ctx context.Context, limit time.Duration, tidy func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := tidy(limited)
	if limited.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}
