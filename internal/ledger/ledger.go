// Package ledger keeps the book of what ran: crons, their executions, and the
// messages of each execution.
//
// Starting is the gate. An execution of a cron with a limit holds a slot, and a
// unique index lets one running execution hold it: admission is one statement,
// right for any number of nodes. An execution that was admitted with a lease
// keeps its slot only while its holder renews it; when the holder dies, the
// lease runs out and the execution ends as failed with ReasonInterrupted.
package ledger

import (
	"encoding/json"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Ledger reads and writes the book in the store. It is safe for concurrent use.
type Ledger struct{ db *db.DB }

// New makes a ledger on a migrated store.
func New(d *db.DB) *Ledger { return &Ledger{db: d} }

// Kind tells whose work a cron stands for.
type Kind string

// The kinds of crons.
const (
	Sync     Kind = "sync"     // Ferryman's own
	External Kind = "external" // reported by an application
)

// Cron is work that runs again and again.
type Cron struct {
	ID         int64
	Slug       string // unique
	Name       string
	Kind       Kind
	Active     bool          // an inactive cron does not start
	MaxRunning int64         // how many executions may run at a time; 0: no limit
	MaxRuntime time.Duration // how long one may run; 0: no limit

	LastExecution int64 // id of the newest execution that was admitted; 0 before the first
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Trigger is what started an execution.
type Trigger string

// The triggers.
const (
	Schedule Trigger = "schedule"
	HTTP     Trigger = "http"
	CLI      Trigger = "cli"
)

// Status is how an execution stands.
type Status string

// The statuses. All but Running have an end.
const (
	Running   Status = "running"
	Success   Status = "success"
	Failed    Status = "failed"
	TimedOut  Status = "timed_out"
	Cancelled Status = "cancelled"
)

// Reasons that the ledger itself, rather than the work, gives for an end.
const (
	ReasonInterrupted = "interrupted" // the holder died or lost its lease
	ReasonHandedBack  = "handed_back" // the holder was stopped in mid-work
)

// Execution is one run of a cron. Times are UTC.
type Execution struct {
	ID         int64
	CronID     int64
	Status     Status
	Trigger    Trigger
	Request    string // what asked for it; "" if nobody needs to know
	Attempt    int64  // 1, or more when earlier attempts at the request were cut off
	Holder     string // the node or host that runs it
	StartedAt  time.Time
	EndedAt    time.Time // zero while it runs
	LeaseUntil time.Time // zero without a lease
	DeadlineAt time.Time // zero without one

	Reason string // machine-readable cause of an end other than success
	Detail string // the same for a person
	Counts Counts
	Result json.RawMessage // what the work says of itself; nil if nothing
}

// CutOff tells whether the execution ended without its work being done or
// refused, so that the request is worth another attempt. Work that was cut off
// too often is not: it may be what kills its holders.
func (e Execution) CutOff() bool {
	return (e.Reason == ReasonInterrupted || e.Reason == ReasonHandedBack) && e.Attempt < maxAttempts
}

const maxAttempts = 10

// Counts are the rows of a sync.
type Counts struct{ Read, Written, Deleted, Rejected int64 }

// MessageType is the level of a message.
type MessageType string

// The message types.
const (
	Info      MessageType = "info"
	Succeeded MessageType = "success"
	Warning   MessageType = "warning"
	Error     MessageType = "error"
)

// Message is a line that an execution has to say.
type Message struct {
	ID   int64
	Type MessageType
	Text string
	At   time.Time
}

// Faults that callers branch on with errors.Is.
var (
	ErrNoCron      = &fault.Error{Kind: fault.NotFound, Code: "cron_unknown", Detail: "there is no such cron"}
	ErrInactive    = &fault.Error{Kind: fault.Inactive, Code: "cron_inactive", Detail: "the cron is switched off"}
	ErrRunning     = &fault.Error{Kind: fault.Conflict, Code: "already_running", Detail: "as many executions as the cron may have are running"}
	ErrNoExecution = &fault.Error{Kind: fault.NotFound, Code: "execution_unknown", Detail: "there is no such execution"}
	ErrEnded       = &fault.Error{Kind: fault.Conflict, Code: "already_ended", Detail: "the execution has ended"}
)
