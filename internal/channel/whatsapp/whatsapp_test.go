package whatsapp

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

const token = "EAAJB5f8QmZBkBOzM2kcZCsecret0123456789"

func open(t *testing.T, o outboxtest.Opening) outbox.Channel {
	t.Helper()
	c, err := New(Config{BaseURL: o.BaseURL, APIVersion: "v23.0", PhoneNumberID: "106540352242922", Token: token, Timeout: o.Timeout, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// arrived compares a request with what the API wants.
func arrived(d outbox.Delivery, r *http.Request, body []byte) error {
	if r.URL.Path != "/v23.0/106540352242922/messages" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer "+token {
		return fmt.Errorf("sent to %s as %s with %q", r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"))
	}
	type text struct {
		Body string `json:"body"`
	}
	var got struct {
		Product string `json:"messaging_product"`
		To      string `json:"to"`
		Type    string `json:"type"`
		Text    text   `json:"text"`
		UID     string `json:"biz_opaque_callback_data"`
	}
	if err := json.Unmarshal(body, &got, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	if got.Product != "whatsapp" || got.To != d.Recipient || got.Type != "text" || got.Text.Body != d.Payload || got.UID != d.UID {
		return fmt.Errorf("sent %.200s", body)
	}
	return nil
}

func failed(status, code int, more string) outboxtest.Answer {
	return outboxtest.Answer{Status: status, Body: fmt.Sprintf(
		`{"error":{"message":"(#%d) what it means","type":"OAuthException","code":%d,"error_data":{"messaging_product":"whatsapp","details":"more"},"fbtrace_id":"Az8or2yhqkZfEZ-_4Qn_Bam"%s}}`, code, code, more)}
}

// want is what codes mean, each in a row of its own.
func want() map[int]outbox.Outcome {
	rejected := outbox.Outcome{Verdict: outbox.Rejected}
	blocked := outbox.Outcome{Verdict: outbox.Blocked}
	trouble := outbox.Outcome{Verdict: outbox.Retry, Trouble: true}
	tooMany := outbox.Outcome{Verdict: outbox.Retry, Rest: outbox.TheChannel, Trouble: true}
	return map[int]outbox.Outcome{
		0: blocked, 1: trouble, 2: trouble, 3: blocked, 4: tooMany, 10: blocked, 33: blocked, 100: rejected, 102: blocked, 190: blocked,
		200: blocked, 299: blocked, 300: rejected, 368: blocked, 2500: blocked, 80007: tooMany,
		130429: tooMany, 130472: rejected, 130497: rejected,
		131000: trouble, 131005: blocked, 131008: rejected, 131009: rejected, 131016: trouble, 131021: rejected, 131026: rejected,
		131030: rejected, 131031: blocked, 131037: blocked, 131042: blocked, 131045: blocked, 131047: rejected, 131048: tooMany,
		131049: rejected, 131050: rejected, 131051: rejected,
		131056: {Verdict: outbox.Retry, Rest: outbox.TheRecipient, RetryAfter: 6 * time.Second},
		131057: trouble, 133004: trouble, 133010: blocked, 135000: rejected, 999999: rejected,
	}
}

func answers() []outboxtest.Case {
	var all []outboxtest.Case
	for code, want := range want() {
		want.Code = strconv.Itoa(code)
		all = append(all, outboxtest.Case{Name: fmt.Sprintf("code %d", code), Answer: failed(400, code, ""), Want: want})
	}
	rejected := func(code string) outbox.Outcome { return outbox.Outcome{Verdict: outbox.Rejected, Code: code} }
	blocked := func(code string) outbox.Outcome { return outbox.Outcome{Verdict: outbox.Blocked, Code: code} }
	trouble := func(code string) outbox.Outcome {
		return outbox.Outcome{Verdict: outbox.Retry, Code: code, Trouble: true}
	}
	pair := failed(429, 131056, "")
	pair.Header = http.Header{"Retry-After": {"20"}}
	return append(all,
		outboxtest.Case{Name: "the code counts and not the status", Answer: failed(500, 131026, ""), Want: rejected("131026")},
		outboxtest.Case{Name: "another's phone number", Answer: failed(400, 100, `,"error_subcode":33`), Want: blocked("100")},
		outboxtest.Case{Name: "another subcode", Answer: failed(400, 100, `,"error_subcode":2494055`), Want: rejected("100")},
		outboxtest.Case{Name: "an unknown code that will pass", Answer: failed(400, 999999, `,"is_transient":true`), Want: trouble("999999")},
		outboxtest.Case{Name: "an unknown code with 500", Answer: failed(500, 999999, ""), Want: trouble("999999")},
		outboxtest.Case{Name: "an unknown code with 401", Answer: failed(401, 999999, ""), Want: blocked("999999")},
		outboxtest.Case{Name: "an unknown code with 429", Answer: failed(429, 999999, ""), Want: outbox.Outcome{
			Verdict: outbox.Retry, Code: "999999", Rest: outbox.TheChannel, Trouble: true}},
		outboxtest.Case{Name: "a recipient's rate with a time", Answer: pair, Want: outbox.Outcome{
			Verdict: outbox.Retry, Code: "131056", Rest: outbox.TheRecipient, RetryAfter: 20 * time.Second}},
		outboxtest.Case{Name: "held for a check of its quality", Answer: outboxtest.Answer{Status: 200, Body: `{"messages":[{"id":"wamid.X","message_status":"held_for_quality_assessment"}]}`},
			Want: outbox.Outcome{Verdict: outbox.Accepted, Reference: "wamid.X"}},
		outboxtest.Case{Name: "an error without a code", Answer: outboxtest.Answer{Status: 500, Body: `{"error":{"message":"no"}}`}, Want: trouble("http_500")},
		outboxtest.Case{Name: "an error that is text", Answer: outboxtest.Answer{Status: 502, Body: `{"error":"no"}`}, Want: trouble("http_502")},
		outboxtest.Case{Name: "no messages", Answer: outboxtest.Answer{Status: 200, Body: `{"messages":[]}`},
			Want: outbox.Outcome{Verdict: outbox.Uncertain, Code: "http_200", Trouble: true}},
		outboxtest.Case{Name: "accepted with a status of 500", Answer: outboxtest.Answer{Status: 500, Body: `{"messages":[{"id":"wamid.X"}]}`}, Want: trouble("http_500")},
	)
}

func TestConformance(t *testing.T) {
	const id = "wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI1RjQyNUE3NEYxMzAzMzQ5MkEA"
	outboxtest.TestChannel(t, open, outboxtest.Table{
		Secrets:    []string{token},
		Recipients: []string{"380501234567", "+380501234567", `"a\b"`},
		Arrived:    arrived,
		Accept: outboxtest.Answer{Status: 200, Body: `{"messaging_product":"whatsapp","contacts":[{"input":"380501234567","wa_id":"380501234567"}],"messages":[{"id":"` +
			id + `"}]}`},
		Reference: id,
		Status:    outboxtest.MessengerStatus,
		Answers:   answers(),
	})
}

// Every code that has a meaning of its own is among the answers tried.
func TestEveryMeaningIsTried(t *testing.T) {
	for code := range meanings {
		if _, ok := want()[code]; !ok {
			t.Errorf("%d is not tried", code)
		}
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{BaseURL: vendorURL, APIVersion: someVersion, PhoneNumberID: "1", Token: token}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	const notANumber, notAVersion = "WHATSAPP_PHONE_NUMBER_ID is not a number", "WHATSAPP_API_VERSION is not a version"
	for name, c := range map[string]struct {
		change func(*Config)
		detail string
	}{
		"no address":           {func(c *Config) { c.BaseURL = "" }, "WHATSAPP_BASE_URL does not begin with http:// or https://"},
		"no token":             {func(c *Config) { c.Token = "" }, "WHATSAPP_TOKEN is not set"},
		"a blank":              {func(c *Config) { c.Token = "Sentinel " }, "WHATSAPP_TOKEN holds a blank or another character that no token has"},
		"no phone number id":   {func(c *Config) { c.PhoneNumberID = "" }, notANumber},
		"a phone number":       {func(c *Config) { c.PhoneNumberID = "+38050" }, notANumber},
		"a path":               {func(c *Config) { c.PhoneNumberID = "1/../2" }, notANumber},
		"no version":           {func(c *Config) { c.APIVersion = "" }, notAVersion},
		"a version without v":  {func(c *Config) { c.APIVersion = "23.0" }, notAVersion},
		"nothing but v":        {func(c *Config) { c.APIVersion = "v" }, notAVersion},
		"a version and a path": {func(c *Config) { c.APIVersion = "v23.0/x" }, notAVersion},
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
