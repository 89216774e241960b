package dialfire

import (
	"context"
	"time"
)

// mostTails bounds how often a job lists what has changed while it listed.
const mostTails = 3

// beginning is where the inbound calls of a campaign begin at the earliest.
func beginning() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// plan begins a job where the mode wants one. One that was cut off goes on if it
// covers what is wanted.
func (r *run) plan() {
	from, now := r.config.Start, r.source.now()
	if !from.IsZero() {
		from = milli(from)
	}
	p := &r.place
	switch r.config.Mode {
	case Sync:
		if p.fresh() && from.IsZero() && !r.config.Resume.IsZero() {
			from = milli(r.config.Resume)
		}
		if !p.fresh() && (from.IsZero() || !earlier(from, p.reach())) {
			return
		}
	case Update:
		if from.IsZero() {
			from = now.Add(-defaultStart)
		}
		fallthrough
	default:
		if p.Job != nil && !earlier(from, p.Job.From) {
			return
		}
	}
	p.beginJob(from, now)
}

// reach is the start of what is covered, or will be when the job is done.
func (p *place) reach() time.Time {
	switch {
	case p.Job == nil:
		return p.Start
	case p.Events.Through.IsZero() || earlier(p.Job.From, p.Start):
		return p.Job.From
	default:
		return p.Start
	}
}

func (p *place) beginJob(from, now time.Time) {
	p.Job = &job{From: from, Began: now, All: p.Job != nil && p.Job.All}
	p.List = &listing{For: forJob, Began: now, Pass: 1}
	if !from.IsZero() {
		p.List.Since = from.Format(sentDate)
	}
	p.Calls.Window = nil
}

// endPass goes on after a pass of a job: to another one over what has changed since
// it began, unless it was the only one, or to the calls.
func (p *place) endPass(now time.Time, margin time.Duration, only bool) {
	l := p.List
	if !only && (l.Pass == 1 || l.Found && l.Pass <= mostTails) {
		p.List = &listing{For: forJob, Since: l.Began.Add(-margin).Format(sentDate), Began: now, Pass: l.Pass + 1}
		return
	}
	p.Job.Listed = l.Began
	p.List = nil
	from := p.Job.From
	if from.IsZero() {
		from = beginning()
	}
	p.Calls.Window = &window{From: from, To: now}
}

// endJob notes what a job has covered. Where it has left a gap behind what was
// covered before, that is kept, and the gap is read with what follows.
func (p *place) endJob() {
	covers := func(through time.Time) bool { return through.IsZero() || !p.Job.From.After(through) }
	if p.Events.Through.IsZero() || earlier(p.Job.From, p.Start) {
		p.Start = p.Job.From
	}
	if covers(p.Events.Through) {
		p.Events = span{Through: p.Job.Began}
	}
	if covers(p.Listed) {
		p.Listed, p.Rechecked = p.Job.Listed, p.Job.Listed
	}
	p.Job = nil
}

// job lists contacts until nothing new is found, then the inbound calls.
func (r *run) job(ctx context.Context) error {
	since := "the beginning"
	if from := r.place.Job.From; !from.IsZero() {
		since = from.Format(time.RFC3339)
	}
	r.log.InfoContext(ctx, "listing contacts", "since", since, "mode", r.config.Mode)
	if err := r.list(ctx); err != nil {
		return err
	}
	if err := r.callPages(ctx); err != nil {
		return err
	}
	r.move((*place).endJob)
	return nil
}
