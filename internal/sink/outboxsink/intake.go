package outboxsink

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// posting is a transaction of a contact as the source read it.
type posting struct {
	contact, fired string // its key
	hash           string // of what matters in it
	payload        payload
	key            string // 16 bytes that stand for its key
}

// intake is a batch as it came.
type intake struct {
	postings []posting // in order, a key once: the last one with it
	refused  []refusal // by the source, or for their form
	read     int64     // rows, a key once
	bytes    int64     // of the values
}

// idMost is what a contact's id may have of bytes: it stands in an index.
const idMost = 200

// columns are the places of a posting's columns in a row.
type columns struct{ contactID, fired, hash, contact, transaction int }

func columnsOf(t *pipeline.Table) (c columns, err error) {
	for name, place := range map[string]*int{
		"contact_id": &c.contactID, "fired": &c.fired, "hash": &c.hash, "contact": &c.contact, "transaction": &c.transaction,
	} {
		if *place = t.Index(name); *place < 0 {
			return c, &fault.Error{
				Kind: fault.Invalid, Code: "webhook_table",
				Detail: fmt.Sprintf("table %q has no column %s, so that it cannot be posted", t.Name, name),
			}
		}
	}
	return c, nil
}

// read reads a batch.
func read(b pipeline.Batch) (intake, error) {
	var in intake
	last := map[string]int{} // the place of a key's row
	for i := range b.Changes {
		change := &b.Changes[i]
		cols, err := columnsOf(change.Table)
		if err != nil {
			return intake{}, err
		}
		for _, row := range change.Rows {
			in.add(cols, row, last)
		}
		for _, r := range change.Rejected {
			contact, fired := textAt(r.Row, cols.contactID), textAt(r.Row, cols.fired)
			in.refuse(refusal{cmp.Or(contact, clean(r.Key)), fired, "rejected", clean(r.Reason), digest("rejected", r.Key, r.Reason)})
		}
	}
	in.compact(last)
	in.read += int64(len(in.postings))
	return in, nil
}

func (in *intake) add(cols columns, row []any, last map[string]int) {
	p := posting{
		contact: textAt(row, cols.contactID), fired: textAt(row, cols.fired), hash: textAt(row, cols.hash),
		payload: payload{textAt(row, cols.contact), textAt(row, cols.transaction)},
	}
	in.bytes += int64(len(p.contact) + len(p.fired) + len(p.hash) + p.payload.size())
	if reason := p.malformed(); reason != "" {
		in.read++
		in.refuse(refusal{p.contact, p.fired, "malformed", reason, digest("malformed", p.contact, p.fired, reason)})
		return
	}
	p.key = string(digest(p.contact, p.fired))
	last[p.key] = len(in.postings)
	in.postings = append(in.postings, p)
}

func (in *intake) refuse(r refusal) { in.refused = append(in.refused, r) }

// malformed says what is wrong with a row's form; "" if nothing is.
func (p *posting) malformed() string {
	switch {
	case p.contact == "" || p.fired == "" || p.hash == "" || p.payload.contact == "" || p.payload.transaction == "":
		return "a value is missing, or is no text"
	case len(p.contact) > idMost:
		return fmt.Sprintf("the contact's id has %d bytes, more than %d", len(p.contact), idMost)
	default:
		return ""
	}
}

// compact drops all rows with a key but the last.
func (in *intake) compact(last map[string]int) {
	if len(last) == len(in.postings) {
		return
	}
	kept := make([]posting, 0, len(last))
	for i, p := range in.postings {
		if last[p.key] == i {
			kept = append(kept, p)
		}
	}
	in.postings = kept
}

// textAt is a row's text, "" if there is none.
func textAt(row []any, i int) string {
	if i >= len(row) {
		return ""
	}
	text, _ := row[i].(string)
	return clean(text)
}

// clean is what both databases can store: without null characters and invalid
// UTF-8. In JSON a null character is written as an escape, which stays.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// digest is 16 bytes that stand for texts.
func digest(texts ...string) []byte {
	h, length := sha256.New(), []byte{}
	for _, text := range texts {
		length = binary.AppendUvarint(length[:0], uint64(len(text)))
		h.Write(length)
		h.Write([]byte(text))
	}
	return h.Sum(nil)[:16]
}
