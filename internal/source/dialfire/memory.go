package dialfire

import (
	"context"
	"strings"
	"sync"

	"ferryman/internal/pipeline"
)

// mostNoted bounds the contacts that a memory holds: some 30 MB. One that is full
// forgets, and what is forgotten is fetched again.
const mostNoted = 250_000

// memory is the Holdings of a target that cannot be asked: what this program has
// brought of contacts that have changed of late.
type memory struct {
	mu    sync.Mutex
	noted map[string]Held
	last  pipeline.Cursor // that was given with it
}

func newMemory() *memory { return &memory{noted: map[string]Held{}} }

// Contacts gives what was brought of contacts.
func (m *memory) Contacts(_ context.Context, ids []string) (map[string]Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := make(map[string]Held, len(ids))
	for _, id := range ids {
		if h, ok := m.noted[id]; ok {
			held[id] = h
		}
	}
	return held, nil
}

// begin forgets everything unless a read goes on where the last one has ended: what
// was brought may not have lasted.
func (m *memory) begin(after pipeline.Cursor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after != m.last {
		clear(m.noted)
	}
}

// given remembers the last cursor, whose batch is durable.
func (m *memory) given(c pipeline.Cursor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = c
}

// note remembers contacts that are durable.
func (m *memory) note(contacts []contact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.noted)+len(contacts) > mostNoted {
		clear(m.noted)
	}
	for _, c := range contacts { // each string by itself, not with its whole answer
		m.noted[strings.Clone(c.id)] = Held{MD5: strings.Clone(c.md5), Version: strings.Clone(c.version)}
	}
}
