package apikey

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/db"
)

const (
	writeEvery  = 10 * time.Second // least time between two writings of uses
	writeWithin = 5 * time.Second
	writeAtOnce = 500 // rows in one transaction
)

// use remembers that a key was used, for writeUses.
func (k *Keys) use(e *entry, now time.Time) {
	at := now.UnixMicro()
	if last := e.uses.last.Load(); at <= last || !e.uses.last.CompareAndSwap(last, at) {
		return // somebody was later, or as late
	}
	select {
	case k.used <- struct{}{}:
	default:
	}
}

// writeUses writes uses down, the first at once and then now and then, and the
// last when Keys is closed.
func (k *Keys) writeUses(ctx context.Context) {
	for {
		select {
		case <-k.used:
		case <-k.closing:
			_ = k.flush(ctx)
			return
		}
		// What fails is tried again with the next use. Nothing depends on it.
		_ = k.flush(ctx)
		k.pause(writeEvery)
	}
}

// flush writes down the uses that the store does not know.
func (k *Keys) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	var due []*entry
	for _, e := range k.snapshot.Load().entries {
		if e.uses.last.Load() > e.uses.written.Load() {
			due = append(due, e)
		}
	}
	// In one order on all nodes, so that none waits for another in a circle.
	slices.SortFunc(due, func(a, b *entry) int { return cmp.Compare(a.identity.KeyID, b.identity.KeyID) })
	for some := range slices.Chunk(due, writeAtOnce) {
		if err := k.write(ctx, some); err != nil {
			return fmt.Errorf("write down when keys were used: %w", err)
		}
	}
	return nil
}

func (k *Keys) write(ctx context.Context, some []*entry) error {
	at := make([]int64, len(some))
	for i, e := range some {
		at[i] = e.uses.last.Load()
	}
	err := k.db.Tx(ctx, func(tx *db.Tx) error {
		for i, e := range some {
			_, err := tx.Exec(ctx, "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND coalesce(last_used_at, 0) < $1", at[i], e.identity.KeyID)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, e := range some {
		e.uses.written.Store(at[i])
	}
	return nil
}
