// Package outboxtest holds what every outbox.Channel must do, as tests:
// TestChannel. A new channel passes it.
//
// The other side is a real HTTP server on loopback. It gives every status and every
// answer of the channel's table, and it resets, stalls, cuts and drips.
package outboxtest

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"ferryman/internal/outbox"
)

// Opening is what a channel is opened with.
type Opening struct {
	BaseURL string // of the other side
	Timeout time.Duration
	Logger  *slog.Logger // debug lines included
}

// Answer is one of the other side's.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Case is an answer with what it means. Of Want, Status is that of the answer, and
// Detail is not compared.
type Case struct {
	Name   string
	Answer Answer
	Want   outbox.Outcome
}

// Table is what a channel's other side says, and what that means.
type Table struct {
	// Secrets are what no outcome and no log line may hold.
	Secrets []string
	// Recipients are some that the channel takes; at least one.
	Recipients []string
	// Arrived tells in what a request differs from the delivery that it should bring.
	Arrived func(d outbox.Delivery, r *http.Request, body []byte) error
	// Accept is an answer that accepts a delivery, and Reference how it calls it.
	Accept    Answer
	Reference string
	// Status is what a status means by itself: Verdict, Rest and Trouble.
	Status func(status int) outbox.Outcome
	// Answers are the other side's own.
	Answers []Case
}

// What channels under test are opened with, and how long any attempt may last. Only
// something broken lasts so long.
const (
	timeout  = 30 * time.Second
	short    = 2 * time.Second // where the time-out is what is tried: the request must be there by then
	patience = 10 * time.Second
)

// TestChannel runs the suite. newChannel is called for each of its tests, and closes
// the channel when the test ends.
func TestChannel(t *testing.T, newChannel func(t *testing.T, o Opening) outbox.Channel, table Table) {
	for _, test := range []struct {
		name    string
		timeout time.Duration
		run     func(*bench)
	}{
		{"arrives to the letter", timeout, toTheLetter},
		{"every status without a body", timeout, everyStatusEmpty},
		{"every status with a page", timeout, everyStatusPage},
		{"answers of the other side", timeout, ownAnswers},
		{"asks to wait", timeout, asksToWait},
		{"long answers", timeout, longAnswers},
		{"refused", timeout, refused},
		{"reset before reading", timeout, resetBefore},
		{"reset after reading", timeout, resetAfter},
		{"a kept connection breaks", timeout, keptConnection},
		{"not HTTP", timeout, notHTTP},
		{"no answer", short, noAnswer},
		{"a cut answer", timeout, cutAnswer},
		{"a dripping answer", short, drippingAnswer},
		{"an endless answer", timeout, endlessAnswer},
		{"called off before", timeout, calledOffBefore},
		{"called off in the midst", timeout, calledOffInMidst},
		{"many at once", timeout, manyAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, table)
			b.open = func(base string) outbox.Channel {
				return newChannel(t, Opening{BaseURL: base, Timeout: test.timeout, Logger: b.log.logger()})
			}
			b.channel = b.open(b.other.URL)
			test.run(b)
			b.noSecretIn("the log", b.log.String())
		})
	}
}

// MessengerStatus is what a status means by itself where only the messenger's own
// words end a message. It is for Table.Status.
func MessengerStatus(status int) outbox.Outcome {
	switch status {
	case 401, 404, 405, 407, 410:
		return outbox.Outcome{Verdict: outbox.Blocked}
	case 413, 414, 431:
		return outbox.Outcome{Verdict: outbox.Rejected}
	}
	switch status / 100 {
	case 2:
		return outbox.Outcome{Verdict: outbox.Uncertain, Trouble: true}
	case 3:
		return outbox.Outcome{Verdict: outbox.Blocked}
	default:
		return outbox.Outcome{Verdict: outbox.Retry, Trouble: true}
	}
}

// Serve gives the address of another side that always says the same.
func Serve(t *testing.T, a Answer) string {
	t.Helper()
	o := newOther(t)
	o.says(a.write)
	return o.URL
}
