package dialfire

import "ferryman/internal/pipeline"

// shape says where the members of a JSON object go in a row.
type shape struct {
	at      map[string]int // a member's column; for a member that holds a list one of those below 0
	columns []column
}

// column is a column as its values are read.
type column struct {
	typ        pipeline.Type
	identifier bool // only a string is a value
	legacy     bool // booleans are 1 and 0 where they are text
}

// taskLog is the member of a contact that holds what happened to it.
const taskLog = "$task_log"

// Members that hold lists.
const (
	listTaskLog = -1 - iota
	listConnections
	listRecordings
	listThirdParties
)

// newShape has for each column a member of the same name.
func newShape(columns []pipeline.Column) *shape {
	s := &shape{at: map[string]int{}, columns: make([]column, len(columns))}
	for i, c := range columns {
		s.at[c.Name] = i
		s.columns[i] = column{typ: c.Type}
	}
	return s
}

func (s *shape) identifier(name string) *shape {
	s.columns[s.at[name]].identifier = true
	return s
}

// list names a member that holds a list.
func (s *shape) list(name string, member int) *shape {
	s.at[name] = member
	return s
}

// renamed has a member fill a column of another name.
func (s *shape) renamed(member, column string) *shape {
	s.at[member] = s.at[column]
	delete(s.at, column)
	return s
}

func (s *shape) newRow(r *reader) []any { return r.newRow(len(s.columns)) }

// The shapes of a layout's tables, with the places of the columns that say what
// becomes of a row. The key of each is its first column.
type (
	shapes struct {
		contact     contactShape
		transaction transactionShape
		connection  connectionShape
		recording   recordingShape
		call        *shape
		sent        *shape // what is to be known of a transaction that is sent as it is
	}
	contactShape struct {
		*shape
		md5, version int
	}
	transactionShape struct {
		*shape
		contact, fired, kind, user, statusDetail, task int
	}
	connectionShape struct {
		*shape
		contact, transaction, parent, disconnected, technology, thirdParty int
		noThirdParty                                                       any // where the answer does not say
	}
	recordingShape struct {
		*shape
		contact, connection, started, location int
	}
)

func newShapes(l *layout, legacy bool) shapes {
	s := shapes{
		contact: contactShape{
			shape: newShape(l.contacts.Columns).identifier("$id").list(taskLog, listTaskLog),
			md5:   l.contacts.Index("$md5"), version: l.contacts.Index("$version"),
		},
		transaction: transactionShape{
			shape:   newShape(l.transactions.Columns).identifier("fired").list("connections", listConnections),
			contact: l.transactions.Index("contact_id"), fired: l.transactions.Index("fired"),
			kind: l.transactions.Index("type"), user: l.transactions.Index("user"),
			statusDetail: l.transactions.Index("status_detail"), task: l.transactions.Index("task"),
		},
		connection: connectionShape{
			shape: newShape(l.connections.Columns).identifier("id").
				list("recordings", listRecordings).list("third_party_connections", listThirdParties),
			contact: l.connections.Index("contact_id"), transaction: l.connections.Index("transaction_id"),
			parent: l.connections.Index("parent_connection_id"), disconnected: l.connections.Index("disconnected"),
			technology: l.connections.Index("technology"), thirdParty: l.connections.Index("isThirdPartyConnection"),
		},
		recording: recordingShape{
			shape:   newShape(l.recordings.Columns),
			contact: l.recordings.Index("contact_id"), connection: l.recordings.Index("connection_id"),
			started: l.recordings.Index("started"), location: l.recordings.Index("location"),
		},
		call: newShape(l.calls.Columns).
			renamed("calling_number", "remote_number").renamed("called_number", "line_number").
			renamed("call_time", "started").renamed("connect_time", "connected").renamed("hangup_time", "disconnected"),
	}
	for _, each := range []*shape{s.contact.shape, s.transaction.shape, s.connection.shape, s.recording.shape, s.call} {
		for i := range each.columns {
			each.columns[i].legacy = legacy
		}
	}
	s.connection.noThirdParty = fromBoolean(&s.connection.columns[s.connection.thirdParty], false)
	return s
}
