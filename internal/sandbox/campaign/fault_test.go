package campaign

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"ferryman/internal/sandbox/faults"
)

func TestParseFault(t *testing.T) {
	for text, want := range map[string]faults.Fault{
		"campaign:status=429,retry_after=7,path=contacts/list,times=2": {Kind: faults.Status, Status: 429, RetryAfter: "7", Path: contactListPath, Times: 2},
		"reset,every=10,after=3":                               {Kind: faults.Reset, Every: 10, After: 3},
		"campaign:slow,delay=5s,path=/contacts/":               {Kind: faults.Slow, Delay: 5 * time.Second, Path: contactsPath},
		"delay=20ms":                                           {Kind: faults.Delay, Delay: 20 * time.Millisecond},
		"campaign:kind=garbage,probability=0.25,seed=4,for=1m": {Kind: faults.Garbage, Chance: 0.25, Seed: 4, For: time.Minute},
	} {
		got, err := ParseFault(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, mention := range map[string]string{
		"campaign:":                   "kind",
		"explode":                     "explode",
		"status=900":                  "between 200 and 599",
		"reset,path=elsewhere":        "path",
		"reset,reset":                 "twice",
		"slow":                        "delay",
		"reset,times=-1":              "negative",
		"reset,times=x":               "whole number",
		"reset,probability=NaN":       "probability",
		"reset,for=48h":               "for",
		"reset,speed=3":               "unknown key",
		"retry_after=1\n2,status=429": "line break",
	} {
		if _, err := ParseFault(text); err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%q: %v, want something about %s", text, err, mention)
		}
	}
	for text, want := range map[string]bool{"campaign:reset": true, " campaign:reset": true, "reset": false, "telegram:reset": false} {
		if IsFault(text) != want {
			t.Errorf("IsFault(%q) is %v", text, !want)
		}
	}
}

// TestKinds sees each kind as a client does.
func TestKinds(t *testing.T) {
	whole := start(t, Options{Contacts: 50}).want(200, "GET", api+contactListPath, "")
	for name, c := range map[string]struct {
		fault  string
		status int // 0: no answer at all
		broken bool
		fits   func(text string) bool
	}{
		"refuse":       {"refuse", 0, false, nil},
		"reset":        {"reset", 200, true, nil},
		"truncate":     {"truncate", 200, true, nil},
		"invalid_json": {"invalid_json", 200, false, func(s string) bool { return s == string(whole[:len(whole)/2]) }},
		"garbage":      {"garbage", 200, false, func(s string) bool { return strings.HasPrefix(s, "<!doctype") }},
		"empty":        {"empty", 200, false, func(s string) bool { return s == "" }},
		"slow":         {"slow,delay=20ms", 200, false, func(s string) bool { return s == string(whole) }},
		"delay":        {"delay=1ms", 200, false, func(s string) bool { return s == string(whole) }},
		"status":       {"status=403", 403, false, func(s string) bool { return s != "" }},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := ParseFault(c.fault + ",path=contacts/list,times=1")
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, Options{Contacts: 50, Faults: []faults.Fault{f}})
			s.want(200, "GET", api+fieldsPath, "")
			resp, text, err := s.call("GET", api+contactListPath, DefaultToken, "")
			switch {
			case c.status == 0:
				if err == nil {
					t.Errorf("answered %d", resp.StatusCode)
				}
			case resp == nil || resp.StatusCode != c.status || (err != nil) != c.broken:
				t.Errorf("%v, %v", resp, err)
			case c.fits != nil && !c.fits(string(text)):
				t.Errorf("said %.100s", text)
			}
			if got := s.want(200, "GET", api+contactListPath, ""); string(got) != string(whole) {
				t.Error("it is not over")
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	s := start(t, Options{Contacts: 1, Faults: []faults.Fault{{Status: 429, RetryAfter: "7", For: time.Minute}}})
	for range 2 {
		resp, _, err := s.call("GET", api+fieldsPath, DefaultToken, "")
		if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
			t.Errorf("%v, %v", resp, err)
		}
	}
	s.pass(time.Minute)
	s.want(200, "GET", api+fieldsPath, "")
}

func TestHang(t *testing.T) {
	s := start(t, Options{Contacts: 1})
	s.want(200, "POST", box+"faults", `{"kind":"hang","times":2}`)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(ctx, "GET", s.url+api+fieldsPath, nil)
		if err != nil {
			answered <- err
			return
		}
		r.Header.Set("Authorization", "Bearer "+DefaultToken)
		resp, err := client.Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		answered <- err
	}()
	defer cancel()
	for s.campaign().faults.All()[0].Times == 2 {
		runtime.Gosched()
	}
	select {
	case err := <-answered:
		t.Errorf("answered: %v", err)
	default:
	}
	s.Close()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestFaultsOverControl(t *testing.T) {
	s := start(t, Options{Contacts: 1})
	first := control[map[string]int](s, "POST", "faults", `{"status":500,"times":3}`)["id"]
	control[map[string]int](s, "POST", "faults", `{"kind":"slow","delay":"1s"}`)
	s.want(500, "GET", api+fieldsPath, "")
	list := control[[]faults.Fault](s, "GET", "faults", "")
	if len(list) != 2 || list[0].Times != 2 || list[0].ID != first || list[1].Delay != time.Second {
		t.Errorf("faults %+v", list)
	}
	if n := control[map[string]int](s, "DELETE", "faults", "")["deleted"]; n != 2 {
		t.Errorf("%d deleted", n)
	}
	s.want(404, "DELETE", box+"faults/1", "")
	s.want(400, "POST", box+"faults", `{"kind":"explode"}`)
	s.want(200, "GET", api+fieldsPath, "")
}
