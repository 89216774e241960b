package jobs

import (
	"context"
	"time"

	"ferryman/internal/db"
)

// A stray is a job that the store counts as running on this node while no handler
// here has it: the answer to the statement that fetched it was lost, or the one
// that ended it failed. Its uniqueness would keep all like it away for ever.

// runStrays hands strays back until ctx ends.
func (e *Engine) runStrays(ctx context.Context) {
	tick := time.NewTicker(strayAfter / 4)
	defer tick.Stop()
	since := map[place]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := e.handBackStrays(ctx, since, time.Now()); err != nil && ctx.Err() == nil {
			e.log.Warn("look for stray jobs", "err", err)
		}
	}
}

// handBackStrays hands back the jobs that have been strays for long enough. since
// remembers when each was first seen to be one.
func (e *Engine) handBackStrays(ctx context.Context, since map[place]time.Time, now time.Time) error {
	ours, err := e.runningHere(ctx)
	if err != nil {
		return err
	}
	strays := map[place]bool{}
	e.mu.Lock()
	for _, p := range ours {
		if e.running[p] == nil {
			strays[p] = true
		}
	}
	e.mu.Unlock()
	for p := range since {
		if !strays[p] {
			delete(since, p)
		}
	}
	for p := range strays {
		seen, known := since[p]
		if !known {
			since[p] = now
			continue
		}
		if now.Sub(seen) < strayAfter {
			continue
		}
		err := e.db.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE river_job SET state = 'available' WHERE id = $1 AND attempt = CAST($2 AS BIGINT) AND state = 'running'", p.job, p.attempt)
			return err
		})
		if err != nil {
			return err
		}
		delete(since, p)
		e.log.Warn("handed back a stray job", "job", p.job)
	}
	return nil
}

// runningHere gives the jobs that the store counts as running on this node: on
// SQLite, all that run.
func (e *Engine) runningHere(ctx context.Context) ([]place, error) {
	query, args := "SELECT id, attempt FROM river_job WHERE state = 'running'", []any{}
	if e.db.Dialect() == db.Postgres {
		query, args = query+" AND attempted_by[array_upper(attempted_by, 1)] = $1", []any{e.node}
	}
	rows, err := e.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (p place, err error) {
		err = r.Scan(&p.job, &p.attempt)
		return p, err
	})
}
