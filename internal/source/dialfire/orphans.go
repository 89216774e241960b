package dialfire

import (
	"context"
	"hash/maphash"
	"slices"

	"ferryman/internal/pipeline"
)

// orphans are the contacts that transactions, connections or recordings of the target
// name, and that neither were listed nor are there themselves. They are asked for like
// any other: one that exists is brought, and of one that has vanished the rows go.
//
// Such rows do not say whose they are. Where other campaigns use the tables, too, they
// may be those of a contact of theirs that the target has refused: they are counted
// and left alone. A row is read before its contact, and both before who else is there,
// and all of these land in one transaction: whoever writes meanwhile is seen.
func (r *run) orphans(ctx context.Context, send func(sheet) error) error {
	found := orphanSet{seed: maphash.MakeSeed(), hashes: map[uint64]bool{}}
	kept := 0
	for _, table := range []*pipeline.Table{r.layout.transactions, r.layout.connections, r.layout.recordings} {
		for after := ""; ; {
			ids, err := r.config.Inventory.Parents(ctx, table, after, r.tempo.page)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				break
			}
			after = ids[len(ids)-1]
			if ids, err = r.parentless(ctx, found.fresh(ids)); err != nil {
				return err
			}
			if len(ids) == 0 {
				continue
			}
			found.add(ids)
			if !r.shared {
				if r.shared, err = r.config.Inventory.Shared(ctx); err != nil {
					return err
				}
			}
			if r.shared {
				kept += len(ids)
				continue
			}
			s := sheet{advance: func(*place) {}}
			for _, id := range ids {
				s.items = append(s.items, listed{id: id})
			}
			if err := send(s); err != nil {
				return err
			}
		}
	}
	if kept > 0 {
		r.progress.undecided.Add(int64(kept))
		r.log.WarnContext(ctx, "rows of contacts that are not there were left alone, for they may belong to another campaign of these tables", "contacts", kept)
	}
	return nil
}

// parentless are those of the ids that neither were listed nor are held.
func (r *run) parentless(ctx context.Context, ids []string) ([]string, error) {
	ids = slices.DeleteFunc(ids, r.full.has)
	if len(ids) == 0 {
		return nil, nil
	}
	held, err := r.holdings.Contacts(ctx, ids)
	return slices.DeleteFunc(ids, func(id string) bool {
		_, ok := held[id]
		return ok
	}), err
}

// orphanSet are ids that were found in one table and need not be found in the next.
type orphanSet struct {
	seed   maphash.Seed
	hashes map[uint64]bool
}

func (s *orphanSet) add(ids []string) {
	for _, id := range ids {
		s.hashes[maphash.String(s.seed, id)] = true
	}
}

// fresh are those of the ids that were not found yet.
func (s *orphanSet) fresh(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return s.hashes[maphash.String(s.seed, id)] })
}
