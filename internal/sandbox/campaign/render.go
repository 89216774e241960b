package campaign

import (
	"bytes"
	"strconv"
)

// writer writes one contact's JSON.
type writer struct {
	b     []byte
	nasty *nasty // what is special about the contact, while its own values are written
}

// special tells whether the contact's value of the key is written elsewhere.
func (w *writer) special(key string) bool { return w.nasty != nil && w.nasty.has(key) }

// raw writes a value that is JSON already.
func (w *writer) raw(key, value string) {
	if !w.special(key) {
		w.b = append(append(append(append(w.b, ',', '"'), key...), '"', ':'), value...)
	}
}

// text writes a value without anything to escape.
func (w *writer) text(key, value string) {
	if w.open(key) {
		w.b = append(append(w.b, value...), '"')
	}
}

// stamp writes a time.
func (w *writer) stamp(key string, at int64) {
	if w.open(key) {
		w.b = append(appendStamp(w.b, at), '"')
	}
}

func (w *writer) number(key string, n int64) {
	if !w.special(key) {
		w.b = strconv.AppendInt(append(append(append(w.b, ',', '"'), key...), '"', ':'), n, 10)
	}
}

func (w *writer) id(key string, chance uint64) {
	if w.open(key) {
		w.b = append(appendID(w.b, chance), '"')
	}
}

// open begins a text, which the caller writes and closes.
func (w *writer) open(key string) bool {
	if w.special(key) {
		return false
	}
	w.b = append(append(append(w.b, ',', '"'), key...), '"', ':', '"')
	return true
}

// render writes a contact. It needs no lock: a shape is the reader's own.
func (c *campaign) render(b []byte, s *shape, extra []field, withMD5 bool) []byte {
	w := &writer{b: b}
	if n := len(c.nasties); n > 0 {
		if i := int(s.contact % nastyEvery); i < n {
			w.nasty = &c.nasties[i]
		}
	}
	start := len(w.b)
	w.b = append(appendContactID(append(w.b, `{"$id":"`...), c.Seed, s.contact), '"')
	if withMD5 {
		w.b = append(appendMD5(append(w.b, `,"$md5":"`...), c.hash(s.contact, s.ordinal)), '"')
	}
	c.system(w, s)
	c.custom(w, s, extra)
	over := w.nasty
	w.nasty = nil
	if over == nil {
		w.log(s, nasty{})
		return append(w.b, '}')
	}
	for _, value := range over.values {
		if value.json != "" {
			w.b = append(append(append(append(w.b, ','), quote(value.key)...), ':'), value.json...)
		}
	}
	if !over.has(taskLog) {
		w.log(s, *over)
	}
	w.b = append(w.b, '}')
	return over.finish(w.b, start, s)
}

// system writes the values that every contact has, but for its id and MD5.
func (c *campaign) system(w *writer, s *shape) {
	chance := mix(s.base, 20)
	w.text("$ref", "")
	if w.open("$version") {
		w.b = append(strconv.AppendInt(w.b, c.version(s.contact, s.ordinal), 10), '"')
	}
	w.text("$campaign_id", c.Campaign)
	w.id("$task_id", mix(c.Seed, chance%4))
	w.text("$task", tasks[chance%4])
	w.text("$status", statuses[chance>>4%4])
	w.text("$status_detail", statuses[chance>>4%4]+"_detail")
	w.stamp("$created_date", s.since)
	w.stamp("$entry_date", s.since+day)
	w.text("$owner", agents[chance>>8%8])
	if chance>>12&1 == 0 {
		w.raw("$follow_up_date", "null")
	} else {
		w.stamp("$follow_up_date", s.changed+3*day)
	}
	if w.open("$phone") {
		w.b = append(appendPhone(w.b, mix(chance, 1)), '"')
	}
	w.text("$timezone", "Europe/Berlin")
	w.text("$caller_id", "+498001230")
	w.text("$source", "import.csv")
	if w.open("$comment") {
		revision := s.revision(uint32(c.Fields)) //nolint:gosec // at most maxFields
		w.b = append(appendFiller(w.b, mix(chance, uint64(revision)), 40, 160), '"')
	}
	w.raw("$error", "null")
	w.raw("$recording", "null")
	w.raw("$recording_url", "null")
	if len(c.nasties) > 0 {
		w.raw("$changed", `"a name that the mirror has for itself"`)
	}
}

// custom writes the values of the fields.
func (c *campaign) custom(w *writer, s *shape, extra []field) {
	for i := range c.Fields {
		f := &c.fields[i]
		if w.special(f.Name) {
			continue
		}
		w.b = append(w.b, f.start...)
		chance := mix(s.base+uint64(s.revision(uint32(i))), uint64(i)+1_000)
		switch {
		case isNumber(i):
			w.b = appendAmount(w.b, chance)
		case i%8 == 5:
			w.b = append(append(append(w.b, '"'), towns[chance%8]...), '"')
		default:
			w.b = append(appendFiller(append(w.b, '"'), chance, 20, 300), '"')
		}
	}
	for i, e := range s.edits {
		if !e.late || s.againLater(i) {
			continue
		}
		f := &extra[e.field]
		w.b = append(w.b, f.start...)
		chance := mix(s.base, uint64(e.ordinal)+2_000)
		if f.FieldType == numberField {
			w.b = appendAmount(w.b, chance)
		} else {
			w.b = append(appendFiller(append(w.b, '"'), chance, 20, 60), '"')
		}
	}
}

// againLater tells whether a later edit has the field of this one.
func (s *shape) againLater(i int) bool {
	for _, e := range s.edits[i+1:] {
		if e.late && e.field == s.edits[i].field {
			return true
		}
	}
	return false
}

// finish puts the contact's own ids and times into what is special about it.
func (n *nasty) finish(b []byte, start int, s *shape) []byte {
	text := b[start:]
	if bytes.Contains(text, []byte("{id}")) {
		text = bytes.ReplaceAll(text, []byte("{id}"), appendID(nil, mix(s.base, 30)))
	}
	if bytes.Contains(text, []byte("{fired}")) {
		text = bytes.ReplaceAll(text, []byte("{fired}"), appendStamp(nil, s.first))
	}
	if n.spacious {
		text = spread(text)
	}
	return append(b[:start], text...)
}
