package wms

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/sandbox/faults"
)

func TestParseFault(t *testing.T) {
	for text, want := range map[string]Fault{
		"status=500,path=/iam/users/me,times=3": {Kind: Status, Status: 500, Path: "/iam/users/me", Times: 3},
		"refuse":                                {Kind: Refuse},
		"reset, path=/auth":                     {Kind: Reset, Path: "/auth"},
		"delay=2s":                              {Kind: Delay, Delay: 2 * time.Second},
		"kind=hang,delay=10ms":                  {Kind: Hang, Delay: 10 * time.Millisecond},
		"status=429,retry_after=7":              {Kind: Status, Status: 429, RetryAfter: "7"},
		"wrong_type,field=warehouses.0.name":    {Kind: WrongType, Field: "warehouses.0.name"},
		"huge,size=1000":                        {Kind: Huge, Size: 1000},
		"redirect,status=307,location=http://x": {Kind: Redirect, Status: 307, Location: "http://x"},
	} {
		got, err := ParseFault(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for text, mention := range map[string]string{
		"":                                      "kind",
		"explode":                               "explode",
		"status":                                "between 200 and 599",
		"status=99":                             "between 200 and 599",
		"status=abc":                            "whole number",
		"status=500,status=501":                 "twice",
		"refuse,times=-1":                       "negative",
		"refuse,times=x":                        "times",
		"refuse,path=auth":                      "none of the API's",
		"refuse,path=/iam/users/1/2/warehouses": "none of the API's",
		"delay":                                 "needs a delay",
		"delay=2":                               "duration",
		"delay=-2s":                             "delay",
		"missing_field":                         "field",
		"wrong_type":                            "field",
		"redirect,status=200":                   "redirect",
		"huge,size=99999999999":                 "size",
		"refuse,colour=red":                     "colour",
		"status=503,retry_after=1\r\nX: y":      "line break",
	} {
		_, err := ParseFault(text)
		if err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%q: error %v, want one about %q", text, err, mention)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("status=500,path=/iam/users/me,times=3")
	f.Add("delay=2s,kind=hang")
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
		if _, err := faults.NewList(dialect(), time.Now).Inject(again); err != nil || again.Kind != fault.Kind || again.Delay != fault.Delay || again.Status != fault.Status {
			t.Errorf("%s reads as %+v (%v), was %+v", js, again, err, fault)
		}
	})
}

// The form for flags and the form for HTTP say the same.
func TestFaultsByHTTP(t *testing.T) {
	s := start(t, Options{})
	for body, want := range map[string]Fault{
		`{"status":503,"retry_after":"2"}`: {Kind: Status, Status: 503, RetryAfter: "2"},
		`{"delay":"2s","path":"/auth"}`:    {Kind: Delay, Delay: 2 * time.Second, Path: "/auth"},
		`{"kind":"refuse"}`:                {Kind: Refuse},
	} {
		s.want(200, "POST", "/_sandbox/faults", "", body)
		got := s.faults.All()[0]
		got.ID = 0
		if got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
		s.ClearFaults(0)
	}
	for body, mention := range map[string]string{
		`{"kind":"refuse","pth":"/auth"}`: "pth",
		`{"colour":"red"}`:                "colour",
		`{}`:                              "kind",
		`{"status":99}`:                   "between 200 and 599",
		`{"delay":"2"}`:                   "duration",
	} {
		if said := s.want(400, "POST", "/_sandbox/faults", "", body); !strings.Contains(said["message"].(string), mention) {
			t.Errorf("%s: %v, want something about %s", body, said, mention)
		}
	}
}

const mePath = "/api/v1/iam/users/me"

// inject orders a fault of the path /iam/users/me in flag form.
func (s *sim) inject(text string) {
	s.t.Helper()
	f, err := ParseFault(text + ",path=/iam/users/me")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Inject(f); err != nil {
		s.t.Fatal(err)
	}
}

func TestConnectionFaults(t *testing.T) {
	for kind, want := range map[string]error{
		"refuse": syscall.ECONNRESET, "reset": syscall.ECONNRESET, "truncate": io.ErrUnexpectedEOF,
	} {
		t.Run(kind, func(t *testing.T) {
			s := start(t, Options{Token: "k"})
			s.inject(kind + ",times=1")
			_, text, err := s.call("GET", mePath, "k", "")
			if !errors.Is(err, want) {
				t.Errorf("%d bytes, error %v, want %v", len(text), err, want)
			}
			if (kind != "refuse") != (len(text) > 0) {
				t.Errorf("%d bytes came", len(text))
			}
			s.want(200, "GET", mePath, "k", "")
		})
	}
}

func TestStatusFault(t *testing.T) {
	s := start(t, Options{Token: "k"})
	s.inject("status=429,retry_after=7,times=2")
	for range 2 {
		resp, _, err := s.call("GET", mePath, "k", "")
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "7" {
			t.Fatalf("%v, %v", resp, err)
		}
		s.want(200, "GET", "/api/v1/iam/users/711/warehouses", "k", "") // another path
	}
	s.want(200, "GET", mePath, "k", "")
}

func TestRedirectFault(t *testing.T) {
	s := start(t, Options{Token: "k"})
	s.inject("redirect,times=1")
	resp, _, err := s.call("GET", mePath, "k", "")
	if err != nil || resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != elsewhere {
		t.Fatalf("%v, %v", resp, err)
	}
	s.want(200, "GET", elsewhere, "", "")
}

func TestAnswerFaults(t *testing.T) {
	s := start(t, Options{Token: "k"})
	s.inject("invalid_json,times=1")
	if resp, text, err := s.call("GET", mePath, "k", ""); err != nil || resp.ContentLength < 1000 && resp.ContentLength != -1 || json.Valid(text) {
		t.Errorf("invalid_json: %v, %d bytes", err, len(text))
	}
	s.inject("wrong_type,field=email,times=1")
	if me := s.want(200, "GET", mePath, "k", ""); reflect.TypeOf(me["email"]) != reflect.TypeFor[float64]() {
		t.Errorf("wrong_type: email is %v", me["email"])
	}
	s.inject("missing_field,field=profiles.1.permissions.0.key,times=1")
	me := s.want(200, "GET", mePath, "k", "")
	permission := me["profiles"].([]any)[1].(map[string]any)["permissions"].([]any)[0].(map[string]any)
	if _, there := permission["key"]; there || permission["id"] == nil {
		t.Errorf("missing_field: %v", permission)
	}
	s.inject("missing_field,field=colour,times=1")
	if said := s.want(500, "GET", mePath, "k", ""); !strings.Contains(said["message"].(string), "colour") {
		t.Errorf("a field that is not there: %v", said)
	}
	s.inject("huge,size=3000000,times=1")
	if _, text, err := s.call("GET", mePath, "k", ""); err != nil || len(text) < 3_000_000 || len(text) > 3_001_000 || !json.Valid(text) {
		t.Errorf("huge: %v, %d bytes", err, len(text))
	}
	s.inject("missing_field,field=email,times=1")
	s.want(401, "GET", mePath, "other", "") // a refusal is left as it is
	if me := s.want(200, "GET", mePath, "k", ""); me["email"] != nil {
		t.Error("the refusal used the fault up")
	}
}

func TestDelayAndHangEndWithTheFault(t *testing.T) {
	for _, fault := range []string{"hang", "delay=1h", "huge,delay=1h"} {
		s := start(t, Options{Token: "k"})
		s.inject(fault)
		done := make(chan int, 1)
		go func() {
			resp, _, err := s.call("GET", mePath, "k", "")
			if err != nil {
				done <- 0
				return
			}
			done <- resp.StatusCode
		}()
		for s.Requests("GET /iam/users/me") == 0 {
			runtime.Gosched()
		}
		if s.ClearFaults(0) != 1 {
			t.Error("no fault to delete")
		}
		if status := <-done; status != 200 {
			t.Errorf("%s: status %d", fault, status)
		}
	}
}

func TestDelayPasses(t *testing.T) {
	s := start(t, Options{Token: "k"})
	s.inject("delay=30ms,times=1")
	began := time.Now()
	s.want(200, "GET", mePath, "k", "")
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestHold(t *testing.T) {
	s := start(t, Options{Token: "k"})
	release, err := s.Hold("/iam/users/{id}/warehouses")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, _, err := s.call("GET", "/api/v1/iam/users/711/warehouses", "k", "")
			done <- err
		}()
	}
	if err := s.AwaitHeld(t.Context(), "/iam/users/{id}/warehouses", 2); err != nil {
		t.Fatal(err)
	}
	s.want(200, "GET", mePath, "k", "") // not held
	select {
	case err := <-done:
		t.Fatalf("a held request was answered: %v", err)
	default:
	}
	release()
	release()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.AwaitHeld(ctx, "/iam/users/{id}/warehouses", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing is held: %v", err)
	}
}
