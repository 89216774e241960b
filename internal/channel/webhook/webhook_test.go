package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ferryman/internal/channel/webhook"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/testaddr"
)

const (
	short    = 2 * time.Second  // where the time-out is what is tried: all before it must come through
	patience = 30 * time.Second // only something broken lasts so long
)

func channel(t testing.TB, c webhook.Config) *webhook.Channel {
	t.Helper()
	made, err := webhook.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func delivery() outbox.Delivery {
	return outbox.Delivery{ID: 7, UID: "msg_7", Payload: `{"text":"Grüße"}`, Attempt: 1}
}

type seen struct {
	header http.Header
	body   []byte
	method string
	target string
}

// receiver keeps what arrives.
func receiver(t testing.TB) (address string, arrived <-chan seen) {
	all := make(chan seen, 10)
	return serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		all <- seen{r.Header.Clone(), body, r.Method, r.URL.RequestURI()}
	}), all
}

// The reference library, not ours, says whether a signature is good.
func TestSigns(t *testing.T) {
	address, arrived := receiver(t)
	older, newer, third := strings.Repeat("o", webhook.MinSecret), strings.Repeat("n", webhook.MaxSecret), strings.Repeat("t", 32)
	for _, test := range []struct {
		name           string
		secrets        []string
		signs, signsNo []string
	}{
		{"one", []string{older}, []string{older}, []string{newer, third}},
		{"rotation", []string{newer, older}, []string{newer, older}, []string{third}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var secrets [][]byte
			for _, s := range test.secrets {
				secrets = append(secrets, []byte(s))
			}
			c := channel(t, webhook.Config{URL: address, Secrets: secrets})
			for attempt := range 2 {
				d := delivery()
				d.Attempt += attempt
				if o := c.Send(t.Context(), d); o.Verdict != outbox.Accepted {
					t.Fatalf("%+v", o)
				}
				got := <-arrived
				for _, secret := range test.signs {
					if err := verifier(t, secret).Verify(got.body, got.header); err != nil {
						t.Errorf("attempt %d: %v", d.Attempt, err)
					}
					if err := verifier(t, secret).Verify(append(got.body, ' '), got.header); err == nil {
						t.Error("the signature holds for another body")
					}
				}
				for _, secret := range test.signsNo {
					if err := verifier(t, secret).Verify(got.body, got.header); err == nil {
						t.Error("the signature holds for another secret")
					}
				}
				if id := got.header.Get("webhook-id"); id != d.UID {
					t.Errorf("attempt %d has the id %q", d.Attempt, id)
				}
			}
		})
	}
}

func verifier(t testing.TB, secret string) *standardwebhooks.Webhook {
	t.Helper()
	w, err := standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(secret)))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestRequest(t *testing.T) {
	address, arrived := receiver(t)
	address = strings.Replace(address, "http://", "http://user:pass@", 1) + "/hook?k=v"
	c := channel(t, webhook.Config{URL: address, Version: "1.2"})
	if o := c.Send(t.Context(), delivery()); o.Verdict != outbox.Accepted || o.Status != 200 {
		t.Fatalf("%+v", o)
	}
	got := <-arrived
	if got.method != "POST" || got.target != "/hook?k=v" || string(got.body) != delivery().Payload {
		t.Errorf("%s %s with %s", got.method, got.target, got.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "ferryman/1.2", "Authorization": "Basic dXNlcjpwYXNz", "Webhook-Signature": "",
	} {
		if is := got.header.Get(name); is != want {
			t.Errorf("%s is %q, want %q", name, is, want)
		}
	}
	if got.header.Get("Webhook-Timestamp") == "" {
		t.Error("no time-stamp without a secret")
	}
}

func TestEveryStatus(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "/200")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		if status >= 200 && status != 204 && status != 304 {
			fmt.Fprint(w, "said so")
		}
	})
	for status := 200; status <= 599; status++ {
		want := outbox.Outcome{
			Verdict: outbox.Retry, Status: status, Code: fmt.Sprintf("http_%d", status), Detail: "said so", RetryAfter: 7 * time.Second,
		}
		switch {
		case status == 204:
			want = outbox.Outcome{Verdict: outbox.Accepted, Status: status}
		case status <= 299:
			want = outbox.Outcome{Verdict: outbox.Accepted, Status: status, Detail: "said so"}
		case status == 304:
			want.Detail = "Not Modified"
		case status == 410:
			want.Verdict, want.RetryAfter, want.Detail = outbox.Blocked, 0, "the endpoint wants no more deliveries: said so"
		case status == 429, status == 502, status == 503, status == 504:
			want.Trouble, want.Rest = true, outbox.TheChannel
		}
		c := channel(t, webhook.Config{URL: fmt.Sprintf("%s/%d", address, status)})
		if got := c.Send(t.Context(), delivery()); got != want {
			t.Errorf("%d:\ngot  %+v\nwant %+v", status, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string][2]time.Duration{
		"":        {},
		"soon":    {},
		"-5":      {},
		"120":     {2 * time.Minute, 2 * time.Minute},
		"9999999": {24 * time.Hour, 24 * time.Hour},
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):       {58 * time.Minute, time.Hour},
		time.Now().Add(99 * time.Hour).UTC().Format(http.TimeFormat):  {24 * time.Hour, 24 * time.Hour},
		time.Now().Add(-99 * time.Hour).UTC().Format(http.TimeFormat): {},
	} {
		c := channel(t, webhook.Config{URL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(503)
		})})
		if o := c.Send(t.Context(), delivery()); o.RetryAfter < want[0] || o.RetryAfter > want[1] {
			t.Errorf("%q: %v, want %v", header, o.RetryAfter, want)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, strings.NewReader(strings.Repeat("ä", 1<<19)))
	})
	o := channel(t, webhook.Config{URL: address}).Send(t.Context(), delivery())
	if o.Verdict != outbox.Accepted || len(o.Detail) < outbox.MaxDetail-4 || len(o.Detail) > outbox.MaxDetail {
		t.Errorf("%s with %d bytes", o.Verdict, len(o.Detail))
	}
}

// The status settles it, though the rest of the answer is late or missing.
func TestBrokenAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		rest    func(*http.Request)
	}{
		"reset": {patience, func(*http.Request) { panic(http.ErrAbortHandler) }},
		"slow":  {short, func(r *http.Request) { <-r.Context().Done() }},
	} {
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "beginning")
			_ = http.NewResponseController(w).Flush()
			test.rest(r)
		})
		c := channel(t, webhook.Config{URL: address, Timeout: test.timeout})
		if o := c.Send(t.Context(), delivery()); o.Verdict != outbox.Accepted || o.Detail != "beginning" {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestSilence(t *testing.T) {
	release := make(chan struct{})
	silent := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
	})
	t.Cleanup(func() { close(release) })
	abrupt := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, test := range []struct {
		name, address string
		timeout       time.Duration
		calledOff     bool
		want          outbox.Outcome
	}{
		{"slow", silent, short, false, outbox.Outcome{Verdict: outbox.Uncertain, Code: "timeout", Trouble: true}},
		{"reset after reading", abrupt, patience, false, outbox.Outcome{Verdict: outbox.Uncertain, Code: "reset", Trouble: true}},
		{"not there", testaddr.New(t).URL(), patience, false, outbox.Outcome{Verdict: outbox.Retry, Code: "refused", Trouble: true}},
		{"no such name", "http://missing.invalid/", patience, false, outbox.Outcome{Verdict: outbox.Retry, Code: "dns", Trouble: true}},
		{"no TLS there", strings.Replace(silent, "http:", "https:", 1), patience, false, outbox.Outcome{Verdict: outbox.Retry, Code: "tls", Trouble: true}},
		{"called off before", silent, patience, true, outbox.Outcome{Verdict: outbox.Retry, Code: "canceled"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.calledOff {
				cancel()
			}
			o := channel(t, webhook.Config{URL: test.address, Timeout: test.timeout}).Send(ctx, delivery())
			if o.Detail == "" {
				t.Error("it does not say why")
			}
			o.Detail = ""
			if o != test.want {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestCalledOffMeanwhile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if o := channel(t, webhook.Config{URL: address}).Send(ctx, delivery()); o.Verdict != outbox.Uncertain || o.Trouble {
		t.Errorf("%+v", o)
	}
}

func TestTellsNoSecret(t *testing.T) {
	key := strings.Repeat("k", 32)
	text := base64.StdEncoding.EncodeToString([]byte(key))
	for what, answer := range map[string]string{
		"the secret": "got whsec_" + text, "the password": "hello pass-word", "the query": "sent to /?token=abcdefghij",
		"a value of the query": "token abcdefghij is not valid", "the user": "no user some-user",
		"the path": "Cannot POST /hooks/B01234567/XyzzyPlughPloverFee", "a short part of the path": "no team B01234567",
		"the header": "Authorization was Basic " + base64.StdEncoding.EncodeToString([]byte("some-user:pass-word")),
	} {
		address := strings.Replace(serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			fmt.Fprint(w, answer)
		}), "http://", "http://some-user:pass-word@", 1) + "/hooks/B01234567/XyzzyPlughPloverFee?token=abcdefghij"
		o := channel(t, webhook.Config{URL: address, Secrets: [][]byte{[]byte(key)}}).Send(t.Context(), delivery())
		for _, secret := range []string{text, "pass-word", "abcdefghij", "some-user", "B01234567", "Xyzzy", "c29tZS11c2Vy"} {
			if strings.Contains(o.Detail, secret) {
				t.Errorf("echo of %s: %q holds %q", what, o.Detail, secret)
			}
		}
	}
	for _, host := range []string{"127.0.0.1:1", "missing.invalid"} {
		var log bytes.Buffer
		o := channel(t, webhook.Config{
			URL:    "http://some-user:pass-word@" + host + "/hooks/plain/XyzzyPlughPloverFee?token=abcdefghij",
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}).Send(t.Context(), delivery())
		for _, secret := range []string{"pass-word", "abcdefghij", "some-user", "plain", "Xyzzy"} {
			if said := o.Detail + log.String(); strings.Contains(said, secret) {
				t.Errorf("%q holds %q", said, secret)
			}
		}
		for _, said := range []string{o.Detail, log.String()} {
			if !strings.Contains(said, "http://"+host+"/***") {
				t.Errorf("%q does not name the host", said)
			}
		}
	}
}

// Only what looks like a secret is held back: what an answer says is of use.
func TestTellsWhatTheAnswerSays(t *testing.T) {
	const answer = "Cannot POST /hooks/contacts"
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		fmt.Fprint(w, answer)
	})
	if o := channel(t, webhook.Config{URL: address + "/hooks/contacts"}).Send(t.Context(), delivery()); o.Detail != answer {
		t.Errorf("%q", o.Detail)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, address := range []string{"", "example.com", "ftp://example.com", "http://", "http://:80", "http://a b", "/x", "file:///etc/passwd"} {
		if _, err := webhook.New(webhook.Config{URL: address}); fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "webhook_url" {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, n := range []int{0, 23, 65} {
		_, err := webhook.New(webhook.Config{URL: "http://example.com", Secrets: [][]byte{make([]byte, n)}})
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "webhook_secret" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestProfiles(t *testing.T) {
	seed, standard := webhook.Profile(webhook.SeedProfile), webhook.Profile(webhook.StandardProfile)
	if len(seed.Pauses) != 9 || len(standard.Pauses) != 9 {
		t.Errorf("%d and %d pauses, want 9 each", len(seed.Pauses), len(standard.Pauses))
	}
	if seed.Jitter != 0.2 {
		t.Errorf("jitter %v", seed.Jitter)
	}
	for i, p := range seed.Pauses {
		if p != time.Second<<i {
			t.Errorf("seed: pause %d is %v", i+1, p)
		}
	}
	var sum time.Duration
	for _, p := range standard.Pauses {
		sum += p
	}
	if want := 75*time.Hour + 35*time.Minute + 5*time.Second; sum != want {
		t.Errorf("standard lasts %v, want %v", sum, want)
	}
}
