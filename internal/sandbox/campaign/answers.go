package campaign

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The letters that cursors of the lists begin with.
const (
	contactCursor = 'c'
	eventCursor   = 'e'
	callCursor    = 'i'
)

const maxPage = 1_000

// page is one page that is being written.
type page struct {
	text  []byte
	n     int
	limit int
	last  entry
	more  bool
}

// room tells whether one more result fits. If not, there is a next page.
func (p *page) room(e entry) bool {
	if p.n == p.limit {
		p.more = true
		return false
	}
	if p.n > 0 {
		p.text = append(p.text, ',')
	}
	p.n++
	p.last = e
	return true
}

// finish puts the page together.
func (p *page) finish(list byte) answer {
	text := strconv.AppendInt([]byte(`{"count":`), int64(p.n), 10)
	text = append(append(append(text, `,"results":[`...), p.text...), ']')
	if p.more {
		text = append(appendText(append(text, `,"cursor":`...), cursorOf(list, p.last)), '}')
		return answer{text: text}
	}
	return answer{text: append(text, '}')}
}

// ask is the parameters of a list.
type ask struct {
	limit    int
	after    entry
	resumed  bool
	from, to int64 // milliseconds since 1970, to being too late already
}

const endOfTime = 1 << 62

// readAsk reads the parameters that lists have; names are all that this one knows.
func readAsk(r *http.Request, list byte, names ...string) (ask, error) {
	a := ask{limit: maxPage, to: endOfTime}
	query := r.URL.Query()
	for name, values := range query {
		if !slices.Contains(names, name) || len(values) != 1 {
			return a, fmt.Errorf("parameter %s is unknown here, or given twice", name)
		}
	}
	var err error
	if text := query.Get("limit"); text != "" {
		if a.limit, err = strconv.Atoi(text); err != nil || a.limit < 1 || a.limit > maxPage {
			return a, fmt.Errorf("limit is %q, not between 1 and %d", text, maxPage)
		}
	}
	if text := query.Get("cursor"); text != "" {
		if a.after, err = readCursor(list, text); err != nil {
			return a, err
		}
		a.resumed = true
	}
	for name, at := range map[string]*int64{"from": &a.from, "to": &a.to, "changedSince": &a.from} {
		if text := query.Get(name); text != "" {
			if *at, err = readTime(name, text); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// readTime reads a time in UTC, with or without a fraction, or a date.
func readTime(name, text string) (int64, error) {
	for _, format := range [...]string{"2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(format, strings.TrimSuffix(text, "Z")); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%s is %q, not a time such as 2006-01-02T15:04:05.999, or a date", name, text)
}

// start is where a page begins: behind its cursor, or at the first entry.
func (a ask) start(first uint64) (after entry, inclusive bool) {
	if a.resumed {
		return a.after, false
	}
	return entry{first, 0}, true
}

func (c *campaign) getContactList(r *http.Request, _ []byte) (answer, error) {
	a, err := readAsk(r, contactCursor, "limit", "cursor", "changedSince")
	if err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, m := c.moments()
	p := page{limit: a.limit, text: make([]byte, 0, 80*a.limit)}
	after, inclusive := a.start(dayOf(a.from) << 32)
	c.listContacts(m).from(after, inclusive, func(e entry) bool {
		if !c.holdsContact(e, m) {
			return true
		}
		if !p.room(e) {
			return false
		}
		p.text = appendContactID(append(p.text, `{"id":"`...), c.Seed, uint32(e.b)) //nolint:gosec // that half is meant
		p.text = append(appendMD5(append(p.text, `","md5":"`...), e.a<<32|e.b>>32), `"}`...)
		return true
	})
	return p.finish(contactCursor), nil
}

func (c *campaign) getTransactions(r *http.Request, _ []byte) (answer, error) {
	a, err := readAsk(r, eventCursor, "limit", "cursor", "from", "to", "type", "hi", "tasks")
	if err != nil {
		return answer{}, err
	}
	query := r.URL.Query()
	hi := false
	if text := query.Get("hi"); text != "" {
		if hi, err = strconv.ParseBool(text); err != nil {
			return answer{}, fmt.Errorf("hi is %q, not true or false", text)
		}
	}
	wanted := wish{kind: query.Get("type"), hi: hi}
	if text := query.Get("tasks"); text != "" {
		wanted.prefixes = strings.Split(text, ",")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, m := c.moments()
	p := page{limit: a.limit, text: make([]byte, 0, 80*a.limit)}
	after, inclusive := a.start(uint64(max(a.from, 0)))
	c.listTransactions(m).from(after, inclusive, func(e entry) bool {
		if e.a >= uint64(max(a.to, 0)) {
			return false
		}
		event, holds := c.event(e, m)
		if !holds || !wanted.fits(event.facts) {
			return true
		}
		if !p.room(e) {
			return false
		}
		p.text = append(appendStamp(append(p.text, '"'), event.fired), '|')
		p.text = append(appendMD5(p.text, event.hash), '|')
		p.text = append(appendContactID(p.text, c.Seed, event.contact), '"')
		return true
	})
	return p.finish(eventCursor), nil
}

// wish is which transactions a list is to have.
type wish struct {
	kind     string
	hi       bool // made by a person
	prefixes []string
}

func (w wish) fits(f facts) bool {
	if w.kind != "" && f.kind != w.kind || w.hi && f.user == "" {
		return false
	}
	for _, prefix := range w.prefixes {
		if strings.HasPrefix(f.task, prefix) {
			return true
		}
	}
	return len(w.prefixes) == 0
}

func (c *campaign) getCalls(r *http.Request, _ []byte) (answer, error) {
	a, err := readAsk(r, callCursor, "limit", "cursor", "from", "to")
	if err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, m := c.moments()
	p := page{limit: a.limit}
	after, inclusive := a.start(uint64(max(a.from, 0)))
	c.listCalls().from(after, inclusive, func(e entry) bool {
		call := int(e.b) //nolint:gosec // small
		if e.a >= uint64(max(a.to, 0)) {
			return false
		}
		if !c.callThere(call, m) {
			return true
		}
		if !p.room(e) {
			return false
		}
		p.text = c.appendCall(p.text, call, int64(e.a)) //nolint:gosec // never negative
		return true
	})
	return p.finish(callCursor), nil
}

func (c *campaign) postContacts(r *http.Request, body []byte, buffer *[]byte) (answer, error) {
	a := answer{buffer: buffer}
	var ids []string
	if err := json.Unmarshal(body, &ids); err != nil {
		return a, fmt.Errorf("the body is no JSON array of ids: %w", err)
	}
	if len(ids) > c.PerCallMax {
		return a, fmt.Errorf("%d ids, where at most %d are answered", len(ids), c.PerCallMax)
	}
	withMD5 := r.URL.Query().Get("include_md5") == "true"
	shapes, extra := c.shapes(ids)
	text := append((*buffer)[:0], '[')
	for _, s := range shapes {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = c.render(text, s, extra, withMD5)
		c.pool.Put(s)
	}
	*buffer = append(text, ']')
	a.text, a.contacts = *buffer, len(shapes)
	return a, nil
}

// shapes are those of the contacts that are there now, in the order of the ids.
func (c *campaign) shapes(ids []string) ([]*shape, []field) {
	list := make([]*shape, 0, len(ids))
	c.mu.Lock()
	defer c.mu.Unlock()
	here, _ := c.moments()
	for _, id := range ids {
		contact, known := contactNumber(id, c.Seed)
		if known && int(contact) < len(c.history.newest) && c.state(contact, here).there {
			list = append(list, c.shapeAt(contact, here))
		}
	}
	return list, c.extra
}
