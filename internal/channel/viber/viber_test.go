package viber

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/outbox/outboxtest"
)

const token = "4453b6ac12345678-e02c5f12174805f9-daec9cbb5448c51f"

func open(t *testing.T, o outboxtest.Opening) outbox.Channel {
	t.Helper()
	c, err := New(Config{BaseURL: o.BaseURL, Token: token, Sender: "Ferryman 🚢", Timeout: o.Timeout, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// arrived compares a request with what the API wants.
func arrived(d outbox.Delivery, r *http.Request, body []byte) error {
	if r.URL.Path != "/pa/send_message" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Viber-Auth-Token") != token {
		return fmt.Errorf("sent to %s as %s with the token %q", r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("X-Viber-Auth-Token"))
	}
	type from struct {
		Name string `json:"name"`
	}
	var got struct {
		Receiver string `json:"receiver"`
		Type     string `json:"type"`
		Text     string `json:"text"`
		Sender   from   `json:"sender"`
	}
	if err := json.Unmarshal(body, &got, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	if got.Receiver != d.Recipient || got.Type != "text" || got.Text != d.Payload || got.Sender.Name != "Ferryman 🚢" {
		return fmt.Errorf("sent %.200s", body)
	}
	return nil
}

func status(n int) outboxtest.Answer {
	return outboxtest.Answer{Status: 200, Body: fmt.Sprintf(`{"status":%d,"status_message":"what it means","message_token":5741311803571721087,"chat_hostname":"SN-CHAT-05_"}`, n)}
}

func answers() []outboxtest.Case {
	rejected := outbox.Outcome{Verdict: outbox.Rejected}
	blocked := outbox.Outcome{Verdict: outbox.Blocked}
	trouble := outbox.Outcome{Verdict: outbox.Retry, Trouble: true}
	tooMany := outbox.Outcome{Verdict: outbox.Retry, Rest: outbox.TheRecipient, RetryAfter: 36 * time.Second, Trouble: true}
	var all []outboxtest.Case
	for n, want := range map[int]outbox.Outcome{
		1: rejected, 2: blocked, 3: rejected, 4: rejected, 5: rejected, 6: rejected, 7: blocked, 8: blocked, 9: blocked, 10: blocked,
		11: rejected, 12: tooMany, 13: rejected, 14: rejected, 15: blocked, 16: rejected, 17: rejected, 18: rejected, 19: rejected,
		20: rejected, 21: rejected, 22: rejected, 23: blocked, 24: blocked, 25: trouble, 99: trouble, -1: trouble,
	} {
		want.Code = strconv.Itoa(n)
		all = append(all, outboxtest.Case{Name: fmt.Sprintf("status %d", n), Answer: status(n), Want: want})
	}
	accepted := outbox.Outcome{Verdict: outbox.Accepted, Reference: "5741311803571721087"}
	later, text := status(12), status(0)
	later.Header = http.Header{"Retry-After": {"60"}}
	text.Body = strings.Replace(text.Body, "5741311803571721087", `"5741311803571721087"`, 1)
	tooMany.RetryAfter, tooMany.Code = time.Minute, "12"
	return append(all,
		outboxtest.Case{Name: "status 0", Answer: status(0), Want: accepted},
		outboxtest.Case{Name: "a token that is text", Answer: text, Want: accepted},
		outboxtest.Case{Name: "no token", Answer: outboxtest.Answer{Status: 200, Body: `{"status":0}`}, Want: outbox.Outcome{Verdict: outbox.Accepted}},
		outboxtest.Case{Name: "asks for longer", Answer: later, Want: tooMany},
		outboxtest.Case{Name: "a refusal with its status", Answer: outboxtest.Answer{Status: 403, Body: `{"status":2}`}, Want: outbox.Outcome{Verdict: outbox.Blocked, Code: "2"}},
		outboxtest.Case{Name: "a status that is text", Answer: outboxtest.Answer{Status: 200, Body: `{"status":"ok"}`},
			Want: outbox.Outcome{Verdict: outbox.Uncertain, Code: "http_200", Trouble: true}},
		outboxtest.Case{Name: "accepted with a status of 500", Answer: outboxtest.Answer{Status: 500, Body: `{"status":0}`},
			Want: outbox.Outcome{Verdict: outbox.Retry, Code: "http_500", Trouble: true}},
	)
}

func TestConformance(t *testing.T) {
	outboxtest.TestChannel(t, open, outboxtest.Table{
		Secrets:    []string{token},
		Recipients: []string{"01234567890A=", `"a/b+c\d"`},
		Arrived:    arrived,
		Accept:     status(0),
		Reference:  "5741311803571721087",
		Status:     outboxtest.MessengerStatus,
		Answers:    answers(),
	})
}

// Every status that has a meaning of its own is among the answers tried.
func TestEveryMeaningIsTried(t *testing.T) {
	tried := map[string]bool{"0": true}
	for _, c := range answers() {
		tried[c.Want.Code] = true
	}
	for n := range meanings {
		if !tried[strconv.Itoa(n)] {
			t.Errorf("%d is not tried", n)
		}
	}
}

// A message is as large as its JSON, and a larger one is not sent at all.
func TestLargestMessage(t *testing.T) {
	c := open(t, outboxtest.Opening{BaseURL: outboxtest.Serve(t, status(0)), Timeout: time.Minute})
	body, err := json.Marshal(message{"r", "text", "", sender{"Ferryman 🚢"}})
	if err != nil {
		t.Fatal(err)
	}
	room := maxBody - len(body)
	for text, want := range map[string]outbox.Verdict{
		strings.Repeat("x", room):            outbox.Accepted,
		strings.Repeat("x", room+1):          outbox.Rejected,
		strings.Repeat("Ж", 7000):            outbox.Accepted,
		strings.Repeat("🙂", 7000):            outbox.Accepted,
		strings.Repeat("<&>", room/3):        outbox.Accepted,
		strings.Repeat("\"", room/2+1):       outbox.Rejected,
		strings.Repeat("\x01", room/6+1):     outbox.Rejected,
		strings.Repeat("\u2028", (room)/3+1): outbox.Rejected,
	} {
		o := c.Send(t.Context(), outbox.Delivery{Recipient: "r", Payload: text})
		if o.Verdict != want || want == outbox.Rejected && (o.Code != "message_too_large" || o.Status != 0) {
			t.Errorf("%d bytes of %.5q: got %+v, want %s", len(text), text, o, want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{BaseURL: vendorURL, Token: token, Sender: strings.Repeat("Ж", 28)}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		detail string
	}{
		"no address":  {func(c *Config) { c.BaseURL = "" }, "VIBER_BASE_URL does not begin with http:// or https://"},
		"no token":    {func(c *Config) { c.Token = "" }, "VIBER_TOKEN is not set"},
		"a blank":     {func(c *Config) { c.Token = "Sentinel " }, "VIBER_TOKEN holds a blank or another character that no token has"},
		"no sender":   {func(c *Config) { c.Sender = "" }, "VIBER_SENDER has 0 characters"},
		"blanks":      {func(c *Config) { c.Sender = " \t" }, "VIBER_SENDER is blank"},
		"long sender": {func(c *Config) { c.Sender = strings.Repeat("Ж", 29) }, "VIBER_SENDER has 29 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			_, err := New(config)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Kind != fault.Unconfigured || f.Detail != c.detail || strings.Contains(err.Error(), "Sentinel") {
				t.Errorf("got %v", err)
			}
		})
	}
}
