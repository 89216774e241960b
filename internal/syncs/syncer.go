package syncs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
	"ferryman/internal/span"
)

// Syncer is one sync of a set.
//
// A request names what asked for a run, and has one run however often it is
// asked. A caller that waits is a request of its own. Ticks and casts ask for
// "a run after the newest one so far": those that come before that run begins
// are one request, those that come while it runs are the next. Any other run that
// begins meanwhile, such as a caller's, answers them as well.
type Syncer struct {
	set  *Set
	sync Sync
	cron int64
	bell *bell
}

// Call asks for one run, waits for its turn and its end, and gives it, also when
// it failed. When ctx ends, Call gives up waiting and the run goes on.
func (s *Syncer) Call(ctx context.Context) (Run, error) {
	request := "call:" + rand.Text()
	err := s.ask(ctx, func(ctx context.Context, tx *db.Tx) error { return s.enqueue(ctx, tx, request, ledger.HTTP) })
	if err != nil {
		return Run{}, err
	}
	return s.wait(ctx, request)
}

// Cast asks for one run and goes on. Casts that arrive before that run begins
// ask for the same one.
func (s *Syncer) Cast(ctx context.Context) error {
	return s.ask(ctx, func(ctx context.Context, tx *db.Tx) error { return s.enqueueNext(ctx, tx, ledger.HTTP) })
}

// asking is how long a request may take to be written.
const asking = 10 * time.Second

// ask writes a request, also for a caller who leaves at once: it has asked.
func (s *Syncer) ask(ctx context.Context, write func(context.Context, *db.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asking)
	defer cancel()
	if err := s.set.db.Tx(ctx, func(tx *db.Tx) error { return write(ctx, tx) }); err != nil {
		return fmt.Errorf("ask for a sync: %w", err)
	}
	return nil
}

// Last gives the newest n runs that have ended, oldest first. Runs that were cut
// off and begun again are among them.
func (s *Syncer) Last(ctx context.Context, n int) ([]Run, error) {
	executions, err := s.set.ledger.Recent(ctx, s.cron, n)
	if err != nil {
		return nil, err
	}
	runs := make([]Run, len(executions))
	for i, e := range executions {
		if runs[i], err = s.run(e); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// tick is the schedule's: a tick that falls into a run asks for nothing.
func (s *Syncer) tick(ctx context.Context, tx *db.Tx, _ time.Time) error {
	busy, err := s.set.ledger.Busy(ctx, tx, s.cron)
	if err != nil || busy {
		return err
	}
	return s.enqueueNext(ctx, tx, ledger.Schedule)
}

func (s *Syncer) enqueueNext(ctx context.Context, tx *db.Tx, trigger ledger.Trigger) error {
	last, err := s.set.ledger.LastAdmitted(ctx, tx, s.cron)
	if err != nil {
		return err
	}
	return s.enqueue(ctx, tx, afterPrefix+strconv.FormatInt(last, 10), trigger)
}

const afterPrefix = "after:"

// answered tells whether a request for a run after another one has been answered
// by somebody else's.
func (s *Syncer) answered(ctx context.Context, request string) (bool, error) {
	last, isAfter := strings.CutPrefix(request, afterPrefix)
	if !isAfter {
		return false, nil
	}
	after, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return false, fmt.Errorf("request %q: %w", request, err)
	}
	return s.set.ledger.Answered(ctx, s.cron, after, request)
}

func (s *Syncer) enqueue(ctx context.Context, tx *db.Tx, request string, trigger ledger.Trigger) error {
	if err := s.set.ledger.Startable(ctx, tx, s.cron); err != nil {
		if trigger == ledger.Schedule && fault.KindOf(err) == fault.Inactive {
			return nil
		}
		return err
	}
	_, err := s.set.engine.Enqueue(ctx, tx, s.sync.Slug, job{Sync: s.sync.Slug, Request: request, Trigger: trigger, Traceparent: span.Traceparent(ctx)})
	return err
}

// wait waits for the end of a request's run. A run of this node rings; for those
// of other nodes the ledger is asked now and then.
func (s *Syncer) wait(ctx context.Context, request string) (Run, error) {
	ask := time.NewTicker(turn)
	defer ask.Stop()
	for {
		rung := s.bell.wait()
		e, err := s.set.ledger.ByRequest(ctx, s.cron, request)
		switch {
		case err == nil && !e.EndedAt.IsZero() && !e.CutOff():
			return s.run(e)
		case errors.Is(err, ledger.ErrNoExecution):
			err = s.stillActive(ctx)
		}
		if err != nil {
			return Run{}, fmt.Errorf("wait for the sync: %w", err)
		}
		select {
		case <-rung:
		case <-ask.C:
		case <-s.set.closed:
			return Run{}, s.set.shuttingDown()
		case <-ctx.Done():
			return Run{}, fmt.Errorf("wait for the sync: %w", ctx.Err())
		}
	}
}

// stillActive gives an error once the cron is switched off: then the run that
// somebody waits for does not come.
func (s *Syncer) stillActive(ctx context.Context) error {
	cron, err := s.set.ledger.Cron(ctx, 0, ledger.Ref{ID: s.cron})
	if err != nil {
		return err
	}
	return cron.Startable(s.set.db.Now())
}

// RunNow runs the sync in this process, without the engine, when its turn comes.
// Before it waits for another run it calls waiting, and after each durable batch
// observe; both may be nil. It gives the run also when that failed.
func (s *Syncer) RunNow(ctx context.Context, holder string, waiting func(), observe func(pipeline.Report)) (Run, error) {
	request := "cli:" + rand.Text()
	retry := time.NewTicker(turn)
	defer retry.Stop()
	for {
		e, _, err := s.set.ledger.StartOwn(ctx, s.cron, ledger.Start{
			Trigger: ledger.CLI, Holder: holder, Request: request, Resume: true, Lease: lease,
		})
		if err == nil {
			if err := s.execute(ctx, e, nil, observe, nil); err != nil {
				return Run{}, err
			}
			if e, err = s.set.ledger.Execution(context.WithoutCancel(ctx), 0, e.ID); err != nil {
				return Run{}, err
			}
			return s.run(e)
		}
		if !errors.Is(err, ledger.ErrRunning) {
			return Run{}, err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return Run{}, fmt.Errorf("wait for another run to end: %w", ctx.Err())
		}
	}
}

func (s *Syncer) run(e ledger.Execution) (Run, error) {
	r := Run{
		Execution: e.ID, Sync: s.sync.Slug, Trigger: string(e.Trigger),
		StartedAt: e.StartedAt, EndedAt: e.EndedAt, Reason: e.Reason, Detail: e.Detail,
	}
	if e.Result != nil {
		if err := json.Unmarshal(e.Result, &r.Report); err != nil {
			return Run{}, fmt.Errorf("result of execution %d: %w", e.ID, err)
		}
	}
	return r, nil
}
