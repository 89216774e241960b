package dialfire

import (
	"context"
	"time"

	"ferryman/internal/pipeline"
)

// inbound brings the inbound calls since those that are covered; with a recheck, of
// all the time that it spans.
func (r *run) inbound(ctx context.Context) error {
	if r.place.Calls.Window != nil {
		if err := r.callPages(ctx); err != nil {
			return err
		}
	}
	now := r.source.now()
	from := r.place.Calls.Through.Add(-r.tempo.callOverlap)
	if r.recheckDue(now) {
		if spanned := now.Add(-r.tempo.recheckSpan); spanned.Before(from) {
			from = spanned
		}
	}
	if !from.Before(now) {
		return nil
	}
	r.place.Calls.Window = &window{From: from, To: now}
	return r.callPages(ctx)
}

// callPages brings the window of calls under way, a batch a page.
func (r *run) callPages(ctx context.Context) error {
	r.progress.enter(PhaseCalls)
	cursors := pageCursors{}
	for r.place.Calls.Window != nil {
		w := *r.place.Calls.Window
		var change pipeline.Change
		var next string
		err := r.api.calls(ctx, w, func(data []byte) (err error) {
			change = pipeline.Change{Table: r.layout.calls}
			change.Rows, change.Rejected, next, err = r.layout.decodeCalls(data)
			return err
		})
		if err == nil {
			err = r.turn(cursors, w.Page, next)
		}
		if err != nil {
			clear(cursors)
			if err := r.again(ctx, err, func(p *place) { p.Calls.Window.Page = "" }); err != nil {
				return err
			}
			continue
		}
		r.progress.calls.Add(int64(len(change.Rows)))
		r.calls.addRows(change.Rows)
		r.unread += len(change.Rejected)
		r.move(func(p *place) { p.Calls.turn(next) })
		if len(change.Rows)+len(change.Rejected) == 0 {
			continue
		}
		if err := r.emit(ctx, []pipeline.Change{change}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) recheckDue(now time.Time) bool {
	return now.Sub(r.place.Rechecked) >= r.tempo.recheckEvery
}
