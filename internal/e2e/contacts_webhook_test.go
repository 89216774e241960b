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

// answer has the n-th request answered with the status that is given for it; 0, or no
// function at all, takes what it brings.
func (s *service) answer(fail func(n int) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
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
	s.answer(func(n int) int {
		if n%7 == 0 {
			return http.StatusInternalServerError
		}
		return 0
	})
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
	c, s := newCallCentre(t, campaign.Options{Contacts: 30, Fields: 3, Plain: true}), newService(t)
	file := campaignsFile(t, fmt.Sprintf("  - {name: hook, id: %s, token: %s, base_url: %q, target: %q, mode: webhook, rate: 1000, every: 1s}\n",
		campaign.DefaultCampaign, campaign.DefaultToken, c.url, s.url))
	n := serve(t, t.TempDir(), []string{"FERRYMAN_CAMPAIGNS_FILE=" + file})
	testwait.Until(t, "the first run", func() bool {
		_, runs := do(t, "GET", n.url+"/api/v1/syncs", "")
		return strings.Contains(runs, "contacts-hook")
	})
	began := time.Now()
	c.change(t, 5, "transaction")
	testwait.Until(t, "the new transactions", func() bool { return len(s.taken()) >= 5 })
	if strings.Contains(n.logged(), "sync=warehouses") {
		t.Error("a warehouse sync ran that nobody has set up")
	}
	for _, p := range s.taken() {
		if fired, err := time.Parse(time.RFC3339Nano, p.fired); err != nil || fired.Before(began.Add(-time.Minute)) {
			t.Errorf("posted a transaction of %s (%v)", p.fired, err)
		}
	}
}

// TestProcessesPostBesideEachOther runs a process for each of two campaigns, and one
// more for one of them, on the same store.
func TestProcessesPostBesideEachOther(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	centres := []*callCentre{
		newCallCentre(t, campaign.Options{Contacts: 150, Fields: 2, Plain: true}),
		newCallCentre(t, campaign.Options{Campaign: "OTHER", Contacts: 150, Fields: 2, Plain: true, Seed: 7}),
	}
	services := []*service{newService(t), newService(t)}
	names := []string{campaign.DefaultCampaign, "OTHER"}
	var running sync.WaitGroup
	for _, i := range []int{0, 1, 0} {
		cmd := command(t, state, nil, "contacts", "sync", "--mode", "webhook", "--campaign", names[i], "--token", campaign.DefaultToken,
			"--base-url", centres[i].url, "--target", services[i].url, "--rate", "200", "--once", "--history", "--start", "2018-01-01")
		running.Go(func() {
			if code, out, problems := finish(t, cmd); code != 0 {
				t.Errorf("%s: exit code %d\n%s\n%s", names[i], code, out, problems)
			}
		})
	}
	running.Wait()
	for i, s := range services {
		seen := map[string]bool{}
		for _, p := range s.taken() {
			if key := p.contact + " " + p.fired; seen[key] || p.state != "new" {
				t.Errorf("%s: %s came twice, or as %s", names[i], key, p.state)
			} else {
				seen[key] = true
			}
		}
		if len(seen) == 0 {
			t.Errorf("%s: nothing came", names[i])
		}
	}
	if want := centres[0].wanted(t); len(services[0].taken()) != len(want) {
		t.Errorf("%d transactions came, want %d", len(services[0].taken()), len(want))
	}
}

// TestARunEndsThoughItsServiceHasGone has a service that wants no more.
func TestARunEndsThoughItsServiceHasGone(t *testing.T) {
	t.Parallel()
	c, s, state := newCallCentre(t, campaign.Options{Contacts: 20, Fields: 3, Plain: true}), newService(t), t.TempDir()
	s.answer(func(int) int { return http.StatusGone })
	args := c.hooked(s, "--once", "--history", "--start", "2018-01-01")
	code, _, problems := finish(t, command(t, state, nil, args...))
	if code != 5 || !strings.Contains(problems, "is paused: http_410") || !strings.Contains(problems, "outbox resume contacts/") || strings.Contains(problems, s.url) {
		t.Errorf("exit code %d\n%s", code, problems)
	}
	s.answer(nil)
	succeed(t, 0, command(t, state, nil, args...))
	if want := c.wanted(t); len(s.taken()) != len(want) {
		t.Errorf("%d transactions came, want %d", len(s.taken()), len(want))
	}
}
