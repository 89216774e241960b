package campaign

import (
	"maps"
	"slices"
	"sync"
	"time"

	"ferryman/internal/sandbox/faults"
)

// request is one that the API got.
type request struct {
	At       time.Time   `json:"at"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Query    string      `json:"query,omitempty"`
	Status   int         `json:"status"` // 0: nothing was answered
	Contacts int         `json:"contacts,omitempty"`
	Bytes    int64       `json:"bytes"`
	Fault    faults.Kind `json:"fault,omitempty"`
}

// count is how the requests to one endpoint went.
type count struct {
	Calls    int   `json:"calls"`
	Refused  int   `json:"refused"` // not answered with 200
	Faults   int   `json:"faults"`
	Contacts int   `json:"contacts"` // in full
	Bytes    int64 `json:"bytes"`    // of answers that were let through whole
}

const keptRequests = 200

// requests are the newest of them, and counts of all.
type requests struct {
	mu     sync.Mutex
	newest []request
	counts map[string]count
}

// init, and a new start.
func (l *requests) init() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest, l.counts = nil, map[string]count{}
	for _, path := range endpoints {
		l.counts[path] = count{}
	}
}

func (l *requests) note(r request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.counts[r.Path]
	n.Calls++
	if r.Status != 200 {
		n.Refused++
	}
	if r.Fault != "" {
		n.Faults++
	}
	n.Contacts += r.Contacts
	n.Bytes += r.Bytes
	l.counts[r.Path] = n
	if len(l.newest) == keptRequests {
		l.newest = slices.Delete(l.newest, 0, keptRequests/2)
	}
	l.newest = append(l.newest, r)
}

// report is what was asked, oldest first.
type report struct {
	Counts map[string]count `json:"counts"`
	Newest []request        `json:"newest"`
}

func (l *requests) report() report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return report{maps.Clone(l.counts), append([]request{}, l.newest...)}
}
