package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/sandbox/messengers"
	"ferryman/internal/testwait"
)

// concurrency is FERRYMAN_SEND_CONCURRENCY where a test counts what a crash may
// send twice.
const concurrency = 32

func concurrent() string { return fmt.Sprintf("FERRYMAN_SEND_CONCURRENCY=%d", concurrency) }

// Killed again and again in the middle of 10,000 deliveries.
func TestKilledInMidDelivery(t *testing.T) {
	t.Parallel()
	const all, kills = 10_000, 5
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, state := newPeople(t), t.TempDir()
			env, look := book(t, state)
			env = append(append(env, p.env()...), concurrent())
			n := serve(t, state, env)
			for i := range 10 {
				n.mustPost(messages(i*all/10, all/10))
			}
			for i := range kills {
				p.awaitDistinct(t, int64((i+1)*all/(kills+2)))
				before := p.Total()
				n.kill()
				n = serve(t, state, env)
				t.Logf("kill %d after %d messages, of which %d had come twice", i+1, before.Distinct, before.Duplicates)
			}
			p.awaitDistinct(t, all)
			look.awaitSent(t, all)
			total := p.Total()
			t.Logf("%d sent twice by %d kills", total.Duplicates, kills)
			if total.Distinct != all || total.Duplicates > kills*concurrency {
				t.Errorf("%+v, want %d and at most %d duplicates", total, all, kills*concurrency)
			}
			uncertain, err := strconv.ParseInt(look.column(t, "SELECT count(*) FROM attempts WHERE outcome = 'uncertain'")[0], 10, 64)
			if err != nil || uncertain < total.Duplicates {
				t.Errorf("%d came twice, and %d attempts are uncertain (%v)", total.Duplicates, uncertain, err)
			}
		})
	}
}

// What is uncertain is held, if that is asked for: then nothing comes twice.
func TestKilledAndHeld(t *testing.T) {
	t.Parallel()
	const all = 3000
	p, state := newPeople(t), t.TempDir()
	env := append(p.env(), concurrent(), "FERRYMAN_UNCERTAIN=hold")
	n := serve(t, state, env)
	n.mustPost(messages(0, all))
	p.awaitDistinct(t, all/3)
	n.kill()
	serve(t, state, env)
	look := store(t, state)
	testwait.Until(t, "all are settled", func() bool {
		s := look.states(t)
		return s["sent"]+s["failed"] == all
	})
	s := look.states(t)
	if s["failed"] > concurrency {
		t.Errorf("%v", s)
	}
	if total := p.Total(); total.Duplicates != 0 {
		t.Errorf("%+v", total)
	}
	ferryman(t, state, nil, "outbox", "replay", "--code", "uncertain")
	look.awaitSent(t, all)
	if total := p.Total(); total.Distinct != all {
		t.Errorf("%+v", total)
	}
}

// What was acknowledged is there after a kill, and goes out once.
func TestKilledWhileAccepting(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, state := newPeople(t), t.TempDir()
			env, look := book(t, state)
			env = append(append(env, p.env()...), concurrent())
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			chance := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			acknowledged, sent := 0, 0
			const rounds = 4
			for range rounds {
				n := serve(t, state, env)
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for {
							mu.Lock()
							first := sent
							sent += 10
							mu.Unlock()
							res, err := http.Post(n.url+"/messages/", "application/json", strings.NewReader(messages(first, 10)))
							if err != nil {
								return
							}
							res.Body.Close()
							if res.StatusCode == 201 {
								mu.Lock()
								acknowledged += 10
								mu.Unlock()
							}
						}
					})
				}
				select {
				case <-time.After(time.Duration(100+chance.IntN(400)) * time.Millisecond):
				case <-n.done:
					t.Fatal("the server ended by itself")
				}
				n.kill()
				wg.Wait()
			}
			serve(t, state, env)
			testwait.Until(t, "everything is settled", func() bool {
				s := look.states(t)
				return s["waiting"]+s["sending"] == 0
			})
			stored := look.states(t)["sent"]
			total := p.Total()
			// A list whose acknowledgement was lost is stored or not; one that was
			// acknowledged is.
			if stored < acknowledged || stored > sent || total.Distinct != int64(stored) {
				t.Errorf("%d of %d were acknowledged, %d are stored, and arrived are %+v", acknowledged, sent, stored, total)
			}
			if total.Duplicates > rounds*concurrency {
				t.Errorf("%d came twice", total.Duplicates)
			}
		})
	}
}

// While a messenger is down messages wait, and one at a time tries whether that is
// over: the attempts of the others are not used up.
func TestMessengerDown(t *testing.T) {
	t.Parallel()
	const all = 500
	p, state := newPeople(t), t.TempDir()
	down := p.inject(t, messengers.Fault{Kind: messengers.Refuse})
	n := serve(t, state, append(p.env(), concurrent(), "FERRYMAN_PUSH_ATTEMPTS=3"))
	n.mustPost(messages(0, all))
	testwait.Until(t, "the channel rests, and tries again", func() bool { return p.Total().Requests >= concurrency+2 })
	p.ClearFaults(down)
	p.awaitDistinct(t, all)
	look := store(t, state)
	look.awaitSent(t, all)
	if total := p.Total(); total.Duplicates != 0 || total.Requests > all+3*concurrency {
		t.Errorf("%+v", total)
	}
	if once := look.column(t, "SELECT count(*) FROM deliveries WHERE attempts = 1")[0]; once < "450" {
		t.Errorf("only %s messages needed one attempt", once)
	}
}

// A messenger in all kinds of trouble gets everything, and nothing twice but what
// it took without saying so.
func TestMessengerInTrouble(t *testing.T) {
	t.Parallel()
	const all = 300
	p, state := newPeople(t), t.TempDir()
	for _, f := range []messengers.Fault{
		{Kind: messengers.Status, Status: 502, Times: 5, Every: 7},
		{Kind: messengers.Code, Code: 429, RetryAfter: "1", Times: 5, Every: 11},
		{Kind: messengers.Refuse, Times: 5, Every: 13},
		{Kind: messengers.Reset, Times: 5, Every: 17},
		{Kind: messengers.Truncate, Times: 5, Every: 19},
		{Kind: messengers.Delay, Delay: 300 * time.Millisecond, Times: 5, Every: 23},
	} {
		f.Messenger = string(messengers.Telegram)
		p.inject(t, f)
	}
	n := serve(t, state, append(p.env(), "FERRYMAN_SEND_CONCURRENCY=4"))
	n.mustPost(messages(0, all))
	p.awaitDistinct(t, all)
	store(t, state).awaitSent(t, all)
	if total := p.Total(); total.Duplicates > 10 {
		t.Errorf("%+v", total)
	}
}

// A bad token is no message's fault: the channel pauses, and after the token is
// mended everything goes out.
func TestBadToken(t *testing.T) {
	t.Parallel()
	p, state := newPeople(t), t.TempDir()
	n := serve(t, state, append(p.env(), "TELEGRAM_TOKEN=1:wrong"))
	n.mustPost(messages(0, 20))
	testwait.Until(t, "the channel is paused", func() bool {
		m := n.message(1)
		return m.State == "scheduled" && m.Held != nil && strings.Contains(*m.Held, "paused")
	})
	testwait.Until(t, "the log tells of the pause", func() bool { return strings.Contains(n.logged(), "the channel is paused") })
	n.stop()
	if strings.Contains(n.logged(), "1:wrong") {
		t.Error("the log tells the token")
	}
	serve(t, state, p.env())
	store(t, state).awaitSent(t, 20)
	if total := p.Total(); total.Arrived != 20 {
		t.Errorf("%+v", total)
	}
}

// The messages of a messenger that is not configured wait, and say so.
func TestUnconfiguredMessenger(t *testing.T) {
	t.Parallel()
	p, state := newPeople(t), t.TempDir()
	n := serve(t, state, []string{manual})
	n.mustPost(messages(0, 2))
	if m := n.message(1); m.State != "scheduled" || m.Held == nil || !strings.Contains(*m.Held, "TELEGRAM_TOKEN") {
		t.Errorf("%+v", m)
	}
	n.stop()
	serve(t, state, p.env())
	store(t, state).awaitSent(t, 2)
}

// Two nodes share the work and the rates; when one dies the other does all.
func TestTwoNodesSend(t *testing.T) {
	t.Parallel()
	const all = 6000
	p, book := newPeople(t), postgresDatabase(t)
	env := append(p.env(), concurrent(), "FERRYMAN_STORE_URL="+book.url)
	one, two := serve(t, t.TempDir(), env), serve(t, t.TempDir(), env)
	for i := range 6 {
		one.mustPost(messages(i*all/6, all/6))
	}
	p.awaitDistinct(t, all/3)
	one.kill()
	p.awaitDistinct(t, all)
	book.awaitSent(t, all)
	total := p.Total()
	t.Logf("%d sent twice", total.Duplicates)
	if total.Duplicates > concurrency {
		t.Errorf("%+v", total)
	}
	if senders := len(book.column(t, "SELECT DISTINCT sender_id FROM channel_totals WHERE sent > 0")); senders < 1 {
		t.Error("nobody counted")
	}
	two.mustPost(messages(all, 10))
	p.awaitDistinct(t, all+10)
}

// The same message posted to two nodes at the same time is stored once.
func TestTwoNodesAccept(t *testing.T) {
	t.Parallel()
	p, book := newPeople(t), postgresDatabase(t)
	env := append(p.env(), "FERRYMAN_STORE_URL="+book.url)
	nodes := []*node{serve(t, t.TempDir(), env), serve(t, t.TempDir(), env)}
	for round := range 5 {
		var mu sync.Mutex
		answers := map[int]int{}
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				res, err := http.Post(nodes[i%2].url+"/messages/", "application/json", strings.NewReader(messages(round, 1)))
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				mu.Lock()
				answers[res.StatusCode]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if answers[201] != 1 || answers[400] != 63 {
			t.Errorf("answers: %v", answers)
		}
	}
	p.awaitDistinct(t, 5)
	book.awaitSent(t, 5)
	if total := p.Total(); total.Arrived != 5 {
		t.Errorf("%+v", total)
	}
}

// A database that breaks all connections in the middle of it all costs no message
// and sends none twice.
func TestStoreBreaksWhileSending(t *testing.T) {
	t.Parallel()
	const all = 5000
	p, book := newPeople(t), postgresDatabase(t)
	n := serve(t, t.TempDir(), append(p.env(), concurrent(), "FERRYMAN_STORE_URL="+book.url))
	for i := range 5 {
		n.mustPost(messages(i*all/5, all/5))
	}
	for i := range 4 {
		p.awaitDistinct(t, int64((i+1)*all/6))
		book.column(t, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}
	p.awaitDistinct(t, all)
	book.awaitSent(t, all)
	if total := p.Total(); total.Duplicates != 0 {
		t.Errorf("%+v", total)
	}
}
