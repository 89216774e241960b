package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"ferryman/internal/sandbox/messengers"
	"ferryman/internal/testwait"
)

// people are simulated messengers that live longer than any server: they witness
// what arrived.
type people struct {
	*messengers.Server
	url string
}

func newPeople(t testing.TB) *people {
	t.Helper()
	s, err := messengers.New(messengers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &people{s, server.URL}
}

// env are the settings of a server that sends to them as fast as it can.
func (p *people) env() []string {
	return []string{
		manual,
		"TELEGRAM_TOKEN=" + messengers.DefaultTelegramToken, "TELEGRAM_BASE_URL=" + p.url + messengers.TelegramPath,
		"TELEGRAM_RATE=none", "TELEGRAM_RECIPIENT_RATE=none",
		"VIBER_TOKEN=" + messengers.DefaultViberToken, "VIBER_BASE_URL=" + p.url + messengers.ViberPath,
		"WHATSAPP_TOKEN=" + messengers.DefaultWhatsAppToken, "WHATSAPP_BASE_URL=" + p.url + messengers.WhatsAppPath,
		"WHATSAPP_PHONE_NUMBER_ID=" + messengers.DefaultPhoneNumberID,
	}
}

// awaitDistinct returns once so many different messages have arrived.
func (p *people) awaitDistinct(t testing.TB, n int64) {
	t.Helper()
	testwait.Until(t, fmt.Sprintf("%d messages arrive", n), func() bool { return p.Total().Distinct >= n })
}

// inject orders a fault.
func (p *people) inject(t testing.TB, f messengers.Fault) (id int) {
	t.Helper()
	id, err := p.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// messages is a list of n messages for Telegram, to people of the numbers from
// first on.
func messages(first, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"user_id":%d,"messenger_id":1,"text":"message %d"}`, first+i, first+i)
	}
	return "[" + strings.TrimPrefix(b.String(), ",") + "]"
}

// mustPost has messages stored.
func (n *node) mustPost(list string) {
	n.t.Helper()
	if status, body := do(n.t, "POST", n.url+"/messages/", list); status != 201 {
		n.t.Fatalf("post: %d %.300s", status, body)
	}
}

// message is what the API tells of one.
type message struct {
	ID        int64   `json:"id"`
	State     string  `json:"state"`
	Attempts  int     `json:"attempts"`
	LastError *string `json:"last_error"`
	Held      *string `json:"held"`
}

func (n *node) message(id int64) message {
	n.t.Helper()
	status, body := do(n.t, "GET", fmt.Sprintf("%s/messages/%d/", n.url, id), "")
	var m message
	if err := json.Unmarshal([]byte(body), &m); err != nil || status != 200 {
		n.t.Fatalf("message %d: %d %s", id, status, body)
	}
	return m
}

// states counts the deliveries of a store by their state.
func (d database) states(t testing.TB) map[string]int {
	t.Helper()
	rows, err := d.QueryContext(context.WithoutCancel(t.Context()), "SELECT state, count(*) FROM deliveries GROUP BY state")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names := [...]string{"waiting", "sending", "behind", "sent", "failed", "cancelled", "expired"}
	all := map[string]int{}
	for rows.Next() {
		var state, n int
		if err := rows.Scan(&state, &n); err != nil {
			t.Fatal(err)
		}
		all[names[state]] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitSent returns once n deliveries are sent, and fails if others are left.
func (d database) awaitSent(t testing.TB, n int) {
	t.Helper()
	testwait.Until(t, fmt.Sprintf("%d deliveries are noted as sent", n), func() bool { return d.states(t)["sent"] == n })
	if all := d.states(t); len(all) != 1 {
		t.Errorf("the deliveries are %v", all)
	}
}

func TestMessageArrives(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, state := newPeople(t), t.TempDir()
			env, look := book(t, state)
			n := serve(t, state, append(env, p.env()...))
			status, body := do(t, "POST", n.url+"/messages/",
				`[{"user_id":123,"messenger_id":1,"text":" hello ","start_at":"2019-11-26 11:43:10"},{"user_id":"456","messenger_id":0,"text":"жук 😀"},{"user_id":"4917612345","messenger_id":2,"text":"a\nb"}]`)
			want := `[{"id":1,"user_id":"123","messenger_id":1,"text":"hello","start_at":"2019-11-26T11:43:10Z"},` +
				`{"id":2,"user_id":"456","messenger_id":0,"text":"жук 😀","start_at":null},` +
				`{"id":3,"user_id":"4917612345","messenger_id":2,"text":"a\nb","start_at":null}]`
			if status != 201 || strings.TrimSpace(body) != want {
				t.Fatalf("post: %d %s", status, body)
			}
			p.awaitDistinct(t, 3)
			look.awaitSent(t, 3)
			got := map[messengers.Messenger]string{}
			for a := range p.Arrivals(messengers.Query{}) {
				got[a.Messenger] = a.Recipient + ": " + a.Text
			}
			if got[messengers.Telegram] != "123: hello" || got[messengers.Viber] != "456: жук 😀" || got[messengers.WhatsApp] != "4917612345: a\nb" {
				t.Errorf("arrived: %v", got)
			}
			if m := n.message(1); m.State != "sent" || m.Attempts != 1 {
				t.Errorf("%+v", m)
			}
			if status, _ := do(t, "DELETE", n.url+"/messages/1/", ""); status != 409 {
				t.Errorf("cancelling a sent message gives %d", status)
			}
			if code := n.stop(); code != 0 {
				t.Errorf("stopped with %d", code)
			}
			if total := p.Total(); total.Arrived != 3 {
				t.Errorf("%+v", total)
			}
		})
	}
}
