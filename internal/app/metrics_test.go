package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// What a dead process was sending is counted as uncertain by who comes after it, on a
// series that was there before: else Prometheus would see no increase.
func TestInterruptedAttemptsAreCounted(t *testing.T) {
	telegram := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"ok": true, "result": {"message_id": 1}}`))
	}))
	defer telegram.Close()
	url := config.SQLiteURL(filepath.Join(t.TempDir(), "store.db"))
	s, err := NewServer(t.Context(), options(t, url, "FERRYMAN_LISTEN=127.0.0.1:0", "TELEGRAM_TOKEN=1:t", "TELEGRAM_BASE_URL="+telegram.URL))
	if err != nil {
		t.Fatal(err)
	}
	wants := func(text string, n string) bool {
		return strings.Contains(text, `ferryman_delivery_attempts_total{channel="telegram",outcome="uncertain"} `+n+"\n")
	}
	if text := scrape(t, s.handler); !wants(text, "0") {
		t.Errorf("there is no series that could increase: %s", text)
	}
	add(t, s.db, s.outbox, outbox.Item{Channel: "telegram", Recipient: "1", Payload: "hello"})
	err = s.db.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO senders (id, name, alive_until) VALUES (77, 'dead', $1)", db.Time{Time: tx.Now()})
		if err == nil {
			_, err = tx.Exec(t.Context(), "UPDATE deliveries SET state = 1, sender_id = 77, claimed_at = $1, attempts = 1", db.Time{Time: tx.Now()})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() {}) }()
	testwait.Until(t, "they are counted", func() bool { return wants(scrape(t, s.handler), "1") })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
