package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"ferryman/internal/config"
	"ferryman/internal/dashboard"
	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	// differencesKept is how many rows that differ are kept of one verification; the
	// rest is counted.
	differencesKept = 100
	// mostVerifying is how many campaigns are compared at a time: each reads everything
	// there is, beside the syncs of the server.
	mostVerifying = 2
)

// verifier compares a server's campaigns with their sources in the background, each
// one at a time, and keeps what it found last. It is a dashboard.Verifier, safe for
// concurrent use. Close it.
type verifier struct {
	o         Options
	db        *db.DB
	campaigns map[string]config.Campaign // those that can be compared, by the slugs of their syncs

	mu      sync.Mutex
	last    map[string]*verifying
	running int
	changes int64
	closed  bool
	resting bool
	ended   chan struct{} // closed, and another made, when one ends
	wg      sync.WaitGroup
}

// verifying is one verification or repair.
type verifying struct {
	seen   dashboard.Verification
	cancel context.CancelFunc
}

func newVerifier(o Options, d *db.DB, contacts []*contactSync) *verifier {
	v := &verifier{o: o, db: d, campaigns: map[string]config.Campaign{}, last: map[string]*verifying{}, ended: make(chan struct{})}
	for _, c := range contacts {
		if !posts(c.campaign) {
			v.campaigns[c.sync().Slug] = c.campaign
		}
	}
	return v
}

// Can implements dashboard.Verifier.
func (v *verifier) Can(slug string) bool {
	_, known := v.campaigns[slug]
	return known
}

// Begin implements dashboard.Verifier.
func (v *verifier) Begin(slug string, repair bool) error {
	campaign, known := v.campaigns[slug]
	v.mu.Lock()
	defer v.mu.Unlock()
	last := v.last[slug]
	switch {
	case !known:
		return &fault.Error{Kind: fault.NotFound, Code: "unknown_sync", Detail: "this server runs no campaign of this name that can be compared"}
	case v.closed:
		return &fault.Error{Kind: fault.Unavailable, Code: "stopping", Detail: "the server stops"}
	case v.resting:
		return errResting
	case last != nil && last.seen.Ended.IsZero():
		return &fault.Error{Kind: fault.Conflict, Code: "already_verifying", Detail: "the campaign is being compared already", Hint: "wait for that to end, or stop it"}
	case v.running >= mostVerifying:
		return &fault.Error{
			Kind: fault.Conflict, Code: "too_many_verifications", Detail: fmt.Sprintf("%d other campaigns are being compared", v.running),
			Hint: "wait for one of them to end",
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), contactsLimit)
	now := &verifying{seen: dashboard.Verification{Repair: repair, Begun: v.db.Now()}, cancel: cancel}
	v.last[slug] = now
	v.running++
	v.changes++
	v.wg.Go(func() {
		defer cancel()
		v.finish(now, v.compare(ctx, campaign, now))
	})
	return nil
}

// compare does what Begin began. A mistake in it is no end of the server.
func (v *verifier) compare(ctx context.Context, c config.Campaign, now *verifying) (err error) {
	defer func() {
		if p := recover(); p != nil {
			v.o.Log.Error("verification panicked", "campaign", c.Name, "panic", p, "stack", string(debug.Stack()))
			err = &fault.Error{Kind: fault.Internal, Detail: "a mistake in Ferryman stopped it", Hint: "the server's log tells where; please report it"}
		}
	}()
	run, err := SyncContacts(ctx, v.o, ContactsRun{
		Campaign: c, Verify: true, Repair: now.seen.Repair, beside: v.db,
		Observe: func(p ContactsProgress) {
			v.note(func() {
				now.seen.Phase, now.seen.Listed, now.seen.Total, now.seen.Undecided = p.Phase, p.Listed, p.Total, p.Undecided
				now.seen.Report = p.Report
			})
		},
		Different: func(table, key, kind string, columns []string) {
			v.note(func() {
				if len(now.seen.Differences) < differencesKept {
					now.seen.Differences = append(now.seen.Differences, dashboard.Difference{Table: table, Key: key, Kind: kind, Columns: columns})
				}
			})
		},
	})
	if err == nil && !run.OK() {
		err = &fault.Error{Kind: fault.Unavailable, Code: run.Reason, Detail: run.Detail}
	}
	if err == nil {
		v.note(func() { now.seen.Report = run.Report })
	}
	return err
}

// note changes what is known of a verification.
func (v *verifier) note(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
	v.changes++
}

func (v *verifier) finish(now *verifying, err error) {
	v.note(func() {
		v.running--
		close(v.ended)
		v.ended = make(chan struct{})
		now.seen.Ended = v.db.Now()
		known, classified := errors.AsType[*fault.Error](err)
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled) || fault.CodeOf(err) == fault.Canceled.String():
			now.seen.Failure = "it was called off"
		case !classified:
			v.o.Log.Error("verification failed", "err", err)
			now.seen.Failure = "the server's log has the reason"
		default:
			// What is behind it may quote a driver, which names hosts and users.
			v.o.Log.Warn("verification failed", "err", err)
			now.seen.Failure = failureOf(known)
		}
	})
}

// failureOf says to people why a verification failed.
func failureOf(f *fault.Error) string {
	text := cmp.Or(f.Detail, strings.ReplaceAll(fault.CodeOf(f), "_", " "))
	if f.Hint != "" {
		text += "; " + f.Hint
	}
	return oneLine(text)
}

// rest begins nothing more, and returns once what runs has ended or ctx has.
func (v *verifier) rest(ctx context.Context) error {
	for {
		v.mu.Lock()
		v.resting = true
		running, ended := v.running, v.ended
		v.mu.Unlock()
		if running == 0 {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (v *verifier) resume() { v.note(func() { v.resting = false }) }

// Stop implements dashboard.Verifier.
func (v *verifier) Stop(slug string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.last[slug]; now != nil {
		now.cancel()
	}
}

// Last implements dashboard.Verifier.
func (v *verifier) Last(slug string) *dashboard.Verification {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.last[slug]
	if now == nil {
		return nil
	}
	seen := now.seen // its lists only ever grow behind what this one has
	return &seen
}

// Pulse implements dashboard.Verifier.
func (v *verifier) Pulse() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strconv.FormatInt(v.changes, 10)
}

// close calls off what goes on and waits for its end.
func (v *verifier) close() {
	v.mu.Lock()
	v.closed = true
	for _, now := range v.last {
		now.cancel()
	}
	v.mu.Unlock()
	v.wg.Wait()
}
