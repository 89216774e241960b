package apikey

import (
	"context"
	"sync"
	"time"

	"ferryman/internal/fault"
)

const (
	freshFor   = time.Second            // how long a snapshot is taken for the truth
	goodFor    = 30 * time.Second       // how long one serves while the store does not answer
	lookEvery  = 50 * time.Millisecond  // least time between two looks, whoever asks
	lookWithin = 5 * time.Second        // how long a look may take
	patience   = 500 * time.Millisecond // how long known keys wait for one
)

// looks see to it that one look at the store goes on at a time and that those
// who come together share it.
type looks struct {
	mu      sync.Mutex
	working bool          // somebody takes the looks in turn
	next    *look         // has not begun; nil if nobody wants one
	current *look         // is under way
	begun   time.Duration // when the last one began
	failed  error         // what became of it; nil when it went well
}

// look is one refresh of the snapshot.
type look struct {
	done chan struct{}
	err  error // once done
}

// fresh gives a snapshot that was true a second ago, or, when the store is in
// trouble, thirty. While one will do nobody waits for the store for long.
func (k *Keys) fresh(ctx context.Context) (*snapshot, error) {
	s := k.snapshot.Load()
	if k.elapsed()-s.asked < freshFor {
		return s, nil
	}
	err := k.ask(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if s = k.snapshot.Load(); k.elapsed()-s.asked < goodFor {
		return s, nil
	}
	if err == nil {
		err = errSlow
	}
	return nil, err
}

var errSlow = &fault.Error{Kind: fault.Unavailable, Code: "store_unavailable", Detail: "the store does not answer in time"}

// ask joins the look that is under way, or else the next, unless one has failed
// a moment ago.
func (k *Keys) ask(ctx context.Context) error {
	k.looks.mu.Lock()
	if err := k.looks.failed; err != nil && k.elapsed()-k.looks.begun < freshFor {
		k.looks.mu.Unlock()
		return err
	}
	l := k.looks.current
	if l == nil {
		l = k.nextLook(ctx)
	}
	k.looks.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.done:
		return l.err
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookAgain gives a snapshot that is younger than the call.
func (k *Keys) lookAgain(ctx context.Context) (*snapshot, error) {
	k.looks.mu.Lock()
	l := k.nextLook(ctx)
	k.looks.mu.Unlock()
	select {
	case <-l.done:
		return k.snapshot.Load(), l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// nextLook joins those who wait for the next look. The caller holds the lock.
func (k *Keys) nextLook(ctx context.Context) *look {
	if k.looks.next == nil {
		k.looks.next = &look{done: make(chan struct{})}
	}
	if !k.looks.working {
		k.looks.working = true
		lasting := context.WithoutCancel(ctx) // others may have joined
		k.background.Go(func() { k.work(lasting) })
	}
	return k.looks.next
}

// work takes looks until nobody wants another.
func (k *Keys) work(ctx context.Context) {
	for {
		k.looks.mu.Lock()
		if k.looks.next == nil {
			k.looks.working = false
			k.looks.mu.Unlock()
			return
		}
		pause := k.looks.begun + lookEvery - k.elapsed()
		k.looks.mu.Unlock()
		if pause > 0 {
			k.pause(pause)
		}
		k.looks.mu.Lock()
		l := k.looks.next
		k.looks.next, k.looks.current, k.looks.begun = nil, l, k.elapsed()
		k.looks.mu.Unlock()

		l.err = k.lookNow(ctx)
		k.looks.mu.Lock()
		k.looks.current, k.looks.failed = nil, l.err
		k.looks.mu.Unlock()
		close(l.done)
	}
}

func (k *Keys) lookNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	err := k.refresh(ctx)
	if ctx.Err() != nil {
		err = errSlow // the time is ours, not the caller's
	}
	return err
}

// pause waits, but not for long once Keys is being closed.
func (k *Keys) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.closing:
	}
}
