package ledger

import "sync"

// recent remembers what was put last, at most twice recentKept of it. The zero
// value remembers nothing yet.
type recent[K comparable, V any] struct {
	mu       sync.Mutex
	now, old map[K]V // old is dropped once now is full
}

const recentKept = 50_000

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || len(r.now) >= recentKept {
		r.old, r.now = r.now, make(map[K]V)
	}
	r.now[k] = v
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, known := r.now[k]
	if !known {
		v, known = r.old[k]
	}
	return v, known
}
