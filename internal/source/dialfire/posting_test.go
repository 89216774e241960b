package dialfire

import (
	"fmt"
	"strings"
	"testing"
)

func postingsOf(t testing.TB, text string, f Filter) []posting {
	t.Helper()
	var postings []posting
	err := decodePostings([]byte(text), f, func(p posting) error {
		postings = append(postings, p)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return postings
}

func showPostings(postings []posting) string {
	var b strings.Builder
	for _, p := range postings {
		if p.rejected == nil {
			fmt.Fprintf(&b, "%s %s %s %s\n", p.contactID, p.fired, p.contact, p.transaction)
		} else {
			fmt.Fprintf(&b, "rejected %q: %s: %q\n", p.rejected.Key, p.rejected.Reason, p.rejected.Row)
		}
	}
	return b.String()
}

func TestPostings(t *testing.T) {
	got := showPostings(postingsOf(t, `[ { "price" : 3092.440 , "$task_log" : [
			{ "transactions" : [ { "fired" : "2", "n" : 2E5, "connections" : [ { "id" : 5 } , 7 ] }, {"fired":"1","list":[ ]} ] },
			{ "transactions" : [ { "fired" : "3","s":"\u0000 \ud83d \u00e4\/" }, {"task":"again","fired":"1"} ] }
		], "$id" : "A", "more" : {"$task_log":[], "b":1, "a":2} },
		null,
		{ "$id": "B" }, { "$id":"C","$task_log":null },
		{ "$task_log":[{"transactions":[{"fired":"1"}]}], "$id":"D" }
	]`, Filter{}))
	const a = `{"price":3092.440,"$id":"A","more":{"$task_log":[],"b":1,"a":2}}`
	want := `A 1 ` + a + ` {"task":"again","fired":"1"}
A 2 ` + a + ` {"fired":"2","n":2E5,"connections":[{"id":5},7]}
A 3 ` + a + ` {"fired":"3","s":"` + "\uFFFD \uFFFD" + ` ä/"}
D 1 {"$id":"D"} {"fired":"1"}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestOfPostingsWithTheSameFiredTheLastCounts(t *testing.T) {
	var transactions []string
	for i := range 60 {
		transactions = append(transactions, fmt.Sprintf(`{"fired":"%d","n":%d}`, i%3, i))
	}
	got := showPostings(postingsOf(t, `[{"$id":"A","$task_log":[{"transactions":[`+strings.Join(transactions, ",")+`]}]}]`, Filter{}))
	want := `A 0 {"$id":"A"} {"fired":"0","n":57}
A 1 {"$id":"A"} {"fired":"1","n":58}
A 2 {"$id":"A"} {"fired":"2","n":59}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPostingsInOrderOfTime(t *testing.T) {
	got := showPostings(postingsOf(t, `[{"$id":"A","$task_log":[{"transactions":[{"fired":"2026-01-01T00:00:01Z"},
		{"fired":"2026-01-01T00:00:00.249Z"},{"fired":"2026-01-01T00:00:00Z","n":1},{"fired":"2026-01-01T00:00:00"},
		{"fired":"2026-01-01T00:00:00.3Z"},{"fired":"2026-01-01T00:00:00Z","n":2}]}]}]`, Filter{}))
	want := `A 2026-01-01T00:00:00 {"$id":"A"} {"fired":"2026-01-01T00:00:00"}
A 2026-01-01T00:00:00Z {"$id":"A"} {"fired":"2026-01-01T00:00:00Z","n":2}
A 2026-01-01T00:00:00.249Z {"$id":"A"} {"fired":"2026-01-01T00:00:00.249Z"}
A 2026-01-01T00:00:00.3Z {"$id":"A"} {"fired":"2026-01-01T00:00:00.3Z"}
A 2026-01-01T00:00:01Z {"$id":"A"} {"fired":"2026-01-01T00:00:01Z"}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPostingsThatAreRejected(t *testing.T) {
	got := showPostings(postingsOf(t, `[
		{"$id":"A","$task_log":[5,{"transactions":{}},{"transactions":[7,{"fired":"1"},{"task":"t","fired":null},{"type":"create"},{"fired":5,"n":1.0}]}]},
		{"$id":"B","$task_log":"x"}, {"$id":"C","$task_log":[{"transactions":[{"type":"create","fired":"1"}]}]}
	]`, Filter{Kind: UpdatesOnly}))
	const reason = `it cannot be told from others: fired is missing, empty or no string`
	want := `rejected "A /$task_log/0": expected an object, found a number: ["A" <nil> <nil> <nil> <nil>]
rejected "A /$task_log/1/transactions": expected an array, found an object: ["A" <nil> <nil> <nil> <nil>]
rejected "A /$task_log/2/transactions/0": expected an object, found a number: ["A" <nil> <nil> <nil> <nil>]
rejected "A /$task_log/2/transactions/2": ` + reason + `: ["A" <nil> <nil> <nil> "{\"task\":\"t\",\"fired\":null}"]
rejected "A /$task_log/2/transactions/4": ` + reason + `: ["A" <nil> <nil> <nil> "{\"fired\":5,\"n\":1.0}"]
A 1 {"$id":"A"} {"fired":"1"}
rejected "B /$task_log": expected an array, found a string: ["B" <nil> <nil> <nil> <nil>]
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for text, reason := range map[string]string{
		`{"$task_log":[{"transactions":[{"fired":"1"},{}]}]}`:        "the contact has no $id",
		`{"$id":5,"$task_log":[5]}`:                                  "the contact has no $id",
		`{"$id":"","$task_log":[{"transactions":[{"fired":"1"}]}]}`:  "the contact has no $id",
		`{"$id":"A","$id":7,"$task_log":[{"transactions":["f|7"]}]}`: "the contact has no $id",
		`5`: "the contact: expected an object, found a number",
	} {
		got := postingsOf(t, "["+text+"]", Filter{})
		if len(got) != 1 || got[0].rejected == nil || got[0].rejected.Reason != reason || !strings.HasPrefix(got[0].rejected.Key, "sha256 ") {
			t.Errorf("%s: %s", text, showPostings(got))
		}
	}
	for _, text := range []string{`{}`, `{"$id":5,"$task_log":[{"transactions":[]}]}`} {
		if got := postingsOf(t, "["+text+"]", Filter{}); len(got) != 0 {
			t.Errorf("%s: %s", text, showPostings(got))
		}
	}
}

func TestHash(t *testing.T) {
	hash := func(transaction string) [16]byte {
		t.Helper()
		got := postingsOf(t, `[{"$id":"A","$task_log":[{"transactions":[`+transaction+`]}]}]`, Filter{})
		if len(got) != 1 || got[0].rejected != nil {
			t.Fatalf("%s: %s", transaction, showPostings(got))
		}
		return got[0].hash
	}
	base := hash(`{"fired":"1","n":1.50,"c":[{"a":1,"b":[true,"é"]},{}]}`)
	for _, same := range []string{
		`{"c":[{"b":[true,"é"],"a":1},{}],"n":1.50,"fired":"1"}`,
		` { "fired" : "1" , "n" : 1.50 , "c" : [ { "a" : 1 , "b" : [ true , "\u00e9" ] } , { } ] } `,
	} {
		if hash(same) != base {
			t.Errorf("another hash: %s", same)
		}
	}
	for _, other := range []string{
		`{"fired":"1","n":1.5,"c":[{"a":1,"b":[true,"é"]},{}]}`,
		`{"fired":"1","n":1.50,"c":[{},{"a":1,"b":[true,"é"]}]}`,
		`{"fired":"1","n":1.50,"c":[{"a":1,"b":["é",true]},{}]}`,
		`{"fired":"1","n":1.50,"c":[{"a":1,"b":[true,"é"]},{}],"d":null}`,
		`{"fired":"2","n":1.50,"c":[{"a":1,"b":[true,"é"]},{}]}`,
		`{"fired":"1","N":1.50,"c":[{"a":1,"b":[true,"é"]},{}]}`,
	} {
		if hash(other) == base {
			t.Errorf("the same hash: %s", other)
		}
	}
	// A contact that changes does not make its transactions new.
	one := postingsOf(t, `[{"$id":"A","x":1,"$task_log":[{"transactions":[{"fired":"1"}]}]}]`, Filter{})
	two := postingsOf(t, `[{"$id":"A","x":2,"$task_log":[{"transactions":[{"fired":"1"}]}]}]`, Filter{})
	if one[0].hash != two[0].hash {
		t.Error("the hash is of the contact, too")
	}
}
