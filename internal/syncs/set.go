// Package syncs runs pipelines as executions of crons in the ledger: on their
// schedule, when a caller asks and waits, or when one asks and goes on.
//
// Runs of one sync never overlap, on any number of nodes: the cron has one slot.
// A run that was cut off by a crash or a stop is begun again, by the next start
// or another node, as a new execution of the same request.
package syncs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
	"ferryman/internal/span"
)

const (
	// lease is how long a silent holder keeps its slot. It bounds how soon cut off
	// work goes on after a kill -9.
	lease = 3 * time.Second
	// turn is how long a job waits before it asks for the slot again.
	turn = 200 * time.Millisecond
)

// Sync is a pipeline with a name and a rhythm.
type Sync struct {
	Slug       string // of its cron
	Name       string
	Every      time.Duration
	Manual     bool          // it runs on demand alone
	MaxRuntime time.Duration // a run that takes longer is ended as timed out
	Source     pipeline.Source
	Sink       pipeline.Sink
	// Letters is where people find the rows that the sink has rejected; "" is its table
	// of dead letters.
	Letters string
}

// Options tune a Set.
type Options struct {
	Logger *slog.Logger
	// Ended is told of every run that this process ended; nil tells nobody.
	Ended  func(Run)
	Tracer trace.Tracer // is told of runs; nil: nothing is traced
}

// Set is the syncs of this process.
type Set struct {
	db     *db.DB
	ledger *ledger.Ledger
	engine *jobs.Engine
	log    *slog.Logger
	ended  func(Run)
	tracer trace.Tracer
	syncs  map[string]*Syncer
	closed chan struct{}
}

// NewSet makes an empty set and registers its work with the engine. The engine
// may be nil in a process that only runs syncs itself, with RunNow.
func NewSet(d *db.DB, l *ledger.Ledger, engine *jobs.Engine, opts Options) *Set {
	s := &Set{
		db: d, ledger: l, engine: engine, log: opts.Logger, ended: opts.Ended, tracer: opts.Tracer,
		syncs: map[string]*Syncer{}, closed: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if engine != nil {
		jobs.Handle(engine, s.work)
	}
	return s
}

// Add registers a sync: its cron in the ledger, and its queue and schedule with
// the engine.
func (s *Set) Add(ctx context.Context, sync Sync) (*Syncer, error) {
	cron, err := s.ledger.Register(ctx, sync.Slug, ledger.Settings{
		Name: sync.Name, Schedule: sync.rhythm(), MaxRunning: 1, MaxRuntime: sync.MaxRuntime,
	})
	if err != nil {
		return nil, err
	}
	sr := &Syncer{set: s, sync: sync, cron: cron.ID, bell: newBell()}
	s.syncs[sync.Slug] = sr
	if s.engine != nil {
		s.engine.Queue(sync.Slug, 1)
	}
	if s.engine != nil && !sync.Manual {
		s.engine.Every(jobs.Schedule{Name: "sync-" + sync.Slug, Every: sync.Every, CatchUp: jobs.Once, Fire: sr.tick})
	}
	return sr, nil
}

// ErrUnknown says that no sync of this node has the name.
var ErrUnknown = &fault.Error{
	Kind: fault.NotFound, Code: "unknown_sync", Detail: "this server runs no sync of this name",
	Hint: "a campaign's is called contacts- and the campaign's name; warehouses is the other",
}

// Cast asks for one run of the sync with the given slug, and goes on; see
// Syncer.Cast. It gives ErrUnknown.
func (s *Set) Cast(ctx context.Context, slug string) error {
	sr := s.syncs[slug]
	if sr == nil {
		return ErrUnknown
	}
	return sr.Cast(ctx)
}

// Last gives the newest n runs of this node's syncs that have ended, oldest first.
func (s *Set) Last(ctx context.Context, n int) ([]Run, error) {
	of := make(map[int64]*Syncer, len(s.syncs))
	for _, sr := range s.syncs {
		of[sr.cron] = sr
	}
	executions, err := s.ledger.RecentOf(ctx, slices.Sorted(maps.Keys(of)), n)
	if err != nil {
		return nil, err
	}
	runs := make([]Run, len(executions))
	for i, e := range executions {
		if runs[i], err = of[e.CronID].run(e); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// Retire has nobody wait any more for the syncs that servers ran on this store and
// this one does not know: it gives their slugs. Call it when all syncs are added. The
// server that starts last decides: one with such a sync goes on with it, and has it
// waited for again with its next start.
func (s *Set) Retire(ctx context.Context) ([]string, error) {
	return s.ledger.Retire(ctx, slices.Sorted(maps.Keys(s.syncs)))
}

// rhythm is the interval as a schedule of the ledger; one of fractions of a second is
// too fast to be watched.
func (s Sync) rhythm() string {
	if s.Manual || s.Every%time.Second != 0 {
		return ""
	}
	return fmt.Sprintf("every %ds", int64(s.Every/time.Second))
}

// Close lets callers who still wait for a run go. Stop the engine first.
func (s *Set) Close() { close(s.closed) }

// job is one asked-for run. The request makes it unique: see Syncer.
type job struct {
	Sync    string         `json:"sync"    river:"unique"`
	Request string         `json:"request" river:"unique"`
	Trigger ledger.Trigger `json:"trigger"`
	// Traceparent is where the trace of who asked stands; "": not traced.
	Traceparent string `json:"traceparent,omitempty"`
}

// Kind implements jobs.Args.
func (job) Kind() string { return "sync" }

// work runs a job: as an execution if the request has not had its run yet, and
// in its turn.
func (s *Set) work(ctx context.Context, j jobs.Job[job]) error {
	sr := s.syncs[j.Args.Sync]
	if sr == nil {
		return fmt.Errorf("sync %s is not known to this node", j.Args.Sync)
	}
	if answered, err := sr.answered(ctx, j.Args.Request); err != nil || answered {
		return err
	}
	e, replayed, err := s.ledger.StartOwn(ctx, sr.cron, ledger.Start{
		Trigger: j.Args.Trigger, Holder: s.engine.Node(), Request: j.Args.Request, Resume: true, Lease: lease,
	})
	switch {
	case errors.Is(err, ledger.ErrRunning):
		return jobs.Later(turn)
	case fault.KindOf(err) == fault.Inactive:
		return nil
	case err != nil:
		return err
	case replayed && e.EndedAt.IsZero():
		return jobs.Later(turn) // another node has it, or had it until its lease runs out
	case replayed:
		return nil
	}
	return sr.execute(ctx, e, span.After(ctx, j.Args.Traceparent), nil, j.Complete)
}

func (s *Set) shuttingDown() error {
	return &fault.Error{
		Kind: fault.Unavailable, Code: "stopping",
		Detail: "the server is stopping; the sync goes on when it runs again",
	}
}
