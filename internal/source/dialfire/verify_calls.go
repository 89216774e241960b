package dialfire

import (
	"context"
	"slices"
	"time"

	"ferryman/internal/pipeline"
)

// mostSurplus bounds the inbound calls that one verification finds to be too many;
// the next one finds the others.
const mostSurplus = 100_000

// verifyCalls brings all inbound calls of a window, then finds those that the target
// holds besides.
func (r *run) verifyCalls(ctx context.Context, w window) error {
	r.calls = newIDSet()
	r.place.Calls.Window = &w
	if err := r.callPages(ctx); err != nil {
		return err
	}
	r.calls.sort()
	surplus, err := r.surplusCalls(ctx, w)
	if err != nil || len(surplus) == 0 {
		return err
	}
	// What was written since the list was read is on the next one, if it is there at all.
	again, complete, err := r.listCalls(ctx, around(surplus, r.tempo.margin))
	if err != nil {
		return err
	}
	surplus = slices.DeleteFunc(surplus, func(c lostCall) bool { return again.has(c.id) })
	if len(surplus) > 0 && (!complete || r.unread > 0 || len(r.calls.hashes) == 0) {
		r.progress.undecided.Add(int64(len(surplus)))
		r.log.WarnContext(ctx, "inbound calls that are not listed were left alone, for the list is empty or cannot be read whole", "calls", len(surplus))
		return nil
	}
	for part := range slices.Chunk(surplus, r.tempo.batchMost) {
		// With its campaign, lest another has brought a call of this id meanwhile.
		scope := &pipeline.Scope{Columns: []string{"id", "campaign_id"}}
		for _, c := range part {
			scope.Parents = append(scope.Parents, []any{c.id, r.config.Campaign})
		}
		if err := r.emit(ctx, []pipeline.Change{{Table: r.layout.calls, Scope: scope}}); err != nil {
			return err
		}
	}
	return nil
}

// lostCall is an inbound call of the target that was not listed.
type lostCall struct {
	id      string
	started time.Time
}

// surplusCalls are the inbound calls of the campaign that began in a window and were
// not listed. One that does not say whose it is or when it began is none: the list
// need not have had it.
func (r *run) surplusCalls(ctx context.Context, w window) (surplus []lostCall, err error) {
	for after := ""; len(surplus) < mostSurplus; {
		calls, err := r.config.Inventory.Calls(ctx, after, r.tempo.page)
		if err != nil || len(calls) == 0 {
			return surplus, err
		}
		after = calls[len(calls)-1].ID
		for _, c := range calls {
			if c.Campaign != r.config.Campaign || r.calls.has(c.ID) {
				continue
			}
			if at, ok := toldTime(c.Started); ok && !at.Before(w.From) && at.Before(w.To) {
				surplus = append(surplus, lostCall{c.ID, at})
			}
		}
	}
	return surplus, nil
}

// around is the window in which calls are listed, whatever the API lists them by.
func around(calls []lostCall, margin time.Duration) window {
	byStart := func(a, b lostCall) int { return a.started.Compare(b.started) }
	return window{
		From: slices.MinFunc(calls, byStart).started.Add(-margin),
		To:   slices.MaxFunc(calls, byStart).started.Add(margin),
	}
}

// listCalls reads the ids of a window. It is complete if each entry has one.
func (r *run) listCalls(ctx context.Context, w window) (ids *idSet, complete bool, err error) {
	ids, complete = newIDSet(), true
	cursors := pageCursors{}
	for {
		var rows [][]any
		var rejected []pipeline.Rejected
		var next string
		err := r.api.calls(ctx, w, func(data []byte) (err error) {
			rows, rejected, next, err = r.layout.decodeCalls(data)
			return err
		})
		if err == nil {
			err = r.turn(cursors, w.Page, next)
		}
		if err != nil {
			clear(cursors)
			if err := r.again(ctx, err, func(*place) { w.Page = "" }); err != nil {
				return nil, false, err
			}
			continue
		}
		ids.addRows(rows)
		complete = complete && len(rejected) == 0
		if w.Page = next; next == "" {
			ids.sort()
			return ids, complete, nil
		}
	}
}

// toldTime reads a time of the API, or one that a database has put in its own form.
func toldTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
