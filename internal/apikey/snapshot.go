package apikey

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"ferryman/internal/db"
)

// snapshot is all keys as they were at a version. It never changes.
type snapshot struct {
	version string // of versionMark
	entries map[string]*entry
	asked   time.Duration // when the store was last asked for the version
}

// entry is a key in memory.
type entry struct {
	identity Identity
	hash     [32]byte
	expires  time.Time
	revoked  bool
	uses     *uses // the same in every snapshot
}

// uses tell when a key was used, in microseconds since 1970.
type uses struct {
	last    atomic.Int64
	written atomic.Int64 // what the store knows
}

// refresh brings the snapshot up to the store's version.
func (k *Keys) refresh(ctx context.Context) error {
	asked, old := k.elapsed(), k.snapshot.Load()
	// Whoever changes keys after this has another version.
	marks, err := k.marks(ctx)
	if err != nil {
		return fmt.Errorf("look whether keys have changed: %w", err)
	}
	if old != nil && old.version == marks[versionMark] {
		k.snapshot.Store(&snapshot{version: old.version, entries: old.entries, asked: asked})
		return nil
	}
	entries, err := k.load(ctx, old)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if check, sealed := marks[secretMark]; sealed && check != k.check {
		for _, e := range entries {
			if !e.revoked {
				return ErrSecretDiffers
			}
		}
	}
	k.snapshot.Store(&snapshot{version: marks[versionMark], entries: entries, asked: asked})
	return nil
}

func (k *Keys) marks(ctx context.Context) (map[string]string, error) {
	rows, err := k.db.Query(ctx, "SELECT name, value FROM marks WHERE name IN ($1, $2)", versionMark, secretMark)
	if err != nil {
		return nil, err
	}
	marks := make(map[string]string, 2)
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		var name, value string
		err := r.Scan(&name, &value)
		marks[name] = value
		return struct{}{}, err
	})
	return marks, err
}

func (k *Keys) load(ctx context.Context, old *snapshot) (map[string]*entry, error) {
	rows, err := k.db.Query(ctx, `SELECT k.id, k.application_id, a.name, k.prefix, k.scope, k.hash, k.expires_at, k.revoked_at, coalesce(k.last_used_at, 0)
		FROM api_keys k JOIN applications a ON a.id = k.application_id`)
	if err != nil {
		return nil, err
	}
	entries := make(map[string]*entry)
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		e := &entry{uses: new(uses)}
		i := &e.identity
		var hash []byte
		var expires, revoked db.Time
		var used int64
		err := r.Scan(&i.KeyID, &i.AppID, &i.App, &i.Prefix, &i.Scope, &hash, &expires, &revoked, &used)
		// A hash of another length is none of ours and equals none.
		e.revoked = !revoked.IsZero() || copy(e.hash[:], hash) != len(e.hash)
		e.expires = expires.Time
		if known := old.entry(i.Prefix); known != nil {
			e.uses = known.uses
		} else {
			e.uses.last.Store(used)
			e.uses.written.Store(used)
		}
		entries[i.Prefix] = e
		return struct{}{}, err
	})
	return entries, err
}

func (s *snapshot) entry(prefix string) *entry {
	if s == nil {
		return nil
	}
	return s.entries[prefix]
}
