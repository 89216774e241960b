package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"ferryman/internal/fault"
	"ferryman/internal/jobs"
	"ferryman/internal/outbox"
)

// work is what a node does beside answering. It is a node.Work.
type work struct {
	engine   *jobs.Engine
	outbox   *outbox.Outbox
	verifier *verifier
	resting  atomic.Bool
}

// Rest implements node.Work.
func (w *work) Rest(ctx context.Context) error {
	w.resting.Store(true)
	parts := []func(context.Context) error{w.engine.Rest, w.outbox.Rest, w.verifier.rest}
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, rest := range parts {
		all.Go(func() { errs[i] = rest(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Resume implements node.Work.
func (w *work) Resume(context.Context) error {
	if err := w.engine.Resume(); err != nil { //nolint:contextcheck // it works for as long as the engine lives
		return err
	}
	w.outbox.EndRest()
	w.verifier.resume()
	w.resting.Store(false)
	return nil
}

// errResting is why a node that is drained is not ready: whoever spreads calls over
// the nodes is to leave it out. It answers those that come all the same.
var errResting = &fault.Error{Kind: fault.Unavailable, Code: "draining", Detail: "this node is drained, or about to be"}

func (w *work) ready(context.Context) error {
	if w.resting.Load() {
		return errResting
	}
	return nil
}
