package outboxtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"ferryman/internal/outbox"
)

// bench is a test with another side of its own and a channel to it.
type bench struct {
	*testing.T
	table   Table
	other   *other
	log     *logbook
	open    func(base string) outbox.Channel
	channel outbox.Channel
	last    int64
}

func newBench(t *testing.T, table Table) *bench {
	t.Helper()
	return &bench{T: t, table: table, other: newOther(t), log: &logbook{}}
}

// delivery makes a new one.
func (b *bench) delivery(recipient, payload string) outbox.Delivery {
	b.last++
	return outbox.Delivery{
		ID: b.last, UID: fmt.Sprintf("dlv_%d", b.last), Topic: outbox.Message,
		Recipient: recipient, Payload: payload, Attempt: 1, CreatedAt: time.Now().UTC(),
	}
}

// any is a delivery of which nothing matters.
func (b *bench) any() outbox.Delivery { return b.delivery(b.table.Recipients[0], "hello") }

// send sends d, which must bring so many requests, and checks what holds for every
// outcome.
func (b *bench) send(ctx context.Context, d outbox.Delivery, requests int) outbox.Outcome {
	b.Helper()
	before := b.other.count()
	o := b.attempt(ctx, d)
	if n := b.other.count() - before; n != requests {
		b.Errorf("an attempt made %d requests, want %d", n, requests)
	}
	return o
}

// attempt sends d and checks what holds for every outcome.
func (b *bench) attempt(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	b.Helper()
	over := make(chan outbox.Outcome, 1)
	go func() { over <- b.channel.Send(ctx, d) }()
	var o outbox.Outcome
	select {
	case o = <-over:
	case <-time.After(patience):
		b.Fatal("the attempt does not end")
	}
	switch o.Verdict {
	case outbox.Accepted, outbox.Retry, outbox.Rejected, outbox.Blocked, outbox.Uncertain:
	default:
		b.Errorf("there is no verdict %q", o.Verdict)
	}
	if o.Verdict != outbox.Accepted && o.Code == "" {
		b.Errorf("no code in %+v", o)
	}
	if o.Verdict == outbox.Accepted && o.Trouble {
		b.Errorf("accepted, and yet in trouble: %+v", o)
	}
	if o.Verdict != outbox.Retry && (o.RetryAfter != 0 || o.Rest != outbox.Nobody) || o.RetryAfter < 0 || o.RetryAfter > 24*time.Hour {
		b.Errorf("a wait that cannot be: %+v", o)
	}
	if len(o.Detail) > outbox.MaxDetail || !utf8.ValidString(o.Detail) || strings.ContainsFunc(o.Detail, unicode.IsControl) {
		b.Errorf("a detail of %d bytes, which must be one line of at most %d: %.300q", len(o.Detail), outbox.MaxDetail, o.Detail)
	}
	b.noSecretIn("an outcome", fmt.Sprintf("%s %s %s", o.Code, o.Detail, o.Reference))
	return o
}

func (b *bench) noSecretIn(what, text string) {
	b.Helper()
	for _, secret := range b.table.Secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if strings.Contains(text, form) {
				b.Errorf("%s holds a secret: %.500q", what, text)
				return
			}
		}
	}
}

// lost checks an outcome of an attempt that nobody knows the end of.
func (b *bench) lost(o outbox.Outcome) {
	b.Helper()
	if o.Verdict != outbox.Uncertain || !o.Trouble {
		b.Errorf("got %+v, want it uncertain, and trouble", o)
	}
}

// lostAfter checks an outcome where only the status came through: that may be
// enough for a channel.
func (b *bench) lostAfter(status int, o outbox.Outcome) {
	b.Helper()
	if b.table.Status(status).Verdict == outbox.Accepted && o.Verdict == outbox.Accepted {
		return
	}
	b.lost(o)
}

// logbook keeps all that is logged.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
