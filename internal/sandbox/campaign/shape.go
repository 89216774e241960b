package campaign

import "slices"

// shape is a contact before it becomes text: which transactions it has, which
// connections, and which of its values are no longer the first ones.
type shape struct {
	contact uint32
	ordinal uint32
	base    uint64 // the chance that all its values come from
	changed int64
	since   int64 // when it came to be
	first   int64 // when its first transaction was fired, be it still there or not
	txns    []transaction
	edits   []edit
	changes []change
}

type transaction struct {
	slot  uint32 // what it is known by among those of the contact
	key   uint64 // the chance of its values
	fired int64
	conns [2]connection
	n     int // how many connections
}

type connection struct {
	key       uint64
	recorded  bool
	withThird bool
	transfer  bool
}

// edit is a value that changed: of an ordinary field, of the comment, which
// comes after the last of these, or of a field that was added later.
type edit struct {
	field   uint32
	late    bool // the field was added later
	ordinal uint32
}

const addedSlot = 1 << 31 // of transactions that a change added

// form makes the contact's shape of its changes.
func (c *campaign) form(s *shape, contact uint32) {
	s.contact, s.ordinal = contact, 0
	s.base = mix(c.Seed^7, uint64(contact))
	s.txns, s.edits = s.txns[:0], s.edits[:0]
	if len(s.changes) > 0 && s.changes[0].kind == created {
		s.changed = s.changes[0].at
		s.since = s.changed
		s.add(0, s.changes[0].fired)
	} else {
		s.changed = c.firstChanged(contact)
		s.since = s.changed - daysOfPast*day
		s.past()
	}
	s.first = s.txns[0].fired
	for _, ch := range s.changes {
		s.ordinal, s.changed = ch.ordinal, ch.at
		chance := mix(s.base, uint64(ch.ordinal)<<8)
		switch ch.kind {
		case edited:
			s.edits = append(s.edits, edit{uint32(chance % uint64(c.Fields+1)), false, ch.ordinal}) //nolint:gosec // at most maxFields
		case gotField:
			s.edits = append(s.edits, edit{ch.field, true, ch.ordinal})
		case added, addedLate:
			s.add(addedSlot|ch.ordinal, ch.fired)
		case removed:
			s.remove(chance)
		}
	}
}

// past is one to three transactions, the last of them shortly before the change.
func (s *shape) past() {
	n := [4]uint32{1, 2, 2, 3}[s.base&3]
	for i := range n {
		chance := mix(s.base, uint64(i))
		fired := s.changed - second - int64(chance%60_000) - int64(n-1-i)*(day+int64(chance%uint64(day)))
		s.add(i, fired)
	}
}

// add appends a transaction with one or two connections.
func (s *shape) add(slot uint32, fired int64) {
	t := transaction{slot: slot, key: mix(s.base, uint64(slot)+100), fired: fired}
	t.n = 1 + int(t.key>>8&1)
	for i := range t.n {
		key := mix(t.key, uint64(i))
		t.conns[i] = connection{key: key, recorded: key&3 != 0, withThird: key>>2&7 == 0, transfer: i == 1 && key>>5&3 == 0}
	}
	s.txns = append(s.txns, t)
}

// remove takes a recording, a connection or the last transaction away, whichever
// the chance says and there is.
func (s *shape) remove(chance uint64) {
	for step := range 3 {
		switch (int(chance%3) + step) % 3 {
		case 0:
			if s.removeRecording() {
				return
			}
		case 1:
			if s.removeConnection() {
				return
			}
		case 2:
			if n := len(s.txns); n > 0 {
				s.txns = s.txns[:n-1]
				return
			}
		}
	}
}

func (s *shape) removeRecording() bool {
	for i := range s.txns {
		t := &s.txns[i]
		for k := range t.n {
			if t.conns[k].recorded {
				t.conns[k].recorded = false
				return true
			}
		}
	}
	return false
}

func (s *shape) removeConnection() bool {
	for i := range s.txns {
		if t := &s.txns[i]; t.n > 0 {
			t.n--
			return true
		}
	}
	return false
}

func (s *shape) firedAt(at int64) bool {
	return slices.ContainsFunc(s.txns, func(t transaction) bool { return t.fired == at })
}

// slot is the transaction of the slot, if it is still there.
func (s *shape) slot(slot uint32) (*transaction, bool) {
	for i := range s.txns {
		if s.txns[i].slot == slot {
			return &s.txns[i], true
		}
	}
	return nil, false
}

// revision is which change a value is of; 0 is the first.
func (s *shape) revision(field uint32) uint32 {
	for _, e := range slices.Backward(s.edits) {
		if !e.late && e.field == field {
			return e.ordinal
		}
	}
	return 0
}
