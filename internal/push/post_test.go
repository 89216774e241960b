package push_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
	"ferryman/internal/testdb"
)

// desk is the messages of a store whose clock the test moves.
type desk struct {
	*push.Messages
	t      testing.TB
	db     *db.DB
	outbox *outbox.Outbox
	clock  *atomic.Int64 // microseconds
}

func deskOn(t *testing.T, run func(*desk)) {
	t.Helper()
	dbtest.URLs(t, func(t *testing.T, url string) { run(newDesk(t, url)) })
}

func newDesk(t testing.TB, url string) *desk {
	t.Helper()
	clock := &atomic.Int64{}
	clock.Store(time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	d := dbtest.Open(t, url, db.Options{Synchronous: "OFF", Clock: func() time.Time { return time.UnixMicro(clock.Load()) }})
	o := outbox.New(d, outbox.Options{})
	return &desk{push.New(d, o), t, d, o, clock}
}

// post posts a body and gives the answer, whatever it is.
func (d *desk) post(body, key string) string {
	d.t.Helper()
	answer, _, err := d.PostJSON(d.t.Context(), []byte(body), key)
	if refusal, ok := errors.AsType[*push.Refusal](err); ok {
		return string(refusal.JSON)
	}
	if err != nil {
		return fault.KindOf(err).String() + " " + fault.CodeOf(err)
	}
	return string(answer)
}

func (d *desk) want(got, want string) {
	d.t.Helper()
	if got != want {
		d.t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// count is how many messages there are.
func (d *desk) count() (n int) {
	d.t.Helper()
	if err := d.db.QueryRow(d.t.Context(), "SELECT count(*) FROM deliveries").Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// ids are the ids of all messages, oldest first.
func (d *desk) ids() (ids []int64) {
	d.t.Helper()
	all, err := d.List(d.t.Context(), push.Filter{Limit: 1000})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, m := range all {
		ids = append(ids, m.ID)
	}
	return ids
}

const unique = `{"non_field_errors":["The fields user_id, messenger_id, text must make a unique set."]}`

func item(user, messenger, text string) string {
	return fmt.Sprintf(`{"user_id":%q,"messenger_id":%s,"text":%q}`, user, messenger, text)
}

func TestAllOrNothing(t *testing.T) {
	deskOn(t, func(d *desk) {
		d.want(d.post(`[]`, ""), `[]`)
		got := d.post(`[`+item("ann", "1", "one")+`,{"user_id":"ben","messenger_id":0,"text":" two ","start_at":"2031-03-02 10:00+01"}]`, "")
		ids := d.ids()
		d.want(got, fmt.Sprintf(`[{"id":%d,"user_id":"ann","messenger_id":1,"text":"one","start_at":null},`+
			`{"id":%d,"user_id":"ben","messenger_id":0,"text":"two","start_at":"2031-03-02T09:00:00Z"}]`, ids[0], ids[1]))

		// Once for ever, whatever start_at says; with another messenger it is another.
		d.want(d.post(`[`+item(" ben", `"0"`, "two")+`]`, ""), `[`+unique+`]`)
		d.want(d.post(`[`+item("cid", "1", "new")+`,`+item("ann", "1", "one")+`]`, ""), `[{},`+unique+`]`)
		d.want(d.post(`[`+item("cid", "1", "new")+`,`+item("cid", "1", " new")+`,`+item("cid", "2", "new")+`]`, ""), `[{},`+unique+`,{}]`)
		// What is there already is told beside what is wrong with others.
		d.want(d.post(`[`+item("ann", "7", "one")+`,`+item("ann", "1", "one")+`,`+item("dan", "1", "x")+`,`+item("dan", "1", "x")+`,null]`, ""),
			`[{"messenger_id":["\"7\" is not a valid choice."]},`+unique+`,{},`+unique+`,["This field may not be null."]]`)
		d.want(d.post(`[null]`, ""), `[["This field may not be null."]]`)
		d.want(d.post(`[{},`+item("ann", "1", "one")+`]`, "")[:12], `[{"user_id":`)
		if n := d.count(); n != 2 {
			t.Errorf("%d are stored", n)
		}
		if d.post(`[`+item("ann", "2", "one")+`]`, ""); d.count() != 3 {
			t.Error("to another messenger it is not stored")
		}
		// A list that is wrong in itself takes no ids.
		before := d.ids()[2]
		d.post(`[{},`+item("eve", "1", "x")+`,`+item("eve", "1", "y")+`]`, "")
		d.post(`[`+item("eve", "1", "z")+`]`, "")
		if ids := d.ids(); ids[3] != before+1 {
			t.Errorf("after %d follows %d", before, ids[3])
		}
		// Large lists do not share a transaction, and keep to the same.
		large := string(manyMessages(1000, "large"))
		if got := d.post(large, ""); strings.Count(got, `"id":`) != 1000 {
			t.Errorf("%.200s", got)
		}
		if got := d.post(large, ""); strings.Count(got, unique) != 1000 || d.count() != 1004 {
			t.Errorf("%.200s", got)
		}
	})
}

// TestEqualPostsAtOnce has one and the same list posted by many, in two processes
// where the store can be shared.
func TestEqualPostsAtOnce(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		first := newDesk(t, url)
		desks := []*desk{first}
		if first.db.Dialect() == db.Postgres {
			desks = append(desks, newDesk(t, url))
		}
		small := `[` + item("ann", "1", "a") + `,` + item("ben", "1", "b") + `]`
		turned := `[` + item("ben", "1", "b") + `,` + item("ann", "1", "a") + `]`
		large := string(manyMessages(300, "large"))
		for _, bodies := range [][2]string{{small, turned}, {large, large}} {
			var wg sync.WaitGroup
			var stored, refused atomic.Int64
			for i := range 64 {
				wg.Go(func() {
					got := desks[i%len(desks)].post(bodies[i/2%2], "")
					switch {
					case strings.Contains(got, `"id":`):
						stored.Add(1)
					case strings.Contains(got, unique):
						refused.Add(1)
					default:
						t.Errorf("%.200s", got)
					}
				})
			}
			wg.Wait()
			if stored.Load() != 1 || refused.Load() != 63 {
				t.Errorf("%d stored, %d refused", stored.Load(), refused.Load())
			}
		}
		if n := first.count(); n != 302 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	deskOn(t, func(d *desk) {
		body := `[` + item("ann", "1", "one") + `,{"user_id":"ann","messenger_id":1,"text":"two","start_at":"2031-03-02T10:00"}]`
		first := d.post(body, "a key")
		if !strings.Contains(first, `"id":`) {
			t.Fatal(first)
		}
		d.want(d.post(body, "a key"), first)
		// Written in another way it asks for the same.
		d.want(d.post(`[{"text":" one","id":3,"user_id":"ann","messenger_id":"1"},{"user_id":"ann","messenger_id":1,"text":"two","start_at":"2031-03-02T11:00:00+01:00"}]`, "a key"), first)
		d.want(d.post(body, "another"), `[`+unique+`,`+unique+`]`)
		d.want(d.post(body, ""), `[`+unique+`,`+unique+`]`)
		for _, other := range []string{
			`[]`, `[` + item("ann", "1", "one") + `]`, `[` + item("ben", "1", "new") + `]`, strings.Replace(body, "10:00", "10:01", 1),
			strings.Replace(body, `"text":"two"`, `"text":"two","expires_at":"2032-01-01T00:00"`, 1),
		} {
			d.want(d.post(other, "a key"), "unprocessable idempotency_key_reused")
		}
		for _, bad := range []string{strings.Repeat("k", 256), "k\n", "ключ", "\x7f"} {
			d.want(d.post(body, bad), "invalid invalid_idempotency_key")
		}
		// What was refused may come again.
		d.want(d.post(`[`+item("ann", "1", "one")+`]`, "refused"), `[`+unique+`]`)
		d.want(d.post(`[{}]`, "refused")[:12], `[{"user_id":`)
		if got := d.post(`[`+item("cid", "1", "x")+`]`, "refused"); !strings.Contains(got, `"id":`) {
			t.Error(got)
		}
		d.want(d.post(`[]`, "empty"), `[]`)
		d.want(d.post(`[]`, "empty"), `[]`)
		d.want(d.post(`[`+item("dan", "1", "x")+`]`, "empty"), "unprocessable idempotency_key_reused")

		// The first answer is given whatever became of the messages.
		if _, err := d.Move(t.Context(), d.ids()[1], []byte(`{"start_at":"2031-07-01T00:00"}`)); err != nil {
			t.Fatal(err)
		}
		if err := d.Cancel(t.Context(), d.ids()[0]); err != nil {
			t.Fatal(err)
		}
		d.want(d.post(body, "a key"), first)
		long := strings.Repeat("k", 254) + "~"
		once := d.post(`[`+item("fay", "1", "x")+`]`, long)
		d.want(d.post(`[`+item("fay", "1", "x")+`]`, long), once)

		d.clock.Add((23 * time.Hour).Microseconds())
		d.want(d.post(body, "a key"), first)
		d.clock.Add(time.Hour.Microseconds())
		d.want(d.post(body, "a key"), `[`+unique+`,`+unique+`]`)
	})
}

// TestSameKeyAtOnce has a call with a key repeated before it is done: all are given
// the same answer.
func TestSameKeyAtOnce(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		first := newDesk(t, url)
		desks := []*desk{first}
		if first.db.Dialect() == db.Postgres {
			desks = append(desks, newDesk(t, url))
		}
		for _, n := range []int{2, 150} {
			body := string(manyMessages(n, "keyed"))
			if n == 150 {
				body = strings.ReplaceAll(body, "keyed", "keyed too")
			}
			answers := make([]string, 32)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() { answers[i] = desks[i%len(desks)].post(body, fmt.Sprintf("key %d", n)) })
			}
			wg.Wait()
			if slices.Sort(answers); answers[0] != answers[31] || !strings.Contains(answers[0], `"id":`) {
				t.Errorf("%.200s\n%.200s", answers[0], answers[31])
			}
		}
		if n := first.count(); n != 152 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestUniqueness compares random posts with a model: what is stored, and what is
// refused.
func TestUniqueness(t *testing.T) {
	deskOn(t, func(d *desk) {
		stored, round := map[string]bool{}, 0
		rapid.Check(t, func(r *rapid.T) {
			round++
			n := rapid.IntRange(1, 6).Draw(r, "items")
			var items, want []string
			fresh, bad := map[string]bool{}, false
			for range n {
				user := rapid.SampledFrom([]string{"ann", "ben", " ben", "ann "}).Draw(r, "user")
				messenger := rapid.SampledFrom([]string{"0", "1", `"1"`, "2", "3"}).Draw(r, "messenger")
				text := fmt.Sprint(rapid.IntRange(0, 40).Draw(r, "text"))
				items = append(items, item(user, messenger, text))
				id := strings.TrimSpace(user) + strings.Trim(messenger, `"`) + " " + text
				switch {
				case messenger == "3":
					want, bad = append(want, `{"messenger_id":["\"3\" is not a valid choice."]}`), true
				case stored[id] || fresh[id]:
					want, bad = append(want, unique), true
				default:
					want, fresh[id] = append(want, "{}"), true
				}
			}
			got := d.post("["+strings.Join(items, ",")+"]", "")
			if bad {
				if got != "["+strings.Join(want, ",")+"]" {
					r.Fatalf("%v: got %s, want %v", items, got, want)
				}
				return
			}
			if strings.Count(got, `"id":`) != n {
				r.Fatalf("%v: got %s", items, got)
			}
			for id := range fresh {
				stored[id] = true
			}
		})
		if d.count() != len(stored) {
			t.Errorf("%d stored, %d expected", d.count(), len(stored))
		}
	})
}

// TestStoreInTrouble has a post told that it failed, and leave nothing.
func TestStoreInTrouble(t *testing.T) {
	deskOn(t, func(d *desk) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, n := range []int{1, 200} {
			if _, _, err := d.PostJSON(ctx, manyMessages(n, "late"), "key"); fault.KindOf(err) != fault.Canceled {
				t.Errorf("%v", err)
			}
		}
		if _, _, err := d.PostJSON(ctx, []byte(`[{},`+item("ann", "1", "one")+`]`), ""); fault.KindOf(err) != fault.Canceled {
			t.Errorf("%v", err)
		}
		if d.count() != 0 {
			t.Error("something is stored")
		}
	})
}

// BenchmarkPost measures posts of lists from the body to the answer.
func BenchmarkPost(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("sqlite/%d", n), func(b *testing.B) { benchmarkPost(b, "sqlite://"+b.TempDir()+"/ferryman.db", n) })
		b.Run(fmt.Sprintf("postgres/%d", n), func(b *testing.B) { benchmarkPost(b, testdb.Postgres(b), n) })
	}
}

func benchmarkPost(b *testing.B, url string, n int) {
	b.Helper()
	store := dbtest.Open(b, url, db.Options{})
	m := push.New(store, outbox.New(store, outbox.Options{}))
	bodies := make([][]byte, 0, 64)
	for i := 0; b.Loop(); i++ {
		if i%cap(bodies) == 0 {
			b.StopTimer()
			bodies = bodies[:0]
			for k := range cap(bodies) {
				bodies = append(bodies, manyMessages(n, fmt.Sprintf("post %d", i+k)))
			}
			b.StartTimer()
		}
		if _, _, err := m.PostJSON(b.Context(), bodies[i%cap(bodies)], ""); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// What is ignored and looks misspelt is told; what is stored stays as it was.
func TestSlipsAreTold(t *testing.T) {
	deskOn(t, func(d *desk) {
		names := `"Text_":1`
		for i := range 40 {
			names += fmt.Sprintf(`,"n%d":1`, i)
		}
		for i, c := range []struct {
			members string
			want    []push.Slip
		}{
			{`"start_on":"2040-01-01","expire_at":null,"start_on":1`, []push.Slip{{Given: "start_on", Meant: "start_at"}, {Given: "expire_at", Meant: "expires_at"}}},
			{`"Start_At":1,"start":{"a":[]},"user":1`, []push.Slip{{Given: "Start_At", Meant: "start_at"}, {Given: "start", Meant: "start_at"}, {Given: "user", Meant: "user_id"}}},
			{`"id":1,"state":1,"attempts":1,"sent_at":1,"last_error":1,"next_attempt_at":1,"held":1,"campaign":1,"":1`, nil},
			{`"start\\r_at":1,"start\r\nat":1,"start\u005fon":1,"stärt_at":1,"1tart_at":1,"_tart_at":1`, nil},
			{names + `,"start_on":1`, []push.Slip{{Given: "Text_", Meant: "text"}}},
		} {
			body := fmt.Sprintf(`[{"user_id":"1","messenger_id":1,"text":"%d",%s},{"user_id":"2","messenger_id":1,"text":"%d",%s}]`, i, c.members, i, c.members)
			answer, got, err := d.PostJSON(t.Context(), []byte(body), "")
			if err != nil || !slices.Equal(got, c.want) || strings.Count(string(answer), `"start_at":null`) != 2 {
				t.Errorf("%s: %v, want %v; %s, %v", c.members, got, c.want, answer, err)
			}
		}
	})
}
