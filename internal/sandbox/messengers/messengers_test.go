package messengers

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sim is a simulator on loopback with a small client.
type sim struct {
	*Server
	t   *testing.T
	url string
}

func start(t *testing.T, o Options) *sim {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(func() { s.ClearFaults(0); srv.Close() })
	return &sim{Server: s, t: t, url: srv.URL}
}

var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (s *sim) request(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// do sends a request and gives its answer with the body read.
func do(r *http.Request) (*http.Response, string, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// want sends a request whose answer must have the status.
func want(t *testing.T, status int, r *http.Request) string {
	t.Helper()
	resp, text, err := do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", r.Method, r.URL, resp.StatusCode, status, text)
	}
	return text
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a string never fails
	return string(b)
}

const botPath = TelegramPath + "/bot" + DefaultTelegramToken + "/sendMessage"

// send is a well-formed message.
func (s *sim) send(to Messenger, recipient, text string) *http.Request {
	s.t.Helper()
	switch to {
	case Telegram:
		return s.request("POST", botPath, fmt.Sprintf(`{"chat_id":%s,"text":%s}`, quoted(recipient), quoted(text)))
	case Viber:
		r := s.request("POST", ViberPath+"/pa/send_message",
			fmt.Sprintf(`{"receiver":%s,"type":"text","text":%s,"sender":{"name":"Quay"}}`, quoted(recipient), quoted(text)))
		r.Header.Set("X-Viber-Auth-Token", DefaultViberToken)
		return r
	case WhatsApp:
		r := s.request("POST", WhatsAppPath+"/v23.0/"+DefaultPhoneNumberID+"/messages", fmt.Sprintf(
			`{"messaging_product":"whatsapp","to":%s,"type":"text","text":{"body":%s},"biz_opaque_callback_data":"m-17"}`,
			quoted(recipient), quoted(text)))
		r.Header.Set("Authorization", "Bearer "+DefaultWhatsAppToken)
		return r
	}
	r := s.request("POST", HooksPath+"/"+recipient, text)
	r.Header.Set("Webhook-Id", "msg_1")
	return r
}

func (s *sim) list(q Query) []Arrival {
	var list []Arrival
	for a := range s.Arrivals(q) {
		list = append(list, a)
	}
	return list
}

// The recipient is no special one, and the text is sent to the letter.
const hello = "Ahoy \"<quay>\" & Søren, 茶 🛳\nline two"

func TestAccepted(t *testing.T) {
	s := start(t, Options{})
	for m, shape := range map[Messenger]string{
		Telegram: `"message_id":ID,"chat":{"id":4915,"type":"private"}`,
		Viber:    `{"status":0,"status_message":"ok","message_token":ID}`,
		WhatsApp: `{"messaging_product":"whatsapp","contacts":[{"input":"4915","wa_id":"4915"}],"messages":[{"id":"ID"}]}`,
		Webhook:  `{"received":ID}`,
	} {
		text := want(t, 200, s.send(m, "4915", hello))
		a := s.list(Query{Messenger: m})
		if len(a) != 1 || a[0].Recipient != "4915" || a[0].Text != hello || a[0].Times != 1 || a[0].Status != 200 || a[0].ID == "" {
			t.Fatalf("%s: arrived %+v", m, a)
		}
		if want := strings.ReplaceAll(shape, "ID", a[0].ID); !strings.Contains(text, want) || !json.Valid([]byte(text)) {
			t.Errorf("%s: answer %s, want %s", m, text, want)
		}
	}
	if a := s.list(Query{Messenger: WhatsApp}); a[0].Reference != "m-17" || !strings.HasPrefix(a[0].ID, "wamid.") {
		t.Errorf("reference %q, id %q", a[0].Reference, a[0].ID)
	}
	if a := s.list(Query{Messenger: Webhook}); a[0].Header.Get("Webhook-Id") != "msg_1" {
		t.Errorf("header %v", a[0].Header)
	}
	want(t, 200, s.request("POST", botPath, `{"chat_id":-100200,"text":"to a group, by number"}`))
	if a := s.list(Query{Recipient: "-100200"}); len(a) != 1 {
		t.Errorf("arrived %v", a)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"keep":  {Keep: -1},
		"fault": {Faults: []Fault{{Kind: Status}}},
		"rate":  {Limits: Limits{Viber: Rates{All: Rate{N: 1}}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBodyIsBounded(t *testing.T) {
	s := start(t, Options{})
	want(t, 200, s.send(Webhook, "large", strings.Repeat("x", maxBody)))
	want(t, 400, s.send(Webhook, "larger", strings.Repeat("x", maxBody+1)))
	if n := s.Total().Arrived; n != 1 {
		t.Errorf("%d arrived", n)
	}
}
