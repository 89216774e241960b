package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const maxFaults = 100

// List is a simulator's faults in force. It is safe for concurrent use.
type List struct {
	dialect Dialect
	now     func() time.Time
	armed   atomic.Bool // whether there are any: most requests need not look

	mu   sync.Mutex
	last int
	list []*Ordered
}

// Ordered is a fault in force, or one that has just been used up.
type Ordered struct {
	Fault
	late   bool          // whether it spoils right answers
	size   int64         // of Huge
	left   int           // when Times is not 0
	fitted int           // how many requests fitted, for Every and After
	chance *rand.Rand    // when Chance is not 0
	until  time.Time     // when For is not 0
	gone   chan struct{} // closed when the fault is deleted
}

// NewList makes an empty list of faults of the dialect, which end by the clock.
func NewList(d Dialect, now func() time.Time) *List { return &List{dialect: d, now: now} }

// Inject orders a fault and returns its id. Of several that hit a request, the one
// ordered first is taken.
func (l *List) Inject(f Fault) (int, error) {
	f, err := l.dialect.complete(f)
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
	o := &Ordered{
		Fault: f, late: slices.Contains(l.dialect.Late, f.Kind), size: cmp.Or(f.Size, l.dialect.HugeSize), left: f.Times, gone: make(chan struct{}),
	}
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

// Clear deletes the fault with the id, or all of them when it is 0. It tells how
// many there were; requests that wait in them are let go.
func (l *List) Clear(id int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(func(o *Ordered) bool { return id == 0 || o.ID == id })
}

// All lists the faults in force, with what is left of Times.
func (l *List) All() []Fault {
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

// Take finds the first of the early or of the late faults that hits a request which
// it fits, and uses it up. It gives nil if there is none.
func (l *List) Take(late bool, fits func(*Fault) bool) *Ordered {
	if !l.armed.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	for i, o := range l.list {
		if o.late != late || !fits(&o.Fault) || !o.hits() {
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
func (o *Ordered) hits() bool {
	o.fitted++
	n := o.fitted - o.After
	if n <= 0 || o.Every != 0 && (n-1)%o.Every < o.Every-max(o.Burst, 1) {
		return false
	}
	return o.chance == nil || o.chance.Float64() < o.Chance
}

// expire deletes the faults whose time is over.
func (l *List) expire() {
	now := l.now()
	l.remove(func(o *Ordered) bool { return !o.until.IsZero() && !now.Before(o.until) })
}

func (l *List) remove(which func(*Ordered) bool) int {
	before := len(l.list)
	l.list = slices.DeleteFunc(l.list, func(o *Ordered) bool {
		if which(o) {
			close(o.gone)
			return true
		}
		return false
	})
	l.armed.Store(len(l.list) > 0)
	return before - len(l.list)
}
