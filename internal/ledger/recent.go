package ledger

import (
	"sync"
	"time"
)

// recent remembers what was put or asked for in the last recentFor, and at most twice
// recentKept of it. The zero value remembers nothing yet.
type recent[K comparable, V any] struct {
	mu       sync.Mutex
	now, old map[K]V // old is dropped once now is full, or recentFor old
	since    time.Time
}

const (
	recentKept = 50_000
	recentFor  = 5 * time.Minute
)

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(k, v)
}

func (r *recent[K, V]) note(k K, v V) {
	if r.now == nil || len(r.now) >= recentKept || time.Since(r.since) > recentFor {
		r.old, r.now, r.since = r.now, make(map[K]V), time.Now()
	}
	r.now[k] = v
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, known := r.now[k]
	if !known {
		if v, known = r.old[k]; known {
			r.note(k, v)
		}
	}
	return v, known
}
