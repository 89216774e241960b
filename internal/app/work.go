package app

import (
	"context"
	"sync"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/jobs"
	"ferryman/internal/outbox"
)

// work is what a node does beside answering: jobs, and sending what is due. It can
// be told to rest.
type work struct {
	engine *jobs.Engine
	outbox *outbox.Outbox
	grace  time.Duration // for attempts under way

	mu      sync.Mutex
	life    context.Context //nolint:containedctx // of sending
	failed  func()          // called when sending cannot go on
	stop    context.CancelFunc
	done    chan struct{} // closed when sending has ended
	err     error         // of it
	resting bool
}

func newWork(engine *jobs.Engine, box *outbox.Outbox, grace time.Duration) *work {
	return &work{engine: engine, outbox: box, grace: grace}
}

// send begins to send, until ctx ends or the work is to rest. failed is called if it
// ends otherwise.
func (w *work) send(ctx context.Context, failed func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sending, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	w.life, w.failed, w.stop, w.done = ctx, failed, stop, done
	go func() {
		defer close(done)
		if err := w.outbox.Run(sending, w.grace); err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			failed()
		}
	}()
}

// sent waits until nothing is sent any more, and tells what went wrong.
func (w *work) sent() error {
	w.mu.Lock()
	done := w.done
	w.mu.Unlock()
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Rest implements node.Work.
func (w *work) Rest(ctx context.Context) error {
	w.mu.Lock()
	w.resting = true
	stop, done := w.stop, w.done
	w.mu.Unlock()
	stop()
	if err := w.engine.Rest(ctx); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resume implements node.Work.
func (w *work) Resume(ctx context.Context) error {
	w.mu.Lock()
	life, failed, done := w.life, w.failed, w.done
	w.mu.Unlock()
	select {
	case <-done: // an outbox runs once at a time
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := w.engine.Resume(); err != nil {
		return err
	}
	w.send(life, failed)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resting = false
	return nil
}

// errResting is why a node that is drained is not ready: whoever spreads calls over
// the nodes is to leave it out. It answers those that come all the same.
var errResting = &fault.Error{Kind: fault.Unavailable, Code: "draining", Detail: "this node is drained, or about to be"}

func (w *work) ready(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.resting {
		return errResting
	}
	return nil
}
