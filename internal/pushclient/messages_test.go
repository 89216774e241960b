package pushclient

import (
	"strings"
	"testing"

	"ferryman/internal/fault"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client()
	if _, err := c.Send(t.Context(), JSONLines(strings.NewReader(file(2500))), options(told{})); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.messages[1]["state"], s.messages[2]["state"] = "sent", "failed"
	s.mu.Unlock()

	seen, after, pages := 0, int64(0), 0
	for more := true; more; pages++ {
		page, next, err := c.List(t.Context(), Filter{After: after, Limit: MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		seen, after, more = seen+len(page), page[len(page)-1].ID, next
	}
	if seen != 2500 || pages != 3 {
		t.Errorf("%d messages on %d pages", seen, pages)
	}
	if page, _, err := c.List(t.Context(), Filter{UserID: "nobody"}); err != nil || len(page) != 0 {
		t.Errorf("got %v, %v", page, err)
	}

	m, err := c.Get(t.Context(), 1)
	if err != nil || m.ID != 1 || m.State != "scheduled" || m.LastError != "" || m.NextAttemptAt == nil || !strings.Contains(string(m.JSON), `"last_error":null`) {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err = c.Move(t.Context(), 1, "2030-01-02T03:04:05Z"); err != nil || m.StartAt == nil {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err = c.Move(t.Context(), 1, ""); err != nil || m.StartAt != nil {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err = c.Retry(t.Context(), 3); err != nil || m.State != "scheduled" {
		t.Errorf("got %+v, %v", m, err)
	}
	if err = c.Cancel(t.Context(), 1); err != nil {
		t.Error(err)
	}

	err = c.Cancel(t.Context(), 2)
	if fault.KindOf(err) != fault.Conflict || !strings.HasPrefix(err.Error(), "message 2: ") || !strings.Contains(err.Error(), "The message is sent.") {
		t.Errorf("got %v", err)
	}
	if _, err = c.Retry(t.Context(), 1); fault.KindOf(err) != fault.Conflict {
		t.Errorf("got %v", err)
	}
	if _, err = c.Get(t.Context(), 9999); fault.CodeOf(err) != "no_message" || !strings.Contains(err.Error(), "no message 9999") {
		t.Errorf("got %v", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:8080", "ftp://host", "http://", "://"} {
		if _, err := New(Options{URL: url}); fault.KindOf(err) != fault.Unconfigured {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

func TestMessenger(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"viber": "0", "Telegram": "1", "WhatsApp": "2", "2": "2", "3": "", "": "", "signal": ""} {
		if got, ok := MessengerID(name); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", name, got, ok)
		}
	}
	if MessengerName(1) != "telegram" || MessengerName(7) != "7" || MessengerName(-1) != "-1" {
		t.Error("a name is wrong")
	}
}
