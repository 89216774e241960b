package webhook_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ferryman/internal/channel/webhook"
	"ferryman/internal/outbox"
	"ferryman/internal/outbox/outboxtest"
)

func TestConformance(t *testing.T) {
	key := strings.Repeat("k", 32)
	const userInfo, query = "some-user:pass-word", "token=abcdefghij"
	outboxtest.TestChannel(t, func(t *testing.T, o outboxtest.Opening) outbox.Channel {
		u, err := url.Parse(o.BaseURL)
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.RawQuery = url.UserPassword("some-user", "pass-word"), query
		return channel(t, webhook.Config{URL: u.String(), Secrets: [][]byte{[]byte(key)}, Timeout: o.Timeout, Logger: o.Logger, Conns: 16})
	}, outboxtest.Table{
		Secrets:    []string{base64.StdEncoding.EncodeToString([]byte(key)), key, "pass-word", "abcdefghij", base64.StdEncoding.EncodeToString([]byte(userInfo))},
		Recipients: []string{"shop"},
		Arrived: func(d outbox.Delivery, r *http.Request, body []byte) error {
			if string(body) != d.Payload || r.Header.Get("Webhook-Id") != d.UID || r.URL.RawQuery != query {
				return fmt.Errorf("got %q as %s", body, r.Header.Get("Webhook-Id"))
			}
			return verifier(t, key).Verify(body, r.Header)
		},
		Accept: outboxtest.Answer{Status: 200, Body: `{"ok":true}`},
		Status: func(status int) outbox.Outcome {
			switch status {
			case 410:
				return outbox.Outcome{Verdict: outbox.Blocked}
			case 429, 502, 503, 504:
				return outbox.Outcome{Verdict: outbox.Retry, Trouble: true, Rest: outbox.TheChannel}
			}
			if status/100 == 2 {
				return outbox.Outcome{Verdict: outbox.Accepted}
			}
			return outbox.Outcome{Verdict: outbox.Retry}
		},
		Answers: []outboxtest.Case{
			{Name: "taken without a word", Answer: outboxtest.Answer{Status: 204}, Want: outbox.Outcome{Verdict: outbox.Accepted}},
			{
				Name:   "no longer wanted",
				Answer: outboxtest.Answer{Status: 410, Header: http.Header{"Retry-After": {"60"}}, Body: "unsubscribed"},
				Want:   outbox.Outcome{Verdict: outbox.Blocked, Code: "http_410"},
			},
			{
				Name:   "no such address", // it may be there again after the next deployment
				Answer: outboxtest.Answer{Status: 404, Body: "nothing here"},
				Want:   outbox.Outcome{Verdict: outbox.Retry, Code: "http_404"},
			},
		},
	})
}
