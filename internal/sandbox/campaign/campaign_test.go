package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/sandbox/faults"
)

// epoch is when the campaigns of tests begin.
func epoch() time.Time { return time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC) }

// sim is a simulator on loopback with a small client and a clock of its own.
type sim struct {
	*Server
	t       *testing.T
	url     string
	elapsed atomic.Int64
}

// start serves one campaign, with a clock that begins at the epoch.
func start(t *testing.T, o Options) *sim {
	t.Helper()
	s := &sim{t: t}
	if o.Start.IsZero() {
		o.Start = epoch()
	}
	o.Now = func() time.Time { return epoch().Add(time.Duration(s.elapsed.Load())) }
	server, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server)
	t.Cleanup(func() { server.Close(); srv.Close() })
	s.Server, s.url = server, srv.URL
	return s
}

func (s *sim) pass(d time.Duration) { s.elapsed.Add(int64(d)) }

func (s *sim) campaign() *campaign { return s.all()[0] }

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// call makes a request and returns its answer with the body read.
func (s *sim) call(method, path, token, body string) (*http.Response, []byte, error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, text, err
}

// want makes a request that must have the status.
func (s *sim) want(status int, method, path, body string) []byte {
	s.t.Helper()
	resp, text, err := s.call(method, path, DefaultToken, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	return text
}

const (
	api = "/api/campaigns/" + DefaultCampaign + "/"
	box = "/_sandbox/campaigns/" + DefaultCampaign + "/"
)

// control makes a control call and decodes its answer.
func control[T any](s *sim, method, path, body string) T {
	s.t.Helper()
	var v T
	if err := json.Unmarshal(s.want(200, method, box+path, body), &v); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return v
}

// listed is one page of any list.
type listed struct {
	Count   int               `json:"count"`
	Results []json.RawMessage `json:"results"`
	Cursor  string            `json:"cursor"`
}

// pageOf gets one page of a list.
func (s *sim) pageOf(path, query, cursor string) listed {
	s.t.Helper()
	if cursor != "" {
		query += "&cursor=" + url.QueryEscape(cursor)
	}
	var p listed
	if err := json.Unmarshal(s.want(200, "GET", api+path+"?"+query, ""), &p); err != nil {
		s.t.Fatal(err)
	}
	if p.Count != len(p.Results) {
		s.t.Errorf("count is %d of %d results", p.Count, len(p.Results))
	}
	return p
}

// listAll gets all pages of a list.
func (s *sim) listAll(path, query string) []json.RawMessage {
	s.t.Helper()
	var all []json.RawMessage
	for cursor := ""; ; {
		p := s.pageOf(path, query, cursor)
		all = append(all, p.Results...)
		if cursor = p.Cursor; cursor == "" {
			return all
		}
	}
}

// ref is an entry of the list of contacts.
type ref struct{ ID, MD5 string }

func (s *sim) refs(query string) []ref {
	s.t.Helper()
	var list []ref
	for _, raw := range s.listAll(contactListPath, query) {
		var r ref
		if err := json.Unmarshal(raw, &r); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// contacts gets contacts in full, as JSON.
func (s *sim) contacts(ids ...string) []json.RawMessage {
	s.t.Helper()
	body, err := json.Marshal(ids)
	if err != nil {
		s.t.Fatal(err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(s.want(200, "POST", api+contactsPath+"?include_md5=true", string(body)), &list); err != nil {
		s.t.Fatal(err)
	}
	return list
}

func (s *sim) id(contact uint32) string {
	return string(appendContactID(nil, s.campaign().Seed, contact))
}

func TestContactIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, seed := range []uint64{0, 7, 1<<64 - 1} {
		for _, n := range []uint32{0, 1, 2, 999, 1_000_000, maxContacts} {
			id := string(appendContactID(nil, seed, n))
			if len(id) != idLength || strings.Trim(id, symbols) != "" || strings.ContainsAny(id, "01IO") || seen[id] {
				t.Errorf("id %q", id)
			}
			seen[id] = true
			if got, known := contactNumber(id, seed); !known || got != n {
				t.Errorf("%s is %d, %v, want %d", id, got, known, n)
			}
			if _, known := contactNumber(id, seed+1); known {
				t.Errorf("%s is known with another seed", id)
			}
		}
	}
	for _, id := range []string{"", "2222222222222222", "short", "IIIIIIIIIIIIIIII", "ÄÄÄÄÄÄÄÄ"} {
		if _, known := contactNumber(id, 0); known {
			t.Errorf("%q is known", id)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"id":       {Campaign: "a/b"},
		"contacts": {Contacts: maxContacts + 1},
		"fields":   {Fields: maxFields + 1},
		"rate":     {Rate: -1},
		"lag":      {Lag: -1},
		"per call": {PerCallMax: maxPerCall + 1},
		"events":   {EventsBy: "chance"},
		"fault":    {Faults: []faults.Fault{{Kind: faults.Status}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTokens(t *testing.T) {
	s := start(t, Options{Contacts: 3})
	for _, c := range []struct {
		path, token string
		status      int
	}{
		{api + fieldsPath, DefaultToken, 200},
		{api + fieldsPath, "other", 403},
		{api + fieldsPath, "", 403},
		{"/api/campaigns/OTHER/" + fieldsPath, DefaultToken, 403},
		{api + "nothing", DefaultToken, 404},
	} {
		resp, text, err := s.call("GET", c.path, c.token, "")
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("GET %s with %q: %v, %v: %s", c.path, c.token, resp, err, text)
		}
	}
}

func TestSeveralCampaigns(t *testing.T) {
	s, err := New(Options{Campaign: "A", Token: "a", Contacts: 2}, Options{Campaign: "B", Token: "b", Contacts: 3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id, token string
		status, n int
	}{{"A", "a", 200, 2}, {"B", "b", 200, 3}, {"A", "b", 403, 0}} {
		r := httptest.NewRequest("GET", "/api/campaigns/"+c.id+"/"+contactListPath, nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status || c.n > 0 && !strings.HasPrefix(w.Body.String(), fmt.Sprintf(`{"count":%d,`, c.n)) {
			t.Errorf("%s with %s: %d %s", c.id, c.token, w.Code, w.Body)
		}
	}
}

func TestFields(t *testing.T) {
	s := start(t, Options{Contacts: 1, Fields: 2})
	var fields []map[string]any
	if err := json.Unmarshal(s.want(200, "GET", api+fieldsPath, ""), &fields); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, f := range fields {
		seen[f["type"].(string)]++
		if f["deleted"] == true {
			seen["deleted"]++
		}
		seen["name "+f["name"].(string)]++
	}
	if seen["field"] < 20 || seen["deleted"] != 2 || seen["system"] != 1 || seen["name Wieder da"] != 2 || seen["name Firma"] != 1 {
		t.Errorf("fields %v", seen)
	}
	plain := start(t, Options{Contacts: 1, Fields: 2, Plain: true})
	want := `[{"type":"field","fieldType":"text","name":"Firma","state":"active"},{"type":"field","fieldType":"text","name":"Anrede","state":"active"}]`
	if got := string(plain.want(200, "GET", api+fieldsPath, "")); got != want {
		t.Errorf("plain fields %s", got)
	}
}

func TestUnknownContactsAreLeftOut(t *testing.T) {
	s := start(t, Options{Contacts: 3, PerCallMax: 4})
	got := s.contacts(s.id(2), "2222222222222222", s.id(0), s.id(3))
	if len(got) != 2 || !strings.Contains(string(got[0]), s.id(2)) || !strings.Contains(string(got[1]), s.id(0)) {
		t.Errorf("%d contacts: %s", len(got), got)
	}
	if got := s.want(200, "POST", api+contactsPath, `["`+s.id(1)+`"]`); strings.Contains(string(got), "$md5") {
		t.Error("an MD5 that was not asked for")
	}
	for _, body := range []string{``, `{}`, `[1]`, `["a","b","c","d","e"]`, `["a"`} {
		if text := s.want(400, "POST", api+contactsPath, body); len(text) < 10 {
			t.Errorf("%s: %q", body, text)
		}
	}
}

func TestParameters(t *testing.T) {
	s := start(t, Options{Contacts: 3})
	for _, query := range []string{
		"limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=" + url.QueryEscape(cursorOf(eventCursor, entry{})), "changedSince=yesterday",
		"changedSince=2031-13-01", "from=2031-01-01", "limit=1&limit=2", "cursor=" + cursorOf(contactCursor, entry{}),
	} {
		s.want(400, "GET", api+contactListPath+"?"+query, "")
	}
	for _, query := range []string{"limit=1", "changedSince=2031-01-01", "changedSince=2031-01-01T10:00:00.123", "changedSince=2031-01-01T10:00:00"} {
		s.want(200, "GET", api+contactListPath+"?"+query, "")
	}
	for _, query := range []string{"hi=perhaps", "from=1", "changedSince=2031-01-01"} {
		s.want(400, "GET", api+transactionsPath+"?"+query, "")
	}
	s.want(400, "GET", api+callsPath+"?to=noon", "")
}

// TestEveryContactIsJSON renders contacts of every sort, before and after changes.
func TestEveryContactIsJSON(t *testing.T) {
	s := start(t, Options{Contacts: 3 * nastyEvery})
	control[done](s, "POST", "change", `{"count":500}`)
	control[done](s, "POST", "change", `{"kind":"field","field":"Neu","count":50}`)
	var ids []string
	for contact := range uint32(3 * nastyEvery) {
		ids = append(ids, s.id(contact))
	}
	for i, raw := range s.contacts(ids...) {
		if !json.Valid(raw) || bytes.Contains(raw, []byte("{id}")) || bytes.Contains(raw, []byte("{fired}")) {
			t.Errorf("contact %d: %s", i, raw)
		}
	}
	var calls bytes.Buffer
	for _, call := range s.listAll(callsPath, "") {
		calls.Write(call)
	}
	if !strings.Contains(calls.String(), `{"id":900000`) {
		t.Error("no call has a number as id")
	}
}

func TestPlainContacts(t *testing.T) {
	s := start(t, Options{Contacts: 500, Plain: true})
	total, connections, transactions := 0, 0, 0
	c := s.campaign()
	for contact := range uint32(500) {
		formed := c.shapeAt(contact, 0)
		text := c.render(nil, formed, nil, true)
		total += len(text)
		transactions += bytes.Count(text, []byte(`"revoked"`))
		connections += bytes.Count(text, []byte(`"disconnected"`))
	}
	if total < 500*9_000 || total > 500*12_000 || transactions < 900 || transactions > 1_100 || connections < 1_400 || connections > 1_900 {
		t.Errorf("%d bytes, %d transactions, %d connections in 500 contacts", total, transactions, connections)
	}
}

func TestTheSameSeedGivesTheSame(t *testing.T) {
	both := [2]*sim{}
	for i := range both {
		s := start(t, Options{Contacts: 200, Seed: 11, Rate: 2})
		s.pass(30 * time.Second)
		control[done](s, "POST", "change", `{"count":40}`)
		s.pass(time.Minute)
		both[i] = s
	}
	for _, path := range []string{api + contactListPath, api + transactionsPath, api + callsPath, box + "state", box + "expected/contacts", box + "expected/connections"} {
		a, b := both[0].want(200, "GET", path, ""), both[1].want(200, "GET", path, "")
		if !bytes.Equal(a, b) || len(a) < 100 {
			t.Errorf("%s differs: %.300s and %.300s", path, a, b)
		}
	}
	other := start(t, Options{Contacts: 200, Seed: 12})
	if other.id(0) == both[0].id(0) {
		t.Error("another seed gives the same ids")
	}
}
