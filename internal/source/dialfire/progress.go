package dialfire

import (
	"sync/atomic"
	"time"
)

// Phase is what a read is at.
type Phase string

// The phases. A read has some of them, in about this order.
const (
	PhaseIdle     Phase = "idle"
	PhaseFields   Phase = "fields"
	PhaseContacts Phase = "contacts" // the first listing
	PhaseTail     Phase = "tail"     // what has changed during the first listing
	PhaseEvents   Phase = "events"
	PhaseCalls    Phase = "calls"
	PhaseChanges  Phase = "changes" // a listing of changes, or a recheck
	PhaseVanished Phase = "vanished"
)

// Progress is how far a source has come, since it was made.
type Progress struct {
	Phase   Phase
	Pages   int64 // of lists
	Listed  int64 // contacts and events on them
	Total   int64 // of contacts to list in this phase, as the API says; 0 is unknown
	Skipped int64 // contacts that the target has as they are
	Fetched int64 // contacts
	Calls   int64 // inbound
	Bytes   int64 // of answers
	Retries int64 // of calls to the API
	Behind  time.Duration
	// Undecided are contacts and inbound calls that a verification cannot tell whether
	// they have gone; it has left them alone.
	Undecided int64
}

type counters struct {
	phase                                                    atomic.Value // Phase
	pages, listed, total, skipped, fetched, calls, undecided atomic.Int64
	covered                                                  atomic.Int64 // in Unix milliseconds; 0 is nothing
}

// Progress tells how far the source has come. Behind is how old what the events
// cover is; 0 is unknown.
func (s *Source) Progress() Progress {
	c := &s.progress
	p := Progress{
		Phase: PhaseIdle,
		Pages: c.pages.Load(), Listed: c.listed.Load(), Total: c.total.Load(), Skipped: c.skipped.Load(),
		Fetched: c.fetched.Load(), Calls: c.calls.Load(), Bytes: s.api.bytes.Load(), Retries: s.api.retries.Load(),
		Undecided: c.undecided.Load(),
	}
	if phase, ok := c.phase.Load().(Phase); ok {
		p.Phase = phase
	}
	if covered := c.covered.Load(); covered != 0 {
		p.Behind = max(0, s.now().Sub(time.UnixMilli(covered)))
	}
	return p
}

func (c *counters) enter(p Phase) {
	c.phase.Store(p)
	c.total.Store(0)
}

func (c *counters) cover(through time.Time) {
	if !through.IsZero() {
		c.covered.Store(through.UnixMilli())
	}
}
