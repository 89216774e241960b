package jobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ferryman/internal/db"
)

// CatchUp tells what becomes of ticks that nobody was there to fire.
type CatchUp string

// The catch-up policies.
const (
	Skip CatchUp = "skip" // missed ticks are dropped; the next one fires at its time
	Once CatchUp = "once" // however many were missed, one fires now
	All  CatchUp = "all"  // every missed tick fires, at most 1,000 of them
)

// catchUpLimit bounds what CatchUp All may enqueue at once.
const catchUpLimit = 1000

// lateness up to this still counts as on time, so that Skip does not drop a tick
// because of a slow disk or a restart in between.
const lateness = 10 * time.Second

// Schedule fires regularly, once per tick on whichever node gets to it first.
type Schedule struct {
	Name    string // identifies the row
	Every   time.Duration
	CatchUp CatchUp
	// Fire does in tx what the tick is for, normally Enqueue. It is given the
	// time for which the tick stood. An error leaves the tick due. Schedules may
	// fire at the same time.
	Fire func(ctx context.Context, tx *db.Tx, tick time.Time) error
}

// Every registers a schedule; call it before Start. A schedule that is new to
// the store fires at once; one whose interval has changed fires no later than
// one new interval from now.
func (e *Engine) Every(s Schedule) { e.schedules = append(e.schedules, s) }

// storeSchedules writes the registered schedules to their rows, keeping the
// next tick of those that are there.
func (e *Engine) storeSchedules(ctx context.Context) error {
	for _, s := range e.schedules {
		err := e.db.Tx(ctx, func(tx *db.Tx) error {
			now := tx.Now()
			_, err := tx.Exec(ctx, `
				INSERT INTO schedules (name, every, catch_up, next_run_at, updated_at)
				VALUES ($1, $2, $3, $4, $4)
				ON CONFLICT (name) DO UPDATE SET
					every       = excluded.every,
					catch_up    = excluded.catch_up,
					updated_at  = excluded.updated_at,
					next_run_at = CASE WHEN schedules.next_run_at < $5 THEN schedules.next_run_at ELSE $5 END`,
				s.Name, db.Duration(s.Every), string(s.CatchUp), db.Time{Time: now}, db.Time{Time: now.Add(s.Every)})
			return err
		})
		if err != nil {
			return fmt.Errorf("store schedule %s: %w", s.Name, err)
		}
	}
	return nil
}

const (
	// lookEvery is how often a schedule's row is looked at that is not due:
	// another node may have changed it, or somebody the clock.
	lookEvery = 5 * time.Second
	// advanceTime is how long it may take to advance a schedule. Where nobody can find out
	// that an answer was lost, as behind a pooler, all schedules would wait for it.
	advanceTime = 10 * time.Second
	// tryEvery is how soon a schedule is tried again that could not be advanced.
	tryEvery = time.Second
	// atOnce is how many schedules are tended at a time: they share the flush of
	// their commits, and leave the store's other connections to those who call.
	atOnce = 4
)

// runScheduler fires what is due until ctx ends.
func (e *Engine) runScheduler(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	look := make([]time.Time, len(e.schedules)) // when to look at each, by the monotonic clock
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if e.isResting() {
			timer.Reset(tryEvery)
			continue
		}
		e.tendAll(ctx, look)
		wait := lookEvery
		for _, at := range look {
			wait = min(wait, max(time.Until(at), time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// tendAll tends the schedules whose time has come, some of them side by side: many
// may be due at the same moment, and each waits for the disk.
func (e *Engine) tendAll(ctx context.Context, look []time.Time) {
	var all sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i, s := range e.schedules {
		if time.Until(look[i]) > 0 {
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			look[i] = time.Now().Add(e.tend(ctx, s))
			<-places
		})
	}
	all.Wait()
}

// tend fires s if it is due and tells how long it need not be looked at.
func (e *Engine) tend(ctx context.Context, s Schedule) time.Duration {
	limited, cancel := context.WithTimeout(ctx, advanceTime)
	defer cancel()
	next, err := e.advance(limited, s)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Error("advance schedule", "schedule", s.Name, "err", err)
		}
		return tryEvery
	}
	return min(next.Sub(e.db.Now()), lookEvery)
}

// advance fires s if it is due and gives its next tick. Moving the row and
// firing are one transaction, and the row moves only from the tick that was
// read: of several nodes, one fires.
func (e *Engine) advance(ctx context.Context, s Schedule) (next time.Time, err error) {
	var at db.Time
	const query = "SELECT next_run_at FROM schedules WHERE name = $1"
	if err := e.db.QueryRow(ctx, query, s.Name).Scan(&at); err != nil {
		return time.Time{}, err
	}
	now := e.db.Now()
	if at.After(now) && !at.After(now.Add(s.Every)) {
		return at.Time, nil
	}
	err = e.db.Tx(ctx, func(tx *db.Tx) error {
		var fire []time.Time
		if at.After(tx.Now()) { // further off than can be: the clock was wrong once
			next = tx.Now().Add(s.Every)
		} else {
			fire, next = ticks(at.Time, s.Every, s.CatchUp, tx.Now())
		}
		n, err := tx.Exec(ctx, "UPDATE schedules SET next_run_at = $1, updated_at = $2 WHERE name = $3 AND next_run_at = $4",
			db.Time{Time: next}, db.Time{Time: tx.Now()}, s.Name, at)
		if err != nil || n == 0 {
			return err
		}
		for _, tick := range fire {
			if err := s.Fire(ctx, tx, tick); err != nil {
				return err
			}
		}
		return nil
	})
	return next, err
}

// ticks tells which ticks to fire now, the first of them being due since at, and
// when the one after them is. Ticks keep their rhythm: lateness does not add up.
func ticks(at time.Time, every time.Duration, policy CatchUp, now time.Time) (fire []time.Time, next time.Time) {
	missed := int64(now.Sub(at) / every) // whole intervals that have passed since at
	last := at.Add(time.Duration(missed) * every)
	next = last.Add(every)
	switch {
	case policy == Skip && now.Sub(last) > min(lateness, every/2):
		return nil, next
	case policy == All:
		first := max(0, missed+1-catchUpLimit)
		for i := first; i <= missed; i++ {
			fire = append(fire, at.Add(time.Duration(i)*every))
		}
		return fire, next
	default:
		return []time.Time{last}, next
	}
}
