package campaign

import (
	"errors"
	"fmt"
	"sync"

	"ferryman/internal/sandbox/faults"
)

// campaign is one of the simulated campaigns.
type campaign struct {
	Options
	start    int64 // Options.Start in milliseconds
	fields   []field
	nasties  []nasty // none where the data is plain
	faults   *faults.List
	requests requests

	mu       sync.Mutex
	history  history
	extra    []field // fields that were added later
	lists    lists
	live     live
	vanished int
	pool     sync.Pool // of *shape
}

// live is the changes that come by themselves.
type live struct {
	quiet bool
	from  int64 // when the first second of them began
	done  int64 // how many there were since
}

func newCampaign(o Options) *campaign {
	c := &campaign{Options: o, start: o.Start.UnixMilli(), fields: ordinaryFields(o.Fields), faults: faults.NewList(dialect(), o.Now)}
	if !o.Plain {
		c.nasties = nasties()
		c.fields = append(c.fields, nastyFields()...)
	}
	c.requests.init()
	c.pool.New = func() any { return new(shape) }
	c.history.newest = make([]uint32, o.Contacts)
	c.live.from = max(c.start, o.Now().UnixMilli())
	return c
}

func (c *campaign) now() int64 { return c.Now().UnixMilli() }

// catchUp makes the live changes that are due. The lock is held.
func (c *campaign) catchUp(now int64) {
	if c.Rate == 0 || c.live.quiet {
		return
	}
	for due := int64(float64(now-c.live.from) / 1_000 * c.Rate); c.live.done < due; c.live.done++ {
		at := c.live.from + int64(float64(c.live.done+1)*1_000/c.Rate)
		if _, err := c.change(noKind, nil, 0, at); err != nil {
			c.live.quiet = true // nothing is left to change, or no room for it
			return
		}
	}
}

// quiesce stops the live changes, or lets them go on.
func (c *campaign) quiesce(quiet bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.catchUp(now)
	if !quiet && c.live.quiet {
		c.live.from, c.live.done = now, 0
	}
	c.live.quiet = quiet
}

// moments are what is there now, and what of it the lists show.
func (c *campaign) moments() (here, listed moment) {
	now := c.now()
	c.catchUp(now)
	here = c.history.end()
	if c.Lag == 0 {
		return here, here
	}
	return here, c.history.until(now - c.Lag.Milliseconds())
}

// state is what a contact is at a moment, as far as lists need to know.
type state struct {
	ordinal uint32 // how often it changed
	changed int64
	there   bool
}

func (c *campaign) state(contact uint32, m moment) state {
	last, changed := c.history.at(contact, m)
	if !changed {
		return state{changed: c.firstChanged(contact), there: int(contact) < c.Contacts}
	}
	return state{last.ordinal, last.at, last.kind != deleted}
}

// firstChanged is when a contact that was there from the beginning last changed before.
func (c *campaign) firstChanged(contact uint32) int64 {
	return c.start - 1 - int64(mix(c.Seed^3, uint64(contact))%uint64(daysOfPast*day))
}

// hash is the first half of a contact's MD5.
func (c *campaign) hash(contact, ordinal uint32) uint64 {
	return mix(mix(c.Seed^4, uint64(contact)), uint64(ordinal))
}

// version is the text of $version.
func (c *campaign) version(contact, ordinal uint32) int64 {
	return int64(mix(c.Seed^5, uint64(contact))%12) + 1 + int64(ordinal)
}

var errNobody = errors.New("there is no contact left to change")

// change makes one change, of a contact by chance where none is given. Without a
// kind it is what happens every day. The lock is held.
func (c *campaign) change(k kind, contact *uint32, fieldNumber uint32, at int64) (change, error) {
	chance := mix(c.Seed^6, uint64(len(c.history.log)))
	if k == noKind {
		k = everyday(chance % 100)
	}
	ch := change{at: at, kind: k, field: fieldNumber}
	switch {
	case k == calledIn:
		ch.subject = uint32(c.firstCalls() + len(c.history.calls)) //nolint:gosec // small
	case k == created:
		ch.subject, ch.fired = uint32(len(c.history.newest)), at //nolint:gosec // at most maxContacts
		if len(c.history.newest) >= maxContacts {
			return ch, fmt.Errorf("there are %d contacts already", maxContacts)
		}
	case contact != nil:
		ch.subject = *contact
	default:
		picked, err := c.pick(mix(chance, 1))
		if err != nil {
			return ch, err
		}
		ch.subject = picked
	}
	switch k {
	case added:
		ch.fired = c.freeTime(ch.subject, at)
	case addedLate:
		ch.fired = c.freeTime(ch.subject, at-hour-int64(mix(chance, 2)%uint64(longestLate)))
	case deleted:
		c.vanished++
	}
	return c.history.append(ch)
}

// everyday is what happens most; nothing vanishes and no field is added.
func everyday(percent uint64) kind {
	switch {
	case percent < 55:
		return edited
	case percent < 80:
		return added
	case percent < 85:
		return addedLate
	case percent < 90:
		return removed
	case percent < 95:
		return created
	default:
		return calledIn
	}
}

// pick is a contact that is still there.
func (c *campaign) pick(chance uint64) (uint32, error) {
	n := uint64(len(c.history.newest))
	for i := range n {
		contact := uint32((chance + i) % n) //nolint:gosec // at most maxContacts
		if c.state(contact, c.history.end()).there {
			return contact, nil
		}
	}
	return 0, errNobody
}

// freeTime is the last time up to at when no transaction of the contact was fired.
func (c *campaign) freeTime(contact uint32, at int64) int64 {
	s := c.shapeAt(contact, c.history.end())
	defer c.pool.Put(s)
	for s.firedAt(at) {
		at--
	}
	return at
}

// shapeAt is the shape of a contact at a moment, to be put back. The lock is held.
func (c *campaign) shapeAt(contact uint32, m moment) *shape {
	s := c.pool.Get().(*shape)
	s.changes = c.history.of(contact, m, s.changes[:0])
	c.form(s, contact)
	return s
}
