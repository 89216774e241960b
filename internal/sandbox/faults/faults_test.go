package faults

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// all is a dialect of everything, but for the recipient.
func all() Dialect {
	return Dialect{
		Early: []Kind{Refuse, Hang, Delay, Status},
		Late:  []Kind{Reset, Mute, Truncate, InvalidJSON, Slow, Garbage, Empty, Huge},
		Keys: []string{
			"kind", "messenger", "path", "times", "every", "after", "burst", "probability", "seed", "for", "status", "code", "delay", "retry_after", "location",
			"field", "size",
		},
		HugeSize: 200_000,
		Complete: func(f *Fault) error {
			if f.Path == "/nowhere" {
				return errors.New("no such path")
			}
			return nil
		},
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Fault{
		"status=503":           {Kind: Status, Status: 503},
		"reset, path=/a=b":     {Kind: Reset, Path: "/a=b"},
		"delay=1500ms,field=":  {Kind: Delay, Delay: 1500 * time.Millisecond},
		"kind=hang,for=1m":     {Kind: Hang, For: time.Minute},
		"huge,size=7,seed=9":   {Kind: Huge, Size: 7, Seed: 9},
		"status=503,delay=1ms": {Kind: Status, Status: 503, Delay: time.Millisecond},
		"mute,messenger=m,times=1,every=4,after=3,burst=2,probability=0.5,code=5,retry_after=6,location=l": {
			Kind: Mute, Messenger: "m", Times: 1, Every: 4, After: 3, Burst: 2, Chance: 0.5, Code: 5, RetryAfter: "6", Location: "l",
		},
	} {
		if got, err := all().Parse(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                    `kind is ""`,
		"a=1":                 `unknown key "a", not one of kind, messenger`,
		"reset,recipient=me":  `unknown key "recipient"`,
		"every=1,every=2":     "every is given twice",
		"reset,kind=reset":    "kind is given twice",
		"reset,times=x":       `times is "x", not a whole number`,
		"reset,probability=":  "not a number such as 0.05",
		"reset,for=1":         "not a duration such as",
		"reset,after=-1":      "negative",
		"reset,status=99":     "between 200 and 599",
		"slow":                "needs a delay",
		"reset,for=25h":       "for is 25h0m0s",
		"huge,size=-1":        "size is -1",
		"reset,path=/nowhere": "no such path",
	} {
		if _, err := all().Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestFaultsAsJSON(t *testing.T) {
	f := Fault{ID: 3, Kind: Slow, Delay: time.Second, For: time.Minute, Path: "/a", Every: 2, After: 1}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := all().read(text); err != nil || got != f {
		t.Errorf("%s is %+v, %v", text, got, err)
	}
	for _, text := range []string{`{"delay":"soon"}`, `{"for":1}`, `{"speed":1}`, `{"recipient":""}`, `{"Recipient":"x"}`, `[]`, `{"times":"1"}`} {
		if got, err := all().read([]byte(text)); err == nil {
			t.Errorf("%s is accepted: %+v", text, got)
		}
	}
}

func every(*Fault) bool { return true }

func TestWhichRequestsAreHit(t *testing.T) {
	for text, want := range map[string]string{
		"status=500":                         "xxxxxxxxxxxx",
		"status=500,times=2":                 "xx..........",
		"status=500,every=4":                 "...x...x...x",
		"status=500,every=5,burst=2":         "...xx...xx..",
		"status=500,after=5":                 ".....xxxxxxx",
		"status=500,after=5,every=3,times=2": ".......x..x.",
		"status=500,for=4s":                  "xxxx........",
		"status=500,path=/b":                 "............",
		"status=500,probability=0.5,seed=1":  "",
		"status=500,probability=1":           "xxxxxxxxxxxx",
	} {
		pattern := func() string {
			f, err := all().Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			l := NewList(all(), func() time.Time { return now })
			if _, err := l.Inject(f); err != nil {
				t.Fatal(err)
			}
			hits := ""
			for range 12 {
				if l.Take(true, every) != nil {
					t.Error("taken for one that spoils answers")
				}
				if l.Take(false, func(f *Fault) bool { return f.Path != "/b" }) != nil {
					hits += "x"
				} else {
					hits += "."
				}
				now = now.Add(time.Second)
			}
			return hits
		}
		got := pattern()
		if want == "" {
			if want = pattern(); !strings.Contains(got, "x") || !strings.Contains(got, ".") {
				t.Errorf("%s: %s", text, got)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestList(t *testing.T) {
	l := NewList(all(), time.Now)
	if _, err := l.Inject(Fault{Kind: "explode"}); err == nil {
		t.Error("a kind that there is not")
	}
	for i := range maxFaults {
		if id, err := l.Inject(Fault{Kind: Reset, Times: 3}); err != nil || id != i+1 {
			t.Fatalf("%d, %v", id, err)
		}
	}
	if _, err := l.Inject(Fault{Kind: Reset}); err == nil {
		t.Error("no bound")
	}
	if o := l.Take(true, every); o == nil || o.ID != 1 {
		t.Errorf("taken %+v", o)
	}
	if list := l.All(); len(list) != maxFaults || list[0].Times != 2 || list[1].Times != 3 {
		t.Errorf("faults %+v", list)
	}
	if l.Clear(1) != 1 || l.Clear(1) != 0 || l.Clear(0) != maxFaults-1 || len(l.All()) != 0 || l.Take(true, every) != nil {
		t.Error("they are not deleted")
	}
}

// order takes the fault of a flag.
func order(t *testing.T, l *List, text string) *Ordered {
	t.Helper()
	f, err := all().Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Inject(f); err != nil {
		t.Fatal(err)
	}
	for _, late := range []bool{false, true} {
		if o := l.Take(late, every); o != nil {
			return o
		}
	}
	t.Fatalf("%s is not taken", text)
	return nil
}

func TestBegin(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for text, c := range map[string]struct {
		left  bool // the client is gone
		clear bool
		there bool
	}{
		"reset":              {true, false, true},
		"delay=1h":           {true, false, false},
		"hang":               {true, false, false},
		"mute,delay=1ns":     {true, false, false},
		"delay=1ns":          {false, false, true},
		"refuse,delay=1h":    {false, true, true},
		"hang,delay=1h":      {false, true, true},
		"mute":               {false, true, true},
		"hang,for=1ns":       {false, false, true},
		"mute,for=1ms":       {false, false, true},
		"reset,delay=1ns":    {false, false, true},
		"truncate,delay=10s": {true, false, false},
	} {
		now := time.Now()
		l := NewList(all(), func() time.Time { return now })
		o := order(t, l, text)
		if c.clear {
			l.Clear(0)
		}
		ctx := t.Context()
		if c.left {
			ctx = ended
		}
		if got := o.Begin(ctx); got != c.there {
			t.Errorf("%s: the client is there: %v", text, got)
		}
	}
}

func TestSpoil(t *testing.T) {
	const whole = `{"a":1,"b":"some more"}`
	l := NewList(all(), time.Now)
	var o *Ordered
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.Spoil(w, r, []byte(whole)) }))
	defer srv.Close()
	for text, c := range map[string]struct {
		broken bool
		fits   func(string) bool
	}{
		"reset":                  {true, nil},
		"truncate":               {true, nil},
		"invalid_json,delay=1ms": {false, func(s string) bool { return s == whole[:len(whole)/2] }},
		"slow,delay=10ms":        {false, func(s string) bool { return s == whole }},
		"garbage":                {false, func(s string) bool { return strings.HasPrefix(s, "<!doctype") }},
		"empty":                  {false, func(s string) bool { return s == "" }},
		"huge":                   {false, func(s string) bool { return len(s) >= 200_000 && len(s) < 200_100 }},
		"huge,size=100000":       {false, func(s string) bool { return len(s) >= 100_000 && len(s) < 100_100 && json.Valid([]byte(s)) }},
	} {
		o = order(t, l, text+",times=1")
		resp, err := http.Get(srv.URL)
		var said []byte
		if err == nil {
			said, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if (err != nil) != c.broken || c.fits != nil && !c.fits(string(said)) {
			t.Errorf("%s: %.100s, %v", text, said, err)
		}
	}
}

func TestCut(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { Cut(w, nil) }))
	defer srv.Close()
	if resp, err := http.Get(srv.URL + "/"); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
}
