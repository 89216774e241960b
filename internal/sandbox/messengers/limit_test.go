package messengers

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hands is a clock that a test sets.
type hands struct{ passed atomic.Int64 }

func (h *hands) now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(h.passed.Load()))
}

func (h *hands) add(d time.Duration) { h.passed.Add(int64(d)) }

func TestLimitOfAll(t *testing.T) {
	var clock hands
	s := start(t, Options{Now: clock.now, Limits: VendorLimits()})
	for i := range 30 {
		want(t, 200, s.send(Telegram, fmt.Sprint(i), "x"))
	}
	if text := want(t, 429, s.send(Telegram, "30", "x")); !strings.Contains(text, `"parameters":{"retry_after":1}`) {
		t.Errorf("answer %s", text)
	}
	clock.add(time.Second / 30)
	want(t, 200, s.send(Telegram, "30", "x"))
	want(t, 429, s.send(Telegram, "31", "x"))
	clock.add(time.Second)
	for i := range 30 {
		want(t, 200, s.send(Telegram, fmt.Sprint(100+i), "x"))
	}
	want(t, 429, s.send(Telegram, "131", "x"))
}

func TestLimitOfARecipient(t *testing.T) {
	var clock hands
	s := start(t, Options{Now: clock.now, Limits: VendorLimits()})
	for m, c := range map[Messenger]struct {
		interval time.Duration
		status   int
		says     string
	}{
		Telegram: {time.Second, 429, `"retry_after":1`},
		WhatsApp: {6 * time.Second, 429, `"code":131056`},
	} {
		want(t, 200, s.send(m, "5", "x"))
		if text := want(t, c.status, s.send(m, "5", "x")); !strings.Contains(text, c.says) {
			t.Errorf("%s: answer %s", m, text)
		}
		want(t, 200, s.send(m, "6", "x"))
		clock.add(c.interval * 3 / 4) // early, but tolerable
		want(t, 200, s.send(m, "5", "x"))
		clock.add(c.interval * 3 / 4) // which does not add up
		want(t, c.status, s.send(m, "5", "x"))
	}
	for range 100 {
		want(t, 200, s.send(Viber, "5", "x"))
	}
	if text := want(t, 200, s.send(Viber, "5", "x")); !strings.Contains(text, `"status":12`) {
		t.Errorf("answer %s", text)
	}
}

func TestLimitOfAGroup(t *testing.T) {
	var clock hands
	s := start(t, Options{Now: clock.now, Limits: VendorLimits()})
	for range 29 { // the 20 of a minute, and what the first half minute frees
		want(t, 200, s.send(Telegram, "-100", "x"))
		clock.add(time.Second)
	}
	if text := want(t, 429, s.send(Telegram, "-100", "x")); !strings.Contains(text, `"retry_after":1}`) {
		t.Errorf("answer %s", text)
	}
	want(t, 200, s.send(Telegram, "@channel", "x"))
	want(t, 200, s.send(Telegram, "100", "x"))
}

// What is refused is not counted against the limit.
func TestRefusedMessagesAreFree(t *testing.T) {
	var clock hands
	s := start(t, Options{Now: clock.now, Limits: Limits{WhatsApp: Rates{All: Rate{2, time.Second}}}})
	for range 5 {
		want(t, 400, s.send(WhatsApp, "unknown", "x"))
	}
	want(t, 200, s.send(WhatsApp, "1", "x"))
	want(t, 200, s.send(WhatsApp, "1", "x"))
	for range 3 {
		if text := want(t, 429, s.send(WhatsApp, "1", "x")); !strings.Contains(text, `"code":130429`) {
			t.Errorf("answer %s", text)
		}
	}
	clock.add(time.Second)
	want(t, 200, s.send(WhatsApp, "1", "x"))
}

func TestMeteredRecipientsAreBounded(t *testing.T) {
	busy := map[string]time.Time{}
	now := time.Unix(1_000, 0)
	for i := range maxMetered {
		busy[fmt.Sprint(i)] = now.Add(time.Duration(i%4-3) * time.Second) // all are over
	}
	busy["still"] = now.Add(time.Second)
	bounded(busy, now)
	if len(busy) != 1 || busy["still"].IsZero() {
		t.Errorf("%d are left", len(busy))
	}
	for i := range maxMetered {
		busy[fmt.Sprint(i)] = now.Add(time.Second)
	}
	if bounded(busy, now); len(busy) != 0 {
		t.Errorf("%d are left", len(busy))
	}
}

func TestRateText(t *testing.T) {
	for text, rate := range map[string]Rate{
		"30/s": {30, time.Second}, "20/min": {20, time.Minute}, "1/6s": {1, 6 * time.Second}, "100/h": {100, time.Hour},
		"none": {}, "5/90s": {5, 90 * time.Second}, "3/250ms": {3, 250 * time.Millisecond}, "2/2min": {2, 2 * time.Minute},
	} {
		got, err := ParseRate(text)
		if err != nil || got != rate || got.String() != text {
			t.Errorf("%q: %+v (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "30", "30/", "/s", "0/s", "-1/s", "1/0s", "1/25h", "x/s", "1/s/s", "9999999/s", "1/1us"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("%q: %v", text, r)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, seed := range []string{"30/s", "1/6s", "20/min", "none", "1/1h30m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := ParseRate(text)
		if err != nil {
			return
		}
		if again, err := ParseRate(rate.String()); err != nil || again != rate {
			t.Errorf("%q is %+v, written %s, read %+v: %v", text, rate, rate, again, err)
		}
	})
}
