package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/messengers"
	"ferryman/internal/testwait"
)

// allowed lets webhooks reach the simulated receiver.
func (p *people) allowed() string {
	return "FERRYMAN_WEBHOOK_ALLOW_HOSTS=" + strings.TrimPrefix(p.url, "http://")
}

// texts are what has arrived at somebody, in its order.
func (p *people) texts(at messengers.Messenger, recipient string) (all []string) {
	for a := range p.Arrivals(messengers.Query{}) {
		if a.Messenger == at && a.Recipient == recipient && a.Status < 300 {
			all = append(all, a.Text)
		}
	}
	return all
}

// awaitTexts returns once n messages have arrived at somebody, and gives them.
func (p *people) awaitTexts(t testing.TB, at messengers.Messenger, recipient string, n int) []string {
	t.Helper()
	testwait.Until(t, fmt.Sprintf("%d messages arrive at %s", n, recipient), func() bool { return len(p.texts(at, recipient)) >= n })
	return p.texts(at, recipient)
}

// mustBegin checks that these and no others came, by what they begin with.
func mustBegin(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("arrived\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// shop is an application that reports its crons.
type shop struct{ key string }

func newShop(t testing.TB, state string, env []string) shop {
	t.Helper()
	ferryman(t, state, env, "app", "add", "shop")
	return shop{ferryman(t, state, env, "key", "create", "--app", "shop")}
}

// ran reports runs of a cron, by how they ended.
func (s shop) ran(t testing.TB, n *node, cron string, successes ...bool) {
	t.Helper()
	r := newReporter(t, n.url, s.key)
	for _, success := range successes {
		begun, err := r.post("/api/"+cron+"/start?create=1", "{}")
		if err != nil || begun.status != 200 {
			t.Fatal(begun, err)
		}
		ended, err := r.post(fmt.Sprintf("/api/%d/end", begun.ID), fmt.Sprintf(`{"success":%v,"type":"info","message":"said by the job"}`, success))
		if err != nil || ended.status != 200 {
			t.Fatal(ended, err)
		}
	}
}

// tried runs the program to its end and gives what it writes, and its exit code.
func tried(t testing.TB, state string, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := command(t, state, env, args...)
	out, problems, _ := program.Run(t, cmd) // its exit code tells
	return strings.TrimSpace(out + problems), cmd.ProcessState.ExitCode()
}

// TestAlerts has a cron fail, recover and be missed, and shows that a chat and a
// signed webhook are told of each once and in order, over a kill of the server.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, state := newPeople(t), t.TempDir()
			env, look := book(t, state)
			env = append(env, append(p.env(), p.allowed())...)
			n := serve(t, state, env)
			shop := newShop(t, state, env)
			secret := ferryman(t, state, env, "webhook", "add", "pager", "--url", p.url+"/hooks/pager")
			ferryman(t, state, env, "alert", "add", "--via", "telegram", "--to", "123", "--app", "shop")
			ferryman(t, state, env, "alert", "add", "--via", "webhook/pager", "--app", "shop")
			if out, code := tried(t, state, env, "alert", "test", "--all"); code != 0 || out != "1 telegram 123: sent\n2 webhook/pager pager: sent" {
				t.Errorf("a test: %d %s", code, out)
			}

			shop.ran(t, n, "import", false, false, true, true)
			want := []string{"This is a test", "shop/import failing since ", "shop/import recovered at "}
			mustBegin(t, p.awaitTexts(t, messengers.Telegram, "123", 3), want...)

			// Killed before anybody could be told. What was sent before must be noted by
			// then, or it would rightly be sent again.
			look.awaitSent(t, 2*len(want))
			refused := p.inject(t, messengers.Fault{Kind: messengers.Refuse})
			shop.ran(t, n, "payout", false)
			n.kill()
			p.ClearFaults(refused)
			n = serve(t, state, env)
			want = append(want, "shop/payout failing since ")
			mustBegin(t, p.awaitTexts(t, messengers.Telegram, "123", len(want)), want...)
			shop.ran(t, n, "payout", true)
			want = append(want, "shop/payout recovered at ")
			mustBegin(t, p.awaitTexts(t, messengers.Telegram, "123", len(want)), want...)

			ferryman(t, state, env, "cron", "add", "nightly", "--app", "shop", "--schedule", "every 1s", "--grace", "0")
			want = append(want, "shop/nightly missed: expected ")
			mustBegin(t, p.awaitTexts(t, messengers.Telegram, "123", len(want)), want...)

			wanted := map[string]string{"": " alert.test", "import": " cron.failing cron.recovered", "payout": " cron.failing cron.recovered", "nightly": " cron.missed"}
			if got := p.verified(t, secret, len(want)); !maps.Equal(got, wanted) {
				t.Errorf("the webhook got %v, want %v", got, wanted)
			}
			if code := n.stop(); code != 0 {
				t.Errorf("stopped with %d", code)
			}
			look.awaitSent(t, 2*len(want))
			for _, hidden := range []string{messengers.DefaultTelegramToken, secret, "/hooks/"} {
				if strings.Contains(n.logged(), hidden) {
					t.Errorf("%q is logged", hidden)
				}
			}
		})
	}
}

// verified gives the types of what the webhook named pager got of each cron, in
// order, once n have come with signatures of the secret and ids of their own.
func (p *people) verified(t testing.TB, secret string, n int) map[string]string {
	t.Helper()
	p.awaitTexts(t, messengers.Webhook, "pager", n)
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	ids, got := map[string]bool{}, map[string]string{}
	for a := range p.Arrivals(messengers.Query{}) {
		if a.Messenger != messengers.Webhook || a.Status >= 300 {
			continue
		}
		if err := verifier.Verify([]byte(a.Text), a.Header); err != nil {
			t.Errorf("%s: %v", a.Text, err)
		}
		ids[a.Header.Get("Webhook-Id")] = true
		var body struct {
			Type string
			Data struct{ Slug string }
		}
		if err := json.Unmarshal([]byte(a.Text), &body); err != nil {
			t.Errorf("%s: %v", a.Text, err)
		}
		got[body.Data.Slug] += " " + body.Type
	}
	if len(ids) != n {
		t.Errorf("%d ids of %d deliveries", len(ids), n)
	}
	return got
}

// TestAlertTestTellsWhy shows what a person is told whose alerts do not arrive.
func TestAlertTestTellsWhy(t *testing.T) {
	t.Parallel()
	p, state := newPeople(t), t.TempDir()
	env := append(p.env(), "TELEGRAM_TOKEN=1:not-the-bot", "VIBER_TOKEN=")
	ferryman(t, state, env, "alert", "add", "--via", "telegram", "--to", "123", "--on", "missed")
	ferryman(t, state, env, "alert", "add", "--via", "viber", "--to", "abc", "--on", "missed")
	out, code := tried(t, state, env, "alert", "test", "1", "--wait", "1s")
	if code != 5 || !strings.Contains(out, "no server has run") {
		t.Errorf("without a server: %d %s", code, out)
	}
	n := serve(t, state, env)
	out, code = tried(t, state, env, "alert", "test", "1")
	if code != 5 || !strings.Contains(out, "waiting: the channel is paused: ") || !strings.Contains(out, "check TELEGRAM_TOKEN") {
		t.Errorf("with a bad token: %d %s", code, out)
	}
	out, code = tried(t, state, env, "alert", "test", "2")
	if code != 5 || !strings.Contains(out, "waiting: the channel is not configured") {
		t.Errorf("without a token: %d %s", code, out)
	}
	if strings.Contains(out+n.logged(), "not-the-bot") {
		t.Error("the token is shown")
	}
	if code := n.stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
	n = serve(t, state, append(env, "TELEGRAM_TOKEN="+messengers.DefaultTelegramToken))
	mustBegin(t, p.awaitTexts(t, messengers.Telegram, "123", 2), "This is a test", "This is a test") // they had waited
	n.stop()
}

// TestStopWithAHangingWebhook shows that a receiver that never answers does not
// hold up a stop, and gets the delivery again under the same id.
func TestStopWithAHangingWebhook(t *testing.T) {
	t.Parallel()
	p, state := newPeople(t), t.TempDir()
	env := append(p.env(), p.allowed(), "FERRYMAN_STOP_GRACE_SECONDS=3")
	n := serve(t, state, env)
	ferryman(t, state, env, "webhook", "add", "pager", "--url", p.url+"/hooks/pager", "--unsigned", "--profile", "seed")
	mute := p.inject(t, messengers.Fault{Kind: messengers.Mute, Messenger: string(messengers.Webhook)})
	if out, code := tried(t, state, env, "webhook", "test", "pager", "--wait", "6s"); code != 5 || !strings.Contains(out, "it is being sent") {
		t.Errorf("%d %s", code, out)
	}
	p.awaitTexts(t, messengers.Webhook, "pager", 1)
	begun := time.Now()
	if code := n.stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("the stop took %v", took)
	}
	p.ClearFaults(mute)
	serve(t, state, env)
	p.awaitTexts(t, messengers.Webhook, "pager", 2)
	ids := map[string]bool{}
	for a := range p.Arrivals(messengers.Query{}) {
		ids[a.Header.Get("Webhook-Id")] = true
	}
	if len(ids) != 1 {
		t.Errorf("ids %v", ids)
	}
}
