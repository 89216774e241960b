package telegram

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/outbox/outboxtest"
)

const token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

func open(t *testing.T, o outboxtest.Opening) outbox.Channel {
	t.Helper()
	c, err := New(Config{BaseURL: o.BaseURL, Token: token, Timeout: o.Timeout, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// arrived compares a request with what the Bot API wants.
func arrived(d outbox.Delivery, r *http.Request, body []byte) error {
	if r.URL.Path != "/bot"+token+"/sendMessage" || r.Header.Get("Content-Type") != "application/json" {
		return fmt.Errorf("sent to %s as %s", r.URL.Path, r.Header.Get("Content-Type"))
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		return err
	}
	var chat any = d.Recipient
	if n, err := strconv.ParseFloat(d.Recipient, 64); err == nil && d.Recipient[0] != '0' && len(d.Recipient) < 19 {
		chat = n
	}
	if len(got) != 2 || got["chat_id"] != chat || got["text"] != d.Payload {
		return fmt.Errorf("sent %.200s", body)
	}
	return nil
}

func failed(code int, description, more string) outboxtest.Answer {
	return outboxtest.Answer{Status: code, Body: fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q%s}`, code, description, more)}
}

func answers() []outboxtest.Case {
	rejected := outbox.Outcome{Verdict: outbox.Rejected}
	blocked := outbox.Outcome{Verdict: outbox.Blocked}
	trouble := outbox.Outcome{Verdict: outbox.Retry, Trouble: true}
	flood := func(wait time.Duration) outbox.Outcome {
		return outbox.Outcome{Verdict: outbox.Retry, Rest: outbox.TheRecipient, RetryAfter: wait, Trouble: true}
	}
	var all []outboxtest.Case
	for _, c := range []struct {
		code        int
		description string
		more        string
		want        outbox.Outcome
	}{
		{400, "Bad Request: chat not found", "", rejected},
		{400, "Bad Request: message text is empty", "", rejected},
		{400, "Bad Request: message is too long", "", rejected},
		{400, "Bad Request: group chat was upgraded to a supergroup chat", `,"parameters":{"migrate_to_chat_id":-1001234567890}`, rejected},
		{400, "Logged out", "", blocked},
		{401, "Unauthorized", "", blocked},
		{403, "Forbidden: bot was blocked by the user", "", rejected},
		{403, "Forbidden: user is deactivated", "", rejected},
		{403, "Forbidden: bot was kicked from the supergroup chat", "", rejected},
		{404, "Not Found", "", blocked},
		{406, "Not Acceptable", "", rejected},
		{409, "Conflict", "", trouble},
		{413, "Request Entity Too Large", "", rejected},
		{420, "FLOOD_WAIT_3", `,"parameters":{"retry_after":3}`, flood(3 * time.Second)},
		{429, "Too Many Requests: retry after 17", `,"parameters":{"retry_after":17}`, flood(17 * time.Second)},
		{429, "Too Many Requests", `,"parameters":{"retry_after":-1}`, flood(0)},
		{429, "Too Many Requests", `,"parameters":{"retry_after":9000000000000000000}`, flood(24 * time.Hour)},
		{429, "Too Many Requests", "", flood(0)},
		{500, "Internal Server Error", "", trouble},
		{502, "Bad Gateway", "", trouble},
		{504, "Gateway Timeout", "", trouble},
	} {
		c.want.Code = strconv.Itoa(c.code)
		all = append(all, outboxtest.Case{
			Name: fmt.Sprintf("%d %s %s", c.code, c.description, c.more), Answer: failed(c.code, c.description, c.more), Want: c.want,
		})
	}
	accepted := outbox.Outcome{Verdict: outbox.Accepted}
	late := failed(429, "Too Many Requests", `,"parameters":{"retry_after":2}`)
	late.Header = http.Header{"Retry-After": {"5"}}
	return append(all,
		outboxtest.Case{Name: "the longer wait counts", Answer: late, Want: outbox.Outcome{
			Verdict: outbox.Retry, Code: "429", Rest: outbox.TheRecipient, RetryAfter: 5 * time.Second, Trouble: true}},
		outboxtest.Case{Name: "accepted and not told how it is called", Answer: outboxtest.Answer{Status: 200, Body: `{"ok":true,"result":true}`}, Want: accepted},
		outboxtest.Case{Name: "accepted and not told anything", Answer: outboxtest.Answer{Status: 200, Body: `{"ok":true}`}, Want: accepted},
		outboxtest.Case{Name: "refused with a status of 200", Answer: outboxtest.Answer{Status: 200, Body: `{"ok":false,"error_code":403}`},
			Want: outbox.Outcome{Verdict: outbox.Rejected, Code: "403"}},
		outboxtest.Case{Name: "refused without a code", Answer: outboxtest.Answer{Status: 400, Body: `{"ok":false}`},
			Want: outbox.Outcome{Verdict: outbox.Rejected, Code: "400"}},
		outboxtest.Case{Name: "accepted with a status of 500", Answer: outboxtest.Answer{Status: 500, Body: `{"ok":true}`},
			Want: outbox.Outcome{Verdict: outbox.Retry, Code: "http_500", Trouble: true}},
		outboxtest.Case{Name: "JSON of somebody else", Answer: outboxtest.Answer{Status: 200, Body: `{"status":"ok"}`},
			Want: outbox.Outcome{Verdict: outbox.Uncertain, Code: "http_200", Trouble: true}},
		outboxtest.Case{Name: "a list", Answer: outboxtest.Answer{Status: 200, Body: `[]`},
			Want: outbox.Outcome{Verdict: outbox.Uncertain, Code: "http_200", Trouble: true}},
	)
}

func TestConformance(t *testing.T) {
	outboxtest.TestChannel(t, open, outboxtest.Table{
		Secrets:    []string{token, "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"},
		Recipients: []string{"123456789", "-1001234567890", "@channel", "0123", "99999999999999999999", `"a\b"`},
		Arrived:    arrived,
		Accept: outboxtest.Answer{Status: 200, Body: `{"ok":true,"result":{"message_id":8714,"from":{"id":110201543,"is_bot":true},` +
			`"chat":{"id":123456789,"type":"private"},"date":1700000000,"text":"hello"}}`},
		Reference: "8714",
		Status:    outboxtest.MessengerStatus,
		Answers:   answers(),
	})
}

// Every code that has a meaning of its own is among the answers tried.
func TestEveryMeaningIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range answers() {
		tried[c.Want.Code] = true
	}
	for code := range meanings {
		if !tried[strconv.Itoa(code)] {
			t.Errorf("%d is not tried", code)
		}
	}
}

func TestRemedies(t *testing.T) {
	c := open(t, outboxtest.Opening{BaseURL: outboxtest.Serve(t, failed(401, "Unauthorized", "")), Timeout: time.Minute})
	o := c.Send(t.Context(), outbox.Delivery{Recipient: "1", Payload: "x"})
	if want := `check TELEGRAM_TOKEN: {"ok":false,"error_code":401,"description":"Unauthorized"}`; o.Detail != want {
		t.Errorf("got %q, want %q", o.Detail, want)
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{BaseURL: vendorURL, Token: token}
	for name, c := range map[string]struct {
		change func(*Config)
		detail string
	}{
		"no address": {func(c *Config) { c.BaseURL = "" }, "TELEGRAM_BASE_URL does not begin with http:// or https://"},
		"no token":   {func(c *Config) { c.Token = "" }, "TELEGRAM_TOKEN is not set"},
		"a blank":    {func(c *Config) { c.Token = "Senti nel" }, "TELEGRAM_TOKEN holds a blank or another character that no token has"},
		"a newline":  {func(c *Config) { c.Token = "Sentinel\n" }, "TELEGRAM_TOKEN holds a blank or another character that no token has"},
		"a path":     {func(c *Config) { c.Token = "Sentinel/x" }, "TELEGRAM_TOKEN is not of the form 123456:ABC-DEF"},
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

func TestChatID(t *testing.T) {
	for recipient, want := range map[string]string{
		"123":                  "123",
		"0":                    "0",
		"-100123":              "-100123",
		"9223372036854775807":  "9223372036854775807",
		"-9223372036854775808": "-9223372036854775808",
		"9223372036854775808":  `"9223372036854775808"`,
		"007":                  `"007"`,
		"-0":                   `"-0"`,
		"+7":                   `"+7"`,
		"1e3":                  `"1e3"`,
		"1_000":                `"1_000"`,
		"@name":                `"@name"`,
		`a"b`:                  `"a\"b"`,
		"":                     `""`,
		"a\xffb":               `"a` + "\uFFFD" + `b"`,
	} {
		if got := string(chatID(recipient)); got != want {
			t.Errorf("%q: got %s, want %s", recipient, got, want)
		}
	}
}

func TestRecipientRates(t *testing.T) {
	group := outbox.Rate{N: 20, Per: time.Minute}
	aSecond, slow := outbox.Rate{N: 1, Per: time.Second}, outbox.Rate{N: 1, Per: time.Minute}
	for _, c := range []struct {
		rate      outbox.Rate
		recipient string
		want      outbox.Rate
	}{
		{aSecond, "123", aSecond},
		{aSecond, "-123", group},
		{aSecond, "@channel", group},
		{outbox.Rate{}, "123", outbox.Rate{}},
		{outbox.Rate{}, "-123", group},
		{slow, "123", slow},
		{slow, "-123", slow},
		{outbox.Rate{N: 1, Per: 3 * time.Second, Burst: 2}, "-1", outbox.Rate{N: 1, Per: 3 * time.Second, Burst: 2}},
		{outbox.Rate{N: 1 << 40, Per: time.Second}, "-1", group},
	} {
		if got := Recipient(c.rate)(c.recipient); got != c.want {
			t.Errorf("%+v to %s: got %+v, want %+v", c.rate, c.recipient, got, c.want)
		}
	}
}

// BenchmarkSend is the whole cost of a message, the server's included.
func BenchmarkSend(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":8714}}`)
	}))
	defer srv.Close()
	c, err := New(Config{BaseURL: srv.URL, Token: token, Concurrency: 64})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if o := c.Send(b.Context(), outbox.Delivery{Recipient: "1", Payload: "hello"}); o.Verdict != outbox.Accepted {
				b.Errorf("got %+v", o)
			}
		}
	})
}
