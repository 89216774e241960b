package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Rest has this node begin no job and look after no schedule any more, but for one
// that it is at, and returns once
// the jobs that it has begun are finished, or with the error of ctx when that ends
// before. Jobs can still be enqueued, for others. The node keeps its place: nobody
// takes over what it is still at.
func (e *Engine) Rest(ctx context.Context) error {
	e.setResting(true)
	if err := each(e.clients(), func(c client) error { return c.Stop(ctx) }); err != nil {
		return fmt.Errorf("wait for jobs to finish: %w", err)
	}
	return nil
}

// Resume has the node work again after Rest. If Rest was given up, what was begun
// before is finished all the same.
func (e *Engine) Resume() error {
	if err := e.work(); err != nil {
		return err
	}
	e.setResting(false)
	return nil
}

// work begins to work jobs, with a client of its own: one that has been told to stop
// cannot begin again before all that it has begun is finished.
func (e *Engine) work() error {
	c, err := newClient(e.db, e.riverConfig())
	if err != nil {
		return fmt.Errorf("set up the job engine: %w", err)
	}
	if err := c.Start(e.life); err != nil {
		return fmt.Errorf("start the job engine: %w", err)
	}
	over, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond) // those that have ended say so at once
	defer cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.working = append(slices.DeleteFunc(e.working, func(c client) bool { return c.Stop(over) == nil }), c)
	return nil
}

func (e *Engine) clients() []client {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.working)
}

func (e *Engine) setResting(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resting = on
}

func (e *Engine) isResting() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.resting
}

// each calls do with all clients at the same time and joins what it gives.
func each(all []client, do func(client) error) error {
	errs := make([]error, len(all))
	var going sync.WaitGroup
	for i, c := range all {
		going.Go(func() { errs[i] = do(c) })
	}
	going.Wait()
	return errors.Join(errs...)
}
