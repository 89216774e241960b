// Package outbox carries everything that leaves by HTTP: it keeps deliveries,
// each a row of the store, and sends every one at its time by its channel, once.
//
// A delivery is claimed before it is sent, in a transaction that notes the
// attempt, and the outcome is noted in the next one. If the process ends in
// between, nobody knows whether the other side took it: such an attempt is
// uncertain, and Options.Hold says what follows. Nothing else can make a delivery
// go out twice, and nothing can make it get lost.
//
// A channel that is not set or is paused keeps its deliveries waiting, and so does
// one whose other side is in trouble, but for one at a time that tries whether it
// is over. An attempt that finds the channel itself unable to send counts for no
// delivery; one that meets trouble does, unless Config.Patient spares it. Rates,
// pauses and trouble are in the store, so that all nodes keep to them together.
// Times are UTC and the store's.
package outbox

import (
	"context"
	"time"
)

// Topic is what a delivery is about. It stands in the store.
type Topic int

// The topics.
const (
	Message Topic = 0 // of the message API
	Alert   Topic = 1 // of the ledger's events
	Contact Topic = 2 // of a contact sync
)

// State is what has become of a delivery. It stands in the store.
type State int

// The states.
const (
	Waiting   State = 0
	Sending   State = 1 // claimed: an attempt may be under way
	Behind    State = 2 // waits until one before it, with the same order key, is settled
	Sent      State = 3
	Failed    State = 4 // for good: a dead letter, until somebody revives it
	Cancelled State = 5
	Expired   State = 6 // its time was over before it could be sent
)

// String is the state's public name: whoever waits behind another is scheduled, too.
func (s State) String() string {
	switch s {
	case Waiting, Behind:
		return "scheduled"
	case Sending:
		return "sending"
	case Sent:
		return "sent"
	case Failed:
		return "failed"
	case Cancelled:
		return "cancelled"
	case Expired:
		return "expired"
	default:
		return "unknown"
	}
}

// Delivery is what a channel sends.
type Delivery struct {
	ID        int64
	UID       string // the same at each attempt, and of no other delivery of any store
	Topic     Topic
	Recipient string
	Payload   string // a message's text, or a webhook's body
	Attempt   int    // 1, 2, …
	CreatedAt time.Time
}

// Channel sends deliveries to one other side. It is safe for concurrent use.
type Channel interface {
	// Send makes one attempt and returns within the channel's time-out. When ctx
	// ends it gives up; the outcome is then Uncertain unless the request surely did
	// not go out.
	Send(ctx context.Context, d Delivery) Outcome
}

// Verdict is what an attempt came to.
type Verdict string

// The verdicts, as they stand in the store.
const (
	Accepted  Verdict = "sent"      // the other side has it
	Retry     Verdict = "retry"     // it may go better later
	Rejected  Verdict = "failed"    // it never will
	Blocked   Verdict = "paused"    // the channel cannot send anything until a person acts, as with a bad token
	Uncertain Verdict = "uncertain" // the request went out and nobody knows what became of it
)

// Scope says who shall rest.
type Scope uint8

// The scopes.
const (
	Nobody       Scope = iota
	TheRecipient       // what goes to the same recipient
	TheChannel         // everything on the channel
)

// Outcome is how an attempt ended. It holds no secret.
type Outcome struct {
	Verdict   Verdict
	Status    int    // of HTTP; 0 without an answer
	Code      string // the other side's, or in snake case what went wrong
	Detail    string // an excerpt of the answer, or of the error; at most MaxDetail bytes
	Reference string // what the other side calls the delivery

	// RetryAfter is what the other side asks for; 0 if nothing. Rest says for whom
	// that holds, beside the delivery itself.
	RetryAfter time.Duration
	Rest       Scope
	// Trouble says that the other side itself is in trouble: many of these in a row
	// make the channel rest.
	Trouble bool
}

// MaxDetail is how much of an answer is kept.
const MaxDetail = 4 << 10

// Config says how a channel is served.
type Config struct {
	Channel Channel

	Rate        Rate                        // of the whole channel
	Recipient   func(recipient string) Rate // of each recipient; nil: none has one
	Concurrency int                         // attempts at the same time on this node; 64 if 0
	Timeout     time.Duration               // of one attempt; 30 s if 0
	Backoff     Backoff                     // how often, and when, to try again; DefaultBackoff if zero

	// Patient says that an outage costs no delivery its attempts: of those that meet
	// Trouble while the channel is known to be in it, what is to be tried again does
	// not count, up to a thousand times.
	Patient bool
	// Repeatable says that the other side knows a delivery that it was given before:
	// what is uncertain is then repeated in any case.
	Repeatable bool
}
