package dialfire

import (
	"crypto/md5" //nolint:gosec // the ids of rows are made with it, in tables that are there already, too
	"encoding/hex"
	"slices"

	"ferryman/internal/pipeline"
)

// contact is a contact with all that hangs below it, as rows of the layout's
// tables. Where the contact itself is rejected, id is "" and row is nil.
type contact struct {
	id, md5, version                      string
	row                                   []any
	transactions, connections, recordings [][]any
	rejected                              []rejection // of any of the tables
}

// rejection is a row that could not be made. Unless it is of contacts, its Row
// names the contact, so that a scope on contact_id clears it.
type rejection struct {
	table *pipeline.Table
	pipeline.Rejected
}

// decodeContacts reads the answer of POST contacts/ and calls each for every
// contact in it, in order; one that comes twice is told twice. What cannot be read
// is rejected piece by piece. Rows share memory with a copy of the answer.
func (l *layout) decodeContacts(data []byte, each func(contact) error) error {
	f := flattener{layout: l, fired: map[string]bool{}}
	return read(data, func(r *reader) error {
		if err := r.expect('[', "contacts"); err != nil {
			return err
		}
		return r.array(func() error {
			start := r.offset()
			if reason, err := r.otherThan('{'); reason != "" || err != nil {
				if err != nil || reason == absent {
					return err
				}
				return each(contact{rejected: []rejection{{l.contacts, r.anonymous(nil, start, "the contact: "+reason)}}})
			}
			node, err := r.contact(&l.shapes)
			if err != nil {
				return err
			}
			if !filled(node.row[0]) {
				return each(contact{rejected: []rejection{{l.contacts, r.anonymous(node.row, start, "the contact has no $id")}}})
			}
			return each(f.flatten(node))
		})
	})
}

// flattener makes rows of nodes, one contact after the other.
type flattener struct {
	*layout
	contact
	carried []*transactionNode
	fired   map[string]bool // of carried
	buffer  []byte
}

func (f *flattener) flatten(n contactNode) contact {
	shape := &f.shapes.contact
	f.contact = contact{row: f.finish(n.row)}
	f.id, _ = n.row[0].(string)
	f.md5, _ = n.row[shape.md5].(string)
	f.version, _ = n.row[shape.version].(string)
	f.wrong(f.layout.transactions, f.shapes.transaction.contact, n.log.wrong)
	for _, entry := range n.log.nodes {
		f.wrong(f.layout.transactions, f.shapes.transaction.contact, entry.wrong)
	}
	f.carry(n.log.nodes)
	for _, t := range f.carried {
		f.transaction(t)
	}
	return f.contact
}

// carry gathers the transactions that pass the filter: of those that fired at the
// same time, which have the same id, the last.
func (f *flattener) carry(log []list[transactionNode]) {
	shape := &f.shapes.transaction
	clear(f.fired)
	f.carried = f.carried[:0]
	for _, entry := range slices.Backward(log) {
		for i := range slices.Backward(entry.nodes) {
			t := &entry.nodes[i]
			row := t.row
			fired, _ := row[shape.fired].(string)
			if !f.filter.carries(row[shape.kind], row[shape.user], row[shape.statusDetail], row[shape.task]) || f.fired[fired] {
				continue
			}
			f.fired[fired] = fired != ""
			f.carried = append(f.carried, t)
		}
	}
	slices.Reverse(f.carried)
}

func (f *flattener) transaction(n *transactionNode) {
	shape := &f.shapes.transaction
	n.row[shape.contact] = f.row[0]
	if n.place != "" {
		f.reject(f.layout.transactions, n.row, wrong{n.place, "no id can be made: fired is missing, empty or no string"})
		return
	}
	fired, _ := n.row[shape.fired].(string)
	n.row[0] = f.digest(f.id, fired)
	f.contact.transactions = append(f.contact.transactions, f.finish(n.row))
	f.allConnections(n.connections, n.row[0], nil)
}

// allConnections makes rows of a list of connections. Those of a third party hang
// below another one; of the others one that a call was transferred to hangs below
// the one before.
func (f *flattener) allConnections(l list[connectionNode], transaction, above any) {
	shape := &f.shapes.connection
	f.wrong(f.layout.connections, shape.contact, l.wrong)
	for i := range l.nodes {
		row := l.nodes[i].row
		switch {
		case above != nil:
			row[shape.parent] = above
		case i > 0 && row[shape.technology] == "transfer" && filled(l.nodes[i-1].row[0]):
			row[shape.parent] = l.nodes[i-1].row[0]
		}
		row[shape.contact], row[shape.transaction] = f.row[0], transaction
		f.connection(&l.nodes[i])
	}
}

func (f *flattener) connection(n *connectionNode) {
	shape := &f.shapes.connection
	switch {
	case n.row[shape.disconnected] == nil || n.row[0] == nil:
		return // it has not ended yet, or is none
	case n.place != "":
		f.reject(f.layout.connections, n.row, wrong{n.place, "its id is empty"})
		return
	}
	f.contact.connections = append(f.contact.connections, f.finish(n.row))
	f.wrong(f.layout.recordings, f.shapes.recording.contact, n.recordings.wrong)
	for i := range n.recordings.nodes {
		f.recording(&n.recordings.nodes[i], n.row[0])
	}
	f.allConnections(n.thirdParties, n.row[shape.transaction], n.row[0])
}

func (f *flattener) recording(n *recordingNode, connection any) {
	shape := &f.shapes.recording
	n.row[shape.contact], n.row[shape.connection] = f.row[0], connection
	if n.place != "" {
		f.reject(f.layout.recordings, n.row, wrong{n.place, "no id can be made: there is neither location nor started"})
		return
	}
	of := n.row[shape.location]
	if !filled(of) {
		of = n.row[shape.started]
	}
	above, _ := connection.(string)
	name, _ := of.(string)
	n.row[0] = f.digest(above, name)
	f.contact.recordings = append(f.contact.recordings, f.finish(n.row))
}

// wrong rejects what cannot be read; contact is the place of contact_id.
func (f *flattener) wrong(t *pipeline.Table, contact int, all []wrong) {
	for _, w := range all {
		row := make([]any, contact+1)
		row[contact] = f.row[0]
		f.reject(t, row, w)
	}
}

func (f *flattener) reject(t *pipeline.Table, row []any, w wrong) {
	f.rejected = append(f.rejected, rejection{t, pipeline.Rejected{Key: f.id + " " + w.place, Row: row, Reason: w.reason}})
}

// digest is the id of what has none of its own.
func (f *flattener) digest(above, name string) string {
	f.buffer = append(append(f.buffer[:0], above...), name...)
	sum := md5.Sum(f.buffer) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// finish makes of what was sent what is written.
func (l *layout) finish(row []any) []any {
	if l.emptyAsNull {
		for i, v := range row {
			if v == "" {
				row[i] = nil
			}
		}
	}
	return row
}
