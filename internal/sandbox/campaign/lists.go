package campaign

// lists are what pages are cut from. Each is made when it is first asked for, and
// from then on follows what changes.
type lists struct {
	contacts, transactions, calls    index
	contactsAt, transactionsAt       moment // how much of the history they know
	callsAt                          int
	hasContacts, hasTransactions     bool
	hasCalls                         bool
	shapes                           shape // room to work in
	contactsFresh, transactionsFresh []entry
}

// contactEntry sorts contacts by the day of their change, then by MD5.
func (c *campaign) contactEntry(contact uint32, s state) entry {
	hash := c.hash(contact, s.ordinal)
	return entry{dayOf(s.changed)<<32 | hash>>32, hash<<32 | uint64(contact)}
}

// listContacts brings the list of contacts up to a moment. The lock is held.
func (c *campaign) listContacts(m moment) *index {
	l := &c.lists
	fresh := l.contactsFresh[:0]
	if !l.hasContacts {
		l.hasContacts = true
		fresh = make([]entry, 0, c.Contacts)
		for contact := range uint32(c.Contacts) { //nolint:gosec // at most maxContacts
			fresh = append(fresh, c.contactEntry(contact, c.state(contact, 0)))
		}
	}
	for ; l.contactsAt < m; l.contactsAt++ {
		if ch := c.history.log[l.contactsAt]; ch.kind != calledIn && ch.kind != deleted {
			fresh = append(fresh, c.contactEntry(ch.subject, state{ordinal: ch.ordinal, changed: ch.at}))
		}
	}
	l.contacts.add(fresh, func(e entry) bool { return c.holdsContact(e, m) })
	l.contactsFresh = fresh[:0]
	if cap(fresh) > smallIndex {
		l.contactsFresh = nil
	}
	return &l.contacts
}

// holdsContact tells whether the contact still stands at that place in the list.
func (c *campaign) holdsContact(e entry, m moment) bool {
	contact := uint32(e.b) //nolint:gosec // that half is meant
	s := c.state(contact, m)
	return s.there && c.contactEntry(contact, s) == e
}

// eventEntry sorts transactions by time.
func eventEntry(when int64, contact, slot uint32) entry {
	return entry{uint64(max(when, 0)), uint64(contact)<<32 | uint64(slot)}
}

// listTransactions brings the list of transactions up to a moment. The lock is held.
func (c *campaign) listTransactions(m moment) *index {
	l := &c.lists
	fresh := l.transactionsFresh[:0]
	if !l.hasTransactions {
		l.hasTransactions = true
		fresh = make([]entry, 0, 2*c.Contacts)
		for contact := range uint32(c.Contacts) { //nolint:gosec // at most maxContacts
			l.shapes.changes = l.shapes.changes[:0]
			c.form(&l.shapes, contact)
			for _, t := range l.shapes.txns {
				when := t.fired
				if c.EventsBy == ByChanged {
					when = l.shapes.changed
				}
				fresh = append(fresh, eventEntry(when, contact, t.slot))
			}
		}
	}
	for ; l.transactionsAt < m; l.transactionsAt++ {
		ch := c.history.log[l.transactionsAt]
		when := ch.fired
		if c.EventsBy == ByChanged {
			when = ch.at
		}
		switch ch.kind {
		case added, addedLate:
			fresh = append(fresh, eventEntry(when, ch.subject, addedSlot|ch.ordinal))
		case created:
			fresh = append(fresh, eventEntry(when, ch.subject, 0))
		}
	}
	l.transactions.add(fresh, func(e entry) bool { _, holds := c.event(e, m); return holds })
	l.transactionsFresh = fresh[:0]
	if cap(fresh) > smallIndex {
		l.transactionsFresh = nil
	}
	return &l.transactions
}

// event is a transaction in the list, with the MD5 of its contact.
type event struct {
	contact uint32
	hash    uint64
	fired   int64
	facts   facts
}

// event finds the transaction of an entry, if it is still there.
func (c *campaign) event(e entry, m moment) (event, bool) {
	contact, slot := uint32(e.b>>32), uint32(e.b) //nolint:gosec // these halves are meant
	s := c.state(contact, m)
	if !s.there {
		return event{}, false
	}
	formed := c.shapeAt(contact, m)
	defer c.pool.Put(formed)
	t, holds := formed.slot(slot)
	if !holds {
		return event{}, false
	}
	return event{contact, c.hash(contact, s.ordinal), t.fired, t.facts()}, true
}

// listCalls brings the list of inbound calls up to a moment. The lock is held.
func (c *campaign) listCalls() *index {
	l := &c.lists
	var fresh []entry
	if !l.hasCalls {
		l.hasCalls = true
		for call := range c.firstCalls() {
			fresh = append(fresh, entry{uint64(c.callAt(call)), uint64(call)}) //nolint:gosec // never negative
		}
	}
	for ; l.callsAt < len(c.history.calls); l.callsAt++ {
		call := c.firstCalls() + l.callsAt
		fresh = append(fresh, entry{uint64(c.callAt(call)), uint64(call)}) //nolint:gosec // never negative
	}
	l.calls.add(fresh, func(entry) bool { return true })
	return &l.calls
}
