package dialfire

import (
	"context"
	"hash/maphash"
	"net/url"
)

// mostRemembered bounds the entries of a window that are known to have come already.
const mostRemembered = 200_000

// events brings the contacts of what has happened since the events that are covered.
// A window that was cut off is read to its end first.
func (r *run) events(ctx context.Context) error {
	r.progress.enter(PhaseEvents)
	if r.place.Events.Window != nil {
		if err := r.eventWindow(ctx); err != nil {
			return err
		}
	}
	w := window{From: r.place.Events.Through.Add(-r.tempo.eventOverlap), To: r.source.now()}
	if start := r.place.Start; r.config.Mode == Webhook && w.From.Before(start) {
		w.From = start
	}
	if !w.From.Before(w.To) {
		return nil
	}
	r.place.Events.Window = &w
	return r.eventWindow(ctx)
}

func (r *run) eventWindow(ctx context.Context) error {
	for r.place.Events.Window != nil {
		err := r.bring(ctx, r.config.Distrust, r.eventPages(*r.place.Events.Window))
		if err := r.again(ctx, err, func(p *place) { p.Events.Window.Page = "" }); err != nil {
			return err
		}
	}
	return nil
}

// eventPages are the pages of a window from where it stands, each entry once.
func (r *run) eventPages(w window) sheets {
	return func(ctx context.Context, send func(sheet) error) error {
		cursors := pageCursors{}
		came, seed := map[uint64]bool{}, maphash.MakeSeed()
		for {
			p, err := r.api.events(ctx, w, r.eventFilter())
			if err != nil {
				return err
			}
			r.progress.listed.Add(int64(len(p.items)))
			if err := r.turn(cursors, w.Page, p.next); err != nil {
				return err
			}
			s := sheet{rejected: p.rejected, advance: func(to *place) { to.Events.turn(p.next) }}
			if len(came) > mostRemembered {
				clear(came)
			}
			for _, e := range p.items {
				entry := maphash.Comparable(seed, listed{e.contact, e.md5})
				if !came[entry] {
					came[entry] = true
					s.items = append(s.items, listed{e.contact, e.md5})
				}
			}
			if err := send(s); err != nil {
				return err
			}
			if w.Page = p.next; w.Page == "" {
				return nil
			}
		}
	}
}

// eventFilter is what the API may leave out. A database has every contact that has
// changed, whatever happened to it.
func (r *run) eventFilter() url.Values {
	if r.config.Mode != Webhook {
		return nil
	}
	return r.config.Filter.query()
}

// turn notes that a page of the window is through, and with the last one the window.
func (s *span) turn(next string) {
	if next != "" {
		s.Window.Page = next
		return
	}
	w := s.Window
	s.Window = nil
	// A window that begins behind what was covered leaves a gap.
	if s.Through.IsZero() || !w.From.After(s.Through) && w.To.After(s.Through) {
		s.Through = w.To
	}
}
