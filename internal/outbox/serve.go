package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ferryman/internal/db"
)

// server is what an outbox needs to send.
type server struct {
	mu          sync.Mutex
	dispatchers map[string]*dispatcher // by channel
	serving     *serving               // while Run runs
	self        sender
	groupKeys   atomic.Int64
	watch       watch

	looping map[*dispatcher]bool // those whose loops run, also in the place of which others were set
	resting atomic.Int64         // which rest this is; 0: none
	rests   int64
	rested  chan struct{} // holds one: a dispatcher has come to rest
}

// serving is what dispatchers share while Run runs.
type serving struct {
	claims   context.Context //nolint:containedctx // ends when nothing more may be claimed
	attempts context.Context //nolint:containedctx // ends when what is under way must give up
	store    string          // the store's identity
	wg       sync.WaitGroup  // of dispatchers
}

// noteTime is how long a stopping process tries to note what it did.
const noteTime = 5 * time.Second

// Set serves a channel by c from now on, in place of what served it before. A
// pause that a fault made is lifted, once: the next fault pauses it again.
func (o *Outbox) Set(name string, c Config) {
	if o.o.Serves != nil {
		o.o.Serves(name)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dispatchers == nil {
		o.dispatchers = map[string]*dispatcher{}
	}
	if old := o.dispatchers[name]; old != nil {
		old.retire(false)
	}
	d := newDispatcher(o, name, c)
	o.dispatchers[name] = d
	o.start(d)
}

// Unset ends serving a channel: what is under way is finished, the rest waits.
func (o *Outbox) Unset(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.dispatchers[name]; d != nil {
		delete(o.dispatchers, name)
		d.retire(true)
	}
}

// Wake has the channels look for what is due now; all of them if none is named.
func (o *Outbox) Wake(channels ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(channels) == 0 {
		for _, d := range o.dispatchers {
			d.wake()
		}
	}
	for _, name := range channels {
		if d := o.dispatchers[name]; d != nil {
			d.wake()
		}
	}
}

// start runs a dispatcher if Run does; o.mu is held.
func (o *Outbox) start(d *dispatcher) {
	if s := o.serving; s != nil {
		o.looping[d] = true
		s.wg.Go(func() {
			d.loop(s)
			o.mu.Lock()
			delete(o.looping, d)
			o.mu.Unlock()
			o.settle()
		})
	}
}

// dispatcherOf gives the one that serves a channel, nil if none does.
func (o *Outbox) dispatcherOf(channel string) *dispatcher {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dispatchers[channel]
}

// served are the names of the channels that are set, in order.
func (o *Outbox) served() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.dispatchers))
}

// Run sends what is due until ctx ends. Then it claims nothing more, gives what
// is under way grace to finish, and calls off the rest as uncertain. An outbox
// runs once at a time.
func (o *Outbox) Run(ctx context.Context, grace time.Duration) error {
	store, err := o.join(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("join the senders: %w", err)
	}
	attempts, callOff := context.WithCancel(context.WithoutCancel(ctx))
	defer callOff()
	s := &serving{claims: ctx, attempts: attempts, store: store}
	if err := o.begin(s); err != nil { //nolint:contextcheck // what is under way is noted after ctx
		return err
	}
	// The lease goes on while what is under way finishes.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	var beats sync.WaitGroup
	beats.Go(func() {
		o.eachBeat(alive, func() error {
			if err := o.renew(alive); err != nil || ctx.Err() != nil {
				return err
			}
			return o.limited(alive, o.sweepSenders) // one that hangs must not cost the lease
		})
	})
	beats.Go(func() { o.eachBeat(ctx, func() error { return o.lookAfter(ctx) }) })
	<-ctx.Done()

	late := time.AfterFunc(grace, callOff)
	defer late.Stop()
	finished := make(chan struct{})
	go func() { s.wg.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(grace + 2*noteTime): // a channel that does not give up must not hold up the end
		o.log.Warn("attempts are under way still: what became of them will not be known")
	}
	o.mu.Lock()
	o.serving = nil
	o.mu.Unlock()
	end()
	beats.Wait()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := o.leave(leave); err != nil {
		o.log.Warn("leave the senders", "err", err)
	}
	return nil
}

func (o *Outbox) begin(s *serving) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.serving != nil {
		return errors.New("the outbox runs already")
	}
	o.serving = s
	for _, d := range o.dispatchers {
		o.start(d)
	}
	return nil
}

// join makes this process one of the store's senders, settles what an earlier one
// of a SQLite store has left, and gives the store's identity.
func (o *Outbox) join(ctx context.Context) (store string, err error) {
	if err := o.db.QueryRow(ctx, "SELECT id FROM store_identity").Scan(&store); err != nil {
		return "", err
	}
	at, back, err := o.register(ctx)
	if err != nil {
		return "", err
	}
	o.watch = watch{known: map[int64]sighting{}, now: at, looked: time.Now()}
	if back {
		o.watch.realign = &realignment{}
	}
	if o.db.Dialect() == db.SQLite {
		return store, o.inherit(ctx)
	}
	return store, nil
}

// eachBeat does something at each beat until ctx ends, and tells the first failure of
// those in a row.
func (o *Outbox) eachBeat(ctx context.Context, do func() error) {
	tick := time.NewTicker(o.every())
	defer tick.Stop()
	var failing error
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := do()
		if ctx.Err() != nil {
			return
		}
		if err != nil && failing == nil {
			o.log.Warn("cannot look after the deliveries", "err", err)
		}
		failing = err
	}
}
