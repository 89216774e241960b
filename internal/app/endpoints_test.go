package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ferryman/internal/channel/webhook"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// posted is what a receiver got.
type posted struct {
	path   string
	header http.Header
	body   []byte
}

// receiver answers with the status that the path begins with, or 200.
func receiver(t *testing.T) (address string, got <-chan posted) {
	t.Helper()
	all := make(chan posted, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		all <- posted{r.URL.Path, r.Header.Clone(), body}
		if strings.HasPrefix(r.URL.Path, "/gone") {
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, all
}

// hookNode is what of a server serves webhooks.
type hookNode struct {
	*endpoints
	db       *db.DB
	box      *outbox.Outbox
	log      *lockedBuffer
	webhooks *endpoint.Webhooks
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startNode(t *testing.T, d *db.DB, o endpointOptions) *hookNode {
	t.Helper()
	w, err := endpoint.Open(d, []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	n := &hookNode{db: d, log: &lockedBuffer{}, webhooks: w}
	o.Log = slog.New(slog.NewTextHandler(n.log, nil))
	n.box = outbox.New(d, outbox.Options{Node: "test"})
	n.endpoints = newEndpoints(w, n.box, o)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { n.Run(ctx) })
	wg.Go(func() {
		if err := n.box.Run(ctx, time.Second); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return n
}

func (n *hookNode) post(t *testing.T, name, payload string) {
	t.Helper()
	err := n.db.Tx(t.Context(), func(tx *db.Tx) error {
		_, _, err := n.box.Add(t.Context(), tx, []outbox.Item{{Topic: outbox.Alert, Channel: "webhook/" + name, Recipient: name, Payload: payload}}, outbox.Refuse)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n.box.Wake("webhook/" + name)
}

func (n *hookNode) stats(t *testing.T, name string) outbox.ChannelStats {
	t.Helper()
	all, err := n.box.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == "webhook/"+name {
			return s
		}
	}
	return outbox.ChannelStats{}
}

func address(t *testing.T, text string) endpoint.Address {
	t.Helper()
	a, err := endpoint.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (n *hookNode) add(t *testing.T, name, url string) endpoint.Webhook {
	t.Helper()
	w, err := n.webhooks.Add(t.Context(), endpoint.Webhook{Name: name, URL: address(t, url), Secret: endpoint.NewSecret(), Profile: endpoint.Seed})
	if err != nil {
		t.Fatal(err)
	}
	n.Look()
	return w
}

func verified(t *testing.T, p posted, secret endpoint.Secret) bool {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(base64.StdEncoding.EncodeToString(secret.Key()))
	if err != nil {
		t.Fatal(err)
	}
	return w.Verify(p.body, p.header) == nil
}

func TestWebhooksComeAndGo(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		url, got := receiver(t)
		n := startNode(t, d, endpointOptions{})
		n.post(t, "shop", `{"n":1}`) // waits until there is such a webhook
		first := n.add(t, "shop", url+"/one")
		if p := testwait.Receive(t, got); p.path != "/one" || string(p.body) != `{"n":1}` || !verified(t, p, first.Secret) {
			t.Errorf("got %+v", p)
		}

		second := endpoint.NewSecret()
		if _, err := n.webhooks.Rotate(t.Context(), "shop", second); err != nil {
			t.Fatal(err)
		}
		// Nobody tells: it is found.
		testwait.Until(t, "both secrets sign", func() bool {
			n.post(t, "shop", `{"n":2}`)
			p := testwait.Receive(t, got)
			return verified(t, p, first.Secret) && verified(t, p, second)
		})

		if err := n.webhooks.Remove(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		n.Look()
		testwait.Until(t, "it is served no more", func() bool { return !n.stats(t, "shop").Configured })
		n.post(t, "shop", `{"n":3}`)
		if s := n.stats(t, "shop"); s.Waiting != 1 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
		n.add(t, "shop", url+"/two")
		if p := testwait.Receive(t, got); p.path != "/two" || string(p.body) != `{"n":3}` {
			t.Errorf("got %s %s", p.path, p.body)
		}
		for _, hidden := range []string{"whsec_", base64.StdEncoding.EncodeToString(second.Key())} {
			if strings.Contains(n.log.String(), hidden) {
				t.Error("a secret is logged")
			}
		}
	})
}

// To set a channel anew lifts a pause that a fault made, so that must happen only
// for a webhook that was changed.
func TestOthersStayAsTheyAre(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		url, got := receiver(t)
		n := startNode(t, d, endpointOptions{})
		n.add(t, "gone", url+"/gone")
		n.post(t, "gone", "{}")
		testwait.Receive(t, got)
		testwait.Until(t, "it is paused", func() bool { return n.stats(t, "gone").PausedBy == "fault" })
		n.add(t, "other", url+"/other")
		n.post(t, "other", "{}")
		if p := testwait.Receive(t, got); p.path != "/other" {
			t.Errorf("posted to %s", p.path)
		}
		if s := n.stats(t, "gone"); s.PausedBy != "fault" || s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
		// One that is changed is tried again.
		if _, err := n.webhooks.Rotate(t.Context(), "gone", endpoint.NewSecret()); err != nil {
			t.Fatal(err)
		}
		n.Look()
		if p := testwait.Receive(t, got); p.path != "/gone" {
			t.Errorf("posted to %s", p.path)
		}
	})
}

func TestWebhooksAreGuarded(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	url, got := receiver(t)
	n := startNode(t, d, endpointOptions{Guard: true, AllowHosts: []string{"localhost"}})
	n.add(t, "inner", url+"/inner")
	n.add(t, "named", strings.Replace(url, "127.0.0.1", "localhost", 1)+"/named")
	n.post(t, "inner", "{}")
	n.post(t, "named", "{}")
	if p := testwait.Receive(t, got); p.path != "/named" {
		t.Errorf("posted to %s", p.path)
	}
	testwait.Until(t, "the other is paused", func() bool { return n.stats(t, "inner").PausedBy == "fault" })
	if s := n.stats(t, "inner"); s.Waiting != 1 || !strings.Contains(s.PauseReason, "address_refused") && !strings.Contains(s.PauseReason, "public") {
		t.Errorf("%+v", s)
	}
}

// The server goes on without webhooks, and tells of it once.
func TestWebhooksOfAnotherSecret(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	url, _ := receiver(t)
	other, err := endpoint.Open(d, []byte("another secret"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Add(t.Context(), endpoint.Webhook{Name: "shop", URL: address(t, url)}); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, d, endpointOptions{})
	testwait.Until(t, "it is logged", func() bool { return strings.Contains(n.log.String(), "sealed with another secret") })
	if err := n.look(t.Context()); !errors.Is(err, endpoint.ErrSecretDiffers) {
		t.Error(err)
	}
	if err := other.Remove(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	n.add(t, "shop", url)
	testwait.Until(t, "it is served", func() bool { return n.stats(t, "shop").Configured })
	if times := strings.Count(n.log.String(), "sealed with another secret"); times != 1 {
		t.Errorf("logged %d times", times)
	}
}

// A store whose webhooks were sealed with a secret that is gone gets no other one.
func TestSecretOfWebhooksIsNotReplaced(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		o := options(t, url)
		a, file := admin(t, o)
		w, err := a.Webhooks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(t.Context(), endpoint.Webhook{Name: "shop", URL: address(t, "https://example.com")}); err != nil {
			t.Fatal(err)
		}
		o.Config.Store.StateDir = t.TempDir()
		again, other := admin(t, o)
		if other == file {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		_, err = again.Webhooks(t.Context())
		if fault.CodeOf(err) != "secret_missing" || !strings.Contains(err.Error(), "has webhooks") || !strings.Contains(err.Error(), "webhook rm") {
			t.Fatal(err)
		}
		if err := again.WebhookRegistry().Remove(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		if _, err := again.Webhooks(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What the registry takes is what the channel knows: an unknown profile would pass
// for another in silence.
func TestProfilesAreKnown(t *testing.T) {
	if got, want := endpoint.Profiles(), []string{webhook.SeedProfile, webhook.StandardProfile}; !slices.Equal(got, want) {
		t.Errorf("the registry takes %v, and the channel knows %v", got, want)
	}
}
