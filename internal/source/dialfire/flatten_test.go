package dialfire

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// hexID is how the ids of transactions and recordings are made.
func hexID(above, name string) string {
	sum := md5.Sum([]byte(above + name))
	return hex.EncodeToString(sum[:])
}

// flat shows a contact "A" with one transaction, fired "f", that has the members.
func flat(t *testing.T, members string) string {
	t.Helper()
	l := newLayout(layoutOptions{})
	return showContact(l, contactOf(t, l, `{"$task_log":[{"transactions":[{`+members+`,"fired":"f"}]}],"$id":"A"}`))
}

// flatWant is what flat shows: a contact, its transaction, and lines in which
// <A f> stands for the id made of "A" and "f".
func flatWant(lines ...string) string {
	lines = append([]string{`contacts $id="A"`, `transactions id="<A f>" contact_id="A" fired="f"`}, lines...)
	return withIDs(strings.Join(lines, "\n") + "\n")
}

func withIDs(text string) string {
	for {
		before, rest, found := strings.Cut(text, "<")
		if !found {
			return text
		}
		parts, after, _ := strings.Cut(rest, ">")
		above, name, _ := strings.Cut(parts, " ")
		text = before + hexID(above, name) + after
	}
}

// The columns that connections and recordings of flat have from above.
const (
	fromAbove = ` transaction_id="<A f>" contact_id="A" isThirdPartyConnection="false" disconnected="d"`
	ofC       = ` contact_id="A" connection_id="c"`
	theEnd    = `"disconnected":"d"`
)

func TestIDs(t *testing.T) {
	l := newLayout(layoutOptions{})
	c := contactOf(t, l, `{"$id":"ABCDEFGHJKLMNP23","$task_log":[{"transactions":[{"fired":"2018-12-27T11:41:40.249Z"}]}]}`)
	if c.transactions[0][0] != "c39bde5a3eeaef586af29e661a177d73" {
		t.Error(showContact(l, c))
	}
	got := flat(t, `"connections":[{"id":"c",`+theEnd+`,"recordings":[
		{"location":"l","started":"s"},{"started":"s"},{"location":"","started":"s2"},{"location":null,"started":"s3"},{"location":7},
		{"location":"l","id":"own","contact_id":"own","connection_id":"own"}]}]`)
	want := flatWant(`connections id="c"`+fromAbove,
		`recordings id="<c l>"`+ofC+` started="s" location="l"`,
		`recordings id="<c s>"`+ofC+` started="s"`,
		`recordings id="<c s2>"`+ofC+` started="s2" location=""`,
		`recordings id="<c s3>"`+ofC+` started="s3"`,
		`recordings id="<c 7>"`+ofC+` location="7"`,
		`recordings id="<c l>"`+ofC+` location="l"`)
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestOwnIDsDoNotCount(t *testing.T) {
	got := flat(t, `"id":"own","contact_id":"own","connections":[{"id":"c",`+theEnd+`,"contact_id":"own","transaction_id":"own","parent_connection_id":"own"}]`)
	want := flatWant(`connections id="c" parent_connection_id="own"` + fromAbove)
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestConnections(t *testing.T) {
	for name, c := range map[string]struct {
		connections string
		want        []string
	}{
		"none":   {`[]`, nil},
		"null":   {`null`, nil},
		"a null": {`[null]`, nil},
		"not over": {
			`[{"id":"a","disconnected":null,"recordings":[{"location":"l"},{},5],"third_party_connections":[{"id":"b",` + theEnd + `},5]},{"id":"c"}]`, nil,
		},
		"no id": {
			`[{` + theEnd + `,"recordings":[{"location":"l"},{},5],"third_party_connections":[{"id":"b",` + theEnd + `},5]},
			{"id":null,` + theEnd + `},{"id":5,` + theEnd + `},{"id":["a"],` + theEnd + `},{"id":true,` + theEnd + `}]`, nil,
		},
		"over at the empty time": {
			`[{"id":"a","disconnected":""}]`,
			[]string{`connections id="a" transaction_id="<A f>" contact_id="A" isThirdPartyConnection="false" disconnected=""`},
		},
		"third party or not": {
			`[{"id":"a","disconnected":0,"isThirdPartyConnection":true},{"id":"b","disconnected":false,"isThirdPartyConnection":null}]`,
			[]string{
				`connections id="a" transaction_id="<A f>" contact_id="A" isThirdPartyConnection="true" disconnected="0"`,
				`connections id="b" transaction_id="<A f>" contact_id="A" disconnected="false"`,
			},
		},
		"transferred": {
			`[{"id":"a","technology":"transfer",` + theEnd + `},{` + theEnd + `,"technology":"transfer","id":"b"},{"id":"c","technology":"sip",` + theEnd + `},
			{"id":"d","technology":"transfer",` + theEnd + `,"parent_connection_id":"own"}]`,
			[]string{
				`connections id="a"` + fromAbove + ` technology="transfer"`,
				`connections id="b" parent_connection_id="a"` + fromAbove + ` technology="transfer"`,
				`connections id="c"` + fromAbove + ` technology="sip"`,
				`connections id="d" parent_connection_id="c"` + fromAbove + ` technology="transfer"`,
			},
		},
		"transferred from one that is skipped": {
			`[{"id":"a"},{"id":"b","technology":"transfer",` + theEnd + `},{` + theEnd + `},{"id":"c","technology":"transfer",` + theEnd + `,"parent_connection_id":"own"}]`,
			[]string{
				`connections id="b" parent_connection_id="a"` + fromAbove + ` technology="transfer"`,
				`connections id="c" parent_connection_id="own"` + fromAbove + ` technology="transfer"`,
			},
		},
		"third parties": {
			`[{"third_party_connections":[
				{"third_party_connections":[{"id":"e",` + theEnd + `,"recordings":[{"location":"l3"}]}],"id":"b",` + theEnd + `,"isThirdPartyConnection":true,"recordings":[{"location":"l2"}]},
				{"id":"c",` + theEnd + `,"technology":"transfer","parent_connection_id":"own"},
				{"id":"not over"}
			],"recordings":[{"location":"l1"}],"id":"a",` + theEnd + `},{"id":"d","technology":"transfer",` + theEnd + `}]`,
			[]string{
				`connections id="a"` + fromAbove,
				`connections id="b" parent_connection_id="a" transaction_id="<A f>" contact_id="A" isThirdPartyConnection="true" disconnected="d"`,
				`connections id="e" parent_connection_id="b"` + fromAbove,
				`connections id="c" parent_connection_id="a"` + fromAbove + ` technology="transfer"`,
				`connections id="d" parent_connection_id="a"` + fromAbove + ` technology="transfer"`,
				`recordings id="<a l1>" contact_id="A" connection_id="a" location="l1"`,
				`recordings id="<b l2>" contact_id="A" connection_id="b" location="l2"`,
				`recordings id="<e l3>" contact_id="A" connection_id="e" location="l3"`,
			},
		},
		"lists that are null": {
			`[{"id":"a",` + theEnd + `,"recordings":null,"third_party_connections":null},{"id":"b",` + theEnd + `,"recordings":[null],"third_party_connections":[null]}]`,
			[]string{`connections id="a"` + fromAbove, `connections id="b"` + fromAbove},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := flat(t, `"connections":`+c.connections), flatWant(c.want...); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestTransferInAnotherTransaction(t *testing.T) {
	l := newLayout(layoutOptions{})
	c := contactOf(t, l, `{"$id":"A","$task_log":[{"transactions":[{"fired":"1","connections":[{"id":"a",`+theEnd+`}]},
		{"fired":"2","connections":[{"id":"b","technology":"transfer",`+theEnd+`}]}]}]}`)
	if len(c.connections) != 2 || cell(t, l.connections, c.connections[1], "parent_connection_id") != nil {
		t.Error(showContact(l, c))
	}
}

func TestTaskLog(t *testing.T) {
	l := newLayout(layoutOptions{})
	for log, fired := range map[string]string{
		`null`: "", `[]`: "", `[null]`: "", `[{}]`: "", `[{"transactions":null}]`: "", `[{"transactions":[null]}]`: "", `[{"id":"x","transactions":[]}]`: "",
		`[{"transactions":[{"fired":"1"},{"fired":"2"}]},{"transactions":[{"fired":"3"}],"more":{"transactions":[{"fired":"4"}]}}]`: "1 2 3",
	} {
		for _, text := range []string{`{"$id":"A","$task_log":` + log + `}`, `{"$task_log":` + log + `,"$id":"A"}`} {
			c := contactOf(t, l, text)
			var got []string
			for _, row := range c.transactions {
				got = append(got, cell(t, l.transactions, row, "fired").(string))
			}
			if strings.Join(got, " ") != fired || c.id != "A" || c.row == nil || len(c.rejected) > 0 {
				t.Errorf("%s\n%s", text, showContact(l, c))
			}
		}
	}
}

func TestContactItself(t *testing.T) {
	l := newLayout(layoutOptions{})
	for text, want := range map[string][3]string{
		`{"$id":"A","$md5":"m","$version":"7"}`:                  {"A", "m", "7"},
		`{"$version":7,"$md5":null,"$id":"A"}`:                   {"A", "", "7"},
		`{"$id":"A"}`:                                            {"A", "", ""},
		`{"$id":5,"$id":"A","$md5":"x","$md5":"m"}`:              {"A", "m", ""},
		`{"\u0024id":"A\u0000","$\u006dd5":"m","$version":""}`:   {"A\uFFFD", "m", ""},
		`{"$id":"A","$task_log":[],"more":[{"$id":"B"}],"x":{}}`: {"A", "", ""},
	} {
		c := contactOf(t, l, text)
		if got := [3]string{c.id, c.md5, c.version}; got != want || c.row[0] != c.id || len(c.row) != len(l.contacts.Columns) {
			t.Errorf("%s: %q", text, got)
		}
	}
	if got := contactsOf(t, l, `[{"$id":"A"},null,{"$id":"B"},{"$id":"A"}]`); len(got) != 3 || got[0].id+got[1].id+got[2].id != "ABA" {
		t.Errorf("%+v", got)
	}
	if got := contactsOf(t, l, ` [ ] `); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestContactsThatAreRejected(t *testing.T) {
	l := newLayout(layoutOptions{})
	const more = `,"$phone":"1","$task_log":[{"transactions":[{"fired":"f"},5]},5]}`
	for text, reason := range map[string]string{
		`{"$ref":"r"` + more:           "the contact has no $id",
		`{"$id":null` + more:           "the contact has no $id",
		`{"$id":""` + more:             "the contact has no $id",
		`{"$id":5` + more:              "the contact has no $id",
		`{"$id":["A"]` + more:          "the contact has no $id",
		`{"$id":"A","$id":true` + more: "the contact has no $id",
		`5`:                            "the contact: expected an object, found a number",
		`"A"`:                          "the contact: expected an object, found a string",
		`[{"$id":"A"}]`:                "the contact: expected an object, found an array",
	} {
		got := contactsOf(t, l, `[{"$id":"B"}, `+text+` ,{"$id":"C"}]`)
		if len(got) != 3 || got[0].id != "B" || got[2].id != "C" {
			t.Fatalf("%s: %+v", text, got)
		}
		c := got[1]
		if c.id != "" || c.row != nil || len(c.transactions) > 0 || len(c.rejected) != 1 {
			t.Fatalf("%s\n%s", text, showContact(l, c))
		}
		r := c.rejected[0]
		if r.table != l.contacts || r.Reason != reason || !strings.HasPrefix(r.Key, "sha256 ") {
			t.Errorf("%s: %+v", text, r)
		}
		if text[0] == '{' && cell(t, l.contacts, r.Row, "$phone") != "1" {
			t.Errorf("%s: row %v", text, r.Row)
		}
		alone := contactsOf(t, l, `[`+text+`]`)
		if alone[0].rejected[0].Key != r.Key {
			t.Errorf("%s: the key depends on the place", text)
		}
	}
}

func TestPiecesThatAreRejected(t *testing.T) {
	const transaction = `"<A f>"`
	for name, c := range map[string]struct{ contact, want string }{
		"log":         {`"$task_log":{"a":1}`, `rejected "A /$task_log": expected an array, found an object: transactions contact_id="A"`},
		"entry":       {`"$task_log":[5]`, `rejected "A /$task_log/0": expected an object, found a number: transactions contact_id="A"`},
		"list":        {`"$task_log":[{},{"transactions":"x"}]`, `rejected "A /$task_log/1/transactions": expected an array, found a string: transactions contact_id="A"`},
		"transaction": {`"$task_log":[{"transactions":[true]}]`, `rejected "A /$task_log/0/transactions/0": expected an object, found a boolean: transactions contact_id="A"`},
		"no fired": {
			`"$task_log":[{"transactions":[{"task":"t","connections":[{"id":"c","disconnected":"d"},5]},{"fired":null,"task":"u"},{"fired":""},{"fired":5}]}]`,
			`rejected "A /$task_log/0/transactions/0": no id can be made: fired is missing, empty or no string: transactions contact_id="A" task="t"
rejected "A /$task_log/0/transactions/1": no id can be made: fired is missing, empty or no string: transactions contact_id="A" task="u"
rejected "A /$task_log/0/transactions/2": no id can be made: fired is missing, empty or no string: transactions contact_id="A" fired=""
rejected "A /$task_log/0/transactions/3": no id can be made: fired is missing, empty or no string: transactions contact_id="A"`,
		},
		"connections": {
			`"$task_log":[{"transactions":[{"fired":"f","connections":"x"}]}]`,
			`transactions id=` + transaction + ` contact_id="A" fired="f"
rejected "A /$task_log/0/transactions/0/connections": expected an array, found a string: connections contact_id="A"`,
		},
		"connection": {
			`"$task_log":[{"transactions":[{"connections":[{},5,{"id":"c","disconnected":"d"}],"fired":"f"}]}]`,
			`transactions id=` + transaction + ` contact_id="A" fired="f"
connections id="c"` + fromAbove + `
rejected "A /$task_log/0/transactions/0/connections/1": expected an object, found a number: connections contact_id="A"`,
		},
		"connection with an empty id": {
			`"$task_log":[{"transactions":[{"fired":"f","connections":[{"id":"","disconnected":"d","recordings":[{"location":"l"},5],"third_party_connections":[5]},{"id":""}]}]}]`,
			`transactions id=` + transaction + ` contact_id="A" fired="f"
rejected "A /$task_log/0/transactions/0/connections/0": its id is empty: connections id=""` + fromAbove,
		},
		"recordings": {
			`"$task_log":[{"transactions":[{"fired":"f","connections":[{"id":"c","disconnected":"d","recordings":{}},{"id":"d","disconnected":"d","recordings":[5,{"location":"l"},{"location":"","started":""}]}]}]}]`,
			`transactions id=` + transaction + ` contact_id="A" fired="f"
connections id="c"` + fromAbove + `
connections id="d"` + fromAbove + `
recordings id="<d l>" contact_id="A" connection_id="d" location="l"
rejected "A /$task_log/0/transactions/0/connections/0/recordings": expected an array, found an object: recordings contact_id="A"
rejected "A /$task_log/0/transactions/0/connections/1/recordings/0": expected an object, found a number: recordings contact_id="A"
rejected "A /$task_log/0/transactions/0/connections/1/recordings/2": no id can be made: there is neither location nor started: recordings contact_id="A" connection_id="d" started="" location=""`,
		},
		"third parties": {
			`"$task_log":[{"transactions":[{"fired":"f","connections":[{"id":"c","disconnected":"d","third_party_connections":[5,{"id":"e","disconnected":"d","third_party_connections":5}]}]}]}]`,
			`transactions id=` + transaction + ` contact_id="A" fired="f"
connections id="c"` + fromAbove + `
connections id="e" parent_connection_id="c"` + fromAbove + `
rejected "A /$task_log/0/transactions/0/connections/0/third_party_connections/0": expected an object, found a number: connections contact_id="A"
rejected "A /$task_log/0/transactions/0/connections/0/third_party_connections/1/third_party_connections": expected an array, found a number: connections contact_id="A"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := withIDs(`contacts $id="A"` + "\n" + c.want + "\n")
			for _, text := range []string{`{"$id":"A",` + c.contact + `}`, `{` + c.contact + `,"$id":"A"}`} {
				l := newLayout(layoutOptions{})
				if got := showContact(l, contactsOf(t, l, `[{"$id":"B"},`+text+`]`)[1]); got != want {
					t.Errorf("got\n%swant\n%s", got, want)
				}
			}
		})
	}
}

func TestTheSameFiredTwice(t *testing.T) {
	l := newLayout(layoutOptions{filter: Filter{Kind: UpdatesOnly}})
	c := contactOf(t, l, `{"$task_log":[
		{"transactions":[{"fired":"1","task":"first","connections":[{"id":"a","disconnected":"d","recordings":[{"location":"l"},{}]},5]},{"fired":"2","task":"kept"}]},
		{"transactions":[{"connections":[{"id":"b","disconnected":"d"}],"task":"second","fired":"1"},{"fired":"2","task":"filtered out","type":"create"}]}
	],"$id":"A"}`)
	want := withIDs(`contacts $id="A"
transactions id="<A 2>" contact_id="A" task="kept" fired="2"
transactions id="<A 1>" contact_id="A" task="second" fired="1"
connections id="b" transaction_id="<A 1>" contact_id="A" isThirdPartyConnection="false" disconnected="d"
`)
	if got := showContact(l, c); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestOfMembersWithTheSameNameTheLastCounts(t *testing.T) {
	l := newLayout(layoutOptions{fields: []Field{{Name: "x"}}})
	c := contactOf(t, l, `{"$task_log":[{"transactions":[{"fired":"0"},5]},5],"x":"1","x":null,"$id":"B","$task_log":5,"$task_log":[
		{"transactions":[{"fired":"7"}],"transactions":5,"transactions":[
			{"fired":"3","connections":[{"id":"x","disconnected":"d"},5],"fired":"f","connections":[
				{"id":"y","id":"c","disconnected":null,"disconnected":"d","isThirdPartyConnection":true,
				"recordings":[{"location":"x"},{}],"third_party_connections":[{"id":"z","disconnected":"d","recordings":[{"location":"x"}]}],
				"recordings":[{"location":"x","location":"l"}],"third_party_connections":null}
			]}
		]}
	],"$id":"A"}`)
	want := withIDs(`contacts $id="A"
transactions id="<A f>" contact_id="A" fired="f"
connections id="c" transaction_id="<A f>" contact_id="A" isThirdPartyConnection="true" disconnected="d"
recordings id="<c l>" contact_id="A" connection_id="c" location="l"
`)
	if got := showContact(l, c); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestEmptyTextBelowAContact(t *testing.T) {
	l := newLayout(layoutOptions{emptyAsNull: true, legacyValues: true})
	c := contactOf(t, l, `{"$id":"A","$md5":"","$task_log":[{"transactions":[{"fired":"f","task":"","connections":[
		{"id":"c","disconnected":"","phone":"","recordings":[{"location":"","started":"s","filename":true}]}]}]}]}`)
	want := withIDs(`contacts $id="A"
transactions id="<A f>" contact_id="A" fired="f"
connections id="c" transaction_id="<A f>" contact_id="A" isThirdPartyConnection="0"
recordings id="<c s>" contact_id="A" connection_id="c" started="s" filename="1"
`)
	if got := showContact(l, c); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Rows are of their own: to change one changes no other, and the answer may be
// written over.
func TestRowsAreTheCallers(t *testing.T) {
	l := newLayout(layoutOptions{})
	data := []byte(`[{"$id":"A","$ref":"r"},{"$id":"B","$ref":"r"}]`)
	var rows [][]any
	if err := l.decodeContacts(data, func(c contact) error { rows = append(rows, c.row); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = '#'
	}
	first := append(slices.Clone(rows[0]), "more")
	_ = append(rows[0], first...)
	if got := show(l.contacts, rows); got != "contacts $id=\"A\" $ref=\"r\"\ncontacts $id=\"B\" $ref=\"r\"\n" {
		t.Error(got)
	}
}
