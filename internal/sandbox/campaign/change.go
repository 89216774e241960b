package campaign

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// kind is what a change does.
type kind uint8

const (
	edited      kind = iota // an ordinary field, or the comment, has another value
	added                   // a transaction of now
	addedLate               // a transaction that was fired in the past
	removed                 // a transaction, a connection or a recording is gone
	deleted                 // the contact is gone
	gotField                // the contact has a value in a field that was added later
	created                 // the contact is new
	calledIn                // an inbound call; it changes no contact
	kinds       = int(iota)
	noKind      = kind(kinds)
	mixedKind   = "mixed"
	maxChanges  = 10_000_000
	daysOfPast  = 30
	longestLate = 20 * day
)

var kindNames = [kinds]string{"edit", "transaction", "late", "remove", "delete", "field", "contact", "inbound"}

// kindNamed is the kind with the name, or noKind for a mixture as life has it.
func kindNamed(name string) (kind, error) {
	if name == "" || name == mixedKind {
		return noKind, nil
	}
	for k, other := range kindNames {
		if name == other {
			return kind(k), nil
		}
	}
	return noKind, fmt.Errorf("kind is %q, not %s or one of %v", name, mixedKind, kindNames)
}

// change is one entry of a campaign's history. The changes of a contact are a
// chain, so that a contact that never changed takes four bytes.
type change struct {
	at      int64  // milliseconds since 1970
	fired   int64  // of the transaction that it adds
	subject uint32 // the contact, or the call
	before  uint32 // the contact's change before, counted from 1; 0 is none
	ordinal uint32 // which of the contact's changes it is, from 1
	field   uint32 // of gotField
	kind    kind
}

// moment is how much of the history is taken into account.
type moment uint32

// history is everything that changed, in the order of time.
type history struct {
	log    []change
	newest []uint32 // of each contact its last change, counted from 1
	calls  []uint32 // the change that brought each call that is not from the beginning
}

// at is the contact's last change at a moment, if it had any.
func (h *history) at(contact uint32, m moment) (change, bool) {
	position := h.newest[contact]
	for position > uint32(m) {
		position = h.log[position-1].before
	}
	if position == 0 {
		return change{}, false
	}
	return h.log[position-1], true
}

// beforeDeletion is the moment before the contact was deleted, if it was by m.
func (h *history) beforeDeletion(contact uint32, m moment) (moment, bool) {
	position := h.newest[contact]
	for position > uint32(m) {
		position = h.log[position-1].before
	}
	if position == 0 || h.log[position-1].kind != deleted {
		return 0, false
	}
	return moment(position - 1), true
}

// of appends all the contact's changes up to a moment, oldest first.
func (h *history) of(contact uint32, m moment, list []change) []change {
	last, changed := h.at(contact, m)
	if !changed {
		return list
	}
	n := len(list)
	for {
		list = append(list, last)
		if last.before == 0 {
			break
		}
		last = h.log[last.before-1]
	}
	slices.Reverse(list[n:])
	return list
}

// until is the moment before the first change later than at.
func (h *history) until(at int64) moment {
	return moment(sort.Search(len(h.log), func(i int) bool { return h.log[i].at > at })) //nolint:gosec // at most maxChanges
}

func (h *history) end() moment { return moment(len(h.log)) } //nolint:gosec // at most maxChanges

var errFull = errors.New("there were too many changes: put the campaign anew")

// append notes a change of a contact, or of none.
func (h *history) append(ch change) (change, error) {
	if len(h.log) >= maxChanges {
		return ch, errFull
	}
	if n := len(h.log); n > 0 {
		ch.at = max(ch.at, h.log[n-1].at) // a clock may go back, a history does not
	}
	position := uint32(len(h.log) + 1) //nolint:gosec // at most maxChanges
	switch ch.kind {
	case calledIn:
		h.calls = append(h.calls, position)
	case created:
		ch.ordinal = 1
		h.newest = append(h.newest, position)
	default:
		ch.before = h.newest[ch.subject]
		ch.ordinal = 1
		if ch.before != 0 {
			ch.ordinal = h.log[ch.before-1].ordinal + 1
		}
		h.newest[ch.subject] = position
	}
	h.log = append(h.log, ch)
	return ch, nil
}
