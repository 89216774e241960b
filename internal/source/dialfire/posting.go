package dialfire

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/pipeline"
)

// posting is a transaction as the webhook mode sends it.
type posting struct {
	contactID, fired string
	contact          string         // compact JSON without $task_log; all of a contact's postings share it
	transaction      jsontext.Value // compact JSON
	hash             [16]byte       // of the transaction, whatever the order of its members

	// rejected is set where the transaction cannot be sent, because it names no
	// contact or no fired; everything else is unset then. It is a row of Postings.
	rejected *pipeline.Rejected
}

// decodePostings reads the answer of POST contacts/ and calls each for every
// transaction that the filter carries: first those of a contact that cannot be
// sent, then the others in order of fired, of those with the same fired the last.
func decodePostings(data []byte, f Filter, each func(posting) error) error {
	p := poster{filter: f, each: each, shapes: shapes{
		sent: newShape(text("fired", "type", "user", "status_detail", "task")).identifier("fired"),
	}}
	return read(data, func(r *reader) error {
		if err := r.expect('[', "contacts"); err != nil {
			return err
		}
		return r.array(func() error {
			start := r.offset()
			reason, err := r.otherThan('{')
			switch {
			case err != nil || reason == absent:
				return err
			case reason != "":
				rejected := r.anonymous(nil, start, "the contact: "+reason)
				return each(posting{rejected: &rejected})
			}
			c, err := p.contact(r)
			switch {
			case err != nil:
				return err
			case c.id != "":
				return p.post(c)
			case len(c.wrong)+len(c.sent) == 0:
				return nil
			}
			rejected := r.anonymous(nil, start, "the contact has no $id")
			return each(posting{rejected: &rejected})
		})
	})
}

// poster makes postings, one contact after the other.
type poster struct {
	filter Filter
	each   func(posting) error
	shapes shapes
}

type (
	// postedContact is a contact with its transactions as they stand in the answer.
	postedContact struct {
		id      string
		members []byte // those that are sent, with a comma before each
		sent    []sentNode
		wrong   []wrong
	}
	sentNode struct {
		row   []any  // of shapes.sent
		text  string // all of the transaction
		place string // where it stands, if it has no fired
	}
)

// The places in a row of shapes.sent.
const sentFired, sentType, sentUser, sentStatusDetail, sentTask = 0, 1, 2, 3, 4

// contact reads a contact with those of its transactions that the filter carries.
func (p *poster) contact(r *reader) (c postedContact, err error) {
	var log list[list[sentNode]]
	err = r.object(func(name []byte) (err error) {
		if string(name) == taskLog {
			log, err = readLog(r, &p.shapes, (*reader).sent)
			return err
		}
		c.members = append(c.members, ',')
		c.members, err = jsontext.AppendQuote(c.members, name)
		if err != nil {
			return err
		}
		isID := string(name) == "$id"
		raw, err := r.d.ReadValue()
		if err != nil {
			return err
		}
		c.members = append(append(c.members, ':'), raw...)
		if isID {
			c.id = ""
			if raw.Kind() == '"' {
				c.id = r.unquote(raw)
			}
		}
		return nil
	})
	c.wrong = log.wrong
	for _, entry := range log.nodes {
		c.wrong = append(c.wrong, entry.wrong...)
		for _, n := range entry.nodes {
			if p.filter.carries(n.row[sentType], n.row[sentUser], n.row[sentStatusDetail], n.row[sentTask]) {
				c.sent = append(c.sent, n)
			}
		}
	}
	return c, err
}

func (r *reader) sent(s *shapes) (n sentNode, err error) {
	start := r.offset()
	n.row = s.sent.newRow(r)
	err = r.row(s.sent, n.row, nil)
	n.text = r.since(start)
	if !filled(n.row[sentFired]) {
		n.place = r.place()
	}
	return n, err
}

// post makes postings of a contact that has an id.
func (p *poster) post(c postedContact) error {
	for _, w := range c.wrong {
		if err := p.reject(c.id, w, nil); err != nil {
			return err
		}
	}
	if len(c.sent) == 0 {
		return nil
	}
	c.members[0] = '{' // $id, at least, is there
	members, err := compact(append(c.members, '}'))
	if err != nil {
		return err
	}
	whole := string(members)
	// Those without a fired come first.
	slices.SortStableFunc(c.sent, func(a, b sentNode) int { return compareFired(a.fired(), b.fired()) })
	for i, n := range c.sent {
		fired := n.fired()
		if fired != "" && i+1 < len(c.sent) && c.sent[i+1].fired() == fired {
			continue
		}
		transaction, err := compact([]byte(n.text))
		if err != nil {
			return err
		}
		if fired == "" {
			err = p.reject(c.id, wrong{n.place, "it cannot be told from others: fired is missing, empty or no string"}, transaction)
		} else {
			err = p.send(posting{contactID: c.id, fired: fired, contact: whole, transaction: transaction})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n sentNode) fired() string {
	fired, _ := n.row[sentFired].(string)
	return fired
}

// compareFired orders times as the API sends them. A Z at the end must not put a time
// without a fraction behind those with one.
func compareFired(a, b string) int {
	return cmp.Or(cmp.Compare(strings.TrimSuffix(a, "Z"), strings.TrimSuffix(b, "Z")), cmp.Compare(a, b))
}

func (p *poster) send(t posting) error {
	ordered, err := compact(t.transaction, jsontext.ReorderRawObjects(true))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(ordered)
	copy(t.hash[:], sum[:])
	return p.each(t)
}

func (p *poster) reject(contact string, w wrong, transaction jsontext.Value) error {
	row := []any{contact, nil, nil, nil, nil}
	if transaction != nil {
		row[4] = string(transaction)
	}
	return p.each(posting{rejected: &pipeline.Rejected{Key: contact + " " + w.place, Row: row, Reason: w.reason}})
}
