package dialfire

import (
	"fmt"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// listed is an entry of contacts/list.
type listed struct{ id, md5 string }

// event is an entry of contacts/transactions.
type event struct{ fired, md5, contact string }

// mostOdd is how many entries of a page may be unreadable where none is readable:
// more are no accident, and to pass over them would pass over all news.
const mostOdd = 20

// decodeList reads a page of contacts/list. cursor is "" on the last one. An entry
// without an id is rejected, for the others must not wait for it.
func decodeList(data []byte) (items []listed, rejected []pipeline.Rejected, cursor string, err error) {
	const what = "contacts/list"
	shape := newShape(text("id", "md5")).identifier("id")
	cursor, err = decodePage(data, what, func() { items, rejected = nil, nil }, func(r *reader) error {
		start := r.offset()
		reason, err := r.otherThan('{')
		switch {
		case err != nil || reason == absent:
			return err
		case reason != "":
			rejected = append(rejected, r.anonymous(nil, start, what+": "+reason))
			return nil
		}
		row := shape.newRow(r)
		if err := r.row(shape, row, nil); err != nil {
			return err
		}
		id, _ := row[0].(string)
		if id == "" {
			rejected = append(rejected, r.anonymous(nil, start, what+": the entry has no id"))
			return nil
		}
		md5, _ := row[1].(string)
		items = append(items, listed{id, md5})
		return nil
	})
	if err == nil && len(items) == 0 {
		err = tooOdd(what, rejected)
	}
	if err != nil {
		return nil, nil, "", err
	}
	return items, rejected, cursor, nil
}

// decodeEvents reads a page of contacts/transactions. cursor is "" on the last
// one. An entry that names no contact is rejected, as in decodeList.
func decodeEvents(data []byte) (events []event, rejected []pipeline.Rejected, cursor string, err error) {
	const what = "contacts/transactions"
	cursor, err = decodePage(data, what, func() { events, rejected = nil, nil }, func(r *reader) error {
		start := r.offset()
		reason, err := r.otherThan('"')
		switch {
		case err != nil || reason == absent:
			return err
		case reason != "":
			rejected = append(rejected, r.anonymous(nil, start, what+": "+reason))
			return nil
		}
		raw, err := r.d.ReadValue()
		if err != nil {
			return err
		}
		// From both ends, so that a | in the middle does no harm.
		fired, rest, _ := strings.Cut(r.unquote(raw), "|")
		last := strings.LastIndexByte(rest, '|')
		if last < 0 || last == len(rest)-1 {
			rejected = append(rejected, r.anonymous(nil, start, what+": the entry is not fired, MD5 and contact with | between them"))
			return nil
		}
		events = append(events, event{fired, rest[:last], rest[last+1:]})
		return nil
	})
	if err == nil && len(events) == 0 {
		err = tooOdd(what, rejected)
	}
	if err != nil {
		return nil, nil, "", err
	}
	return events, rejected, cursor, nil
}

// tooOdd is the error of a page without a readable entry that has more than a few others.
func tooOdd(what string, rejected []pipeline.Rejected) error {
	if len(rejected) <= mostOdd {
		return nil
	}
	return wrongType(what, "entries that can be read", fmt.Sprintf("%d that cannot", len(rejected)))
}

// decodePage calls each for every entry of a page of results; each has to read it.
// begin forgets what was read so far, as a list that comes again counts alone.
func decodePage(data []byte, what string, begin func(), each func(*reader) error) (cursor string, err error) {
	listed := false
	err = read(data, func(r *reader) error {
		if err := r.expect('{', what); err != nil {
			return err
		}
		err := r.object(func(name []byte) error {
			switch string(name) {
			case "results":
				begin()
				listed = true
				if r.d.PeekKind() == 'n' {
					return r.d.SkipValue()
				}
				if err := r.expect('[', what+", results"); err != nil {
					return err
				}
				return r.array(func() error { return each(r) })
			case "cursor":
				cursor, err = r.cursor(what)
				return err
			default:
				return r.d.SkipValue()
			}
		})
		if err == nil && !listed {
			return missingField(what, "results")
		}
		return err
	})
	return strings.Clone(cursor), err
}

// cursor reads the place of the next page; null is that there is none.
func (r *reader) cursor(what string) (string, error) {
	kind := r.d.PeekKind()
	raw, err := r.d.ReadValue()
	switch {
	case err != nil || kind == 'n':
		return "", err
	case kind == '"':
		return r.unquote(raw), nil
	case kind == '0':
		return string(raw), nil
	default:
		return "", wrongType(what+", cursor", kindName('"'), kindName(kind))
	}
}

func missingField(what, name string) error {
	return &fault.Error{
		Kind:   fault.Invalid,
		Code:   "missing_field",
		Detail: what + ": " + name + " is missing",
		Hint:   "ask the operator of the API what has changed",
	}
}
