// Package shop simulates an application that reports what its crons do: a shop with
// a backup, imports, mails and feeds. Some do well and others do not, so that a ledger
// has every state to show within two minutes, and a week to look back on.
//
// It knows the server by its documented calls and a key alone, as anybody's program
// would, and imports nothing of Ferryman. What happens is made up of a seed: the same
// seed, the same week.
package shop

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Application is the name that the shop's crons are kept under.
const Application = "shop"

// ErrKey says that the server does not take the key, or takes it no longer.
var ErrKey = errors.New("the server does not take the key of the simulated shop")

// Options say where the shop reports, and what it has reported before.
type Options struct {
	URL  string      // of the server, without a path
	Key  string      // may report executions
	TLS  *tls.Config // how the server is known; nil: as usual
	Seed uint64
	// Now is the time that Crons was given: the past lies before it.
	Now time.Time
	// Reported is when the newest execution of a cron began that the server knows, by
	// slug. What went on since is reported afterwards; of the others, a whole week is.
	Reported map[string]time.Time
}

// Shop is the simulated application.
type Shop struct {
	calls    *client
	seed     uint64
	now      time.Time
	jobs     []job
	reported map[string]time.Time
}

// New makes a shop; it does nothing before Run.
func New(o Options) *Shop {
	return &Shop{
		calls: &client{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, TLSClientConfig: o.TLS}}, base: o.URL, key: o.Key},
		seed:  o.Seed, now: o.Now, jobs: jobs(o.Now), reported: o.Reported,
	}
}

// Run reports the past and then what happens, until ctx ends; a call that is under way
// by then has some seconds yet. Executions that run are left without an end. It gives
// ErrKey if the key is not taken; other trouble with the server is overlooked, as a report
// more or less does not matter.
func (s *Shop) Run(ctx context.Context) error {
	defer s.calls.http.CloseIdleConnections()
	if err := s.reportPast(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, j := range s.jobs {
		if !j.silent {
			all.Go(func() { s.keepRunning(ctx, j, stop) })
		}
	}
	all.Wait()
	if errors.Is(context.Cause(ctx), ErrKey) {
		return ErrKey
	}
	return nil
}

// wait waits, and tells whether ctx let it.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
