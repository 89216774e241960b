package messengers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// faultList is the faults in force.
type faultList struct {
	now   func() time.Time
	armed atomic.Bool // whether there are any: most requests need not look
	mu    sync.Mutex
	last  int
	list  []*ordered
}

type ordered struct {
	Fault
	left   int           // when Times is not 0
	fitted int           // how many requests fitted, for Every
	chance *rand.Rand    // when Chance is not 0
	until  time.Time     // when For is not 0
	gone   chan struct{} // closed when the fault is deleted
}

// Inject orders a fault and returns its id. Of several that hit a request, the
// one ordered first is taken.
func (s *Server) Inject(f Fault) (int, error) {
	f, err := f.complete()
	if err != nil {
		return 0, err
	}
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	if len(l.list) >= maxFaults {
		return 0, fmt.Errorf("more than %d faults", maxFaults)
	}
	l.last++
	f.ID = l.last
	o := &ordered{Fault: f, left: f.Times, gone: make(chan struct{})}
	if f.For != 0 {
		o.until = l.now().Add(f.For)
	}
	if f.Chance != 0 {
		o.chance = rand.New(rand.NewPCG(f.Seed, 0)) //nolint:gosec // it must repeat, not be hard to guess
	}
	l.list = append(l.list, o)
	l.armed.Store(true)
	return f.ID, nil
}

// ClearFaults deletes the fault with the id, or all of them when it is 0. It
// tells how many there were; requests that wait in them are let go.
func (s *Server) ClearFaults(id int) int {
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(func(o *ordered) bool { return id == 0 || o.ID == id })
}

// Faults lists the faults in force, with what is left of Times.
func (s *Server) Faults() []Fault {
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	list := make([]Fault, 0, len(l.list))
	for _, o := range l.list {
		f := o.Fault
		f.Times = o.left
		list = append(list, f)
	}
	return list
}

func (l *faultList) remove(which func(*ordered) bool) int {
	before := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(o *ordered) bool {
		if which(o) {
			close(o.gone)
			return true
		}
		return false
	})
	l.armed.Store(len(l.list) > 0)
	return before - len(l.list)
}

// expire deletes the faults whose time is over.
func (l *faultList) expire() {
	now := l.now()
	l.remove(func(o *ordered) bool { return !o.until.IsZero() && !now.Before(o.until) })
}

// moment is when in the course of a request a fault is looked for.
type moment int

const (
	unread   moment = iota // nothing is read, and so the recipient is not known
	received               // the request is read
	agreed                 // the message is taken
)

func (o *ordered) at(m moment) bool {
	switch {
	case slices.Contains(late, o.Kind):
		return m == agreed
	case o.Kind == Refuse && o.Recipient == "":
		return m == unread
	}
	return m == received
}

// take finds the first fault of the moment that hits the request, and uses it up.
func (l *faultList) take(m moment, to Messenger, recipient string) *ordered {
	if !l.armed.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	for i, o := range l.list {
		if !o.at(m) || o.Messenger != "" && o.Messenger != to || o.Recipient != "" && o.Recipient != recipient || !o.hits() {
			continue
		}
		if o.Times != 0 {
			if o.left--; o.left == 0 {
				l.list = slices.Delete(l.list, i, i+1)
				l.armed.Store(len(l.list) > 0)
			}
		}
		return o
	}
	return nil
}

// hits counts a request that fits, and tells whether it is one to hit.
func (o *ordered) hits() bool {
	o.fitted++
	if o.Every != 0 && (o.fitted-1)%o.Every < o.Every-max(o.Burst, 1) {
		return false
	}
	return o.chance == nil || o.chance.Float64() < o.Chance
}
