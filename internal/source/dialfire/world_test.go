package dialfire

import (
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is a campaign behind a real server: what it is asked for it answers as it is
// at that time, by the world's clock.
type world struct {
	*httptest.Server

	mu       sync.Mutex
	now      time.Time
	ids      int
	contacts map[string]*being
	order    []string // ids, as they were made
	events   []happening
	calls    []callNote
	fields   []string

	// How it behaves.
	byChange bool          // events are selected by when they came, not by fired
	listLag  time.Duration // of contacts/list and of the events
	readLag  time.Duration // of POST contacts/
	zone     *time.Location
	instead  func(w http.ResponseWriter, r *http.Request, body []byte) bool // true: it has answered
	asked    []string                                                       // method and address of each request
	posted   [][]string                                                     // the ids of each POST
}

// being is a contact with its revisions, the oldest first; after it was deleted the
// last is nil.
type being struct {
	name, value string
	log         []*deed
	revisions   []revision
}

type revision struct {
	at   time.Time
	text json.RawMessage // nil: deleted
	md5  string
}

type deed struct {
	fired  time.Time
	result string
}

type happening struct {
	fired, came time.Time
	contact     string
}

type callNote struct {
	id      string
	started time.Time
	came    time.Time
}

const campaignID = "CAMPAIGN/1"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		now: time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC), contacts: map[string]*being{}, zone: time.UTC, fields: []string{"shoe"},
	}
	w.Server = httptest.NewUnstartedServer(w)
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.Start()
	t.Cleanup(w.Close)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// add makes a contact with a number of transactions, fired now.
func (w *world) add(deeds int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	const symbols = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	sum := md5.Sum([]byte(strconv.Itoa(w.ids)))
	id := make([]byte, 16)
	for i := range id {
		id[i] = symbols[sum[i]%32]
	}
	b := &being{name: "n" + strconv.Itoa(w.ids)}
	w.contacts[string(id)] = b
	w.order = append(w.order, string(id))
	for range deeds {
		w.deed(string(id), w.now)
	}
	w.revise(string(id))
	return string(id)
}

// rename changes a field only: no event tells.
func (w *world) rename(id, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.contacts[id].name = name
	w.revise(id)
}

// act adds a transaction that was fired a while ago.
func (w *world) act(id string, ago time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deed(id, w.now.Add(-ago))
	w.revise(id)
}

// amend changes a transaction, if there is one.
func (w *world) amend(id, result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if log := w.contacts[id].log; len(log) > 0 {
		log[0].result = result
		w.events = append(w.events, happening{log[0].fired, w.now, id})
		w.revise(id)
	}
}

// drop takes a transaction away, if there is one.
func (w *world) drop(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if log := w.contacts[id].log; len(log) > 0 {
		w.contacts[id].log = log[1:]
		w.revise(id)
	}
}

func (w *world) remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.contacts[id]
	b.revisions = append(b.revisions, revision{at: w.now})
}

func (w *world) call(ago time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, callNote{"call" + strconv.Itoa(len(w.calls)), w.now.Add(-ago), w.now})
}

func (w *world) deed(id string, fired time.Time) {
	b := w.contacts[id]
	for slices.ContainsFunc(b.log, func(d *deed) bool { return d.fired.Equal(fired) }) {
		fired = fired.Add(-time.Millisecond) // a contact's transactions are told apart by it
	}
	b.log = append(b.log, &deed{fired, "ok"})
	w.events = append(w.events, happening{fired, w.now, id})
}

// stamp is how the API tells times.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (w *world) revise(id string) {
	b := w.contacts[id]
	type object = map[string]any
	var log []any
	for i, d := range b.log {
		log = append(log, object{"transactions": []any{object{
			"fired": stamp(d.fired), "type": "update", "task": "fc_one", "user": "u", "result": d.result,
			"connections": []any{object{
				"id": fmt.Sprint(id, "-", i), "disconnected": stamp(d.fired), "fired": stamp(d.fired),
				"recordings": []any{object{"location": fmt.Sprint("https://rec.example/", id, "/", i), "started": stamp(d.fired)}},
			}},
		}}})
	}
	c := object{"$id": id, "$version": len(b.revisions) + 1, "$task_log": log, "shoe": b.name, "late": b.value}
	text, _ := json.Marshal(c)
	sum := md5.Sum(text)
	c["$md5"] = hex.EncodeToString(sum[:])
	text, _ = json.Marshal(c)
	b.revisions = append(b.revisions, revision{w.now, text, hex.EncodeToString(sum[:])})
}

// at is the contact as it was then.
func (b *being) at(t time.Time) (r revision, ok bool) {
	for _, each := range b.revisions {
		if !each.at.After(t) {
			r, ok = each, each.text != nil
		}
	}
	return r, ok
}

// all are the contacts that exist now, as they would be sent.
func (w *world) all() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := []json.RawMessage{}
	for _, id := range w.order {
		if r, ok := w.contacts[id].at(w.now); ok {
			texts = append(texts, r.text)
		}
	}
	data, _ := json.Marshal(texts)
	return data
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	w.asked = append(w.asked, r.Method+" "+r.URL.RequestURI())
	instead := w.instead
	w.mu.Unlock()
	if instead != nil && instead(rw, r, body) {
		return
	}
	w.answer(rw, r, body)
}

func (w *world) answer(rw http.ResponseWriter, r *http.Request, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer sesame" {
		http.Error(rw, "bad token", http.StatusForbidden)
		return
	}
	q := r.URL.Query()
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/campaigns/"+url.PathEscape(campaignID)+"/")
	if !ok {
		http.NotFound(rw, r)
		return
	}
	var v any
	switch r.Method + " " + path {
	case "GET fields/list":
		list := []any{}
		for _, f := range w.fields {
			list = append(list, map[string]any{"type": "field", "fieldType": "text", "name": f})
		}
		v = list
	case "GET contacts/list":
		v = w.list(q)
	case "GET contacts/transactions/":
		v = w.transactions(q)
	case "GET inbound/calls/":
		v = w.inbound(q)
	case "POST contacts/":
		v = w.post(body)
	default:
		http.NotFound(rw, r)
		return
	}
	if v == nil {
		http.Error(rw, "bad cursor or limit", http.StatusBadRequest)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v)
}

// paged cuts a page out of entries; those before the cursor's place are over.
func paged[T any](q url.Values, entries []T, place func(T) string) any {
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		return nil
	}
	slices.SortFunc(entries, func(a, b T) int { return cmp.Compare(place(a), place(b)) })
	if c := q.Get("cursor"); c != "" {
		text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c, "+/ &="))
		if err != nil || !strings.HasPrefix(c, "+/ &=") {
			return nil
		}
		entries = slices.DeleteFunc(entries, func(e T) bool { return place(e) <= string(text) })
	}
	answer := map[string]any{}
	if len(entries) > limit {
		entries = entries[:limit]
		answer["cursor"] = "+/ &=" + base64.StdEncoding.EncodeToString([]byte(place(entries[limit-1])))
	}
	answer["results"], answer["count"] = entries, len(entries)
	return answer
}

func (w *world) list(q url.Values) any {
	type entry struct {
		ID  string `json:"id"`
		MD5 string `json:"md5"`
		day string
	}
	entries := []entry{}
	for id, b := range w.contacts {
		if r, ok := b.at(w.now.Add(-w.listLag)); ok {
			if day := r.at.In(w.zone).Format(time.DateOnly); day >= q.Get("changedSince") {
				entries = append(entries, entry{id, r.md5, day})
			}
		}
	}
	return paged(q, entries, func(e entry) string { return e.day + e.MD5 })
}

// between reads the window that is asked for.
func between(q url.Values) (from, to time.Time, ok bool) {
	from, err := time.Parse(sentTime, q.Get("from"))
	to, also := time.Parse(sentTime, q.Get("to"))
	return from, to, err == nil && also == nil
}

func (w *world) transactions(q url.Values) any {
	from, to, ok := between(q)
	if !ok {
		return nil
	}
	entries := []string{}
	for _, e := range w.events {
		at := e.fired
		if w.byChange {
			at = e.came
		}
		if e.came.After(w.now.Add(-w.listLag)) || at.Before(from) || at.After(to) {
			continue
		}
		if r, ok := w.contacts[e.contact].at(w.now.Add(-w.listLag)); ok {
			entries = append(entries, stamp(e.fired)+"|"+r.md5+"|"+e.contact)
		}
	}
	return paged(q, entries, func(s string) string { return s })
}

func (w *world) inbound(q url.Values) any {
	from, to, ok := between(q)
	if !ok {
		return nil
	}
	type entry struct {
		ID   string `json:"id"`
		Time string `json:"call_time"`
	}
	entries := []entry{}
	for _, c := range w.calls {
		if !c.started.Before(from) && !c.started.After(to) {
			entries = append(entries, entry{c.id, stamp(c.started)})
		}
	}
	return paged(q, entries, func(e entry) string { return e.Time + e.ID })
}

func (w *world) post(body []byte) any {
	var ids []string
	if json.Unmarshal(body, &ids) != nil {
		return nil
	}
	w.posted = append(w.posted, ids)
	found := []json.RawMessage{}
	for _, id := range ids {
		if b := w.contacts[id]; b != nil {
			if r, ok := b.at(w.now.Add(-w.readLag)); ok {
				found = append(found, r.text)
			}
		}
	}
	return found
}

// requests gives the requests whose address holds a text, since the last call.
func (w *world) requests(with string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if strings.Contains(a, with) {
			found = append(found, a)
		}
	}
	w.asked = nil
	return found
}
