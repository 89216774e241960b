package outbox

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/db"
)

const (
	defaultConcurrency = 64
	defaultTimeout     = 30 * time.Second
	// Results wait so long for others to be noted with, unless there is something
	// that waits for them.
	linger = 3 * time.Millisecond
	// What is due and could not be had, because another node is about to take it, is
	// looked for again after this time.
	again        = 20 * time.Millisecond
	firstRefusal = 50 * time.Millisecond // the pause after a turn that failed, doubling
	lastRefusal  = time.Second
	idle         = time.Hour // signals end it
)

// dispatcher sends what is due on a channel. Its loop takes turns; see turn.
type dispatcher struct {
	o    *Outbox
	name string
	c    Config // complete
	key  int64  // of its turns

	signal chan struct{} // holds one: something below has changed
	mu     sync.Mutex
	done   []result  // attempts that are over
	woken  bool      // to look
	hint   time.Time // something may go from then on; zero: nothing new
	gone   bool      // nothing more is to be claimed
	unset  bool      // and the channel can send no longer

	// The loop's own.
	opened   bool
	flying   int                  // attempts under way
	unnoted  []result             // at most so many as there may be attempts under way
	next     time.Time            // when something may go, by the store's clock; zero: nothing known
	token    time.Time            // when the channel's rate lets the next one go
	tails    map[string]time.Time // when the last that a recipient's rate put off is to go
	past     int                  // what a turn looks through beside its slots
	times    string               // what timesMark was at these
	doubtful []flight             // claimed by a turn that may have failed, or not
	refused  int                  // turns in a row
	refusals atomic.Int64         // the same, for others
	rested   atomic.Int64         // the rest that it came to, for others
	retryAt  time.Time
}

// flight is a claimed delivery.
type flight struct {
	Delivery
	sender    int64
	spared    int
	uncertain int // attempts before
	due       time.Time
	claimed   time.Time
	expires   time.Time // zero: never
	orderKey  string
	probe     bool // to see whether the other side is out of trouble

	traceparent string // of who asked for it; "": not traced
}

// counted is how many attempts the delivery has had that count, with this one.
func (f flight) counted() int { return f.Attempt - f.spared }

// result is what became of a flight.
type result struct {
	flight
	Outcome
	at, over time.Time // begun, by the store's clock, and ended, by the monotonic one
	took     time.Duration
	unsent   bool // it surely did not go out
	span     trace.SpanContext
}

func newDispatcher(o *Outbox, name string, c Config) *dispatcher {
	c.Concurrency = cmp.Or(c.Concurrency, defaultConcurrency)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if c.Backoff.Pauses == nil {
		c.Backoff = DefaultBackoff()
	}
	return &dispatcher{o: o, name: name, c: c, key: -o.groupKeys.Add(1), signal: make(chan struct{}, 1), tails: map[string]time.Time{}, past: lookPast}
}

// change changes what the loop looks at.
func (d *dispatcher) change(how func()) {
	d.mu.Lock()
	how()
	d.mu.Unlock()
	select {
	case d.signal <- struct{}{}:
	default:
	}
}

func (d *dispatcher) wake()             { d.change(func() { d.woken = true }) }
func (d *dispatcher) retire(unset bool) { d.change(func() { d.gone, d.unset = true, unset }) }

// tell says that something may go from at on.
func (d *dispatcher) tell(at time.Time) {
	d.change(func() {
		if d.hint.IsZero() || at.Before(d.hint) {
			d.hint = at
		}
	})
}

// loop takes turns until nothing more may be claimed and all is noted.
func (d *dispatcher) loop(s *serving) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	var stopped time.Time
	for {
		closing := s.claims.Err() != nil
		gone, unset := d.take()
		if closing || gone {
			if d.flying == 0 && len(d.unnoted) == 0 && len(d.doubtful) == 0 && (!unset || d.disown(s)) {
				return
			}
			if closing && d.flying == 0 { // the store may be down
				if stopped.IsZero() {
					stopped = time.Now()
				} else if time.Since(stopped) > noteTime {
					d.o.log.Warn("what became of attempts could not be noted", "channel", d.name, "attempts", len(d.unnoted))
					return
				}
			}
		}
		stops := d.repose() || closing || gone
		wait := d.wait(stops)
		if wait <= 0 {
			d.turn(s, stops)
			continue
		}
		timer.Reset(wait)
		ended := s.claims.Done()
		if closing {
			ended = nil
		}
		select {
		case <-d.signal:
		case <-timer.C:
		case <-ended:
		}
	}
}

// take takes over what others have told.
func (d *dispatcher) take() (gone, unset bool) {
	d.mu.Lock()
	done, woken, hint := d.done, d.woken, d.hint
	d.done, d.woken, d.hint = nil, false, time.Time{}
	gone, unset = d.gone, d.unset
	d.mu.Unlock()
	d.flying -= len(done)
	d.unnoted = append(d.unnoted, done...)
	if !hint.IsZero() && (d.next.IsZero() || hint.Before(d.next)) {
		d.next = hint
	}
	if woken && !gone && d.opened && (d.next.IsZero() || d.next.After(d.o.db.Now())) {
		d.look()
	}
	return gone, unset
}

// wait is how long nothing is to be done; 0 or less for a turn.
func (d *dispatcher) wait(closing bool) time.Duration {
	if d.refused > 0 {
		return time.Until(d.retryAt)
	}
	if !closing && !d.opened {
		return 0
	}
	wait := idle
	if n := len(d.unnoted); n > 0 {
		if closing || d.flying == 0 || n >= max(1, d.c.Concurrency/4) {
			return 0
		}
		wait = time.Until(d.unnoted[0].over.Add(linger))
		if wait <= 0 {
			return 0
		}
	}
	if len(d.doubtful) > 0 {
		return 0
	}
	if !closing && d.slots() > 0 && !d.next.IsZero() {
		now := d.o.db.Now()
		if d.token.After(now.Add(d.c.Rate.interval() + clocksApart)) {
			d.token = time.Time{} // the clock has gone back
		}
		at := d.next
		if at.Before(d.token) {
			at = d.token
		}
		wait = min(wait, at.Sub(now))
	}
	return wait
}

// slots is how many attempts more may begin before results are noted.
func (d *dispatcher) slots() int { return d.c.Concurrency - d.flying - len(d.unnoted) }

// look asks the store when the next delivery may go.
func (d *dispatcher) look() {
	ctx, cancel := context.WithTimeout(context.Background(), turnTime)
	defer cancel()
	next, err := d.o.nextDue(ctx, []string{d.name})
	if err != nil {
		d.refuse(err)
		return
	}
	d.next = next[d.name]
}

// refuse notes that the store did not do as it should.
func (d *dispatcher) refuse(err error) {
	if d.refused == 0 {
		d.o.log.Warn("the store refuses: nothing is sent meanwhile", "channel", d.name, "err", err)
	}
	d.retryAt = time.Now().Add(jittered(min(firstRefusal<<min(d.refused, 10), lastRefusal), 0.2))
	d.refused++
	d.refusals.Store(int64(d.refused))
}

// attempt sends a delivery.
func (d *dispatcher) attempt(s *serving, f flight) {
	r := result{flight: f, at: d.o.db.Now()}
	begun := time.Now()
	if s.attempts.Err() != nil {
		r.unsent = true
	} else {
		ctx, cancel := context.WithTimeout(s.attempts, d.c.Timeout)
		ctx, t := d.beginSpan(ctx, f)
		r.Outcome = d.send(ctx, f.Delivery)
		r.span = endSpan(t, r.Outcome)
		cancel()
		r.took = max(time.Since(begun), time.Microsecond)
		if d.o.o.Observe != nil {
			d.o.o.Observe(d.name, r.Outcome, max(0, r.at.Sub(f.due)), r.took)
		}
	}
	r.over = time.Now()
	d.change(func() { d.done = append(d.done, r) })
}

// send is the channel's own, with an outcome that the store can hold.
func (d *dispatcher) send(ctx context.Context, delivery Delivery) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			d.o.log.Error("a channel panicked", "channel", d.name, "delivery", delivery.ID, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
			out = Outcome{Verdict: Uncertain, Code: "panic"}
		}
		out = out.storable()
	}()
	return d.c.Channel.Send(ctx, delivery)
}

// disown says in the store that the channel cannot send.
func (d *dispatcher) disown(s *serving) bool {
	ctx, cancel := context.WithTimeout(s.attempts, turnTime)
	defer cancel()
	if d.o.dispatcherOf(d.name) != nil { // it is served again
		return true
	}
	err := d.o.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE channels SET configured = FALSE WHERE name = $1", d.name)
		return err
	})
	if err != nil {
		d.o.log.Warn("cannot tell that a channel is gone", "channel", d.name, "err", err)
	}
	return true
}
