package campaign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// dayAndMD5 is what the list of contacts is sorted by, as a human would tell it.
func (s *sim) dayAndMD5(r ref) string {
	s.t.Helper()
	st := control[contactState](s, "GET", "state?id="+r.ID, "")
	if st.MD5 != r.MD5 {
		s.t.Errorf("%s is listed with %s and has %s", r.ID, r.MD5, st.MD5)
	}
	return st.Changed.Format(time.DateOnly) + " " + st.MD5
}

func TestContactsAreListedByDayThenMD5(t *testing.T) {
	s := start(t, Options{Contacts: 230})
	for range 2 {
		refs := s.refs("limit=50")
		keys := make([]string, len(refs))
		for i, r := range refs {
			keys[i] = s.dayAndMD5(r)
		}
		if len(refs) != 230 || !slices.IsSorted(keys) {
			t.Fatalf("%d contacts, sorted %v", len(refs), slices.IsSorted(keys))
		}
		day := epoch().AddDate(0, 0, -10).Format(time.DateOnly)
		since := s.refs("limit=50&changedSince=" + day)
		first, _ := slices.BinarySearch(keys, day)
		if !slices.Equal(since, refs[first:]) || len(since) == 0 {
			t.Errorf("%d contacts since %s, want %d", len(since), day, len(refs)-first)
		}
		s.pass(time.Hour)
		control[done](s, "POST", "change", `{"kind":"edit","count":90}`)
	}
}

func TestAContactThatChangesMovesToTheEnd(t *testing.T) {
	s := start(t, Options{Contacts: 60})
	before := s.refs("")
	page := s.pageOf(contactListPath, "limit=20", "")
	changed := control[done](s, "POST", "change", `{"kind":"edit","id":"`+before[3].ID+`"}`).Contacts[0]
	control[done](s, "POST", "change", `{"kind":"delete","id":"`+before[30].ID+`"}`)
	var rest []string
	for cursor := page.Cursor; cursor != ""; {
		p := s.pageOf(contactListPath, "limit=20", cursor)
		for _, raw := range p.Results {
			rest = append(rest, string(raw))
		}
		cursor = p.Cursor
	}
	last := fmt.Sprintf(`{"id":"%s","md5":"%s"}`, before[3].ID, changed.MD5)
	if len(rest) != 40 || rest[len(rest)-1] != last || changed.MD5 == before[3].MD5 {
		t.Errorf("%d more contacts, the last %s, want %s", len(rest), rest[len(rest)-1], last)
	}
	if slices.ContainsFunc(rest, func(r string) bool { return strings.Contains(r, before[30].ID) }) {
		t.Error("a deleted contact is listed")
	}
	if got := s.contacts(before[30].ID, before[3].ID); len(got) != 1 {
		t.Errorf("%d contacts, want the one that is not deleted", len(got))
	}
}

func TestACursorMustBeEscaped(t *testing.T) {
	s := start(t, Options{Contacts: 3})
	cursor := s.pageOf(contactListPath, "limit=1", "").Cursor
	if !strings.ContainsAny(cursor, "+") || !strings.ContainsAny(cursor, "&#%/=") {
		t.Errorf("cursor %q", cursor)
	}
	s.want(400, "GET", api+contactListPath+"?limit=1&cursor="+strings.ReplaceAll(cursor, "#", ""), "")
	for _, path := range []string{contactListPath, transactionsPath, callsPath} {
		if p := s.pageOf(path, "limit=1000", ""); p.Cursor != "" {
			t.Errorf("%s: the last page has a cursor", path)
		}
	}
	if p := s.pageOf(contactListPath, "limit=3", ""); p.Cursor != "" {
		t.Error("a page that holds the rest has a cursor")
	}
}

func TestListsLag(t *testing.T) {
	s := start(t, Options{Contacts: 10, Lag: time.Minute})
	s.pass(time.Hour)
	before := s.refs("")
	id := before[0].ID
	added := control[done](s, "POST", "change", `{"kind":"transaction","id":"`+id+`"}`).Contacts[0]
	control[done](s, "POST", "change", `{"kind":"contact"}`)
	if now := s.refs(""); !slices.Equal(now, before) {
		t.Error("the list does not lag")
	}
	from := "from=" + epoch().Format("2006-01-02T15:04:05")
	if events := s.listAll(transactionsPath, from); len(events) != 0 {
		t.Errorf("events %s", events)
	}
	if raw := string(s.contacts(id)[0]); !strings.Contains(raw, added.MD5) {
		t.Error("the contact itself lags")
	}
	s.pass(time.Minute)
	refs := s.refs("")
	if len(refs) != 11 || !slices.Contains(refs, ref{id, added.MD5}) || slices.Contains(refs, before[0]) {
		t.Errorf("a minute later: %v", refs)
	}
	if events := s.listAll(transactionsPath, from); len(events) != 2 {
		t.Errorf("a minute later: events %s", events)
	}
}

func (s *sim) events(query string) [][]string {
	s.t.Helper()
	var list [][]string
	for _, raw := range s.listAll(transactionsPath, query) {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, strings.Split(text, "|"))
	}
	return list
}

func TestLateEventsAreListedByFiredOrByChange(t *testing.T) {
	for by, want := range map[string]int{ByFired: 0, ByChanged: 1} {
		t.Run(by, func(t *testing.T) {
			s := start(t, Options{Contacts: 10, EventsBy: by})
			s.pass(time.Hour)
			late := control[done](s, "POST", "change", `{"kind":"late"}`).Contacts[0]
			got := s.events("from=" + epoch().Format("2006-01-02T15:04:05.000"))
			if len(got) != want || want == 1 && (got[0][1] != late.MD5 || got[0][2] != late.ID || got[0][0] >= epoch().Format(stampFormat)) {
				t.Errorf("events %v", got)
			}
			control[done](s, "POST", "change", `{"kind":"edit","count":5}`)
			if got := s.events("from=" + epoch().Format("2006-01-02")); by == ByChanged && len(got) != 1 {
				t.Errorf("edits are events: %v", got)
			}
		})
	}
}

// decoded is what the tests look at in a contact.
type decoded struct {
	ID  string `json:"$id"`
	MD5 string `json:"$md5"`
	Log []struct {
		Transactions []struct {
			Fired  *string `json:"fired"`
			Type   *string `json:"type"`
			Task   *string `json:"task"`
			User   *string `json:"user"`
			Detail *string `json:"status_detail"`
		} `json:"transactions"`
	} `json:"$task_log"`
}

// TestEventsAreTheTransactions compares the list of transactions with what the
// contacts say, filter by filter, after changes of all kinds.
func TestEventsAreTheTransactions(t *testing.T) {
	s := start(t, Options{Contacts: 120, Plain: true})
	s.pass(time.Hour)
	control[done](s, "POST", "change", `{"count":150}`)
	control[done](s, "POST", "change", `{"kind":"remove","count":60}`)
	control[done](s, "POST", "change", `{"kind":"delete","count":9}`)
	from, to := epoch().AddDate(0, 0, -20), epoch().AddDate(0, 0, -2)
	span := fmt.Sprintf("from=%s&to=%s&limit=37", from.Format("2006-01-02T15:04:05"), to.Format("2006-01-02T15:04:05.999"))
	for query, fits := range map[string]func(kind, task, user string) bool{
		"limit=37":                        func(string, string, string) bool { return true },
		span:                              func(string, string, string) bool { return true },
		span + "&type=update":             func(kind, _, _ string) bool { return kind == "update" },
		span + "&hi=true":                 func(_, _, user string) bool { return user != "" },
		span + "&tasks=fc_,qc_":           func(_, task, _ string) bool { return task[2] == '_' },
		span + "&tasks=callback&hi=false": func(_, task, _ string) bool { return task == "callback" },
	} {
		var want []string
		for _, r := range s.refs("") {
			var d decoded
			if err := json.Unmarshal(s.contacts(r.ID)[0], &d); err != nil {
				t.Fatal(err)
			}
			for _, x := range d.Log[0].Transactions {
				user := ""
				if x.User != nil {
					user = *x.User
				}
				inSpan := !strings.HasPrefix(query, "from") || *x.Fired >= from.Format(stampFormat) && *x.Fired < to.Format(stampFormat)
				if inSpan && fits(*x.Type, *x.Task, user) {
					want = append(want, *x.Fired+"|"+d.MD5+"|"+d.ID)
				}
			}
		}
		var got []string
		for _, e := range s.events(query) {
			got = append(got, strings.Join(e, "|"))
		}
		if !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(a[:24], b[:24]) }) {
			t.Errorf("%s: not in the order of time", query)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || len(want) < 10 {
			t.Errorf("%s: %d events, want %d", query, len(got), len(want))
		}
	}
}

func TestInboundCalls(t *testing.T) {
	s := start(t, Options{Contacts: 300})
	s.pass(time.Minute)
	control[done](s, "POST", "change", `{"kind":"inbound","count":7}`)
	all := s.listAll(callsPath, "limit=4")
	news := s.listAll(callsPath, "limit=4&from="+epoch().Format("2006-01-02T15:04:05"))
	if len(all) != 37 || len(news) != 7 {
		t.Errorf("%d calls, %d of them new", len(all), len(news))
	}
	times := make([]string, len(all))
	for i, raw := range all {
		var call struct {
			Time string `json:"call_time"`
		}
		if err := json.Unmarshal(raw, &call); err != nil {
			t.Fatal(err)
		}
		times[i] = call.Time
	}
	if !slices.IsSorted(times) {
		t.Errorf("times %v", times)
	}
	if old := s.listAll(callsPath, "to="+epoch().Format("2006-01-02T15:04:05")); len(old) != 30 {
		t.Errorf("%d calls before", len(old))
	}
}

// TestIndex compares the index with a plain sorted list.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index
		model := map[entry]bool{}
		gone := map[entry]bool{}
		holds := func(e entry) bool { return !gone[e] }
		number := rapid.Uint64Range(0, 9_000)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			fresh := make([]entry, rapid.IntRange(0, 2*smallIndex).Draw(t, "n"))
			base, step := number.Draw(t, "base"), number.Draw(t, "step")|1
			for i := range fresh {
				fresh[i] = entry{(base + uint64(i)*step) % 9_001, uint64(i % 3)}
				model[fresh[i]] = true
				delete(gone, fresh[i])
			}
			x.add(fresh, holds)
			out := number.Draw(t, "gone")
			for e := range model {
				if e.a == out {
					gone[e] = true
				}
			}
		}
		after := entry{number.Draw(t, "after"), 1}
		inclusive := rapid.Bool().Draw(t, "inclusive")
		var got, want []entry
		x.from(after, inclusive, func(e entry) bool {
			if holds(e) {
				got = append(got, e)
			}
			return true
		})
		for e := range model {
			if c := e.compare(after); holds(e) && (c > 0 || c == 0 && inclusive) {
				want = append(want, e)
			}
		}
		slices.SortFunc(want, entry.compare)
		if !slices.Equal(got, want) {
			t.Fatalf("%d entries, want %d", len(got), len(want))
		}
	})
}

// TestPagingUnderChanges pages through the contacts while they change: who did not
// change is seen once, and nobody is listed out of order.
func TestPagingUnderChanges(t *testing.T) {
	for seed := range uint64(5) {
		s := start(t, Options{Contacts: 150, Seed: seed, Plain: true})
		touched, seen := map[string]bool{}, map[string]int{}
		for cursor, first := "", true; first || cursor != ""; first = false {
			p := s.pageOf(contactListPath, "limit=7", cursor)
			for _, raw := range p.Results {
				var r ref
				if err := json.Unmarshal(raw, &r); err != nil {
					t.Fatal(err)
				}
				seen[r.ID]++
			}
			cursor = p.Cursor
			if len(seen) < 140 {
				for _, c := range control[done](s, "POST", "change", `{"count":2}`).Contacts {
					touched[c.ID] = true
				}
				s.pass(time.Minute)
			}
		}
		still := 0
		for contact := range uint32(150) {
			id := s.id(contact)
			if !touched[id] {
				still++
				if seen[id] != 1 {
					t.Errorf("%s did not change and was seen %d times", id, seen[id])
				}
			}
		}
		if still < 50 || len(touched) < 20 {
			t.Errorf("%d contacts changed, %d did not", len(touched), still)
		}
	}
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	s := start(t, Options{Contacts: 100, Rate: 50})
	var wg sync.WaitGroup
	work := func(do func()) {
		wg.Go(func() {
			for range 15 {
				do()
			}
		})
	}
	post := func(path, body string) {
		resp, text, err := s.call("POST", path, DefaultToken, body)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v %s", path, err, text)
		}
	}
	get := func(path string) {
		resp, _, err := s.call("GET", path, DefaultToken, "")
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v", path, err)
		}
	}
	fields := 0
	work(func() { post(box+"change", `{"count":9}`); s.pass(time.Second) })
	work(func() { fields++; post(box+"change", fmt.Sprintf(`{"kind":"field","field":"f%d","count":3}`, fields)) })
	work(func() { post(api+contactsPath, `["`+s.id(1)+`","`+s.id(2)+`"]`) })
	for _, path := range []string{api + contactListPath, api + transactionsPath, api + callsPath, api + fieldsPath, box + "expected/contacts", "/_sandbox/campaigns"} {
		work(func() { get(path) })
	}
	wg.Wait()
}
