package campaign

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// flat flattens one contact into the rows of a table, as JSON.
func flat(t *testing.T, table string, f filter, contact string) (rows []map[string]json.RawMessage, letters []letter) {
	t.Helper()
	no, yes := false, true
	fl := &flattener{only: table, filter: f, contacts: contactColumns([]field{
		{Type: customField, FieldType: textField, Name: "Text"}, {Type: customField, FieldType: textField, Name: "text", Deleted: &no},
		{Type: customField, FieldType: numberField, Name: "Number"}, {Type: "system", FieldType: textField, Name: "System"},
		{Type: customField, FieldType: textField, Name: "Gone", Deleted: &yes}, {Type: customField, FieldType: "date", Name: `"d"`},
	})}
	if err := fl.contact([]byte(contact)); err != nil {
		t.Fatal(err)
	}
	for _, r := range fl.rows {
		var v map[string]json.RawMessage
		if err := json.Unmarshal(r.json, &v); err != nil {
			t.Fatalf("%s: %v", r.json, err)
		}
		rows = append(rows, v)
	}
	return rows, fl.letters
}

func TestContactRow(t *testing.T) {
	for name, c := range map[string]struct{ key, json, want string }{
		"text":                {"Text", `"abc"`, `"abc"`},
		"another case":        {"text", `"small"`, `"small"`},
		"quoted name":         {`"d"`, `"2031-01-01"`, `"2031-01-01"`},
		"empty":               {"Text", `""`, `""`},
		"null":                {"Text", `null`, `null`},
		"system null":         {"$phone", `null`, `null`},
		"number in text":      {"Text", `2E5`, `"2E5"`},
		"large number":        {"Text", `12345678901234567890.123`, `"12345678901234567890.123"`},
		"boolean in text":     {"Text", `true`, `"true"`},
		"object":              {"Text", "{ \"a\" : [ 1.50, null ] ,\n \"b\": \"x y\" }", `"{\"a\":[1.50,null],\"b\":\"x y\"}"`},
		"list":                {"$error", `[ ]`, `"[]"`},
		"NUL":                 {"Text", `"a\u0000b"`, `"a�b"`},
		"high surrogate":      {"Text", `"\ud83d!"`, `"�!"`},
		"low surrogate":       {"Text", `"\ude00"`, `"�"`},
		"turned surrogates":   {"Text", `"\ude00\ud83d"`, `"��"`},
		"pair":                {"Text", `"\ud83d\ude00"`, `"😀"`},
		"escapes":             {"Text", `"\"\\\/\n\u00e4<&>"`, `"\"\\/\u000aä<&>"`},
		"number":              {"Number", `3092.44`, `3092.44`},
		"exponent":            {"Number", `2E5`, `2E5`},
		"long number":         {"Number", `12345678901234567890.123`, `12345678901234567890.123`},
		"number as text":      {"Number", `"12.5"`, `12.5`},
		"empty as number":     {"Number", `""`, `null`},
		"text as number":      {"Number", `"n/a"`, `"n/a"`},
		"blank number":        {"Number", `" 7 "`, `" 7 "`},
		"plus":                {"Number", `"+7"`, `"+7"`},
		"boolean as number":   {"Number", `true`, `"true"`},
		"word of JSON":        {"Number", `"null"`, `"null"`},
		"object as number":    {"Number", `{"n": 1}`, `"{\"n\":1}"`},
		"version of a number": {"$version", `17`, `"17"`},
	} {
		t.Run(name, func(t *testing.T) {
			rows, _ := flat(t, contactsTable, filter{}, `{"$id":"C","`+strings.ReplaceAll(c.key, `"`, `\"`)+`":`+c.json+`}`)
			if len(rows) != 1 || string(rows[0]["$id"]) != `"C"` || string(rows[0][c.key]) != c.want {
				t.Errorf("%s: got %s, want %s", c.json, rows[0][c.key], c.want)
			}
			if len(rows[0]) != len(systemColumns)+4 {
				t.Errorf("%d columns", len(rows[0]))
			}
			if string(rows[0]["$comment"]) != "null" {
				t.Error("an absent key is not null")
			}
		})
	}
	rows, _ := flat(t, contactsTable, filter{}, `{"$id":"C","Gone":"x","System":"y","Unknown":1,"$changed":"z","TEXT":"w"}`)
	for _, key := range []string{"Gone", "System", "Unknown", "$changed", "TEXT"} {
		if _, there := rows[0][key]; there {
			t.Errorf("%s is a column", key)
		}
	}
}

// inLog puts transactions into a contact.
func inLog(transactions string) string {
	return `{"$id":"C","$task_log":[{"transactions":[` + transactions + `]}]}`
}

// column collects one column of rows.
func columnOf(rows []map[string]json.RawMessage, name string) string {
	var list []string
	for _, r := range rows {
		list = append(list, string(r[name]))
	}
	return strings.Join(list, " ")
}

const firedF = `"fired":"F"`

// TestDigest compares keys with what md5sum says.
func TestDigest(t *testing.T) {
	for text, want := range map[string]string{"CF": "758951cac5e62129e654698c8ca0333b", "aL": "8289e8a805d7fd75ade60e3ec9762705"} {
		if got := digest(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestTransactionRows(t *testing.T) {
	for name, c := range map[string]struct {
		contact, column, want string
		letters               int
	}{
		"key":               {inLog(`{` + firedF + `}`), "id", `"` + digest("CF") + `"`, 0},
		"contact":           {inLog(`{` + firedF + `,"contact_id":"X"}`), "contact_id", `"C"`, 0},
		"no fired":          {inLog(`{"type":"update"},{"fired":null},{"fired":""}`), "id", ``, 3},
		"fired twice":       {inLog(`{` + firedF + `,"status":"a"},{"fired":"G","status":"b"},{` + firedF + `,"status":"c"}`), "status", `"c" "b"`, 0},
		"numbers":           {inLog(`{` + firedF + `,"pause_time_sec":1.5}`), "pause_time_sec", `1.5`, 0},
		"booleans":          {inLog(`{` + firedF + `,"isHI":true},{"fired":"G","isHI":"0"},{"fired":"H","isHI":1},{"fired":"I","isHI":""}`), "isHI", `true false true null`, 0},
		"odd booleans":      {inLog(`{` + firedF + `,"revoked":"maybe"},{"fired":"G","revoked":2}`), "revoked", `"maybe" "2"`, 0},
		"log null":          {`{"$id":"C","$task_log":null}`, "id", ``, 0},
		"log absent":        {`{"$id":"C"}`, "id", ``, 0},
		"transactions null": {`{"$id":"C","$task_log":[{"transactions":null},{}]}`, "id", ``, 0},
		"two in the log":    {`{"$id":"C","$task_log":[{"transactions":[{"fired":"1"}]},{"transactions":[{"fired":"2"}]}]}`, "fired", `"1" "2"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rows, letters := flat(t, transactionsTable, filter{}, c.contact)
			if got := columnOf(rows, c.column); got != c.want || len(letters) != c.letters {
				t.Errorf("%s: %s and %v, want %s and %d letters", c.column, got, letters, c.want, c.letters)
			}
		})
	}
}

func TestConnectionRows(t *testing.T) {
	const end = `,"disconnected":"D"`
	in := func(connections string) string { return inLog(`{` + firedF + `,"connections":[` + connections + `]}`) }
	for name, c := range map[string]struct{ contact, column, want string }{
		"key":                 {in(`{"id":"a"` + end + `}`), "id", `"a"`},
		"above":               {in(`{"id":"a","contact_id":"X","transaction_id":"Y"` + end + `}`), "transaction_id", `"` + digest("CF") + `"`},
		"not disconnected":    {in(`{"id":"a"},{"id":"b","disconnected":null},{"id":"c"` + end + `}`), "id", `"c"`},
		"id no string":        {in(`{"id":1` + end + `},{"id":null` + end + `},{"disconnected":"D"},{"id":"c"` + end + `}`), "id", `"c"`},
		"skipped with below":  {in(`{"id":"a","third_party_connections":[{"id":"b"` + end + `}]}`), "id", ``},
		"third party":         {in(`{"id":"a"` + end + `,"third_party_connections":[{"id":"b"` + end + `,"third_party_connections":[{"id":"c"` + end + `}]}]}`), "parent_connection_id", `null "a" "b"`},
		"is third party":      {in(`{"id":"a"` + end + `},{"id":"b","isThirdPartyConnection":true` + end + `}`), "isThirdPartyConnection", `"false" "true"`},
		"transfer":            {in(`{"id":"a"` + end + `},{"id":"b","technology":"transfer"` + end + `}`), "parent_connection_id", `null "a"`},
		"transfer of skipped": {in(`{"id":"a","technology":"sip"},{"id":"b","technology":"transfer"` + end + `}`), "parent_connection_id", `"a"`},
		"first a transfer":    {in(`{"id":"b","technology":"transfer"` + end + `}`), "parent_connection_id", `null`},
		"other transaction":   {inLog(`{` + firedF + `,"connections":[{"id":"a"` + end + `}]},{"fired":"G","connections":[{"id":"b","technology":"transfer"` + end + `}]}`), "parent_connection_id", `null null`},
		"no fired":            {inLog(`{"connections":[{"id":"a"` + end + `}]}`), "id", ``},
	} {
		t.Run(name, func(t *testing.T) {
			rows, _ := flat(t, connectionsTable, filter{}, c.contact)
			if got := columnOf(rows, c.column); got != c.want {
				t.Errorf("%s: %s, want %s", c.column, got, c.want)
			}
		})
	}
}

func TestRecordingRows(t *testing.T) {
	in := func(recordings string) string {
		return inLog(`{` + firedF + `,"connections":[{"id":"a","disconnected":"D","recordings":[` + recordings + `]}]}`)
	}
	for name, c := range map[string]struct {
		recordings, column, want string
		letters                  int
	}{
		"location":   {`{"location":"L","started":"S"}`, "id", digest("aL"), 0},
		"started":    {`{"location":null,"started":"S"}`, "id", digest("aS"), 0},
		"neither":    {`{"filename":"f"},{"location":"L"}`, "id", digest("aL"), 1},
		"connection": {`{"location":"L","connection_id":"x"}`, "connection_id", "a", 0},
		"contact":    {`{"location":"L"}`, "contact_id", "C", 0},
	} {
		t.Run(name, func(t *testing.T) {
			rows, letters := flat(t, recordingsTable, filter{}, in(c.recordings))
			if got := columnOf(rows, c.column); got != `"`+c.want+`"` || len(letters) != c.letters {
				t.Errorf("%s: %s and %v, want %s", c.column, got, letters, c.want)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	contact := inLog(`{"fired":"none"},{"fired":"update","type":"update","task":"fc_a"},{"fired":"dial","type":"dial","task":"fc_a","user":"u"},` +
		`{"fired":"person","type":"update","user":"u","task":"qc_b"},{"fired":"assigned","type":"update","user":"u","status_detail":"$assigned"},` +
		`{"fired":"typeless","user":"u","task":"FC_a"},{"fired":"nobody","type":"update","user":""}`)
	for _, c := range []struct {
		mode, prefixes, want string
	}{
		{"", "", "none update dial person assigned typeless nobody"},
		{updatesOnly, "", "none update person assigned typeless nobody"},
		{hiUpdatesOnly, "", "person typeless"},
		{"", "fc_", "none update dial assigned nobody"},
		{"", "fc_ qc_", "none update dial person assigned nobody"},
		{hiUpdatesOnly, "qc_", "person"},
	} {
		rows, _ := flat(t, transactionsTable, filter{c.mode, strings.Fields(c.prefixes)}, contact)
		if got := strings.ReplaceAll(columnOf(rows, "fired"), `"`, ""); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.mode, c.prefixes, got, c.want)
		}
	}
	if rows, _ := flat(t, contactsTable, filter{hiUpdatesOnly, []string{"x"}}, contact); len(rows) != 1 {
		t.Error("a filter holds a contact back")
	}
}

func TestCallRow(t *testing.T) {
	f := &flattener{only: callsTable}
	err := f.call([]byte(`{"id":4711,"calling_number":"1","called_number":"2","call_time":"3","connect_time":null,"hangup_time":"5","state":1.50,"dispatch_error":"true","x":1,
		"connected":"not this"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"4711","line_id":null,"campaign_id":null,"task_id":null,"task_name":null,"contact_id":null,"remote_number":"1","line_number":"2",` +
		`"started":"3","connected":null,"disconnected":"5","user":null,"state":"1.50","connectable_time":null,"disposition":null,"dispatch_error":true}` + "\n"
	if got := string(f.rows[0].json); got != want || f.rows[0].key != "4711" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestGoldenContact holds the data still: what it looks like is what other tests
// and measurements stand on.
func TestGoldenContact(t *testing.T) {
	for file, o := range map[string]Options{"plain": {Plain: true, Contacts: 100, Fields: 6}, "odd": {Contacts: 100, Fields: 6}} {
		s := start(t, o)
		contact := uint32(slices.IndexFunc(nasties(), func(n nasty) bool { return n.name == "third parties" }))
		want, err := os.ReadFile("testdata/" + file + ".json")
		if got := spread(s.contacts(s.id(contact))[0]); err != nil || string(got) != string(want) {
			t.Errorf("%s, %v: got\n%s", file, err, got)
		}
	}
}
