package witness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	userID         = 7
	firstWarehouse = 100
	warehouses     = 40
)

// Look is a call that a node made to the upstream.
type Look struct {
	Node string // whose token it came with
	At   time.Time
}

// Upstream is where rows come from: a user with warehouses that keep changing. Each
// node has a token of its own, its name.
type Upstream struct {
	Pace func() time.Duration // how long an answer takes

	mu      sync.Mutex
	version int            // of the latest change
	names   map[int]string // of the warehouses, each with the version of its last change
	looks   []Look
	still   bool
}

// NewUpstream makes one.
func NewUpstream(pace func() time.Duration) *Upstream {
	u := &Upstream{Pace: pace, names: map[int]string{}}
	for i := range warehouses {
		u.names[firstWarehouse+i] = nameOf(0)
	}
	return u
}

// nameOf is the name of a warehouse as of some version: later ones sort after it.
func nameOf(version int) string { return fmt.Sprintf("v%09d", version) }

// Change has warehouses change, come and go until ctx ends, one in every step.
func (u *Upstream) Change(ctx context.Context, step time.Duration, chance *rand.Rand) {
	every(ctx, step, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.still {
			return
		}
		u.version++
		id := firstWarehouse + chance.IntN(2*warehouses)
		if _, there := u.names[id]; there && id >= firstWarehouse+warehouses && chance.IntN(4) == 0 {
			delete(u.names, id)
			return
		}
		u.names[id] = nameOf(u.version)
	})
}

// Hold has nothing change, or goes on.
func (u *Upstream) Hold(still bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.still = still
}

// Names are the warehouses as they are now, by their ids.
func (u *Upstream) Names() map[int]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.names)
}

// FirstElsewhere tells when a node other than that first looked after a time.
func (u *Upstream) FirstElsewhere(node string, after time.Time) (at time.Time, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range u.looks {
		if l.Node != node && l.At.After(after) {
			return l.At, true
		}
	}
	return at, false
}

// ServeHTTP answers as much of the API as a sync reads.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	node, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		http.Error(w, `{}`, http.StatusUnauthorized)
		return
	}
	u.mu.Lock()
	u.looks = append(u.looks, Look{node, time.Now()})
	names := maps.Clone(u.names)
	u.mu.Unlock()

	timer := time.NewTimer(u.Pace())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-req.Context().Done():
		return
	}
	user := map[string]any{
		"id": userID, "username": "witness", "email": "witness@example.com", "employee_id": "W1", "first_name": "Wit", "last_name": "Ness",
	}
	switch req.URL.Path {
	case "/iam/users/me":
	case fmt.Sprintf("/iam/users/%d/warehouses", userID):
		list := make([]map[string]any, 0, len(names))
		for id, name := range names {
			list = append(list, map[string]any{"id": id, "name": name, "line1": "Quay 1"})
		}
		user["warehouses"] = list
	default:
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(user) // who has gone misses nothing
}
