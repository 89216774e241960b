package dialfire

import (
	"context"
	"time"
)

// changes lists what has changed, every few minutes since the last listing, and now
// and then further back: events may come late, or not at all where only a field has
// changed.
func (r *run) changes(ctx context.Context) error {
	now := r.source.now()
	l := &listing{For: forChanges, Began: now}
	since := r.place.Listed
	switch {
	case r.recheckDue(now):
		l.For = forRecheck
		if spanned := now.Add(-r.tempo.recheckSpan); spanned.Before(since) {
			since = spanned
		}
	case now.Sub(since) < r.tempo.changesEvery:
		return nil
	}
	return r.changedSince(ctx, l, since)
}

// refetch brings again what may lack the value of a field that came to be known
// after it was brought.
func (r *run) refetch(ctx context.Context) error {
	since := r.place.Refetch
	if since.IsZero() {
		return nil
	}
	if r.place.Listed.Before(since) {
		since = r.place.Listed
	}
	return r.changedSince(ctx, &listing{For: forFields, Began: r.source.now()}, since)
}

func (r *run) changedSince(ctx context.Context, l *listing, since time.Time) error {
	l.Since = since.Add(-r.tempo.margin).Format(sentDate)
	r.place.List = l
	return r.list(ctx)
}
