package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/testwait"
)

// service is a web service that transactions are posted to.
type service struct {
	url string

	mu    sync.Mutex
	fail  func(n int) int // the status of the n-th request; nil: 204
	n     int
	posts []post // that were taken
}

type post struct {
	id, state, contact, fired, body string
}

func newService(t testing.TB) *service {
	t.Helper()
	s := &service{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL + "/in/"
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var told struct {
		Contact struct {
			ID string `json:"$id"`
		} `json:"contact"`
		Transaction struct {
			Fired string `json:"fired"`
		} `json:"transaction"`
		State string `json:"state"`
	}
	if err == nil {
		err = json.Unmarshal(body, &told)
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.fail != nil {
		if status := s.fail(s.n); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	s.posts = append(s.posts, post{r.Header.Get("webhook-id"), told.State, told.Contact.ID, told.Transaction.Fired, string(body)})
	w.WriteHeader(http.StatusNoContent)
}

func (s *service) taken() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]post(nil), s.posts...)
}

// hooked are the flags of a campaign that posts to s.
func (c *callCentre) hooked(s *service, more ...string) []string {
	return append([]string{
		"contacts", "sync", "--mode", "webhook", "--campaign", campaign.DefaultCampaign, "--token", campaign.DefaultToken,
		"--base-url", c.url, "--target", s.url, "--rate", "2000",
	}, more...)
}

// wanted are the transactions that a service should have been told of.
func (c *callCentre) wanted(t testing.TB) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, row := range c.expected(t, "transactions", "") {
		all[fmt.Sprint(row["contact_id"], " ", row["fired"])] = true
	}
	return all
}

func TestTransactionsArePostedOnceEach(t *testing.T) {
	t.Parallel()
	c, s, state := newCallCentre(t, campaign.Options{Contacts: 80, Fields: 3, Plain: true}), newService(t), t.TempDir()
	s.fail = func(n int) int {
		if n%7 == 0 {
			return http.StatusInternalServerError
		}
		return 0
	}
	post := func() {
		succeed(t, 0, command(t, state, nil, c.hooked(s, "--once", "--history", "--start", "2018-01-01")...))
	}
	post()
	first := s.taken()
	want := c.wanted(t)
	seen, last := map[string]bool{}, map[string]string{}
	for _, p := range first {
		key := p.contact + " " + p.fired
		switch {
		case p.state != "new" || p.id == "":
			t.Errorf("%s: state %q, id %q", key, p.state, p.id)
		case seen[key]:
			t.Errorf("%s came twice", key)
		case !want[key]:
			t.Errorf("%s is no transaction", key)
		case last[p.contact] > p.fired:
			t.Errorf("%s came after %s", key, last[p.contact])
		}
		seen[key], last[p.contact] = true, p.fired
	}
	if len(seen) != len(want) {
		t.Errorf("%d transactions came, want %d", len(seen), len(want))
	}

	c.change(t, 5, "transaction")
	post()
	for _, p := range s.taken()[len(first):] {
		key := p.contact + " " + p.fired
		if wanted := map[bool]string{true: "updated", false: "new"}[seen[key]]; p.state != wanted {
			t.Errorf("%s: state %q, want %q", key, p.state, wanted)
		}
		seen[key] = true
	}
	if want := c.wanted(t); len(seen) != len(want) {
		t.Errorf("%d transactions came, want %d", len(seen), len(want))
	}
	before := len(s.taken())
	post()
	if again := len(s.taken()); again != before {
		t.Errorf("%d came although nothing changed", again-before)
	}
}

// TestAKilledPosterLosesNothing kills the client again and again. What was on its
// way at that moment may come once more, under the same id.
func TestAKilledPosterLosesNothing(t *testing.T) {
	t.Parallel()
	c, s, state := newCallCentre(t, campaign.Options{Contacts: 300, Fields: 3, Plain: true}), newService(t), t.TempDir()
	args := c.hooked(s, "--history", "--start", "2018-01-01")
	for range 5 {
		before := len(s.taken())
		cmd := command(t, state, nil, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, "some posts", func() bool { return len(s.taken()) > before+10 })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		c.change(t, 3, "transaction")
	}
	succeed(t, 0, command(t, state, nil, append(args, "--once")...))
	byContent, ids := map[string]string{}, map[string]bool{}
	for _, p := range s.taken() {
		key := p.contact + " " + p.fired
		if other := byContent[p.body]; other != "" && other != p.id {
			t.Errorf("%s came under two ids", key)
		}
		byContent[p.body], ids[key] = p.id, true
	}
	if want := c.wanted(t); len(ids) != len(want) {
		t.Errorf("%d transactions came, want %d", len(ids), len(want))
	}
}

// TestAServerPostsItsCampaign has a server post what happens from its start on.
func TestAServerPostsItsCampaign(t *testing.T) {
	t.Parallel()
	u, c, s := newUpstream(t), newCallCentre(t, campaign.Options{Contacts: 30, Fields: 3, Plain: true}), newService(t)
	file := campaignsFile(t, fmt.Sprintf("  - {name: hook, id: %s, token: %s, base_url: %q, target: %q, mode: webhook, rate: 1000, every: 1s}\n",
		campaign.DefaultCampaign, campaign.DefaultToken, c.url, s.url))
	n := serve(t, t.TempDir(), append(u.env(), manual, "FERRYMAN_CAMPAIGNS_FILE="+file))
	testwait.Until(t, "the first run", func() bool {
		_, page := do(t, "GET", n.url+"/", "")
		return len(page) > 0 && strings.Contains(page, "contacts-hook")
	})
	began := time.Now()
	c.change(t, 5, "transaction")
	testwait.Until(t, "the new transactions", func() bool { return len(s.taken()) >= 5 })
	for _, p := range s.taken() {
		if fired, err := time.Parse(time.RFC3339Nano, p.fired); err != nil || fired.Before(began.Add(-time.Minute)) {
			t.Errorf("posted a transaction of %s (%v)", p.fired, err)
		}
	}
}
