package dialfire

import (
	"context"
	"hash/maphash"
	"slices"
)

// verify lists all contacts that the sync has asked for so far, brings what differs,
// then the target's contacts that were not listed, then the inbound calls.
func (r *run) verify(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	from := r.config.Start
	if from.IsZero() {
		from = r.place.Start
	}
	r.full = &idSet{seed: maphash.MakeSeed()}
	r.place.beginJob(from, r.source.now())
	if err := r.list(ctx); err != nil {
		return err
	}
	r.progress.enter(PhaseVanished)
	r.full.sort()
	if err := r.bring(ctx, r.config.Distrust, r.unlisted); err != nil {
		return err
	}
	if from.IsZero() {
		from = beginning()
	}
	r.place.Calls.Window = &window{From: from, To: r.source.now()}
	return r.callPages(ctx)
}

// unlisted are the contacts of the target that were not listed.
func (r *run) unlisted(ctx context.Context, send func(sheet) error) error {
	for after := ""; ; {
		ids, err := r.holdings.IDs(ctx, after, r.tempo.page)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		var s sheet
		for _, id := range ids {
			if !r.full.has(id) {
				s.items = append(s.items, listed{id: id})
			}
		}
		if len(s.items) == 0 {
			continue
		}
		s.advance = func(*place) {}
		if err := send(s); err != nil {
			return err
		}
	}
}

// idSet is a set of ids in eight bytes each. Of a million, two that it takes for one
// come about once in thirty million sets; one that has vanished would be kept then.
type idSet struct {
	seed   maphash.Seed
	hashes []uint64
}

// add adds ids; a nil set takes none.
func (s *idSet) add(items []listed) {
	if s == nil {
		return
	}
	for _, item := range items {
		s.hashes = append(s.hashes, maphash.String(s.seed, item.id))
	}
}

// sort is to be called once after the last add and before has.
func (s *idSet) sort() { slices.Sort(s.hashes) }

func (s *idSet) has(id string) bool {
	_, found := slices.BinarySearch(s.hashes, maphash.String(s.seed, id))
	return found
}
