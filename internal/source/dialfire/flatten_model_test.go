package dialfire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
)

// flattenModel flattens a contact that encoding/json has read, slowly and by name.
type flattenModel struct {
	o        layoutOptions
	id       string
	tables   map[string][]map[string]any
	rejected []string // table and key, in no order
}

type object = map[string]any

func (m *flattenModel) contact(c object) {
	m.id = c["$id"].(string)
	row := m.row("contacts", c)
	for _, f := range m.o.fields {
		switch v := c[f.Name]; {
		case f.Number:
			row[f.Name] = m.number(v)
		default:
			row[f.Name] = m.text(v)
		}
	}
	m.add("contacts", row)
	last := map[string]object{} // by fired
	type place struct {
		transaction object
		at          string
	}
	var carried []place
	for _, e := range m.objects("transactions", c["$task_log"], "/$task_log") {
		for _, t := range m.objects("transactions", e.object["transactions"], e.at+"/transactions") {
			if !m.carries(t.object) {
				continue
			}
			carried = append(carried, place{t.object, t.at})
			if fired, _ := t.object["fired"].(string); fired != "" {
				last[fired] = t.object
			}
		}
	}
	for _, t := range carried {
		fired, _ := t.transaction["fired"].(string)
		if fired == "" {
			m.reject("transactions", t.at)
		} else if sameObject(last[fired], t.transaction) {
			m.transaction(t.transaction, t.at)
		}
	}
}

func sameObject(a, b object) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

func (m *flattenModel) carries(t object) bool {
	is := func(name string, values ...string) bool {
		text, ok := m.plain(t[name]).(string)
		return ok && slices.Contains(values, text)
	}
	if m.o.filter.Kind != All && t["type"] != nil && !is("type", "update") {
		return false
	}
	if m.o.filter.Kind == HIUpdatesOnly && (t["user"] == nil || is("user", "") || is("status_detail", "$assigned")) {
		return false
	}
	if t["task"] == nil || len(m.o.filter.Prefixes) == 0 {
		return true
	}
	for _, prefix := range m.o.filter.Prefixes {
		if strings.HasPrefix(m.plain(t["task"]).(string), prefix) {
			return true
		}
	}
	return false
}

func (m *flattenModel) transaction(t object, at string) {
	row := m.row("transactions", t)
	row["id"] = hexID(m.id, noNUL(t["fired"].(string)))
	row["contact_id"] = m.id
	m.add("transactions", row)
	var before object
	for i, c := range m.objects("connections", t["connections"], at+"/connections") {
		parent := any(nil)
		if before != nil && i > 0 && c.object["technology"] == "transfer" {
			if text, ok := before["id"].(string); ok && text != "" {
				parent = text
			}
		}
		before = c.object
		m.connection(c.object, c.at, row["id"], parent)
	}
}

func (m *flattenModel) connection(c object, at string, transaction, parent any) {
	own, ok := c["id"].(string)
	if !ok || c["disconnected"] == nil {
		return
	}
	if own == "" {
		m.reject("connections", at)
		return
	}
	row := m.row("connections", c)
	row["contact_id"] = m.id
	row["transaction_id"] = transaction
	if parent != nil {
		row["parent_connection_id"] = noNUL(parent.(string))
	}
	if _, ok := c["isThirdPartyConnection"]; !ok {
		row["isThirdPartyConnection"] = m.text(false)
	}
	m.add("connections", row)
	for _, r := range m.objects("recordings", c["recordings"], at+"/recordings") {
		name := m.plain(r.object["location"])
		if name == nil || name == "" {
			name = m.plain(r.object["started"])
		}
		if name == nil || name == "" {
			m.reject("recordings", r.at)
			continue
		}
		row := m.row("recordings", r.object)
		row["id"] = hexID(noNUL(own), name.(string))
		row["contact_id"] = m.id
		row["connection_id"] = noNUL(own)
		m.add("recordings", row)
	}
	for _, third := range m.objects("connections", c["third_party_connections"], at+"/third_party_connections") {
		m.connection(third.object, third.at, transaction, own)
	}
}

type placed struct {
	object object
	at     string
}

// objects are the objects of a list; anything else but null is rejected.
func (m *flattenModel) objects(table string, v any, at string) (found []placed) {
	list, ok := v.([]any)
	if !ok && v != nil {
		m.reject(table, at)
	}
	for i, v := range list {
		at := at + "/" + strconv.Itoa(i)
		switch o, ok := v.(object); {
		case ok:
			found = append(found, placed{o, at})
		case v != nil:
			m.reject(table, at)
		}
	}
	return found
}

func (m *flattenModel) reject(table, at string) {
	m.rejected = append(m.rejected, table+" "+m.id+" "+at)
}

func (m *flattenModel) add(table string, row object) {
	for name, v := range row {
		if v == nil || m.o.emptyAsNull && v == "" {
			delete(row, name)
		}
	}
	m.tables[table] = append(m.tables[table], row)
}

// row has the values of the table's columns.
func (m *flattenModel) row(table string, o object) object {
	row := object{}
	for _, t := range Tables("") {
		if t.Name != table {
			continue
		}
		for _, c := range t.Columns {
			switch v := o[c.Name]; c.Type {
			case pipeline.Decimal:
				row[c.Name] = m.number(v)
			case pipeline.Boolean:
				row[c.Name] = m.boolean(v)
			default:
				row[c.Name] = m.text(v)
			}
		}
	}
	return row
}

func noNUL(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// plain is a value as text, nil for null.
func (m *flattenModel) plain(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return noNUL(v)
	case json.Number:
		return v.String()
	case bool:
		if m.o.legacyValues {
			return map[bool]string{true: "1", false: "0"}[v]
		}
		return strconv.FormatBool(v)
	default:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err)
		}
		return strings.TrimSpace(b.String())
	}
}

func (m *flattenModel) text(v any) any { return m.plain(v) }

func (m *flattenModel) number(v any) any {
	switch text := m.plain(v); {
	case v == nil, v == "":
		return nil
	default:
		_, isText := v.(string)
		_, isNumber := v.(json.Number)
		_, isBool := v.(bool)
		d := json.NewDecoder(strings.NewReader(text.(string)))
		d.UseNumber()
		var n any
		err := d.Decode(&n)
		_, reads := n.(json.Number)
		if isNumber || (isText || isBool) && err == nil && reads && strings.TrimSpace(text.(string)) == text && !d.More() {
			return text
		}
		return pipeline.Misfit(text.(string))
	}
}

func (m *flattenModel) boolean(v any) any {
	if b, ok := v.(bool); ok {
		return b
	}
	_, isText := v.(string)
	_, isNumber := v.(json.Number)
	text := m.plain(v)
	switch {
	case v == nil, v == "":
		return nil
	case isText && text == "true", (isText || isNumber) && text == "1":
		return true
	case isText && text == "false", (isText || isNumber) && text == "0":
		return false
	default:
		return pipeline.Misfit(text.(string))
	}
}

// drawn draws contacts of the shape that the API has, with here and there
// something else in it.
type drawn struct{ *rapid.T }

func (d drawn) one(label string, values ...any) any {
	return rapid.SampledFrom(values).Draw(d.T, label)
}

func (d drawn) value() any {
	return d.one("value", nil, "", "x", "true", "0", "1", "12.50", "1e5", " 7", "a\x00b", "ä😀\\\"\n", true, false,
		json.Number("0"), json.Number("1"), json.Number("2E5"), json.Number("3092.440"), []any{}, object{"k": []any{json.Number("1.0"), nil}})
}

// list is mostly a list of what each draws.
func (d drawn) list(longest int, each func() any) any {
	switch d.one("list", "list", "list", "list", "list", "list", "list", "null", "other") {
	case "null":
		return nil
	case "other":
		return d.value()
	}
	list := []any{}
	for range rapid.IntRange(0, longest).Draw(d.T, "length") {
		if d.one("element", 1, 2, 3, 4, 5, 6, 7, 8) == 1 {
			list = append(list, d.value())
		} else {
			list = append(list, each())
		}
	}
	return list
}

// members gives an object some of a table's members, and one without a column.
func (d drawn) members(o object, table string) object {
	for _, t := range Tables("") {
		for _, c := range t.Columns {
			if _, ok := o[c.Name]; t.Name == table && !ok && rapid.IntRange(0, 4).Draw(d.T, c.Name) == 0 {
				o[c.Name] = d.value()
			}
		}
	}
	o["other"] = d.value()
	for name, v := range o {
		if v == "absent" {
			delete(o, name)
		}
	}
	return o
}

func (d drawn) contact() object {
	return d.members(object{
		"$id": d.one("$id", "A", "ABCDEFGHJKLMNP23"), "x": d.value(), "n": d.value(),
		"$task_log": d.list(2, func() any {
			return d.members(object{"transactions": d.list(4, d.transaction)}, "")
		}),
	}, "contacts")
}

func (d drawn) transaction() any {
	return d.members(object{
		"fired":         d.one("fired", "1", "2", "3", "4", "1\x00", "absent", nil, "", json.Number("1")),
		"type":          d.one("type", "update", "update", "create", "absent", nil, ""),
		"user":          d.one("user", "anna", "absent", nil, ""),
		"task":          d.one("task", "fc_a", "qc_b", "absent", nil, "", json.Number("5")),
		"status_detail": d.one("status_detail", "$assigned", "absent", "x"),
		"connections":   d.list(3, func() any { return d.connection(0) }),
	}, "transactions")
}

func (d drawn) connection(level int) any {
	c := object{
		"id":                     d.one("id", "a", "b", "c", "d", "e", "a\x00", "", nil, json.Number("5"), "absent"),
		"disconnected":           d.one("disconnected", "d", "d", "d", "", nil, "absent", json.Number("0")),
		"technology":             d.one("technology", "sip", "transfer", "transfer", "absent"),
		"isThirdPartyConnection": d.one("isThirdPartyConnection", true, false, nil, "absent"),
		"recordings": d.list(2, func() any {
			return d.members(object{
				"location": d.one("location", "l", "m", "absent", nil, "", json.Number("7"), true),
				"started":  d.one("started", "s", "absent", nil, ""),
			}, "recordings")
		}),
	}
	if level < 2 {
		c["third_party_connections"] = d.list(2, func() any { return d.connection(level + 1) })
	}
	return d.members(c, "connections")
}

// encode writes members in any order, with white space here and there.
func encode(r *rand.Rand, v any) string {
	space := func() string { return []string{"", "", "", " ", "\n\t"}[r.IntN(5)] }
	var parts []string
	switch v := v.(type) {
	case object:
		for name, v := range v {
			quoted, _ := json.Marshal(name)
			parts = append(parts, string(quoted)+space()+":"+space()+encode(r, v))
		}
		slices.Sort(parts)
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{" + space() + strings.Join(parts, space()+","+space()) + space() + "}"
	case []any:
		for _, v := range v {
			parts = append(parts, encode(r, v))
		}
		return "[" + space() + strings.Join(parts, space()+","+space()) + space() + "]"
	default:
		text, _ := json.Marshal(v)
		return string(text)
	}
}

func TestContactsAreFlattenedAsTheModelHasIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t}
		o := layoutOptions{
			fields: []Field{{Name: "x"}, {Name: "n", Number: true}},
			filter: Filter{
				Kind:     rapid.SampledFrom([]FilterKind{All, All, UpdatesOnly, HIUpdatesOnly}).Draw(t, "kind"),
				Prefixes: rapid.SampledFrom([][]string{nil, nil, {"fc_", "5"}, {"qc_"}}).Draw(t, "prefixes"),
			},
			emptyAsNull:  rapid.Bool().Draw(t, "empty as null"),
			legacyValues: rapid.Bool().Draw(t, "legacy values"),
		}
		var list []any
		for range rapid.IntRange(0, 2).Draw(t, "contacts") {
			list = append(list, d.contact())
		}
		text := encode(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)), append([]any{nil}, list...))

		l := newLayout(o)
		got := contactsOf(t, l, text)
		if len(got) != len(list) {
			t.Fatalf("%d contacts from %s", len(got), text)
		}
		for i, c := range list {
			m := &flattenModel{o: o, tables: map[string][]object{}}
			m.contact(c.(object))
			compareContact(t, l, got[i], m, text)
		}
	})
}

func compareContact(t *rapid.T, l *layout, got contact, want *flattenModel, text string) {
	for table, rows := range map[*pipeline.Table][][]any{
		l.contacts: {got.row}, l.transactions: got.transactions, l.connections: got.connections, l.recordings: got.recordings,
	} {
		var objects []object
		for _, row := range rows {
			o := object{}
			for i, v := range row {
				if v != nil {
					o[table.Columns[i].Name] = v
				}
			}
			objects = append(objects, o)
		}
		if !reflect.DeepEqual(objects, want.tables[table.Name]) {
			t.Fatalf("%s\n%s\ngot  %v\nwant %v", text, table.Name, objects, want.tables[table.Name])
		}
	}
	var rejected []string
	for _, r := range got.rejected {
		rejected = append(rejected, r.table.Name+" "+r.Key)
		if at := r.table.Index("contact_id"); r.Row[at] != got.id {
			t.Errorf("the row of %s is of the contact %v", r.Key, r.Row[at])
		}
	}
	slices.Sort(rejected)
	slices.Sort(want.rejected)
	if !slices.Equal(rejected, want.rejected) {
		t.Fatalf("%s\ngot  %s\nwant %s", text, fmt.Sprint(rejected), fmt.Sprint(want.rejected))
	}
}
