package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/syncs"
	"ferryman/internal/testwait"
)

func TestSyncAllToTheLetter(t *testing.T) {
	h := open(t)
	a := h.do("PATCH", "/api/syncall", "")
	want := "{\"data\":\"全部\uFF2F\uFF2B、6つ\u3000入れちゃった！\",\"date\":\"2020-08-16T10:25:57.540778Z\",\"response\":\"ok\"}"
	if a.StatusCode != http.StatusOK || a.text != want {
		t.Errorf("status %d\n got %s\nwant %s", a.StatusCode, a.text, want)
	}
	if a.Header.Get("Content-Type") != jsonMIME || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.Header)
	}
}

func TestDatesHaveSixDigits(t *testing.T) {
	h := open(t)
	zone := time.FixedZone("+9", 9*3600)
	for started, want := range map[time.Time]string{
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC):                "2026-01-02T03:04:05.000000Z",
		time.Date(2026, 1, 2, 3, 4, 5, 120_000_999, zone):          "2026-01-01T18:04:05.120000Z",
		time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC): "2026-12-31T23:59:59.999999Z",
	} {
		if got := h.entry(goodRun(started)).Date; got != want {
			t.Errorf("%v: %s, want %s", started, got, want)
		}
	}
}

func TestFailedSync(t *testing.T) {
	for reason, status := range map[string]int{"timeout": 504, "refused": 502, "missing_field": 502, "not_configured": 502, "target_unreachable": 502} {
		h := open(t)
		h.call = func(context.Context) (syncs.Run, error) { return badRun(epoch, reason, "why <it> failed"), nil }
		a := h.do("PATCH", "/api/syncall", "")
		want := `{"data":{"reason":"` + reason + `","detail":"why <it> failed"},"date":"2020-08-16T10:25:57.540778Z","response":"error"}`
		if a.StatusCode != status || a.text != want {
			t.Errorf("status %d, want %d\n got %s\nwant %s", a.StatusCode, status, a.text, want)
		}
	}
}

func TestSyncThatCannotRun(t *testing.T) {
	h := open(t)
	h.call = func(context.Context) (syncs.Run, error) {
		return syncs.Run{}, fmt.Errorf("deep down: %w", &fault.Error{Kind: fault.Unconfigured, Code: "store_rights", Detail: "the store refuses"})
	}
	h.wantProblem(h.do("PATCH", "/api/syncall", ""), 503, "store_rights")
	h.call = func(context.Context) (syncs.Run, error) {
		return syncs.Run{}, &fault.Error{Kind: fault.Unavailable, Code: "shutting_down", Detail: "the server stops"}
	}
	h.wantProblem(h.do("PATCH", "/api/syncall", ""), 503, "shutting_down")
	h.cast = errors.New("disk full at /secret/place")
	h.wantProblem(h.do("PATCH", "/api/syncast", ""), 500, "internal")
}

// TestCallersThatLeaveMakeRoom lets the last caller that there is room for leave.
func TestCallersThatLeaveMakeRoom(t *testing.T) {
	h := open(t)
	for range maxCallers - 1 {
		h.callers <- struct{}{}
	}
	began, finish := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(finish) })
	h.call = func(ctx context.Context) (syncs.Run, error) {
		close(began)
		select {
		case <-ctx.Done():
		case <-finish:
		}
		return syncs.Run{}, ctx.Err()
	}
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, h.url+"/api/syncall", nil)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		left <- err
	}()
	<-began
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	testwait.Receive(t, h.log.written) // the request's line
	if line := h.logged("/api/syncall")[0]; line["level"] != "INFO" || line["status"] != 503.0 {
		t.Errorf("log %v", line)
	}
	h.mu.Lock()
	h.call = nil
	h.mu.Unlock()
	if a := h.do("PATCH", "/api/syncall", ""); a.StatusCode != http.StatusOK {
		t.Errorf("the next caller: %d %s", a.StatusCode, a.text)
	}
}

func TestWaitingCallersAreBounded(t *testing.T) {
	h := open(t)
	began, finish := make(chan struct{}), make(chan struct{})
	h.call = func(context.Context) (syncs.Run, error) {
		began <- struct{}{}
		<-finish
		return goodRun(epoch), nil
	}
	var answers []<-chan answer
	for range maxCallers {
		answers = append(answers, h.background("PATCH", "/api/syncall"))
	}
	for range maxCallers {
		<-began
	}
	a := h.do("PATCH", "/api/syncall", "")
	h.wantProblem(a, 429, "too_many_callers")
	if a.Header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	close(finish)
	for _, answered := range answers {
		if a := <-answered; a.StatusCode != http.StatusOK {
			t.Errorf("status %d", a.StatusCode)
		}
	}
	go func() { <-began }()
	if a := h.do("PATCH", "/api/syncall", ""); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d %s", a.StatusCode, a.text)
	}
}

func TestSyncCast(t *testing.T) {
	a := open(t).do("PATCH", "/api/syncast", "")
	want := `{"data":"Soukosync.Caller.cast_sync casted","date":"2020-08-16T10:25:57.540778Z","response":"ok"}`
	if a.StatusCode != http.StatusOK || a.text != want {
		t.Errorf("status %d %s", a.StatusCode, a.text)
	}
}

func TestSyncLast(t *testing.T) {
	h := open(t)
	if a := h.do("GET", "/api/synlast", ""); a.text != `{"data":[]}` {
		t.Errorf("no syncs yet: %s", a.text)
	}
	for i := range 1200 {
		h.runs = append(h.runs, goodRun(epoch.Add(time.Duration(i)*time.Minute)))
	}
	h.runs[1199] = badRun(h.runs[1199].StartedAt, "timeout", "no answer")
	for query, want := range map[string]int{"": 100, "?count=1": 1, "?count=101": 101, "?count=1000": 1000, "?other=x": 100} {
		var got struct {
			Data []entry `json:"data"`
		}
		a := h.do("GET", "/api/synlast"+query, "")
		if err := json.Unmarshal([]byte(a.text), &got); err != nil {
			t.Fatalf("%q: %v", a.text, err)
		}
		last := got.Data[len(got.Data)-1]
		if len(got.Data) != want || last.Response != "error" || last.Date != h.entry(h.runs[1199]).Date {
			t.Errorf("%s: %d entries, the last %v", query, len(got.Data), last)
		}
		if want > 1 && (got.Data[0].Date >= last.Date || got.Data[0].Response != "ok") {
			t.Errorf("%s: the oldest is %v", query, got.Data[0])
		}
	}
	for _, bad := range []string{"0", "-1", "1001", "abc", "", "1.5", "1e2", "%20", "99999999999999999999", "1&count=2", "%2B2", "007"} {
		p := h.wantProblem(h.do("GET", "/api/synlast?count="+bad, ""), 400, "invalid_parameter")
		if !strings.Contains(p.Detail, "count") || p.Hint == "" {
			t.Errorf("count=%s: %+v", bad, p)
		}
	}
	h.wantProblem(h.do("GET", "/api/synlast?count=%zz", ""), 400, "invalid_query")
	h.broken = errors.New("ledger on fire")
	h.wantProblem(h.do("GET", "/api/synlast", ""), 500, "internal")
}
