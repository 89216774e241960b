package dialfire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// fataler is what tests and rapid's have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// contactsOf decodes an answer that is well-formed.
func contactsOf(t fataler, l *layout, text string) []contact {
	t.Helper()
	var contacts []contact
	err := l.decodeContacts([]byte(text), func(c contact) error {
		contacts = append(contacts, c)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return contacts
}

// contactOf decodes one contact.
func contactOf(t fataler, l *layout, text string) contact {
	t.Helper()
	contacts := contactsOf(t, l, "["+text+"]")
	if len(contacts) != 1 {
		t.Fatalf("%s: %d contacts", text, len(contacts))
	}
	return contacts[0]
}

// cell is a row's value by the name of its column.
func cell(t fataler, table *pipeline.Table, row []any, column string) any {
	t.Helper()
	i := table.Index(column)
	if i < 0 {
		t.Fatalf("table %s has no column %s", table.Name, column)
	}
	return row[i]
}

// show writes rows for people, a line each, without what is NULL.
func show(table *pipeline.Table, rows [][]any) string {
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(table.Name)
		for i, v := range row {
			switch v := v.(type) {
			case nil:
			case pipeline.Misfit:
				fmt.Fprintf(&b, " %s=misfit(%q)", table.Columns[i].Name, string(v))
			case string:
				if table.Columns[i].Type == pipeline.Decimal {
					fmt.Fprintf(&b, " %s=%s", table.Columns[i].Name, v)
				} else {
					fmt.Fprintf(&b, " %s=%q", table.Columns[i].Name, v)
				}
			default:
				fmt.Fprintf(&b, " %s=%v", table.Columns[i].Name, v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// showContact writes all that a contact brings.
func showContact(l *layout, c contact) string {
	var b strings.Builder
	if c.row != nil {
		b.WriteString(show(l.contacts, [][]any{c.row}))
	}
	b.WriteString(show(l.transactions, c.transactions))
	b.WriteString(show(l.connections, c.connections))
	b.WriteString(show(l.recordings, c.recordings))
	for _, r := range c.rejected {
		fmt.Fprintf(&b, "rejected %q: %s: %s", r.Key, r.Reason, show(r.table, [][]any{r.Row}))
	}
	return b.String()
}

// checkFault compares an error with the code and the detail, which never holds a value.
func checkFault(t *testing.T, err error, code, detail string) {
	t.Helper()
	if fault.CodeOf(err) != code || err == nil || !strings.HasPrefix(err.Error(), detail) {
		t.Errorf("got  %s: %v\nwant %s: %s", fault.CodeOf(err), err, code, detail)
	}
	if err != nil && strings.Contains(err.Error(), "sesame") {
		t.Errorf("a value is in %q", err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	l := newLayout(layoutOptions{})
	decoders := map[string]func(string) error{
		"contacts":      func(s string) error { return l.decodeContacts([]byte(s), func(contact) error { return nil }) },
		"postings":      func(s string) error { return decodePostings([]byte(s), Filter{}, func(posting) error { return nil }) },
		"fields/list":   func(s string) error { _, err := decodeFields([]byte(s)); return err },
		"contacts/list": func(s string) error { _, _, _, err := decodeList([]byte(s)); return err },
		"inbound/calls": func(s string) error { _, _, _, err := l.decodeCalls([]byte(s)); return err },
	}
	for name, decode := range decoders {
		what := name
		whole, expected := `[{"$id":"A","id":"A","name":"sesame"}]`, "an array"
		switch name {
		case "postings":
			what = "contacts"
		case "contacts/list", "inbound/calls":
			whole, expected = `{"count":1,"results":[{"id":"A","md5":"sesame"}],"cursor":"sesame"}`, "an object"
		}
		t.Run(name, func(t *testing.T) {
			if err := decode(whole + " \n"); err != nil {
				t.Error(err)
			}
			for i := range whole {
				checkFault(t, decode(whole[:i]), "invalid_json", "invalid JSON: the answer ")
			}
			checkFault(t, decode(whole+"]"), "invalid_json", "invalid JSON: byte ")
			checkFault(t, decode(`<html>sesame</html>`), "invalid_json", "invalid JSON: byte 0: ")
			for text, found := range map[string]string{`null`: "null", `"sesame"`: "a string", `5`: "a number", `true`: "a boolean"} {
				checkFault(t, decode(text), "wrong_type", what+": expected "+expected+", found "+found)
			}
			if expected == "an array" {
				checkFault(t, decode(`{"error":"sesame"}`), "wrong_type", what+": expected an array, found an object")
			} else {
				checkFault(t, decode(`["sesame"]`), "wrong_type", what+": expected an object, found an array")
				checkFault(t, decode(`{"error":"sesame"}`), "missing_field", what+": results is missing")
				checkFault(t, decode(`{"results":"sesame"}`), "wrong_type", what+", results: expected an array, found a string")
				checkFault(t, decode(`{"results":[],"cursor":["sesame"]}`), "wrong_type", what+", cursor: expected a string, found an array")
			}
		})
	}
}

func TestErrorsOfTheCallerComeBack(t *testing.T) {
	l := newLayout(layoutOptions{})
	enough := &fault.Error{Kind: fault.Canceled, Detail: "enough"}
	count := 0
	err := l.decodeContacts([]byte(`[{"$id":"A"},{"$id":"B"}]`), func(contact) error { count++; return enough })
	if !errors.Is(err, enough) || count != 1 {
		t.Errorf("got %v after %d contacts", err, count)
	}
	err = decodePostings([]byte(`[{"$id":"A","$task_log":[{"transactions":[{"fired":"1"},{"fired":"2"}]}]}]`), Filter{},
		func(posting) error { count++; return enough })
	if !errors.Is(err, enough) || count != 2 {
		t.Errorf("got %v after %d calls", err, count)
	}
}

func TestTooMuch(t *testing.T) {
	l := newLayout(layoutOptions{})
	many := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("null,", n), ",") + "]" }
	for text, ok := range map[string]bool{
		many(maxPieces): true, many(maxPieces + 1): false,
		`[{"$id":"A","$task_log":[{"transactions":` + many(maxPieces) + `}]}]`: false,
		`[{"$id":"A","x":` + many(maxPieces+1) + `}]`:                          true,
	} {
		err := l.decodeContacts([]byte(text), func(contact) error { return nil })
		if ok && err != nil {
			t.Error(err)
		}
		if !ok {
			checkFault(t, err, "answer_too_large", "the answer lists more than 200000 things")
		}
	}
	// A value may be deep, an answer that is deeper than anything is refused.
	deep := func(n int) string {
		return `[{"$id":"A","$ref":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]`
	}
	if c := contactsOf(t, l, deep(9000)); cell(t, l.contacts, c[0].row, "$ref") != strings.Repeat("[", 9000)+strings.Repeat("]", 9000) {
		t.Error("a deep value came out different")
	}
	checkFault(t, l.decodeContacts([]byte(deep(20_000)), func(contact) error { return nil }), "invalid_json", "invalid JSON: byte ")
}

func TestThirdPartiesWithoutEnd(t *testing.T) {
	l := newLayout(layoutOptions{})
	const levels = 300
	c := contactOf(t, l, `{"$id":"A","$task_log":[{"transactions":[{"fired":"f","connections":[`+
		strings.Repeat(`{"id":"c","disconnected":"d","third_party_connections":[`, levels)+strings.Repeat(`]}`, levels)+
		`]},{"fired":"g"}]}]}`)
	if len(c.connections) < 10 || len(c.connections) >= maxDepth || len(c.transactions) != 2 {
		t.Errorf("%d connections, %d transactions", len(c.connections), len(c.transactions))
	}
	if len(c.rejected) != 1 || c.rejected[0].table != l.connections || c.rejected[0].Reason != "nested too deep to be followed" {
		t.Errorf("rejected %+v", c.rejected)
	}
}
