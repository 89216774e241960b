package campaign

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/sandbox/faults"
)

// rowsOf reads what GET expected/… answers: its rows by key.
func (s *sim) rowsOf(table, query string) map[string]map[string]json.RawMessage {
	s.t.Helper()
	key := "id"
	if table == contactsTable {
		key = "$id"
	}
	rows := map[string]map[string]json.RawMessage{}
	last := ""
	scanner := bufio.NewScanner(bytes.NewReader(s.want(200, "GET", box+"expected/"+table+query, "")))
	scanner.Buffer(nil, 1<<22)
	for scanner.Scan() {
		var row map[string]json.RawMessage
		if err := json.Unmarshal(scanner.Bytes(), &row); err != nil {
			s.t.Fatalf("%s: %v", scanner.Bytes(), err)
		}
		id := strings.Trim(string(row[key]), `"`)
		if id <= last {
			s.t.Fatalf("%s: %s comes after %s", table, id, last)
		}
		last = id
		rows[id] = row
	}
	return rows
}

func TestExpectedRows(t *testing.T) {
	s := start(t, Options{Contacts: 3 * nastyEvery})
	s.pass(time.Hour)
	control[done](s, "POST", "change", `{"count":300}`)
	contacts := s.rowsOf("contacts", "")
	for _, r := range s.refs("") {
		if got := string(contacts[r.ID]["$md5"]); got != `"`+r.MD5+`"` {
			t.Errorf("contact %s has %s, want %s", r.ID, got, r.MD5)
		}
	}
	transactions, connections, recordings := s.rowsOf("transactions", ""), s.rowsOf("connections", ""), s.rowsOf("recordings", "")
	if len(transactions) < 300 || len(connections) < 400 || len(recordings) < 300 {
		t.Errorf("%d transactions, %d connections, %d recordings", len(transactions), len(connections), len(recordings))
	}
	for id, r := range recordings {
		if _, there := connections[strings.Trim(string(r["connection_id"]), `"`)]; !there {
			t.Errorf("recording %s has no connection", id)
		}
	}
	for id, c := range connections {
		if _, there := transactions[strings.Trim(string(c["transaction_id"]), `"`)]; !there {
			t.Errorf("connection %s has no transaction", id)
		}
		if _, there := contacts[strings.Trim(string(c["contact_id"]), `"`)]; !there {
			t.Errorf("connection %s has no contact", id)
		}
	}
	for _, mode := range []string{updatesOnly, hiUpdatesOnly} {
		if some := s.rowsOf("transactions", "?fm="+mode+"&fp=fc_,qc_"); len(some) == 0 || len(some) > len(transactions)*9/10 {
			t.Errorf("%d of %d transactions with %s", len(some), len(transactions), mode)
		}
	}
	if calls := s.rowsOf("inbound_calls", ""); len(calls) != len(s.listAll(callsPath, "")) {
		t.Errorf("%d calls", len(calls))
	}
	s.want(404, "GET", box+"expected/nothing", "")
	s.want(400, "GET", box+"expected/contacts?fm=some", "")
}

func TestExpectedDeadLetters(t *testing.T) {
	s := start(t, Options{Contacts: nastyEvery})
	got := string(s.want(200, "GET", box+"expected/dead_letters?prefix=cc_", ""))
	at := func(name string) uint32 {
		return uint32(slices.IndexFunc(nasties(), func(n nasty) bool { return n.name == name }))
	}
	want := fmt.Sprintf(`{"count":3,"key":"%s","kind":"no_fired","table":"cc_transactions"}`, s.id(at("no fired")))
	if lines := strings.Split(strings.TrimSpace(got), "\n"); len(lines) != 2 || lines[1] != want ||
		!strings.Contains(lines[0], `"kind":"no_location","table":"cc_recordings"`) || !strings.Contains(lines[0], `{"count":2,`) {
		t.Errorf("got %s\nwant also %s", got, want)
	}
}

func TestChanges(t *testing.T) {
	s := start(t, Options{Contacts: 20, Plain: true})
	id := s.id(5)
	count := func(table string) int { return len(s.rowsOf(table, "")) }
	before := map[string]int{}
	for _, table := range []string{"contacts", "transactions", "connections", "recordings", "inbound_calls"} {
		before[table] = count(table)
	}
	version := control[contactState](s, "GET", "state?id="+id, "").Version
	step := func(body string) contactState {
		s.t.Helper()
		s.pass(time.Second)
		d := control[done](s, "POST", "change", body)
		if len(d.Contacts) != 1 {
			t.Fatalf("%s: %+v", body, d)
		}
		return d.Contacts[0]
	}
	was := string(s.contacts(id)[0])
	if st := step(`{"kind":"edit","id":"` + id + `"}`); st.Version != version+1 || st.ID != id || string(s.contacts(id)[0]) == was {
		t.Errorf("edited: %+v", st)
	}
	if count("transactions") != before["transactions"] {
		t.Error("an edit changed transactions")
	}
	step(`{"kind":"transaction","id":"` + id + `"}`)
	step(`{"kind":"late","id":"` + id + `"}`)
	if n := count("transactions"); n != before["transactions"]+2 {
		t.Errorf("%d transactions, want two more than %d", n, before["transactions"])
	}
	children := func() int { return count("transactions") + count("connections") + count("recordings") }
	many := children()
	step(`{"kind":"remove","id":"` + id + `"}`)
	if n := children(); n >= many {
		t.Errorf("%d children, and before %d", n, many)
	}
	step(`{"kind":"field","field":"Größe \"neu\"","type":"number","id":"` + id + `"}`)
	rows := s.rowsOf("contacts", "")
	if value, other := rows[id][`Größe "neu"`], rows[s.id(6)][`Größe "neu"`]; len(value) == 0 || value[0] < '0' || value[0] > '9' || string(other) != "null" {
		t.Errorf("the new field is %s, elsewhere %s", value, other)
	}
	if st := step(`{"kind":"contact"}`); st.ID == id || count("contacts") != 21 {
		t.Errorf("new: %+v", st)
	}
	if st := step(`{"kind":"delete","id":"` + id + `"}`); !st.Deleted || count("contacts") != 20 {
		t.Errorf("deleted: %+v", st)
	}
	if _, there := s.rowsOf("contacts", "?vanished=1")[id]; !there {
		t.Error("a vanished contact is not told of")
	}
	control[done](s, "POST", "change", `{"kind":"inbound","count":3}`)
	if n := count("inbound_calls"); n != before["inbound_calls"]+3 {
		t.Errorf("%d calls", n)
	}
	st := control[summary](s, "GET", "state", "")
	if st.Contacts != 20 || st.Vanished != 1 || st.Changes != 10 || st.InboundCalls != before["inbound_calls"]+3 {
		t.Errorf("state %+v", st)
	}
	for status, body := range map[int][]string{
		404: {`{"kind":"edit","id":"` + id + `"}`, `{"kind":"edit","id":"x"}`},
		400: {`{"kind":"explode"}`, `{"count":-1}`, `{"kind":"field"}`, `{"kind":"edit","field":"x"}`, `{"kind":"contact","id":"` + s.id(1) + `"}`, `{"unknown":1}`,
			`{"kind":"field","field":"Firma"}`},
	} {
		for _, body := range body {
			s.want(status, "POST", box+"change", body)
		}
	}
}

func TestEveryChangeChangesTheMD5(t *testing.T) {
	s := start(t, Options{Contacts: 50})
	seen := map[string]bool{}
	for range 4 {
		for _, r := range s.refs("") {
			seen[r.MD5] = true
		}
		for contact := range uint32(50) {
			control[done](s, "POST", "change", `{"kind":"edit","id":"`+s.id(contact)+`"}`)
		}
	}
	if len(seen) != 200 {
		t.Errorf("%d different MD5, want 200", len(seen))
	}
}

func TestLiveChanges(t *testing.T) {
	s := start(t, Options{Contacts: 100, Rate: 2})
	changes := func() int { return control[summary](s, "GET", "state", "").Changes }
	if n := changes(); n != 0 {
		t.Errorf("%d changes at once", n)
	}
	s.pass(time.Minute)
	if n := changes(); n != 120 {
		t.Errorf("%d changes in a minute, want 120", n)
	}
	s.want(200, "POST", box+"quiesce", "")
	s.pass(time.Hour)
	if n := changes(); n != 120 || !control[map[string]bool](s, "GET", "quiesce", "")["quiet"] {
		t.Errorf("%d changes, though it is quiet", n)
	}
	s.want(200, "POST", box+"quiesce", `{"quiet":false}`)
	s.pass(10 * time.Second)
	if n := changes(); n != 140 {
		t.Errorf("%d changes, want 140", n)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	s := start(t, Options{Contacts: 30})
	s.contacts(s.id(1), s.id(2))
	s.want(400, "GET", api+contactListPath+"?limit=0", "")
	s.want(200, "GET", api+contactListPath+"?limit=5", "")
	got := control[report](s, "GET", "requests", "")
	if n := got.Counts[contactsPath]; n.Calls != 1 || n.Contacts != 2 || n.Bytes < 10_000 || n.Refused != 0 {
		t.Errorf("contacts %+v", n)
	}
	if n := got.Counts[contactListPath]; n.Calls != 2 || n.Refused != 1 {
		t.Errorf("list %+v", n)
	}
	if n := len(got.Newest); n != 3 || got.Newest[2].Query != "limit=5" || got.Newest[1].Status != 400 {
		t.Errorf("requests %+v", got.Newest)
	}
	for range keptRequests {
		s.want(200, "GET", api+fieldsPath, "")
	}
	if n := len(control[report](s, "GET", "requests", "").Newest); n > keptRequests || n < keptRequests/2 {
		t.Errorf("%d requests are kept", n)
	}
	s.want(200, "DELETE", box+"requests", "")
	if got := control[report](s, "GET", "requests", ""); got.Counts[fieldsPath].Calls != 0 || len(got.Newest) != 0 {
		t.Errorf("after deletion %+v", got)
	}
}

func TestPutCampaign(t *testing.T) {
	s := start(t, Options{Contacts: 3})
	s.want(200, "PUT", "/_sandbox/campaigns/OTHER", `{"contacts":7,"token":"t","plain":true,"lag":"2s","seed":9}`)
	resp, text, err := s.call("GET", "/api/campaigns/OTHER/"+contactListPath, "t", "")
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(string(text), `{"count":7,`) {
		t.Errorf("%v %s", err, text)
	}
	s.want(200, "PUT", "/_sandbox/campaigns/OTHER", `{"contacts":8}`)
	for _, body := range []string{`{"contacts":100000000}`, `{"lag":"soon"}`, `{"x":1}`} {
		s.want(400, "PUT", "/_sandbox/campaigns/OTHER", body)
	}
	s.want(404, "GET", "/_sandbox/campaigns/NONE/state", "")
}

func TestControlOnLoopbackOnly(t *testing.T) {
	s := start(t, Options{Contacts: 1})
	for _, path := range []string{"/_sandbox/campaigns", box + "state", box + "expected/contacts"} {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = "192.0.2.7:4711"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestPage(t *testing.T) {
	s := start(t, Options{Contacts: 12, Faults: []faults.Fault{{Status: 403, Times: 1}}})
	s.want(403, "GET", api+contactListPath+"?limit=5&x=%3Cb%3E", "")
	id := control[done](s, "POST", "change", `{"kind":"edit"}`).Contacts[0].ID
	resp, text, err := s.call("GET", "/_sandbox/campaigns", "", "")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{DefaultCampaign, id, "contacts/list?limit=5&amp;x=%3Cb%3E", ">403<", `http-equiv="refresh"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "://") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the page asks for more than itself")
	}
	if _, still, _ := s.call("GET", "/_sandbox/campaigns?still=1", "", ""); strings.Contains(string(still), "refresh") {
		t.Error("it does not hold still")
	}
}
