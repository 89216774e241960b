package dialfire

import (
	"context"
	"hash/maphash"
	"slices"
)

// verify lists all contacts that the sync has asked for so far, brings what differs,
// then the target's contacts that were not listed and those whom only other rows name,
// then the inbound calls.
func (r *run) verify(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	from := r.config.Start
	if from.IsZero() {
		from = r.place.Start
	}
	r.full = newIDSet()
	r.place.beginJob(from, r.source.now())
	if err := r.list(ctx); err != nil {
		return err
	}
	r.progress.enter(PhaseVanished)
	r.full.sort()
	for _, sheets := range []sheets{r.unlisted, r.orphans} {
		if err := r.bring(ctx, r.config.Distrust, sheets); err != nil {
			return err
		}
	}
	if from.IsZero() {
		from = beginning()
	}
	return r.verifyCalls(ctx, window{From: from, To: r.source.now()})
}

// unlisted are the contacts of the target that were not listed. Those of other
// campaigns are left out, and so are those that do not say whose they are.
func (r *run) unlisted(ctx context.Context, send func(sheet) error) error {
	for after := ""; ; {
		contacts, err := r.config.Inventory.Owners(ctx, after, r.tempo.page)
		if err != nil || len(contacts) == 0 {
			return err
		}
		after = contacts[len(contacts)-1].ID
		var s sheet
		for _, c := range contacts {
			switch {
			case c.Campaign != r.config.Campaign:
				r.shared = true
			case !r.full.has(c.ID):
				s.items = append(s.items, listed{id: c.ID})
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

func newIDSet() *idSet { return &idSet{seed: maphash.MakeSeed()} }

// add adds ids; a nil set takes none.
func (s *idSet) add(items []listed) {
	if s == nil {
		return
	}
	for _, item := range items {
		s.hashes = append(s.hashes, maphash.String(s.seed, item.id))
	}
}

// addRows adds the ids that rows begin with; a nil set takes none.
func (s *idSet) addRows(rows [][]any) {
	if s == nil {
		return
	}
	for _, row := range rows {
		if id, ok := row[0].(string); ok {
			s.hashes = append(s.hashes, maphash.String(s.seed, id))
		}
	}
}

// sort is to be called once after the last add and before has.
func (s *idSet) sort() { slices.Sort(s.hashes) }

func (s *idSet) has(id string) bool {
	_, found := slices.BinarySearch(s.hashes, maphash.String(s.seed, id))
	return found
}
