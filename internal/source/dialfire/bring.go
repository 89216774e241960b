package dialfire

import (
	"context"

	"ferryman/internal/pipeline"
)

// sheet is a part of a list: contacts to look at.
type sheet struct {
	items    []listed            // an MD5 of "" is none that the target may have
	rejected []pipeline.Rejected // what cannot be looked at
	advance  func(*place)        // what is true when they are durable
}

// sheets sends sheets, one after the other, until ctx ends or there are no more.
type sheets func(ctx context.Context, send func(sheet) error) error

// bring fetches what differs of the contacts on sheets, all of them if distrust is
// set, and yields it in their order. While it does, groups of the next sheets are
// fetched by as many calls as there are workers, and one sheet ahead is read. What is
// in hand when something fails is yielded before the error is returned.
func (r *run) bring(ctx context.Context, distrust bool, from sheets) error {
	inner, cancel := context.WithCancel(ctx)
	f := &flow{
		run: r, distrust: distrust, tasks: make(chan *task, r.config.Workers), slots: make(chan struct{}, r.config.Workers),
	}
	defer f.going.Wait()
	defer cancel()
	f.start(inner, from)

	b, pages := newBundle(), 0
	for t := range f.tasks {
		if t.done != nil {
			<-t.done
			<-f.slots
		}
		if t.err != nil {
			if err := r.flush(ctx, b, distrust); err != nil {
				return err
			}
			return t.err
		}
		if l := r.place.List; l != nil && len(t.outcome.contacts)+len(t.outcome.vanished) > 0 {
			l.Found = true
		}
		b.add(t.outcome)
		full, quiet := b.size() >= r.tempo.batchMost || b.bytes >= r.tempo.batchBytes, false
		if t.advance != nil {
			r.move(t.advance)
			pages++
			quiet = pages >= r.tempo.quietPages
			full = full || quiet || b.size() >= r.tempo.batchEnough
		}
		if !full {
			continue
		}
		if err := r.flush(ctx, b, distrust); err != nil {
			return err
		}
		if quiet && r.dirty { // nothing differed, but that is worth remembering
			if err := r.emit(ctx, nil); err != nil {
				return err
			}
		}
		b, pages = newBundle(), 0
	}
	return r.flush(ctx, b, distrust)
}

// flush yields a bundle, without what the target has meanwhile: everything that was
// yielded before is durable now.
func (r *run) flush(ctx context.Context, b *bundle, distrust bool) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if len(b.contacts) > 0 {
		held, err := r.holdings.Contacts(ctx, b.ids())
		if err != nil {
			return err
		}
		b.keep(func(c *contact) bool {
			h, ok := held[c.id]
			switch {
			case !ok:
				return true
			case older(c.version, h.Version):
				r.log.DebugContext(ctx, "contact left out, for the target has a newer version", "contact", c.id)
				return false
			default:
				return distrust || c.md5 == "" || c.md5 != h.MD5
			}
		})
	}
	if changes := r.build(b); len(changes) > 0 {
		if err := r.emit(ctx, changes); err != nil {
			return err
		}
	}
	if r.source.memory != nil {
		r.source.memory.note(b.contacts)
	}
	return nil
}
