package messengers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/sandbox/faults"
)

func TestParseFault(t *testing.T) {
	for text, want := range map[string]Fault{
		"telegram:status=500,times=3":       {Kind: Status, Messenger: "telegram", Status: 500, Times: 3},
		"messengers:refuse,for=30s":         {Kind: Refuse, For: 30 * time.Second},
		"reset, every=100":                  {Kind: Reset, Every: 100},
		"viber:code=12":                     {Kind: Code, Messenger: "viber", Code: 12},
		"messenger=viber,code=12":           {Kind: Code, Messenger: "viber", Code: 12},
		"whatsapp:code=131056,status=400":   {Kind: Code, Messenger: "whatsapp", Code: 131056, Status: 400},
		"webhook:status=429,retry_after=7":  {Kind: Status, Messenger: "webhook", Status: 429, RetryAfter: "7"},
		"status=302,location=http://h:1/x":  {Kind: Status, Status: 302, Location: "http://h:1/x"},
		"webhook:mute,recipient=shop":       {Kind: Mute, Messenger: "webhook", Recipient: "shop"},
		"delay=2s,probability=0.25,seed=9":  {Kind: Delay, Delay: 2 * time.Second, Chance: 0.25, Seed: 9},
		"status=503,every=100,burst=10":     {Kind: Status, Status: 503, Every: 100, Burst: 10},
		"telegram:huge,size=1000,delay=1ms": {Kind: Huge, Messenger: "telegram", Size: 1000, Delay: time.Millisecond},
	} {
		got, err := ParseFault(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestIsFault(t *testing.T) {
	for text, want := range map[string]bool{
		"telegram:reset": true, "messengers:delay=1s": true, "telegarm:reset": true,
		"status=500,path=/auth": false, "redirect,location=http://x": false, "refuse": false,
	} {
		if IsFault(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for text, mention := range map[string]string{
		"":                                 "kind",
		"explode":                          "explode",
		"telegarm:reset":                   "messengers, telegram, viber",
		"messenger=sms,reset":              "sms",
		"telegram:messenger=viber,reset":   "twice",
		"status":                           "between 200 and 599",
		"status=99":                        "between 200 and 599",
		"telegram:code=403,status=99":      "between 200 and 599",
		"status=abc":                       "whole number",
		"code=403":                         "its messenger",
		"telegram:code":                    "needs a code",
		"reset,times=-1":                   "negative",
		"reset,burst=2":                    "burst",
		"reset,every=2,burst=3":            "burst",
		"reset,probability=1.1":            "probability",
		"reset,probability=NaN":            "probability",
		"reset,probability=often":          "number such as",
		"reset,seed=-1":                    "seed",
		"reset,for=1":                      "duration",
		"reset,for=-1s":                    "for is",
		"delay":                            "needs a delay",
		"delay=2":                          "duration",
		"delay=2h":                         "delay",
		"huge,size=99999999999":            "size",
		"reset,colour=red":                 "colour",
		"status=503,retry_after=1\r\nX: y": "line break",
	} {
		_, err := ParseFault(text)
		if err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%q: error %v, want one about %q", text, err, mention)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("telegram:status=500,times=3,every=2")
	f.Add("whatsapp:code=131056,delay=2s,probability=0.5,seed=3")
	f.Add("messengers:mute,for=1m,recipient=a b")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := ParseFault(text)
		if err != nil {
			return
		}
		js, err := json.Marshal(fault)
		if err != nil {
			t.Fatal(err)
		}
		var again Fault
		if err := json.Unmarshal(js, &again); err != nil {
			t.Fatal(err)
		}
		// JSON knows no bytes that are not UTF-8.
		again.Recipient, again.RetryAfter, again.Location = fault.Recipient, fault.RetryAfter, fault.Location
		if _, err := faults.NewList(dialect(), time.Now).Inject(again); err != nil || again != fault {
			t.Errorf("%s reads as %+v (%v), was %+v", js, again, err, fault)
		}
	})
}

func (s *sim) inject(text string) {
	s.t.Helper()
	f, err := ParseFault(text)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Inject(f); err != nil {
		s.t.Fatal(err)
	}
}

// Whether the connection fails, and whether the message arrives all the same.
func TestConnectionFaults(t *testing.T) {
	for kind, c := range map[string]struct {
		want    error
		arrived int64
	}{
		"refuse":              {syscall.ECONNRESET, 0},
		"refuse,recipient=49": {syscall.ECONNRESET, 0},
		"reset":               {syscall.ECONNRESET, 1},
		"truncate":            {io.ErrUnexpectedEOF, 1},
	} {
		for _, m := range all {
			t.Run(string(m)+":"+kind, func(t *testing.T) {
				s := start(t, Options{})
				s.inject(string(m) + ":" + kind + ",times=1")
				if _, _, err := do(s.send(m, "49", "x")); !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if n := s.Total(); n.Arrived != c.arrived || n.Requests != 1 {
					t.Errorf("counted %+v", n)
				}
				want(t, 200, s.send(m, "49", "x"))
				if n := s.Total().Duplicates; n != c.arrived {
					t.Errorf("%d duplicates", n)
				}
			})
		}
	}
}

func TestStatusAndCodeFaults(t *testing.T) {
	for text, c := range map[string]struct {
		to     Messenger
		status int
		says   string
		header string
	}{
		"telegram:status=502":                       {Telegram, 502, `{"ok":false,"error_code":502,"description":"Bad Gateway"}`, ""},
		"telegram:code=429,retry_after=7":           {Telegram, 429, `retry after 7","parameters":{"retry_after":7}`, ""},
		"telegram:code=403":                         {Telegram, 403, "blocked by the user", ""},
		"telegram:status=503,retry_after=Mon":       {Telegram, 503, "Service Unavailable", "Mon"},
		"viber:status=503":                          {Viber, 503, "503 Service Unavailable", ""},
		"viber:code=2":                              {Viber, 200, `"status":2`, ""},
		"viber:code=12,status=429":                  {Viber, 429, `"status":12`, ""},
		"whatsapp:code=131000":                      {WhatsApp, 500, `"code":131000`, ""},
		"whatsapp:code=131056,status=400":           {WhatsApp, 400, `"code":131056`, ""},
		"status=500":                                {WhatsApp, 500, "500 Internal Server Error", ""},
		"webhook:status=429,retry_after=7":          {Webhook, 429, "429", "7"},
		"webhook:status=204":                        {Webhook, 204, "", ""},
		"webhook:status=301,location=http://h.test": {Webhook, 301, "301", ""},
	} {
		t.Run(text, func(t *testing.T) {
			s := start(t, Options{})
			s.inject(text + ",times=1")
			resp, said, err := do(s.send(c.to, "49", "x"))
			if err != nil || resp.StatusCode != c.status || !strings.Contains(said, c.says) || resp.Header.Get("Retry-After") != c.header {
				t.Fatalf("%v, %s, %v", resp, said, err)
			}
			if strings.Contains(text, "location") && resp.Header.Get("Location") != "http://h.test" {
				t.Errorf("location %q", resp.Header.Get("Location"))
			}
			if n := s.Total().Arrived; (n == 1) != (c.status == 204) {
				t.Errorf("%d arrived", n)
			}
			want(t, 200, s.send(c.to, "49", "y"))
		})
	}
}

func TestWhichRequestsAreHit(t *testing.T) {
	for text, want := range map[string]string{
		"status=500,every=3":               "..x..x..x.",
		"status=500,for=4s":                "xxxx......",
		"viber:status=500":                 "..........",
		"status=500,recipient=50":          "..........",
		"telegram:status=500,recipient=49": "xxxxxxxxxx",
		"telegram:refuse,every=4":          "...x...x..",
	} {
		t.Run(text, func(t *testing.T) {
			var clock hands
			s := start(t, Options{Now: clock.now})
			s.inject(text)
			var hit strings.Builder
			for range 10 {
				mark := "."
				if resp, _, err := do(s.send(Telegram, "49", "x")); err != nil || resp.StatusCode != 200 {
					mark = "x"
				}
				hit.WriteString(mark)
				clock.add(time.Second)
			}
			if hit.String() != want {
				t.Errorf("hit %s, want %s", hit.String(), want)
			}
		})
	}
}

func TestAnswerFaults(t *testing.T) {
	s := start(t, Options{})
	s.inject("invalid_json,times=1")
	if text := want(t, 200, s.send(Telegram, "49", "x")); json.Valid([]byte(text)) {
		t.Errorf("answer %s", text)
	}
	s.inject("webhook:huge,size=3000000,times=1")
	want(t, 404, s.send(Webhook, "unknown", "x")) // a refusal is left as it is
	if text := want(t, 200, s.send(Webhook, "shop", "x")); len(text) < 3_000_000 || len(text) > 3_001_000 || !json.Valid([]byte(text)) {
		t.Errorf("%d bytes", len(text))
	}
}

func TestWaitingFaultsEndWithTheFault(t *testing.T) {
	for text, fails := range map[string]bool{"hang": false, "delay=1h": false, "huge,delay=1h": false, "mute": true, "refuse,delay=1h": true} {
		t.Run(text, func(t *testing.T) {
			s := start(t, Options{})
			s.inject(text + ",times=2")
			done := make(chan error, 1)
			go func() {
				_, _, err := do(s.send(Viber, "49", "x"))
				done <- err
			}()
			for s.faults.All()[0].Times == 2 {
				runtime.Gosched()
			}
			if s.ClearFaults(0) != 1 {
				t.Error("no fault to delete")
			}
			if err := <-done; (err != nil) != fails {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestMutedMessagesArrive(t *testing.T) {
	s := start(t, Options{})
	s.inject("mute,times=1")
	ctx, cancel := context.WithCancel(t.Context())
	r := s.send(WhatsApp, "49", "x").WithContext(ctx)
	done := make(chan error, 1)
	go func() {
		_, _, err := do(r)
		done <- err
	}()
	if err := s.AwaitArrived(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if a := s.list(Query{}); len(a) != 1 || a[0].Status != 0 {
		t.Errorf("arrived %+v", a)
	}
}
