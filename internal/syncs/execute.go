package syncs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
)

var (
	errLeaseLost  = errors.New("the execution was ended by another hand")
	errPanic      = &fault.Error{Kind: fault.Internal, Detail: "a mistake in Ferryman stopped the sync", Hint: "the server's log tells where; please report it"}
	errMaxRuntime = &fault.Error{Kind: fault.Timeout, Detail: "the sync took longer than it may"}
)

// closing is how long the end of an execution may take to be written once the
// run itself was cancelled.
const closing = 2 * time.Second

// execute runs the pipeline as the admitted execution e and ends e in the
// ledger; complete, if not nil, takes part in that transaction. A run that fails
// is no error here: the ledger has it. place is where its span stands, below that of
// ctx if it is nil.
func (s *Syncer) execute(ctx context.Context, e ledger.Execution, place []trace.SpanStartOption, observe func(pipeline.Report), complete func(context.Context, *db.Tx) error) error {
	log := s.set.log.With("sync", s.sync.Slug, "execution", e.ID, "trigger", string(e.Trigger))
	ctx, t := s.beginSpan(ctx, e, place)
	defer t.End()
	log.InfoContext(ctx, "sync started", "attempt", e.Attempt)

	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.sync.MaxRuntime > 0 {
		timer := time.AfterFunc(s.sync.MaxRuntime, func() { cancel(errMaxRuntime) })
		defer timer.Stop()
	}
	stopRenewing := s.renew(ctx, cancel, e.ID)
	report, err := s.carry(running, observe)
	stopRenewing()
	if err != nil && running.Err() != nil {
		err = cutOffBy(running)
	}
	told(ctx, t, report, err)
	if errors.Is(err, errLeaseLost) {
		return err
	}

	outcome := s.outcome(report, err)
	handedBack := err != nil && ctx.Err() != nil && complete != nil
	switch {
	case handedBack && errors.Is(context.Cause(ctx), jobs.ErrLost):
		outcome.Reason, outcome.Detail = ledger.ReasonInterrupted, "its node was cut off from the store; it is taken up again"
	case handedBack:
		outcome.Status, outcome.Reason = ledger.Cancelled, ledger.ReasonHandedBack
		outcome.Detail = "stopped in mid-work; it is taken up again"
	case err != nil && ctx.Err() != nil:
		outcome.Status, outcome.Detail = ledger.Cancelled, "called off; the batch in hand has landed whole or not at all"
	}
	if outcome.Detail != "" {
		outcome.Messages = append(outcome.Messages, ledger.Message{Type: level(outcome.Status), Text: outcome.Detail})
	}
	// The end is written even if ctx is what ended the run.
	ending, done := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer done()
	endErr := s.set.db.Tx(ending, func(tx *db.Tx) error {
		if err := s.set.ledger.End(ending, tx, e.ID, outcome); err != nil {
			return err
		}
		if complete == nil || handedBack {
			return nil
		}
		return complete(ending, tx)
	})
	if endErr != nil {
		return endErr // the job comes again, and the request has another attempt
	}
	s.bell.ring()
	s.report(ending, e.ID, err)
	if handedBack {
		return ctx.Err()
	}
	return nil
}

// carry runs the pipeline. A panic in a source or sink fails the run, like any
// other mistake, instead of the job, which would come again for ever.
func (s *Syncer) carry(ctx context.Context, observe func(pipeline.Report)) (report pipeline.Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.set.log.ErrorContext(ctx, "sync panicked", "sync", s.sync.Slug, "panic", p, "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return pipeline.Run(ctx, s.sync.Source, s.sync.Sink, observe)
}

// cutOffBy is why a run's context ended, in our words rather than those of the
// driver or engine that noticed.
func cutOffBy(ctx context.Context) error {
	for _, ours := range []error{errLeaseLost, errMaxRuntime} {
		if errors.Is(context.Cause(ctx), ours) {
			return ours
		}
	}
	return ctx.Err()
}

// renew keeps the lease until stop is called, also while a cancelled run winds
// up. When the execution turns out to have ended, or the lease runs out because
// the store cannot be reached, it cancels the run: others may begin it again.
func (s *Syncer) renew(ctx context.Context, cancel context.CancelCauseFunc, id int64) (stop func()) {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	lapsed := time.AfterFunc(lease, func() { cancel(errLeaseLost) })
	var wg sync.WaitGroup
	wg.Go(func() {
		defer lapsed.Stop()
		tick := time.NewTicker(lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			asked := time.Now()
			err := s.set.ledger.Renew(ctx, id, lease)
			switch {
			case err == nil:
				lapsed.Reset(lease - time.Since(asked))
			case errors.Is(err, ledger.ErrEnded):
				cancel(errLeaseLost)
				return
			case ctx.Err() == nil:
				s.set.log.WarnContext(ctx, "renew lease", "execution", id, "err", err)
			}
		}
	})
	return func() {
		end()
		wg.Wait()
	}
}

// report tells the log and whoever else wants to know of a run's end.
func (s *Syncer) report(ctx context.Context, id int64, err error) {
	e, readErr := s.set.ledger.Execution(ctx, 0, id)
	if readErr != nil {
		s.set.log.WarnContext(ctx, "read back execution", "execution", id, "err", readErr)
		return
	}
	log := s.set.log.With("sync", s.sync.Slug, "execution", id, "duration", e.EndedAt.Sub(e.StartedAt))
	switch {
	case e.Status == ledger.Cancelled:
		log.InfoContext(ctx, "sync stopped", "reason", e.Reason, "detail", e.Detail)
	case err != nil:
		level := slog.LevelError
		if s.set.engine == nil {
			level = slog.LevelInfo // whoever ran it here is told
		}
		log.Log(ctx, level, "sync failed", "reason", e.Reason, "err", err)
	default:
		log.InfoContext(ctx, "sync done", "read", e.Counts.Read, "written", e.Counts.Written, "deleted", e.Counts.Deleted, "rejected", e.Counts.Rejected)
	}
	if s.set.ended == nil {
		return
	}
	if r, err := s.run(e); err == nil {
		s.set.ended(r)
	}
}

// outcome puts the end of a run into the ledger's terms.
func (s *Syncer) outcome(r pipeline.Report, err error) ledger.Outcome {
	total := r.Total()
	o := ledger.Outcome{
		Status: ledger.Success,
		Counts: ledger.Counts{Read: total.Read, Written: total.Written, Deleted: total.Deleted, Rejected: total.Rejected},
	}
	o.Result, _ = json.Marshal(r) // holds numbers and strings only: cannot fail
	for _, t := range r.Tables {
		if t.Written+t.Deleted+t.Rejected > 0 { // most runs find nothing new, and say nothing
			o.Messages = append(o.Messages, tableMessage(t, cmp.Or(s.sync.Letters, "ferryman_dead_letters in the target")))
		}
	}
	if err == nil {
		return o
	}
	o.Status, o.Reason, o.Detail = ledger.Failed, fault.CodeOf(err), clip(err.Error())
	if errors.Is(err, errMaxRuntime) {
		o.Status = ledger.TimedOut
	}
	return o
}

func level(s ledger.Status) ledger.MessageType {
	if s == ledger.Cancelled {
		return ledger.Warning
	}
	return ledger.Error
}

func tableMessage(t pipeline.TableCount, letters string) ledger.Message {
	m := ledger.Message{
		Type: ledger.Info,
		Text: fmt.Sprintf("%s: %d read, %d written, %d unchanged, %d deleted", t.Table, t.Read, t.Written, t.Unchanged, t.Deleted),
	}
	if t.Rejected > 0 {
		m.Type = ledger.Warning
		m.Text += fmt.Sprintf(", %d rejected: see %s", t.Rejected, letters)
	}
	return m
}

// clip bounds what a failure may say; the rest of a long upstream answer helps
// nobody.
func clip(s string) string {
	const limit = 2000
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
