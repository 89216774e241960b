package campaign

import (
	"crypto/md5" //nolint:gosec // it makes keys, it guards nothing
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// row is one row of the mirror, as JSON.
type row struct {
	table, key string
	json       []byte
}

// letter is something that can be no row: a dead letter.
type letter struct{ table, key, kind string }

// Kinds of dead letters.
const (
	noFired    = "no_fired"    // a transaction; its key is that of the contact
	noLocation = "no_location" // a recording without location and started; its key is that of the connection
)

// flattener turns contacts and calls into rows by the rules of the mirror. It
// reads the JSON that the API sends, and knows nothing of how that was made.
type flattener struct {
	contacts []column
	filter   filter
	only     string // the table that is wanted; the rows of others are not written
	rows     []row
	letters  []letter
}

// filter is which transactions come.
type filter struct {
	mode     string // "", updatesOnly or hiUpdatesOnly
	prefixes []string
}

const (
	updatesOnly   = "updates_only"
	hiUpdatesOnly = "hi_updates_only"
)

func (f filter) passes(t object) bool {
	if f.mode != "" && !t.null("type") {
		if kind, _ := t.text("type"); kind != "update" {
			return false
		}
	}
	if f.mode == hiUpdatesOnly {
		_, byPerson := t.text("user")
		if detail, _ := t.text("status_detail"); !byPerson || detail == assigned {
			return false
		}
	}
	if len(f.prefixes) == 0 || t.null("task") {
		return true
	}
	task, _ := t.text("task")
	for _, prefix := range f.prefixes {
		if strings.HasPrefix(task, prefix) {
			return true
		}
	}
	return false
}

// above is what is above a connection: the ids that it and its recordings carry.
type above struct{ contact, transaction, parent string }

// contact flattens one contact.
func (f *flattener) contact(text []byte) error {
	var c object
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("a contact: %w", err)
	}
	id, _ := c.text("$id")
	if err := f.add(contactsTable, id, f.contacts, c, nil); err != nil {
		return err
	}
	if f.only == contactsTable {
		return nil
	}
	tasks, err := list(c[taskLog])
	if err != nil {
		return err
	}
	for _, task := range tasks {
		transactions, err := list(task["transactions"])
		if err != nil {
			return err
		}
		for _, t := range transactions {
			if err := f.transaction(id, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads a list of objects; nothing is an empty one.
func list(raw json.RawMessage) ([]object, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var items []object
	err := json.Unmarshal(raw, &items)
	return items, err
}

func (f *flattener) transaction(contact string, t object) error {
	if !f.filter.passes(t) {
		return nil
	}
	fired, told := t.text("fired")
	if !told {
		f.letters = append(f.letters, letter{transactionsTable, contact, noFired})
		return nil
	}
	id := digest(contact + fired)
	if err := f.add(transactionsTable, id, transactionColumns[:], t, map[string]string{"id": id, "contact_id": contact}); err != nil {
		return err
	}
	return f.connections(above{contact, id, ""}, t["connections"])
}

// connections flattens the connections of a transaction, or those to others that
// were made from a connection, which is their parent.
func (f *flattener) connections(up above, raw json.RawMessage) error {
	connections, err := list(raw)
	if err != nil {
		return err
	}
	last := ""
	for _, c := range connections {
		parent := up.parent
		id, isText := c.text("id")
		if technology, _ := c.text("technology"); technology == "transfer" && parent == "" {
			parent = last
		}
		last = id
		if !isText || c.null("disconnected") {
			continue
		}
		if err := f.connection(above{up.contact, up.transaction, parent}, id, c); err != nil {
			return err
		}
	}
	return nil
}

func (f *flattener) connection(up above, id string, c object) error {
	set := map[string]string{"contact_id": up.contact, "transaction_id": up.transaction}
	if up.parent != "" {
		set["parent_connection_id"] = up.parent
	}
	if _, told := c["isThirdPartyConnection"]; !told {
		set["isThirdPartyConnection"] = "false"
	}
	if err := f.add(connectionsTable, id, connectionColumns[:], c, set); err != nil {
		return err
	}
	recordings, err := list(c["recordings"])
	if err != nil {
		return err
	}
	for _, r := range recordings {
		from, told := r.text("location")
		if !told {
			from, told = r.text("started")
		}
		if !told {
			f.letters = append(f.letters, letter{recordingsTable, id, noLocation})
			continue
		}
		key := digest(id + from)
		set := map[string]string{"id": key, "contact_id": up.contact, "connection_id": id}
		if err := f.add(recordingsTable, key, recordingColumns[:], r, set); err != nil {
			return err
		}
	}
	return f.connections(above{up.contact, up.transaction, id}, c["third_party_connections"])
}

// call flattens one inbound call.
func (f *flattener) call(text []byte) error {
	var c object
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("an inbound call: %w", err)
	}
	for name, key := range callKeys {
		c[name] = c[key]
	}
	if c.null("id") {
		return errors.New("an inbound call without an id")
	}
	id, err := plainText(c["id"])
	if err != nil {
		return err
	}
	return f.add(callsTable, id, callColumns[:], c, nil)
}

// add writes a row; what is set comes before what the object says. A later row of
// the same key takes the place of an earlier one.
func (f *flattener) add(table, key string, columns []column, from object, set map[string]string) error {
	if f.only != table {
		return nil
	}
	text := []byte{'{'}
	for i, c := range columns {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(appendText(text, c.name), ':')
		if value, given := set[c.name]; given {
			text = appendText(text, value)
			continue
		}
		var err error
		if text, err = appendCell(text, c.kind, from[c.name]); err != nil {
			return fmt.Errorf("%s %s, %s: %w", table, key, c.name, err)
		}
	}
	added := row{table, key, append(text, '}', '\n')}
	for i := range f.rows {
		if f.rows[i].key == key {
			f.rows[i] = added
			return nil
		}
	}
	f.rows = append(f.rows, added)
	return nil
}

func digest(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}
