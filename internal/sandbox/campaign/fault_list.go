package campaign

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// faultList is the faults in force.
type faultList struct {
	now  func() time.Time
	mu   sync.Mutex
	last int
	list []*ordered
}

type ordered struct {
	Fault
	left   int           // when Times is not 0
	fitted int           // how many requests fitted, for Every and After
	chance *rand.Rand    // when Chance is not 0
	until  time.Time     // when For is not 0
	gone   chan struct{} // closed when the fault is deleted
}

// inject orders a fault and returns its id. Of several that hit a request, the
// one ordered first is taken.
func (l *faultList) inject(f Fault) (int, error) {
	f, err := f.complete()
	if err != nil {
		return 0, err
	}
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
	return f.ID, nil
}

// clear deletes the fault with the id, or all of them when it is 0. It tells how
// many there were; requests that wait in them are let go.
func (l *faultList) clear(id int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(func(o *ordered) bool { return id == 0 || o.ID == id })
}

// all lists the faults in force, with what is left of Times.
func (l *faultList) all() []Fault {
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
	return before - len(l.list)
}

// expire deletes the faults whose time is over.
func (l *faultList) expire() {
	if len(l.list) == 0 {
		return
	}
	now := l.now()
	l.remove(func(o *ordered) bool { return !o.until.IsZero() && !now.Before(o.until) })
}

// take finds the first fault of the kinds that hits the request, and uses it up.
func (l *faultList) take(which []Kind, path string) *ordered {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	for i, o := range l.list {
		if !slices.Contains(which, o.Kind) || o.Path != "" && o.Path != path || !o.hits() {
			continue
		}
		if o.Times != 0 {
			if o.left--; o.left == 0 {
				l.list = slices.Delete(l.list, i, i+1)
			}
		}
		return o
	}
	return nil
}

// hits counts a request that fits, and tells whether it is one to hit.
func (o *ordered) hits() bool {
	o.fitted++
	n := o.fitted - o.After
	if n <= 0 || o.Every != 0 && n%o.Every != 0 {
		return false
	}
	return o.chance == nil || o.chance.Float64() < o.Chance
}
