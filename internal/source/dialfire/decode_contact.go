package dialfire

import "github.com/go-json-experiment/json/jsontext"

// The nodes are a contact as it stands in the answer. Members come in any order,
// so what hangs below something is read before it is known what it hangs below.
// Their rows hold what was sent.
type (
	contactNode struct {
		row []any
		log list[list[transactionNode]]
	}
	transactionNode struct {
		row         []any
		place       string // where it stands, if no id can be made
		connections list[connectionNode]
	}
	connectionNode struct {
		row          []any
		place        string // where it stands, if its id is empty
		recordings   list[recordingNode]
		thirdParties list[connectionNode]
	}
	recordingNode struct {
		row   []any
		place string // where it stands, if no id can be made
	}
)

// list is the elements of a list, and what stood in their place.
type list[T any] struct {
	nodes []T
	wrong []wrong
}

// wrong is something that cannot be read.
type wrong struct{ place, reason string }

// readList reads the list of objects that is next, each of them with node. null is
// an empty list, and no element of one.
func readList[T any](r *reader, s *shapes, node func(*reader, *shapes) (T, error)) (list[T], error) {
	var l list[T]
	if reason, err := r.otherThan('['); reason != "" || err != nil {
		return l.with(r, reason), err
	}
	err := r.array(func() error {
		if reason, err := r.otherThan('{'); reason != "" || err != nil {
			l = l.with(r, reason)
			return err
		}
		n, err := node(r, s)
		l.nodes = append(l.nodes, n)
		return err
	})
	return l, err
}

// absent is the reason that null is passed over for.
const absent = "null"

func (l list[T]) with(r *reader, reason string) list[T] {
	if reason != "" && reason != absent {
		l.wrong = append(l.wrong, wrong{r.place(), reason})
	}
	return l
}

// otherThan skips the next value if it is of another kind, or too deep to be
// followed, and tells so.
func (r *reader) otherThan(kind jsontext.Kind) (reason string, err error) {
	switch found := r.d.PeekKind(); {
	case found == 'n':
		return absent, r.d.SkipValue()
	case found != kind:
		return "expected " + kindName(kind) + ", found " + kindName(found), r.d.SkipValue()
	case r.d.StackDepth() >= maxDepth:
		return "nested too deep to be followed", r.d.SkipValue()
	default:
		return "", nil
	}
}

// readLog reads the $task_log that is next, and with transaction each of the
// transactions in its entries.
func readLog[T any](r *reader, s *shapes, transaction func(*reader, *shapes) (T, error)) (list[list[T]], error) {
	return readList(r, s, func(r *reader, s *shapes) (transactions list[T], err error) {
		err = r.object(func(name []byte) error {
			if string(name) != "transactions" {
				return r.d.SkipValue()
			}
			transactions, err = readList(r, s, transaction)
			return err
		})
		return transactions, err
	})
}

func (r *reader) contact(s *shapes) (n contactNode, err error) {
	n.row = s.contact.newRow(r)
	err = r.row(s.contact.shape, n.row, func(int) error {
		n.log, err = readLog(r, s, (*reader).transaction)
		return err
	})
	return n, err
}

func (r *reader) transaction(s *shapes) (n transactionNode, err error) {
	n.row = s.transaction.newRow(r)
	err = r.row(s.transaction.shape, n.row, func(int) error {
		n.connections, err = readList(r, s, (*reader).connection)
		return err
	})
	if !filled(n.row[s.transaction.fired]) {
		n.place = r.place()
	}
	return n, err
}

func (r *reader) connection(s *shapes) (n connectionNode, err error) {
	n.row = s.connection.newRow(r)
	n.row[s.connection.thirdParty] = s.connection.noThirdParty
	err = r.row(s.connection.shape, n.row, func(member int) error {
		if member == listRecordings {
			n.recordings, err = readList(r, s, (*reader).recording)
		} else {
			n.thirdParties, err = readList(r, s, (*reader).connection)
		}
		return err
	})
	if n.row[0] == "" {
		n.place = r.place()
	}
	return n, err
}

func (r *reader) recording(s *shapes) (n recordingNode, err error) {
	n.row = s.recording.newRow(r)
	err = r.row(s.recording.shape, n.row, nil)
	if !filled(n.row[s.recording.location]) && !filled(n.row[s.recording.started]) {
		n.place = r.place()
	}
	return n, err
}

// filled tells whether a value of a column of text is of use for an id.
func filled(v any) bool { return v != nil && v != "" }
