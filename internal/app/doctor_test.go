package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/doctor"
	"ferryman/internal/outbox"
)

// lines are findings, one a line.
func lines(all []doctor.Finding) string {
	var text strings.Builder
	for _, f := range all {
		text.WriteString(string(f.Level) + " " + f.Check + ": " + f.Detail + " → " + f.Remedy + "\n")
	}
	return text.String()
}

// A doctor finds a healthy server healthy, on either database, and says of a store that
// is not migrated so much.
func TestDoctor(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		upstream := httptest.NewServer(http.NotFoundHandler())
		defer upstream.Close()
		o := options(t, url, "FERRYMAN_LISTEN=127.0.0.1:0", "API_TOKEN=t", "API_BASE_URL="+upstream.URL,
			"TELEGRAM_TOKEN=1:t", "TELEGRAM_BASE_URL="+upstream.URL)
		hook := config.NewCampaign()
		hook.Name, hook.ID, hook.Mode, hook.BaseURL, hook.Target = "c", "c", config.ModeWebhook, upstream.URL, config.NewSecret(upstream.URL+"/secret")
		table := hook
		table.Name, table.Mode, table.Target = "d", config.ModeSync, config.NewSecret(url)
		looked := o // at: the server itself syncs no campaigns
		looked.Config.Campaigns = []config.Campaign{hook, table}

		before := lines(Doctor(t.Context(), looked, Examined{}))
		if strings.Contains(before, "problem ") || !strings.Contains(before, "is free") || strings.Count(before, "campaign API: ") != 1 {
			t.Errorf("before the first start:\n%s", before)
		}
		s, err := NewServer(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.keys.Create(t.Context(), apikey.BuiltIn, apikey.Read, time.Time{}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ready, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
		select {
		case <-ready:
		case err := <-ended:
			t.Fatal(err)
		}
		looked.Config.Server.Listen = s.listener.Addr().String()
		text := lines(Doctor(t.Context(), looked, Examined{}))
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if strings.Contains(text, "problem ") || strings.Contains(text, upstream.URL+"/secret") {
			t.Errorf("while it runs:\n%s", text)
		}
		for _, want := range []string{
			"is ready: store, node", "as this ferryman has it", "is the one that the store's keys were made with", "ok target of c: http://", "ok telegram: http://",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it lacks %q:\n%s", want, text)
			}
		}
		looked.Config.Store.Secret = config.NewSecret("0123456789-given-to-this-node-alone-0123456789")
		looked.Config.Server.Listen = "0.0.0.0:0"
		if text := lines(Doctor(t.Context(), looked, Examined{Offline: true})); !strings.Contains(text, "problem secret: ") ||
			strings.Contains(text, "campaign API") || strings.Contains(text, "given-to-this-node") {
			t.Errorf("with another secret:\n%s", text)
		}
	})
}

// Beyond loopback a server wants a key.
func TestDoctorMissesAKey(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		o := options(t, url, "FERRYMAN_LISTEN=0.0.0.0:0")
		const open = "there is no key: the server would not start"
		if text := lines(Doctor(t.Context(), o, Examined{Offline: true})); !strings.Contains(text, open) {
			t.Errorf("without a store:\n%s", text)
		}
		a, _ := admin(t, o)
		if text := lines(Doctor(t.Context(), o, Examined{Offline: true})); !strings.Contains(text, open) {
			t.Errorf("without a key:\n%s", text)
		}
		if _, err := createKey(t, a); err != nil {
			t.Fatal(err)
		}
		if text := lines(Doctor(t.Context(), o, Examined{Offline: true})); strings.Contains(text, "problem ") {
			t.Errorf("with a key:\n%s", text)
		}
	})
}

// What a server would have to tell is told without one, from the store.
func TestDoctorTellsOfTrouble(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		o := options(t, url, "FERRYMAN_LISTEN=127.0.0.1:0")
		look := func() string {
			t.Helper()
			return lines(Doctor(t.Context(), o, Examined{Offline: true}))
		}
		if text := look(); !strings.Contains(text, "ok work: not looked at: there is no store yet") {
			t.Errorf("without a store:\n%s", text)
		}
		d := dbtest.Open(t, url, db.Options{})
		box := outbox.New(d, outbox.Options{})
		add(t, d, box, outbox.Item{Topic: outbox.Alert, Channel: "webhook/pager", Recipient: "pager", Payload: "{}"},
			outbox.Item{Topic: outbox.Message, Channel: "telegram", Recipient: "1", Payload: "secret text"})
		if text := look(); !strings.Contains(text, "ok work: no node is silent") {
			t.Errorf("while all is well:\n%s", text)
		}
		write := func(statement string, args ...any) {
			t.Helper()
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), statement, args...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		at := db.Time{Time: d.Now().Add(-time.Hour)}
		write("INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ('web-1-a', 'v0', '', 1, $1)", at)
		write("INSERT INTO channels (name, configured, paused_by, pause_reason) VALUES ('webhook/pager', TRUE, 'fault', 'address_refused: it is private'), ('viber', TRUE, 'fault', 'nothing waits')")
		write("INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at, ended_at, last_error) VALUES (4, 1, 'telegram', '1', 'secret text', 1, 1, $1, '401: bad token')", at)
		write("INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at, ended_at) VALUES (4, 0, 'telegram', '1', 'secret text', 1, 1, $1), (4, 1, 'telegram', '1', 'old', 1, 1, 1)", at)
		text := look()
		for _, want := range []string{
			"warning work: the node web-1-a has been silent since ",
			"warning work: webhook/pager was paused by a fault: address_refused: it is private; deliveries that wait: 1, alerts among them: 1 → mend what it says, then ferryman outbox resume webhook/pager",
			"warning work: the alert 3 could not be delivered by telegram at ", ": 401: bad token → ferryman outbox show 3 ",
			"warning work: messages that failed for good in the last day: 1",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("it lacks %q:\n%s", want, text)
			}
		}
		if strings.Count(text, " work: ") != 4 || strings.Contains(text, "secret text") || strings.Contains(text, "problem ") {
			t.Errorf("it tells more:\n%s", text)
		}
	})
}
