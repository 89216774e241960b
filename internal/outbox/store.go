package outbox

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/db"
)

// Options tune an Outbox; the zero value is right for production.
type Options struct {
	Node   string // names this process among the store's senders
	Logger *slog.Logger
	// Hold keeps what is uncertain as a dead letter for a person to judge. Otherwise
	// it is sent again: then the other side may have it twice.
	Hold bool
	// Keep is how long attempts are kept, and deliveries of alerts and contacts that
	// are settled, dead letters among them; 30 days if 0. Messages are kept for ever:
	// they are unique for ever.
	Keep time.Duration
	// Serves is told of every channel that is set, before anything goes out by it; may be nil.
	Serves func(channel string)
	// Observe is told of every attempt, of dead senders' by who takes them over; may be
	// nil. Late is how long after its time the attempt began, took how long it lasted; of
	// one whose end nobody saw both are 0.
	Observe func(channel string, o Outcome, late, took time.Duration)
	Tracer  trace.Tracer // is told of attempts; nil: nothing is traced
}

// Item is a delivery to be made.
type Item struct {
	Topic     Topic
	Channel   string
	Recipient string
	Payload   string
	// Dedupe, of 16 bytes, is what no other delivery to the recipient by the channel
	// may have, whatever became of it; nil: it may come again.
	Dedupe []byte
	// OrderKey has the deliveries of the channel with the same key go one after the
	// other, in the order of their ids: a later one goes once all before it are
	// settled. "" is no order.
	OrderKey  string
	StartAt   *time.Time // when it is to be sent, as asked for; nil: at once
	ExpiresAt *time.Time // never sent from then on; nil: no end
}

// IfTaken says what Add does about items whose dedupe is taken.
type IfTaken uint8

// What there is to do.
const (
	Refuse IfTaken = iota // store nothing at all
	Skip                  // store the others
)

// Row is a delivery with what became of it.
type Row struct {
	ID        int64
	State     State
	Topic     Topic
	Channel   string
	Recipient string
	Payload   string
	OrderKey  string
	StartAt   *time.Time
	DueAt     time.Time // of the next attempt, while the state is Waiting or Behind
	ExpiresAt *time.Time
	CreatedAt time.Time
	Attempts  int
	Uncertain int       // attempts that may have arrived without anybody knowing
	EndedAt   time.Time // when it was sent, failed, cancelled or expired; zero before
	LastError string    // of the last attempt that failed: its code and what was said
	Reference string    // what the other side calls it
}

// Attempt is one try to send a delivery.
type Attempt struct {
	N       int // 1, 2, …
	At      time.Time
	Took    time.Duration // 0 if nobody saw its end
	Verdict Verdict
	Status  int // of HTTP; 0 without an answer
	Code    string
	Detail  string
}

// Filter selects deliveries; the zero value of a field lets all pass.
type Filter struct {
	Topics    []Topic
	States    []State
	Channel   string
	Recipient string
	After     int64 // only ids above it
	Before    int64 // only ids below it, and the newest of them first; 0: all
	Newest    bool  // the newest first
	Limit     int   // 100 if 0, at most 1000
}

// Selection says which dead letters to replay; at least one field must be set.
type Selection struct {
	IDs      []int64
	From, To int64 // a range of ids, both ends included; 0: open
	Channel  string
	Code     string    // of the last error
	Since    time.Time // failed at or after
	All      bool
}

// ChannelStats is how a channel stands.
type ChannelStats struct {
	Name        string
	Configured  bool
	PausedBy    string // "", "person" or "fault"
	PausedAt    time.Time
	PauseReason string
	HeldUntil   time.Time // zero: it rests not
	Waiting     int64     // scheduled, behind others included
	Due         int64     // of these, those whose time has come
	Sending     int64
	Failed      int64 // dead letters
	OldestDue   time.Time
	// Attempts and ends since the store was made.
	Totals Totals
}

// Totals count what a channel did.
type Totals struct{ Sent, Failed, Retried, Uncertain, Expired int64 }

// Outbox is the deliveries of a store. It is safe for concurrent use. Adding and
// managing needs nothing more; to send, Set the channels and Run it.
type Outbox struct {
	db  *db.DB
	o   Options
	log *slog.Logger

	server
}

// New makes an outbox on a migrated store.
func New(d *db.DB, o Options) *Outbox {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Outbox{db: d, o: o, log: o.Logger, server: server{looping: map[*dispatcher]bool{}, rested: make(chan struct{}, 1)}}
}
