package dialfire

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// byDigest are keys that depend on how a row was written.
var byDigest = regexp.MustCompile(`sha256 [0-9a-f]{32}`)

// again compares what decode shows of data and of the same value written anew.
func again(t *testing.T, data []byte, decode func([]byte) (string, error)) {
	before := slices.Clone(data)
	once, err := decode(data)
	if !slices.Equal(data, before) {
		t.Errorf("the answer was changed: %q", data)
	}
	switch code := fault.CodeOf(err); code {
	case "invalid_json", "wrong_type", "missing_field", "answer_too_large":
		return
	default:
		if err != nil {
			t.Fatalf("%s: %v", code, err)
		}
	}
	rewritten, err := compact([]byte(strings.ToValidUTF8(string(data), "\uFFFD")))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := decode(rewritten)
	if err != nil {
		t.Fatal(err)
	}
	if once = byDigest.ReplaceAllString(once, ""); byDigest.ReplaceAllString(twice, "") != once {
		t.Errorf("%s\n%s\nwritten anew %s\n%s", data, once, rewritten, twice)
	}
}

// typed looks for values that are not of their column's type.
func typed(t *testing.T, table *pipeline.Table, rows [][]any) {
	for _, row := range rows {
		if len(row) != len(table.Columns) {
			t.Fatalf("%d values for %s", len(row), table.Name)
		}
		for i, v := range row {
			c, ok := table.Columns[i], false
			switch v := v.(type) {
			case nil:
				ok = !c.Required
			case bool:
				ok = c.Type == pipeline.Boolean
			case string:
				ok = (c.Type == pipeline.Text || c.Type == pipeline.Decimal && isNumber(v)) && utf8.ValidString(v) && !strings.Contains(v, "\x00")
			case pipeline.Misfit:
				ok = c.Type != pipeline.Text && v != ""
			}
			if !ok {
				t.Errorf("%s.%s: %#v", table.Name, c.Name, v)
			}
		}
	}
}

// seeds adds text, spoilt forms of it and what fits no decoder.
func seeds(f *testing.F, text string) {
	f.Helper()
	for _, s := range []string{text, text[:len(text)/2], text + "x", "", "null", "[]", "{", `{"results":[]}`, "\xff", strings.Repeat("[", 50)} {
		f.Add([]byte(s))
	}
}

func FuzzContacts(f *testing.F) {
	seeds(f, `[{"$id":"A","x":"\ud83d","n":"2E5","$id":"B","$task_log":[{"transactions":[{"fired":"f","isHI":1,"connections":[
		{"id":"c","disconnected":"d","technology":"transfer","recordings":[{"location":"l"},{}],"third_party_connections":[{"id":"e","disconnected":5}]}
	]},{"type":"update"},5]}]},null,{},5,"a\u0000"]`)
	l := newLayout(layoutOptions{fields: []Field{{Name: "x"}, {Name: "n", Number: true}}})
	f.Fuzz(func(t *testing.T, data []byte) {
		again(t, data, func(data []byte) (shown string, err error) {
			err = l.decodeContacts(data, func(c contact) error {
				if c.row != nil {
					typed(t, l.contacts, [][]any{c.row})
				}
				typed(t, l.transactions, c.transactions)
				typed(t, l.connections, c.connections)
				typed(t, l.recordings, c.recordings)
				shown += showContact(l, c)
				return nil
			})
			return shown, err
		})
		again(t, data, func(data []byte) (shown string, err error) {
			err = decodePostings(data, Filter{Kind: UpdatesOnly}, func(p posting) error {
				shown += showPostings([]posting{p}) + fmt.Sprint(p.hash)
				return nil
			})
			return shown, err
		})
	})
}

func FuzzCalls(f *testing.F) {
	seeds(f, `{"count":1,"results":[{"id":"C","calling_number":5,"dispatch_error":"x","user":"\ud83d"},{"id":null},null,5],"cursor":"c"}`)
	l := newLayout(layoutOptions{})
	f.Fuzz(func(t *testing.T, data []byte) {
		again(t, data, func(data []byte) (string, error) {
			rows, rejected, cursor, err := l.decodeCalls(data)
			typed(t, l.calls, rows)
			return fmt.Sprintf("%s%v%q", show(l.calls, rows), rejected, cursor), err
		})
	})
}

func FuzzLists(f *testing.F) {
	seeds(f, `{"results":[{"id":"A","md5":"m"}],"cursor":"c"}`)
	seeds(f, `{"results":["f|m|A","f",5,null],"cursor":5}`)
	seeds(f, `[{"type":"field","fieldType":"number","name":"x","deleted":false}]`)
	f.Fuzz(func(t *testing.T, data []byte) {
		again(t, data, func(data []byte) (string, error) {
			items, rejected, cursor, err := decodeList(data)
			return fmt.Sprintf("%q%v%q", items, rejected, cursor), err
		})
		again(t, data, func(data []byte) (string, error) {
			events, rejected, cursor, err := decodeEvents(data)
			return fmt.Sprintf("%q%v%q", events, rejected, cursor), err
		})
		again(t, data, func(data []byte) (string, error) {
			fields, err := decodeFields(data)
			return fmt.Sprint(fields), err
		})
	})
}
