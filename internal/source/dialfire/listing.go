package dialfire

import (
	"context"
	"errors"
	"strconv"
	"time"

	"ferryman/internal/fault"
)

// mostRestarts bounds how often a read begins a list again whose place was refused.
const mostRestarts = 3

// list brings what differs of the listing under way, and of those that follow from it.
func (r *run) list(ctx context.Context) error {
	for r.place.List != nil {
		l := *r.place.List
		r.progress.enter(l.phase())
		anyway := l.For == forFields || l.For == forJob && l.Pass == 1 && r.place.Job.All
		err := r.bring(ctx, r.config.Distrust || anyway, r.pages(l))
		if err := r.again(ctx, err, func(p *place) { p.List.Page = "" }); err != nil {
			return err
		}
	}
	return nil
}

// again has a list begin anew if its place was refused; any other error ends the read.
func (r *run) again(ctx context.Context, err error, anew func(*place)) error {
	refused, ok := errors.AsType[pageRefusedError](err)
	if !ok {
		return err
	}
	if r.restarts == mostRestarts {
		return refused.error
	}
	r.restarts++
	r.log.WarnContext(ctx, "a list begins again, for its next page was refused", "attempt", r.restarts, "err", refused.error)
	r.move(anew)
	return nil
}

func (l listing) phase() Phase {
	switch {
	case l.For != forJob:
		return PhaseChanges
	case l.Pass > 1:
		return PhaseTail
	default:
		return PhaseContacts
	}
}

// pages are the pages of a listing from where it stands.
func (r *run) pages(l listing) sheets {
	return func(ctx context.Context, send func(sheet) error) error {
		seen := pageCursors{}
		for cursor := l.Page; ; {
			p, err := r.api.list(ctx, l.Since, cursor, r.tempo.page)
			if err != nil {
				return err
			}
			if p.count > int64(len(p.items)) {
				r.progress.total.Store(p.count)
			}
			r.progress.listed.Add(int64(len(p.items)))
			r.full.add(p.items)
			if err := r.turn(seen, cursor, p.next); err != nil {
				return err
			}
			if err := send(sheet{p.items, p.rejected, func(to *place) { r.listed(to, p.next) }}); err != nil {
				return err
			}
			if cursor = p.next; cursor == "" {
				return nil
			}
		}
	}
}

// listed notes that a page is through, and with the last one its listing.
func (r *run) listed(p *place, next string) {
	l := p.List
	if l.Page = next; next != "" {
		return
	}
	switch {
	case r.full != nil:
		p.List = nil
	case l.For == forJob:
		p.endPass(r.source.now(), r.tempo.margin, r.config.Dry)
	default:
		p.endList()
	}
}

// endList notes that a listing of changes is complete.
func (p *place) endList() {
	l := p.List
	p.List = nil
	if l.Began.After(p.Listed) {
		p.Listed = l.Began
	}
	switch l.For {
	case forRecheck:
		p.Rechecked = l.Began
	case forFields:
		p.Refetch = time.Time{}
	}
}

// pageCursors are the cursors of the pages of one list.
type pageCursors map[string]struct{}

// turn counts a page and sees to it that the next is a new one: a list that leads
// back to its own pages would never end.
func (r *run) turn(seen pageCursors, cursor, next string) error {
	r.progress.pages.Add(1)
	seen[cursor] = struct{}{}
	if _, again := seen[next]; !again || next == "" {
		return nil
	}
	return pageRefusedError{&fault.Error{
		Kind: fault.Unavailable, Code: "cursor_repeats",
		Detail: "a list of the API leads back to a page that was read already",
		Hint:   "nothing is lost; the next run tries again",
	}}
}

// decodeCount reads how many entries a list says it has; 0 if it does not. What else
// is wrong with the answer is told when its entries are read.
func decodeCount(data []byte) (count int64) {
	_ = read(data, func(r *reader) error {
		if err := r.expect('{', ""); err != nil {
			return err
		}
		return r.object(func(name []byte) error {
			if string(name) != "count" || r.d.PeekKind() != '0' {
				return r.d.SkipValue()
			}
			raw, err := r.d.ReadValue()
			if err == nil {
				count, _ = strconv.ParseInt(string(raw), 10, 64)
			}
			return err
		})
	})
	return count
}
