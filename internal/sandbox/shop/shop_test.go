package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ledger is a fake of the server: it lets in whatever starts, but for one execution at
// a time of those that are alone, and remembers what it is told.
type ledger struct {
	mu      sync.Mutex
	alone   map[string]bool
	paused  map[string]bool
	all     []*execution
	skipped map[string]int
	calls   int
	fail    func(call int, r *http.Request) int // the status to fail with, 0 to answer
}

type execution struct {
	Slug   string
	RID    string    `json:"rid"`
	Host   string    `json:"host"`
	Began  time.Time `json:"started_at"`
	said   []message
	Ended  time.Time `json:"ended_at"`
	Good   *bool     `json:"success"`
	Text   string    `json:"message"`
	Code   int       `json:"exit_code"`
	TookMS int64     `json:"duration_ms"`
}

func newLedger() *ledger {
	l := &ledger{alone: map[string]bool{}, paused: map[string]bool{}, skipped: map[string]int{}}
	for _, c := range Crons(time.Now()) {
		l.alone[c.Slug], l.paused[c.Slug] = c.Alone, c.Paused
	}
	return l
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if l.fail != nil {
		if status := l.fail(l.calls, r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	status, answer := l.answer(r)
	w.WriteHeader(status)
	fmt.Fprint(w, answer)
}

func (l *ledger) answer(r *http.Request) (status int, answer string) {
	of, call, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("X-API-KEY") != "fm_key" {
		return 401, "{}"
	}
	if r.Method == "GET" && call == "can-start" {
		if l.paused[of] {
			return 200, `{"can_start":false,"reason":"paused"}`
		}
		return 200, `{"can_start":true,"reason":null}`
	}
	if call == "start" {
		return l.start(of, body)
	}
	id, err := strconv.Atoi(of)
	if err != nil || id < 1 || id > len(l.all) {
		return 404, "{}"
	}
	e := l.all[id-1]
	switch call {
	case "message":
		var said []message
		err = json.Unmarshal(body, &said)
		e.said = append(e.said, said...)
	case "end":
		err = json.Unmarshal(body, e)
		if e.Ended.IsZero() {
			e.Ended = time.Now()
		}
	default:
		return 404, "{}"
	}
	if err != nil {
		return 400, "{}"
	}
	return 200, "{}"
}

func (l *ledger) start(slug string, body []byte) (status int, answer string) {
	e := &execution{Slug: slug}
	if err := json.Unmarshal(body, e); err != nil || e.RID == "" {
		return 422, "{}"
	}
	for i, other := range l.all {
		if other.Slug == slug && other.RID == e.RID {
			return 200, fmt.Sprintf(`{"id":%d,"replayed":true}`, i+1)
		}
		if other.Slug == slug && l.alone[slug] && e.Began.IsZero() && other.Good == nil {
			l.skipped[slug]++
			return 409, "{}"
		}
	}
	if e.Began.IsZero() {
		e.Began = time.Now()
	}
	l.all = append(l.all, e)
	return 200, fmt.Sprintf(`{"id":%d}`, len(l.all))
}

// RoundTrip answers without a network, so that a test may run in a bubble.
func (l *ledger) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	l.ServeHTTP(w, r)
	return w.Result(), nil
}

func (l *ledger) of(slug string) (some []*execution) {
	for _, e := range l.all {
		if e.Slug == slug {
			some = append(some, e)
		}
	}
	return some
}

// open makes a shop that reports to l.
func open(l *ledger, o Options) *Shop {
	o.URL, o.Seed = "http://ferryman.test", 1
	if o.Key == "" {
		o.Key = "fm_key"
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	s := New(o)
	s.calls.http.Transport = l
	return s
}

// runFor runs a shop for a time of the bubble.
func runFor(t *testing.T, s *Shop, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.Run(ctx)
}

// What is there to be looked at two minutes after the start.
func TestTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, began := newLedger(), time.Now()
		if err := runFor(t, open(l, Options{}), 2*time.Minute+30*time.Second); err != nil {
			t.Fatal(err)
		}
		live := func(slug string) (some []*execution) {
			for _, e := range l.of(slug) {
				if strings.HasPrefix(e.RID, "live-") {
					some = append(some, e)
				}
			}
			return some
		}
		orders := live("import-orders")
		if len(orders) < 2 || orders[0].Good == nil || !*orders[0].Good || len(orders[0].said) < 2 {
			t.Errorf("orders are imported: %+v", orders)
		}
		backup := live("nightly-backup")
		if len(backup) != 1 || backup[0].Good == nil || backup[0].TookMS < 90_000 || len(backup[0].said) < 5 {
			t.Errorf("a backup takes long: %+v", backup)
		}
		feed := live("price-feed")
		if len(feed) != 3 || feed[2].Began.Sub(began) > time.Minute {
			t.Errorf("prices: %+v", feed)
		}
		for _, e := range feed {
			if e.Good == nil || *e.Good || e.Code == 0 || e.Text == "" {
				t.Errorf("the feed does not fail: %+v", e)
			}
		}
		if l.skipped["sync-stock"] == 0 {
			t.Error("no start of sync-stock was refused")
		}
		if e := live("cleanup-tmp"); len(e) != 1 || e[0].Good == nil || e[0].Ended.Sub(e[0].Began) < time.Minute {
			t.Errorf("the cleaning does not last: %+v", e)
		}
		for _, slug := range []string{"report-weekly", "newsletter", "loyalty-points"} {
			if e := live(slug); len(e) > 0 {
				t.Errorf("%s has run: %+v", slug, e[0])
			}
		}
		for _, e := range l.all {
			if e.Host == "" {
				t.Fatalf("nobody knows where it ran: %+v", e)
			}
		}
	})
}

// In an hour the feed recovers, invoices fail now and then, and what was paused starts
// in its turn once it may.
func TestAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.paused["loyalty-points"] = false
		if err := runFor(t, open(l, Options{}), time.Hour); err != nil {
			t.Fatal(err)
		}
		row := func(slug string) string {
			var b strings.Builder
			for _, e := range l.of(slug) {
				switch {
				case !strings.HasPrefix(e.RID, "live-"):
				case e.Good == nil:
					b.WriteByte('r')
				case *e.Good:
					b.WriteByte('s')
				default:
					b.WriteByte('f')
				}
			}
			return b.String()
		}
		if got := row("price-feed"); !strings.HasPrefix(got, "fffssssssfff") {
			t.Errorf("the feed went %s", got)
		}
		if got := row("invoice-mail"); !strings.HasPrefix(got, "sssfssssf") {
			t.Errorf("the mails went %s", got)
		}
		if got := row("loyalty-points"); got != "s" {
			t.Errorf("the points went %s", got)
		}
	})
}

// The past is in the order of time, within the bounds that reports have, dense at its
// end, and alarms nobody.
func TestPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, now := newLedger(), time.Now()
		if err := open(l, Options{}).reportPast(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(l.all); n < 1500 || n > 2500 {
			t.Errorf("%d executions are reported", n)
		}
		if !slices.IsSortedFunc(l.all, func(a, b *execution) int { return a.Began.Compare(b.Began) }) {
			t.Error("they are in no order")
		}
		last := map[string]*execution{}
		inARow := map[string]int64{}
		hours := map[int]int{}
		limit := map[string]int64{}
		for _, c := range Crons(now) {
			limit[c.Slug] = max(c.FailAfter, 1)
		}
		for _, e := range l.all {
			if e.Good == nil || e.Ended.Before(e.Began) || e.Ended.After(now) || now.Sub(e.Began) > 31*day {
				t.Errorf("%+v is not of the past", e)
			}
			if before := last[e.Slug]; before != nil && l.alone[e.Slug] && e.Began.Before(before.Ended) {
				t.Errorf("%+v began before %+v was done", e, before)
			}
			last[e.Slug] = e
			hours[int(now.Sub(e.Began)/time.Hour)]++
			if inARow[e.Slug]++; *e.Good {
				inARow[e.Slug] = 0
			}
			if inARow[e.Slug] >= limit[e.Slug] {
				t.Fatalf("%s alarms people of the past", e.Slug)
			}
		}
		if hours[0] < 100 || hours[24] == 0 || hours[24] > hours[0]/3 || hours[160] == 0 {
			t.Errorf("executions by hour: %v", hours)
		}
		if last["newsletter"] != nil || now.Sub(last["loyalty-points"].Began) < 2*day || len(l.of("report-weekly")) != 4 {
			t.Errorf("the past of those that do not run: %v", last)
		}
		if len(last["import-orders"].said) == 0 || last["import-orders"].said[0].At.After(now) {
			t.Errorf("nothing was said: %+v", last["import-orders"])
		}
	})
}

// A shop that comes back reports what went on meanwhile, and nothing twice.
func TestPastGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		if err := open(l, Options{}).reportPast(t.Context()); err != nil {
			t.Fatal(err)
		}
		known := func() map[string]time.Time {
			reported := map[string]time.Time{}
			for _, e := range l.all {
				reported[e.Slug] = e.Began
			}
			return reported
		}
		whole, newest := len(l.all), l.all[len(l.all)-1].Began
		time.Sleep(2 * time.Second)
		if err := open(l, Options{Reported: known()}).reportPast(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(l.all) - whole; n > 5 {
			t.Errorf("%d more of two seconds", n)
		}
		whole = len(l.all)
		time.Sleep(30 * time.Minute)
		if err := open(l, Options{Reported: known()}).reportPast(t.Context()); err != nil {
			t.Fatal(err)
		}
		more := l.all[whole:]
		if len(more) < 40 || len(more) > 90 {
			t.Errorf("%d more of half an hour", len(more))
		}
		for _, e := range more {
			if e.Began.Before(newest) || e.Slug == "loyalty-points" || e.Slug == "report-weekly" {
				t.Errorf("%s of %v is none of that time", e.Slug, e.Began)
			}
		}
	})
}

// The same seed makes the same past.
func TestSameSeed(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 17, 0, time.UTC)
	tell := func(seed uint64) (all []string) {
		s := New(Options{Seed: seed, Now: now})
		for _, j := range s.jobs {
			for _, f := range s.past(j, now.Add(-j.past)) {
				all = append(all, fmt.Sprint(f))
			}
		}
		return all
	}
	if !slices.Equal(tell(7), tell(7)) {
		t.Error("the same seed makes another past")
	}
	if slices.Equal(tell(7), tell(8)) {
		t.Error("another seed makes the same past")
	}
}

func TestTrouble(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Options
		fail func(call int, r *http.Request) int
		want error
		some bool // executions in spite of it
	}{
		{"a wrong key", Options{Key: "fm_other"}, nil, ErrKey, false},
		{"a key that is revoked later", Options{}, func(call int, _ *http.Request) int {
			if call > 5000 {
				return 401
			}
			return 0
		}, ErrKey, true},
		{"a key that may not report", Options{}, func(int, *http.Request) int { return 403 }, ErrKey, false},
		{"a server in trouble now and then", Options{}, func(call int, r *http.Request) int {
			if call%5 == 0 && !strings.HasSuffix(r.URL.Path, "/message") {
				return 503
			}
			return 0
		}, nil, true},
		{"a server in trouble for good", Options{}, func(int, *http.Request) int { return 500 }, nil, false},
		{"crons that are gone", Options{}, func(int, *http.Request) int { return 404 }, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger()
				l.fail = test.fail
				if err := runFor(t, open(l, test.o), 2*time.Hour); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
					t.Errorf("it ends with %v, not %v", err, test.want)
				}
				if some := len(l.all) > 0; some != test.some {
					t.Errorf("%d executions", len(l.all))
				}
			})
		})
	}
}

// slow answers one kind of call after a time, from a moment on.
type slow struct {
	*ledger
	call  string
	takes time.Duration
	from  time.Time
	begun int
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, s.call) && !time.Now().Before(s.from) {
		s.mu.Lock()
		s.begun++
		s.mu.Unlock()
		select {
		case <-time.After(s.takes):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return s.ledger.RoundTrip(r)
}

// A start that is under way at the end is waited for, within reason: it would come
// about after whoever runs the shop has freed the places of all that ran.
func TestEndWithinAStart(t *testing.T) {
	for _, test := range []struct {
		call       string
		takes, end time.Duration
		runs       int
	}{
		{"/start", lastTime / 2, lastTime / 2, 1},
		{"/start", time.Minute, lastTime, 0},
		{"/can-start", lastTime / 2, lastTime / 2, 0}, // whereupon nothing starts any more
	} {
		synctest.Test(t, func(t *testing.T) {
			const first = time.Second // when import-orders starts
			with := &slow{ledger: newLedger(), call: test.call, takes: test.takes, from: time.Now().Add(first)}
			s := open(with.ledger, Options{Reported: map[string]time.Time{}})
			for _, c := range Crons(time.Now()) {
				s.reported[c.Slug] = time.Now() // so that there is no past
			}
			s.calls.http.Transport = with
			ended := time.Now().Add(first + test.end)
			if err := runFor(t, s, first+time.Nanosecond); err != nil {
				t.Fatal(err)
			}
			if with.begun != 1 || len(with.of("import-orders")) != test.runs || time.Since(ended).Abs() > time.Millisecond {
				t.Errorf("of %d calls %d become executions, and it ends after %v", with.begun, len(with.of("import-orders")), time.Since(ended)+test.end)
			}
		})
	}
}

// Over a real connection, too, the calls are those that the server has.
func TestOverTheNetwork(t *testing.T) {
	l := newLedger()
	server := httptest.NewServer(l)
	defer server.Close()
	s := New(Options{URL: server.URL, Key: "fm_key", Seed: 1, Now: time.Now()})
	f := former{"import-orders", time.Now().Add(-time.Minute), importOrders(moment{chance: s.chance("import-orders", 1)})}
	if err := s.reportFormer(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if e := l.of("import-orders"); len(e) != 1 || e[0].Good == nil || !*e[0].Good || len(e[0].said) != len(f.says) {
		t.Errorf("it was told %+v", e)
	}
}

func TestCrons(t *testing.T) {
	for _, now := range []time.Time{
		time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 12, 31, 23, 59, 59, 999, time.UTC),
		time.Date(2026, 3, 4, 1, 2, 3, 0, time.FixedZone("", 3600*5+1800)),
	} {
		for _, c := range Crons(now) {
			if c.Slug != "report-weekly" {
				continue
			}
			at := now.UTC().Add(10 * time.Second).Truncate(time.Minute).Add(time.Minute)
			want := fmt.Sprintf("%d %d * * %.3s", at.Minute(), at.Hour(), strings.ToUpper(at.Weekday().String()))
			if c.Schedule != want || c.Grace == 0 {
				t.Errorf("at %v the report is due %q, want %q", now, c.Schedule, want)
			}
		}
	}
	clock := job{every: day, offset: 90 * time.Minute}
	for at, want := range map[string]string{
		"2026-03-01T01:29:59Z": "2026-03-01T01:30:00Z", "2026-03-01T01:30:00Z": "2026-03-02T01:30:00Z", "2026-03-01T23:00:00Z": "2026-03-02T01:30:00Z",
	} {
		from, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := clock.next(from).Format(time.RFC3339); got != want {
			t.Errorf("after %s comes %s, want %s", at, got, want)
		}
	}
}
