package campaign

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ferryman/internal/sandbox/faults"
)

// summary is what GET state tells of a campaign.
type summary struct {
	Campaign     string         `json:"campaign"`
	Now          time.Time      `json:"now"`
	Contacts     int            `json:"contacts"`
	Vanished     int            `json:"vanished"`
	InboundCalls int            `json:"inbound_calls"`
	Fields       int            `json:"fields"`
	Changes      int            `json:"changes"`
	Rate         float64        `json:"rate"`
	Quiet        bool           `json:"quiet"`
	Plain        bool           `json:"plain"`
	Seed         uint64         `json:"seed"`
	EventsBy     string         `json:"events_by"`
	Lag          string         `json:"lag"`
	Faults       []faults.Fault `json:"faults"`
}

func (c *campaign) summary() summary {
	ordered := c.faults.All()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moments()
	return summary{
		Campaign: c.Campaign, Now: c.Now().UTC(), Contacts: len(c.history.newest) - c.vanished, Vanished: c.vanished,
		InboundCalls: c.firstCalls() + len(c.history.calls), Fields: len(c.fields) + len(c.extra), Changes: len(c.history.log),
		Rate: c.Rate, Quiet: c.Rate == 0 || c.live.quiet, Plain: c.Plain, Seed: c.Seed, EventsBy: c.EventsBy, Lag: c.Lag.String(), Faults: ordered,
	}
}

// contactState is what GET state?id=… and POST change tell of a contact.
type contactState struct {
	ID      string    `json:"id"`
	MD5     string    `json:"md5"`
	Version int64     `json:"version"`
	Changed time.Time `json:"changed"`
	Deleted bool      `json:"deleted,omitempty"`
}

func (c *campaign) tell(contact uint32, m moment) contactState {
	s := c.state(contact, m)
	return contactState{
		ID:  string(appendContactID(nil, c.Seed, contact)),
		MD5: string(appendMD5(nil, c.hash(contact, s.ordinal))), Version: c.version(contact, s.ordinal),
		Changed: time.UnixMilli(s.changed).UTC(), Deleted: !s.there,
	}
}

func (c *campaign) getState(r *http.Request) (any, error) {
	id := r.FormValue("id")
	if id == "" {
		return c.summary(), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	here, _ := c.moments()
	contact, err := c.numbered(id)
	if err != nil {
		return nil, err
	}
	return c.tell(contact, here), nil
}

// numbered is the number of a contact that there is, or was.
func (c *campaign) numbered(id string) (uint32, error) {
	contact, known := contactNumber(id, c.Seed)
	if !known || int(contact) >= len(c.history.newest) {
		return 0, faults.ErrUnknown
	}
	return contact, nil
}

const (
	maxPerOrder = 1_000_000
	maxTold     = 1_000
)

// order is changes to make at once.
type order struct {
	Kind  string `json:"kind"`  // see kindNames; "" and "mixed" are what happens every day
	Count int    `json:"count"` // 1 if 0
	ID    string `json:"id"`    // of the contact; any contact if empty
	Field string `json:"field"` // of the kind field: its name
	Type  string `json:"type"`  // of the kind field: its type, text if empty
}

// done is what POST change tells.
type done struct {
	Changes  int            `json:"changes"`            // how many were made
	Contacts []contactState `json:"contacts,omitempty"` // the first of those that were changed, once each
}

func (c *campaign) postChange(r *http.Request) (any, error) {
	var o order
	if err := faults.ReadJSON(r, &o); err != nil {
		return nil, err
	}
	o.Count = cmp.Or(o.Count, 1)
	k, err := kindNamed(o.Kind)
	switch {
	case err != nil:
		return nil, err
	case o.Count < 1 || o.Count > maxPerOrder:
		return nil, fmt.Errorf("count is %d, not between 1 and %d", o.Count, maxPerOrder)
	case (k == gotField) != (o.Field != ""):
		return nil, errors.New("the kind field needs the name of the new field, and no other kind has one")
	case o.ID != "" && (k == noKind || k == created || k == calledIn):
		return nil, errors.New("an id needs a kind that changes a contact")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.catchUp(now)
	return c.carryOut(o, k, now)
}

// carryOut makes the changes of an order. The lock is held.
func (c *campaign) carryOut(o order, k kind, now int64) (done, error) {
	var (
		d       done
		contact *uint32
		field   uint32
		err     error
	)
	if o.ID != "" {
		number, err := c.numbered(o.ID)
		if err != nil {
			return d, err
		}
		if !c.state(number, c.history.end()).there {
			return d, faults.ErrUnknown
		}
		contact = &number
	}
	if k == gotField {
		if field, err = c.addField(o.Field, o.Type); err != nil {
			return d, err
		}
	}
	told := map[uint32]bool{}
	var changed []uint32
	for range o.Count {
		ch, err := c.change(k, contact, field, now)
		if err != nil {
			return d, err
		}
		d.Changes++
		if ch.kind != calledIn && !told[ch.subject] && len(told) < maxTold {
			told[ch.subject] = true
			changed = append(changed, ch.subject)
		}
		if k == deleted && contact != nil {
			break // it is gone
		}
	}
	for _, contact := range changed {
		d.Contacts = append(d.Contacts, c.tell(contact, c.history.end()))
	}
	return d, nil
}
