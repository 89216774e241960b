package messenger

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ferryman/internal/httpclient"
	"ferryman/internal/outbox"
)

// post sends a message to what answers so, by a vendor who says only "taken".
func post(ctx context.Context, t *testing.T, answer http.HandlerFunc) outbox.Outcome {
	t.Helper()
	srv := httptest.NewServer(answer)
	defer srv.Close()
	address, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(Vendor{Address: "X_BASE_URL", Token: "X_TOKEN", Own: func(e httpclient.Exchange) (outbox.Outcome, bool) {
		return outbox.Outcome{Verdict: outbox.Accepted}, string(e.Body) == "taken"
	}}, httpclient.Options{})
	defer c.Close()
	return c.Post(ctx, httpclient.Request{URL: address}, "hello")
}

// What is blocked says what to do.
func TestRemedies(t *testing.T) {
	for status, want := range map[int]string{
		302: "redirects are not followed: check X_BASE_URL: <p>hm</p>",
		401: "check X_TOKEN: <p>hm</p>",
		404: "nothing answers there: check X_BASE_URL: <p>hm</p>",
		407: "check the credentials in HTTP_PROXY and HTTPS_PROXY: <p>hm</p>",
		500: "<p>hm</p>",
	} {
		o := post(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<p>hm</p>")
		})
		if o.Detail != want || o.Code != fmt.Sprintf("http_%d", status) {
			t.Errorf("%d: got %+v, want %q", status, o, want)
		}
	}
}

// An answer that is cut counts for what it says, if that is enough.
func TestCutAnswers(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		verdict outbox.Verdict
		trouble bool
		code    string
	}{
		{200, "taken", outbox.Accepted, false, ""},
		{200, "tak", outbox.Uncertain, true, "truncated"},
		{500, "tak", outbox.Retry, true, "http_500"},
		{401, "tak", outbox.Blocked, false, "http_401"},
	} {
		o := post(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		if o.Verdict != c.verdict || o.Trouble != c.trouble || o.Code != c.code || o.Status != c.status {
			t.Errorf("%d %s: got %+v", c.status, c.body, o)
		}
	}
}

func TestMessageThatIsNoJSON(t *testing.T) {
	c := NewClient(Vendor{}, httpclient.Options{})
	defer c.Close()
	o := c.Post(t.Context(), httpclient.Request{URL: &url.URL{Scheme: "http", Host: "messenger.invalid"}}, math.NaN())
	if o.Verdict != outbox.Rejected || o.Code != "invalid_message" {
		t.Errorf("got %+v", o)
	}
}

func TestSeconds(t *testing.T) {
	for n, want := range map[int64]time.Duration{
		math.MinInt64: 0, -1: 0, 0: 0, 1: time.Second, 86400: LongestWait, 86401: LongestWait, math.MaxInt64: LongestWait,
	} {
		if got := Seconds(n); got != want {
			t.Errorf("%d: got %v, want %v", n, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s") + strings.Repeat("x", rapid.IntRange(0, 4).Draw(t, "shift")) +
			strings.Repeat("🙂", rapid.IntRange(0, 1100).Draw(t, "n"))
		got := cut(s)
		if !strings.HasPrefix(s, got) || !utf8.ValidString(got) || len(got) > outbox.MaxDetail || len(got) < min(len(s), outbox.MaxDetail-3) {
			t.Fatalf("%d bytes of %d", len(got), len(s))
		}
	})
}
