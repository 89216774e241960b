// Package jobs runs coarse work, such as syncs, durably: on one process with
// SQLite, spread over all nodes with PostgreSQL.
//
// River is the engine and does not show outside this package. A job is enqueued
// in a transaction of the store and happens at least once after that transaction
// committed: a handler must be safe to repeat. Work that a killed process left
// running is handed to a living one within a second or so (see recover.go).
// Schedules are rows, so that a tick fires once however many nodes there are.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"ferryman/internal/db"
)

// Args are a job's arguments, stored as JSON. Kind names the handler and never
// changes once jobs of it may be stored. Fields tagged `river:"unique"` tell
// jobs apart in Enqueue; without any tag, all fields do.
type Args interface{ Kind() string }

// Job is one run of a job by a handler.
type Job[A Args] struct {
	Args A
	done func(ctx context.Context, tx *db.Tx) error
}

// Complete marks the job as done in tx, so that it is done exactly if the
// handler's own writes in tx are. The handler then returns nil. It gives ErrLost
// if the job is not this handler's any more.
func (j Job[A]) Complete(ctx context.Context, tx *db.Tx) error { return j.done(ctx, tx) }

// ErrLost is the cause of a handler's context when this node can no longer be
// sure that the job is its own: another node may have begun it again.
var ErrLost = errors.New("the node lost its place in the cluster")

// Later makes a handler's job come again after d without counting as a failure.
func Later(d time.Duration) error { return river.JobSnooze(d) }

// Options tune an Engine.
type Options struct {
	// Node names this process; unique among the processes of the store.
	Node   string
	Logger *slog.Logger
	// Grace is how long Stop lets handlers finish before it cancels them; 8 s by
	// default.
	Grace time.Duration
}

// Engine works the store's jobs. Register handlers, queues and schedules, then
// Start it once.
type Engine struct {
	db      *db.DB
	node    string
	log     *slog.Logger
	grace   time.Duration
	insert  client // enqueues, from the beginning
	workers *river.Workers
	queues  map[string]river.QueueConfig

	schedules []Schedule

	mu      sync.Mutex
	running map[place]context.CancelCauseFunc
	halting bool
	working []client // the last one; those before it only finish what they have begun
	resting bool

	life   context.Context    //nolint:containedctx // of the loops and clients
	cancel context.CancelFunc // ends it
	loops  sync.WaitGroup
	free   []func() // run in reverse order at the end
}

// place is a job at an attempt: one that others took over, or that this node has
// fetched once more, is at another.
type place struct {
	job     int64
	attempt int
}

// New makes an engine that can enqueue at once and works after Start.
func New(d *db.DB, opts Options) (*Engine, error) {
	e := &Engine{
		db: d, node: opts.Node, log: opts.Logger, grace: opts.Grace,
		workers: river.NewWorkers(),
		queues:  map[string]river.QueueConfig{},
		running: map[place]context.CancelCauseFunc{},
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.log = slog.New(newSparing(e.log.Handler(), slog.LevelDebug, false))
	if e.grace == 0 {
		e.grace = 8 * time.Second
	}
	var err error
	if e.insert, err = newClient(d, &river.Config{SkipUnknownJobCheck: true, Logger: e.riverLogger()}); err != nil {
		return nil, fmt.Errorf("set up the job engine: %w", err)
	}
	return e, nil
}

// Node is this process's name.
func (e *Engine) Node() string { return e.node }

// Queue makes this node work the named queue with so many handlers at a time.
func (e *Engine) Queue(name string, handlers int) {
	e.queues[name] = river.QueueConfig{MaxWorkers: handlers}
}

// Handle registers the handler of jobs with arguments A. An error makes the job
// come again after a pause that grows to ten seconds, unless it is one of Later,
// which says when. When the
// engine stops or loses the job, ctx is cancelled; a handler that then returns an
// error has its job handed back.
func Handle[A Args](e *Engine, handler func(ctx context.Context, job Job[A]) error) {
	river.AddWorker(e.workers, &worker[A]{e: e, handler: handler})
}

// Enqueue adds a job to a queue in tx. If a job that is equal in kind and unique
// fields waits or runs already, it adds nothing and tells so.
func (e *Engine) Enqueue(ctx context.Context, tx *db.Tx, queue string, args Args) (added bool, err error) {
	added, err = e.insert.insert(ctx, tx, args, &river.InsertOpts{
		Queue:       queue,
		MaxAttempts: attempts,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}},
	})
	if err != nil {
		return false, fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return added, nil
}

// Start takes the node's place among the store's nodes, takes over what dead
// ones left, and begins to work. It gives db.ErrServed if another process serves
// the SQLite store. The engine works until Stop, whatever becomes of ctx.
func (e *Engine) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			e.release()
		}
	}()
	if err := e.db.Serve(); err != nil {
		return err
	}
	e.life, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.free = append(e.free, e.cancel)
	if err := e.storeSchedules(ctx); err != nil {
		return err
	}
	if err := e.startRecovery(ctx, e.life); err != nil {
		return err
	}
	if err := e.work(); err != nil { //nolint:contextcheck // until Stop
		return err
	}
	e.loops.Go(func() { e.runScheduler(e.life) })
	return nil
}

// Stop lets handlers finish for the grace period, then cancels them and hands
// their jobs back. It returns once nothing of the engine runs any more, or when
// ctx ends: what is then still running is taken over as after a crash. Nobody may be
// in Rest or Resume.
func (e *Engine) Stop(ctx context.Context) error {
	if e.cancel == nil {
		return nil
	}
	soft, cancel := context.WithTimeout(ctx, e.grace)
	defer cancel()
	err := each(e.clients(), func(c client) error { return c.Stop(soft) })
	if err != nil {
		e.mu.Lock()
		e.halting = true
		e.mu.Unlock()
		err = each(e.clients(), func(c client) error { return c.StopAndCancel(ctx) })
	}
	e.cancel()
	e.loops.Wait()
	e.release()
	if err != nil {
		return fmt.Errorf("stop the job engine: %w", err)
	}
	return nil
}

func (e *Engine) release() {
	for _, v := range slices.Backward(e.free) {
		v()
	}
	e.free = nil
}
