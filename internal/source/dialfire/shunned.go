package dialfire

import (
	"sync"
	"time"
)

const (
	// shunTime is how long a contact is left alone that could not be fetched: it costs
	// a read much time to find that out. Lists tell of a change for longer than that.
	shunTime = time.Hour
	// mostShunned bounds how many are left alone.
	mostShunned = 10_000
)

// shunned are the contacts that could not be fetched, and when. The zero value is
// none.
type shunned struct {
	mu    sync.Mutex
	since map[string]time.Time
}

func (s *shunned) add(id string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == nil || len(s.since) >= mostShunned {
		s.since = map[string]time.Time{}
	}
	s.since[id] = now
}

func (s *shunned) has(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := s.since[id]
	if ok && now.Sub(since) >= shunTime {
		delete(s.since, id)
		return false
	}
	return ok
}
