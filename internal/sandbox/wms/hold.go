package wms

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// hold is one path whose requests wait.
type hold struct {
	path    string
	open    chan struct{} // closed on release
	waiting int
}

// holds keep requests waiting. changed is closed, and made anew, whenever the
// number of waiting requests of any hold changes.
type holds struct {
	mu      sync.Mutex
	list    []*hold
	changed chan struct{}
}

const maxHolds = 100

// Hold makes requests to the path wait, until release is called or the client
// goes away. The path is below the base: a pattern such as
// "/iam/users/{id}/warehouses", a path such as "/iam/users/711/warehouses", or ""
// for every call. Releasing twice does no harm.
func (s *Server) Hold(path string) (release func(), err error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	h := &hold{path: path, open: make(chan struct{})}
	s.holds.mu.Lock()
	defer s.holds.mu.Unlock()
	if len(s.holds.list) >= maxHolds {
		return nil, fmt.Errorf("more than %d holds", maxHolds)
	}
	s.holds.list = append(s.holds.list, h)
	return func() { s.holds.release(func(other *hold) bool { return other == h }) }, nil
}

// Release lets go of everything that waits at the path, and ends its holds.
func (s *Server) Release(path string) {
	s.holds.release(func(h *hold) bool { return h.path == path })
}

// AwaitHeld returns once at least n requests wait at holds of the path, or with
// the context's error.
func (s *Server) AwaitHeld(ctx context.Context, path string, n int) error {
	for {
		waiting, changed := s.holds.count(path)
		if waiting >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d requests held at %q: %w", waiting, n, path, ctx.Err())
		}
	}
}

func (l *holds) release(which func(*hold) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(h *hold) bool {
		if which(h) {
			close(h.open)
			return true
		}
		return false
	})
}

func (l *holds) count(path string) (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, h := range l.list {
		if h.path == path {
			n += h.waiting
		}
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return n, l.changed
}

// wait blocks while a hold covers the request. It tells whether the client is
// still there.
func (l *holds) wait(ctx context.Context, pattern, path string) bool {
	l.mu.Lock()
	i := slices.IndexFunc(l.list, func(h *hold) bool { return covers(h.path, pattern, path) })
	if i < 0 {
		l.mu.Unlock()
		return true
	}
	h := l.list[i]
	l.step(h, +1)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.step(h, -1)
		l.mu.Unlock()
	}()
	select {
	case <-h.open:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *holds) step(h *hold, by int) {
	h.waiting += by
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// covers tells whether a path given by a test means the request at hand.
func covers(given, pattern, path string) bool {
	return given == "" || given == pattern || given == path
}
