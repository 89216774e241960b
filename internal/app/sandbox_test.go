package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/testwait"
)

func TestSandboxRefuses(t *testing.T) {
	for mention, start := range map[string]func() (*Sandbox, error){
		"loopback": func() (*Sandbox, error) { return StartSandbox(t.Context(), "0.0.0.0:0", false, nil) },
		"statsu":   func() (*Sandbox, error) { return StartSandbox(t.Context(), "127.0.0.1:0", false, []string{"statsu=1"}) },
		"telegarm": func() (*Sandbox, error) {
			return StartSandbox(t.Context(), "127.0.0.1:0", false, []string{"refuse", "telegarm:reset"})
		},
	} {
		if _, err := start(); err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%s: %v", mention, err)
		}
	}
}

func call(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A server that is pointed at the sandbox sends through all messengers, and what
// is set for the real ones goes nowhere.
func TestSandboxTakesMessages(t *testing.T) {
	sandbox, err := StartSandbox(t.Context(), "127.0.0.1:0", false, []string{"viber:delay=1ms,times=1", "delay=1ms,path=/auth,times=1"})
	if err != nil {
		t.Fatal(err)
	}
	defer sandbox.Close()
	o := options(t, config.SQLiteURL(filepath.Join(t.TempDir(), "store.db")), "FERRYMAN_LISTEN=127.0.0.1:0", "TELEGRAM_TOKEN=1:real",
		"TELEGRAM_BASE_URL=http://127.0.0.1:9", "VIBER_TOKEN=real", "WHATSAPP_TOKEN=real", "WHATSAPP_PHONE_NUMBER_ID=1")
	sandbox.Point(&o.Config)
	s, err := NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	testwait.Receive(t, ready)
	call(t, "POST", s.URL()+"/messages/", `[
		{"user_id":1,"messenger_id":0,"text":"by Viber"},{"user_id":2,"messenger_id":1,"text":"by Telegram"},{"user_id":3,"messenger_id":2,"text":"by WhatsApp"}]`)
	var arrived map[string]string
	testwait.Until(t, "three messages arrive", func() bool {
		var list []struct{ Messenger, Text string }
		if err := json.Unmarshal([]byte(call(t, "GET", sandbox.URL()+"/_sandbox/arrivals", "")), &list); err != nil {
			t.Fatal(err)
		}
		arrived = map[string]string{}
		for _, a := range list {
			arrived[a.Messenger] = a.Text
		}
		return len(list) == 3
	})
	if arrived["viber"] != "by Viber" || arrived["telegram"] != "by Telegram" || arrived["whatsapp"] != "by WhatsApp" {
		t.Errorf("arrived %v", arrived)
	}
	for path, want := range map[string]string{
		"/_sandbox/messages": "by WhatsApp", "/_sandbox/messengers/limits": "30/s", "/_sandbox/state": "tokens_issued", "/hooks/any": "only POST",
	} {
		if text := call(t, "GET", sandbox.URL()+path, ""); !strings.Contains(text, want) {
			t.Errorf("%s: %s", path, text)
		}
	}
	stop()
	if err := testwait.Receive(t, ended); err != nil {
		t.Error(err)
	}
}
