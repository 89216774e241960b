package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/testwait"
)

// hooks is a store with an outbox that sends, by a clock that the test moves.
type hooks struct {
	db  *db.DB
	box *outbox.Outbox
	us  atomic.Int64
	log lockedBuffer
	n   int // batches
}

func startHooks(t *testing.T) *hooks {
	t.Helper()
	h := &hooks{}
	h.us.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	h.db = dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{Clock: h.now, Synchronous: "NORMAL"})
	h.box = outbox.New(h.db, outbox.Options{Node: "test", Logger: slog.New(slog.NewTextHandler(&h.log, nil))})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.box.Run(ctx, time.Second); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return h
}

func (h *hooks) now() time.Time { return time.UnixMicro(h.us.Load()).UTC() }

// pass lets time pass.
func (h *hooks) pass(d time.Duration) {
	h.us.Add(d.Microseconds())
	h.box.Wake()
}

func (h *hooks) set(t *testing.T, name string, c campaignHook) {
	t.Helper()
	if err := setCampaignHook(Options{Version: "test", Log: slog.New(slog.NewTextHandler(&h.log, nil))}, h.box, name, c); err != nil {
		t.Fatal(err)
	}
}

// write writes transactions, each the contact's id and when it was fired.
func (h *hooks) write(t *testing.T, name string, transactions ...[2]string) {
	t.Helper()
	h.n++
	s := outboxsink.New(h.db, h.box, outboxsink.Options{Pipeline: "contacts/" + name, Channel: "contacts/" + name})
	if _, err := s.Cursor(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := &pipeline.Table{Name: "transactions"}
	for _, column := range []string{"contact_id", "fired", "hash", "contact", "transaction"} {
		table.Columns = append(table.Columns, pipeline.Column{Name: column, Type: pipeline.Text})
	}
	var rows [][]any
	for _, tr := range transactions {
		rows = append(rows, []any{tr[0], tr[1], "hash", fmt.Sprintf(`{"$id":%q}`, tr[0]), fmt.Sprintf(`{"fired":%q}`, tr[1])})
	}
	if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: table, Rows: rows}}, Next: pipeline.Cursor(fmt.Sprint(h.n))}); err != nil {
		t.Fatal(err)
	}
}

func (h *hooks) stats(t *testing.T, name string) outbox.ChannelStats {
	t.Helper()
	all, err := h.box.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == "contacts/"+name {
			return s
		}
	}
	return outbox.ChannelStats{}
}

// of gives the contact's deliveries.
func (h *hooks) of(t *testing.T, contact string) []outbox.Row {
	t.Helper()
	rows, err := h.box.List(t.Context(), outbox.Filter{Recipient: contact})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// service is a web service that answers as it is told.
type service struct {
	url string

	mu     sync.Mutex
	answer func(what string) (status int, retryAfter string) // what is the contact and the time
	got    []string                                          // in order
	ids    []string                                          // of webhooks, likewise
}

func startService(t *testing.T, answer func(what string) (int, string)) *service {
	t.Helper()
	s := &service{answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var p struct {
			Contact struct {
				ID string `json:"$id"`
			} `json:"contact"`
			Transaction struct{ Fired string } `json:"transaction"`
		}
		if err != nil || json.Unmarshal(body, &p) != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s as %q, %v", body, r.Header.Get("Content-Type"), err)
		}
		what := p.Contact.ID + p.Transaction.Fired
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got, s.ids = append(s.got, what), append(s.ids, r.Header.Get("Webhook-Id"))
		status, after := s.answer(what)
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// heal has it accept everything from now on.
func (s *service) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = accepting
}

func accepting(string) (int, string) { return http.StatusOK, "" }

// posts are those that begin with a contact's id, in order, with their ids.
func (s *service) posts(contact string) (got, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, what := range s.got {
		if strings.HasPrefix(what, contact) {
			got, ids = append(got, what), append(ids, s.ids[i])
		}
	}
	return got, ids
}

func hookTo(url string) campaignHook { return campaignHook{URL: config.NewSecret(url)} }

func TestCampaignsPostsAreSigned(t *testing.T) {
	h := startHooks(t)
	url, got := receiver(t)
	newer, older := endpoint.NewSecret(), endpoint.NewSecret()
	c := hookTo(url + "/token-that-nobody-may-see")
	c.Secrets = []config.Secret{config.NewSecret(newer.Reveal()), config.NewSecret(older.Reveal())}
	h.set(t, "c", c)
	h.write(t, "c", [2]string{"a", "1"})
	p := testwait.Receive(t, got)
	if want := `{"contact":{"$id":"a"},"transaction":{"fired":"1"},"state":"new"}`; string(p.body) != want || !verified(t, p, newer) || !verified(t, p, older) {
		t.Errorf("got %s with %v", p.body, p.header)
	}
	for _, hidden := range []string{"nobody", newer.Reveal(), base64.StdEncoding.EncodeToString(older.Key())} {
		if strings.Contains(h.log.String(), hidden) {
			t.Errorf("%s is logged", hidden)
		}
	}
}

func TestCampaignHooksThatCannotBe(t *testing.T) {
	box := outbox.New(dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{}), outbox.Options{})
	short := hookTo("http://localhost")
	short.Secrets = []config.Secret{config.NewSecret("whsec_c2VjcmV0")}
	for code, c := range map[string]campaignHook{"webhook_url": hookTo("ftp://secret@host"), "webhook_secret": short} {
		err := setCampaignHook(Options{}, box, "c", c)
		if fault.CodeOf(err) != code || fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "c2Vj") || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A transaction that fails for good has ten attempts, with pauses that double, and
// holds up its own contact alone. It stays until it is replayed.
func TestCampaignsDeadLetters(t *testing.T) {
	h := startHooks(t)
	s := startService(t, func(what string) (int, string) {
		if what == "bad1" {
			return http.StatusInternalServerError, ""
		}
		return http.StatusOK, ""
	})
	h.set(t, "c", hookTo(s.url))
	h.write(t, "c", [2]string{"bad", "1"}, [2]string{"good", "1"}, [2]string{"bad", "2"}, [2]string{"good", "2"}, [2]string{"bad", "3"})
	pause := time.Second
	for attempt := 1; attempt < 10; attempt++ {
		testwait.Until(t, "the attempt is noted", func() bool {
			r := h.of(t, "bad")[0]
			return r.Attempts == attempt && r.State == outbox.Waiting
		})
		r := h.of(t, "bad")
		if wait := r[0].DueAt.Sub(h.now()); wait < pause*8/10 || wait > pause*12/10+time.Microsecond {
			t.Errorf("after attempt %d it waits for %s, and not about %s", attempt, wait, pause)
		}
		if r[1].State != outbox.Behind || r[2].State != outbox.Behind {
			t.Errorf("after attempt %d the others are %d and %d", attempt, r[1].State, r[2].State)
		}
		h.pass(r[0].DueAt.Sub(h.now()))
		pause *= 2
	}
	testwait.Until(t, "all others are sent", func() bool { return h.stats(t, "c").Totals.Sent == 4 })
	bad, _ := s.posts("bad")
	if want := append(slices.Repeat([]string{"bad1"}, 10), "bad2", "bad3"); !slices.Equal(bad, want) {
		t.Errorf("posted %v", bad)
	}
	if good, _ := s.posts("good"); !slices.Equal(good, []string{"good1", "good2"}) {
		t.Errorf("posted %v", good)
	}
	dead := h.of(t, "bad")[0]
	attempts, err := h.box.Attempts(t.Context(), dead.ID)
	if err != nil || dead.State != outbox.Failed || len(attempts) != 10 || attempts[9].Status != 500 || attempts[9].At.IsZero() {
		t.Errorf("%+v, %+v, %v", dead, attempts, err)
	}

	s.heal()
	if n, err := h.box.Replay(t.Context(), outbox.Selection{Channel: "contacts/c"}); n != 1 || err != nil {
		t.Fatalf("%d were replayed, %v", n, err)
	}
	testwait.Until(t, "it is sent", func() bool { return h.of(t, "bad")[0].State == outbox.Sent })
	bad, ids := s.posts("bad")
	if len(bad) != 13 || bad[12] != "bad1" || slices.ContainsFunc(ids[:10], func(id string) bool { return id != ids[12] }) || ids[10] == ids[12] {
		t.Errorf("posted %v as %v", bad, ids)
	}
}

// What the service asks for holds for the whole campaign, in either form, and for a
// day at most.
func TestCampaignsWaitAsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		status      int
		after       string
		least, most time.Duration
	}{
		"seconds":  {http.StatusTooManyRequests, "120", 120 * time.Second, 120 * time.Second},
		"a date":   {http.StatusServiceUnavailable, time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat), time.Hour, 2 * time.Hour},
		"too long": {http.StatusTooManyRequests, "999999999", 24 * time.Hour, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHooks(t)
			s := startService(t, func(string) (int, string) { return c.status, c.after })
			h.set(t, "c", hookTo(s.url))
			h.write(t, "c", [2]string{"a", "1"})
			testwait.Until(t, "the attempt is noted", func() bool { return !h.stats(t, "c").HeldUntil.IsZero() })
			if held := h.stats(t, "c").HeldUntil.Sub(h.now()); held < c.least || held > c.most {
				t.Errorf("the channel rests for %s", held)
			}
			if due := h.of(t, "a")[0].DueAt.Sub(h.now()); due < c.least || due > c.most {
				t.Errorf("the delivery waits for %s", due)
			}
			s.heal()
			h.write(t, "c", [2]string{"b", "1"})
			h.pass(c.least / 2)
			// Another campaign goes on meanwhile.
			other := startService(t, accepting)
			h.set(t, "d", hookTo(other.url))
			h.write(t, "d", [2]string{"a", "1"})
			testwait.Until(t, "the other is sent", func() bool { return h.stats(t, "d").Totals.Sent == 1 })
			if got, _ := s.posts(""); len(got) != 1 {
				t.Errorf("posted %v", got)
			}
			h.pass(c.most)
			testwait.Until(t, "all are sent", func() bool { return h.stats(t, "c").Totals.Sent == 2 })
		})
	}
}

// A service that says that it has gone is asked no more, and that is told loudly.
func TestCampaignWhoseServiceHasGone(t *testing.T) {
	h := startHooks(t)
	s := startService(t, func(string) (int, string) { return http.StatusGone, "" })
	h.set(t, "c", hookTo(s.url))
	h.write(t, "c", [2]string{"a", "1"})
	testwait.Until(t, "it is paused", func() bool { return h.stats(t, "c").PausedBy == "fault" })
	testwait.Until(t, "it is logged", func() bool {
		return strings.Contains(h.log.String(), "level=ERROR") && strings.Contains(h.log.String(), "contacts/c")
	})
	h.write(t, "c", [2]string{"a", "2"}, [2]string{"b", "1"})
	h.pass(time.Hour)
	if stats := h.stats(t, "c"); stats.Waiting != 3 || stats.Failed != 0 {
		t.Errorf("%+v", stats)
	}
	s.heal()
	if err := h.box.Resume(t.Context(), "contacts/c"); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "all are sent", func() bool { return h.stats(t, "c").Totals.Sent == 3 })
	if got, _ := s.posts("a"); !slices.Equal(got, []string{"a1", "a1", "a2"}) {
		t.Errorf("posted %v", got)
	}
}

// By default ten go at once, and five more each second.
func TestCampaignsRate(t *testing.T) {
	h := startHooks(t)
	slow, fast := startService(t, accepting), startService(t, accepting)
	h.set(t, "slow", hookTo(slow.url))
	quick := hookTo(fast.url)
	quick.Rate, quick.Burst = 100, 30
	h.set(t, "fast", quick)
	var some [][2]string
	for i := range 30 {
		some = append(some, [2]string{fmt.Sprintf("%02d", i), "1"})
	}
	h.write(t, "slow", some...)
	for _, want := range []int64{10, 15, 20} {
		testwait.Until(t, "they are sent", func() bool { return h.stats(t, "slow").Totals.Sent >= want })
		if want == 10 { // meanwhile the other sends three times as many
			h.write(t, "fast", some...)
			testwait.Until(t, "all of the other are sent", func() bool { return h.stats(t, "fast").Totals.Sent == 30 })
		}
		if got, _ := slow.posts(""); int64(len(got)) != want {
			t.Errorf("%d were posted, want %d", len(got), want)
		}
		h.pass(time.Second)
	}
}
