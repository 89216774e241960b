package dialfire

import (
	"context"
	"time"
)

// mostAhead is how far a place may lie ahead of the clock, as by the clocks of two
// machines that take turns.
const mostAhead = time.Hour

// doubt begins anew where a place lies in the future: a clock was wrong when it was
// noted, so that nobody knows what it covers, and nothing would be asked for until
// that time has come.
func (r *run) doubt(ctx context.Context) {
	p, now := &r.place, r.source.now()
	if !p.ahead(now.Add(mostAhead)) {
		return
	}
	r.log.WarnContext(ctx, "the saved cursor lies in the future, for a clock was wrong or is; what it covers is compared again",
		"until", p.Events.Through)
	start := p.reach()
	if r.config.Start.IsZero() { // so it may be of that clock, too
		start = sooner(start, now)
	}
	anew := place{
		Version: p.Version, Batch: p.Batch, Start: start,
		Form: p.Form, Fields: fieldsSeen{p.Fields.Digest, sooner(p.Fields.At, now)}, Refetch: sooner(p.Refetch, now),
	}
	if r.config.Mode == Webhook {
		anew.Events.Through = start
		anew.Listed = sooner(start, now)
		anew.Rechecked = anew.Listed
	} else {
		anew.beginJob(start, now)
	}
	r.place, r.dirty = anew, true
}

// ahead tells whether anything was noted at a time after the limit. What is covered
// up to the start was not: that may be set to any time.
func (p *place) ahead(limit time.Time) bool {
	noted := []time.Time{p.Listed, p.Rechecked, p.Fields.At, p.Calls.Through}
	if !p.Events.Through.Equal(p.Start) {
		noted = append(noted, p.Events.Through)
	}
	if p.Job != nil {
		noted = append(noted, p.Job.Began)
	}
	if p.List != nil {
		noted = append(noted, p.List.Began)
	}
	for _, s := range []span{p.Events, p.Calls} {
		if s.Window != nil {
			noted = append(noted, s.Window.To)
		}
	}
	for _, t := range noted {
		if t.After(limit) {
			return true
		}
	}
	return false
}

// sooner is the earlier of two times.
func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
