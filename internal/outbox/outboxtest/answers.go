package outboxtest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/outbox"
)

// texts are what goes wrong where a text is escaped, trimmed or cut.
func texts() []string {
	return []string{
		"hello",
		"a",
		" leading and trailing \n",
		"line\nline\r\n\ttab",
		`"quotes" 'and' \back\slash\ \n`,
		"<b>&amp; {\"json\":[1]} %41 %% ${x} \\u0041",
		"Привет, Київ ґ ї",
		"👩‍👩‍👧 🇺🇦 👍🏽 e\u0301 \u200d\u2028\u2029\ufeff",
		"\x01\x1f\x7f\u0085",
		strings.Repeat("Ж", 2000),
	}
}

func toTheLetter(b *bench) {
	b.other.says(b.table.Accept.write)
	for _, recipient := range b.table.Recipients {
		for _, text := range texts() {
			d := b.delivery(recipient, text)
			o := b.send(b.Context(), d, 1)
			if o.Verdict != outbox.Accepted || o.Reference != b.table.Reference || o.Status != b.table.Accept.Status {
				b.Errorf("to %q: got %+v, want it accepted as %q", recipient, o, b.table.Reference)
			}
			seen := b.other.requests()
			r := seen[len(seen)-1]
			if r.Method != http.MethodPost {
				b.Errorf("it came by %s", r.Method)
			}
			if err := b.table.Arrived(d, r.Request, r.body); err != nil {
				b.Errorf("to %q: %.60q did not arrive to the letter: %v", recipient, text, err)
			}
		}
	}
}

func everyStatusEmpty(b *bench) {
	everyStatus(b, func(status int) func(http.ResponseWriter, request) { return Answer{Status: status}.write })
}

func everyStatusPage(b *bench) { everyStatus(b, page) }

func everyStatus(b *bench, answer func(status int) func(http.ResponseWriter, request)) {
	for status := 200; status < 600; status++ {
		b.other.says(answer(status))
		got, want := b.send(b.Context(), b.any(), 1), b.table.Status(status)
		if got.Verdict != want.Verdict || got.Rest != want.Rest || got.Trouble != want.Trouble || got.Status != status || got.RetryAfter != 0 {
			b.Errorf("%d: got %+v, want %+v", status, got, want)
		}
	}
}

func ownAnswers(b *bench) {
	for _, c := range b.table.Answers {
		b.Run(c.Name, func(t *testing.T) {
			in := *b
			in.T = t
			in.other.says(c.Answer.write)
			got := in.send(t.Context(), in.any(), 1)
			b.last = in.last
			want := c.Want
			want.Status, want.Detail = c.Answer.Status, got.Detail
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// asksToWait answers with the header Retry-After in both of its forms, and in forms
// that no one should trust.
func asksToWait(b *bench) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for _, c := range []struct {
			header   string
			min, max time.Duration
		}{
			{"7", 7 * time.Second, 7 * time.Second},
			{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 59 * time.Minute, time.Hour},
			{"0", 0, 0},
			{"-5", 0, 0},
			{"soon", 0, 0},
			{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 0, 0},
			{"99999999999999999999", time.Minute, 24 * time.Hour},
		} {
			b.other.says(Answer{Status: status, Header: http.Header{"Retry-After": {c.header}}}.write)
			o := b.send(b.Context(), b.any(), 1)
			if o.Verdict != outbox.Retry || o.RetryAfter < c.min || o.RetryAfter > c.max {
				b.Errorf("%d with Retry-After: %s gives %+v", status, c.header, o)
			}
		}
	}
}

// longAnswers are those whose detail must be cut, at any byte of a character.
func longAnswers(b *bench) {
	for shift := range 4 {
		b.other.says(Answer{Status: http.StatusBadGateway, Body: strings.Repeat("x", shift) + strings.Repeat("🙂", 30_000)}.write)
		b.send(b.Context(), b.any(), 1)
	}
	b.other.says(Answer{Status: http.StatusBadGateway, Body: "\xff\xfe\x00" + strings.Repeat("\xf0\x9f\n", 30_000)}.write)
	b.send(b.Context(), b.any(), 1)
}

func manyAtOnce(b *bench) {
	b.other.says(b.table.Accept.write)
	const senders, each = 16, 8
	var todo [senders][each]outbox.Delivery
	wanted := map[string]outbox.Delivery{}
	for i := range todo {
		for j := range todo[i] {
			todo[i][j] = b.delivery(b.table.Recipients[0], fmt.Sprintf("text %d of %d", j, i))
			wanted[todo[i][j].UID] = todo[i][j]
		}
	}
	var going sync.WaitGroup
	for i := range todo {
		going.Go(func() {
			for _, d := range todo[i] {
				if o := b.channel.Send(b.Context(), d); o.Verdict != outbox.Accepted {
					b.Errorf("got %+v", o)
				}
			}
		})
	}
	going.Wait()
	for _, r := range b.other.requests() {
		for uid, d := range wanted {
			if b.table.Arrived(d, r.Request, r.body) == nil {
				delete(wanted, uid)
				break
			}
		}
	}
	if n := b.other.count(); n != senders*each || len(wanted) > 0 {
		b.Errorf("%d requests came of %d deliveries, and %d of those were missing", n, senders*each, len(wanted))
	}
}
