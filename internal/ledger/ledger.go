// Package ledger keeps the book of what ran: crons, their executions, and the
// messages of each execution.
//
// Starting is the gate. An execution of a cron with a limit holds a slot, and a
// unique index lets one running execution hold it: admission is one statement,
// right for any number of nodes. An execution that was admitted with a lease
// keeps its slot only while its holder renews it; when the holder dies, the
// lease runs out and the execution ends as failed with ReasonInterrupted; of
// Ferryman's own the run that takes its place then tells how the cron stands. One
// that runs past its deadline ends as timed out. Both take a report of their end
// that comes late.
//
// The ledger watches its crons: a start that is expected and does not come, a
// run past its deadline, failures in a row and the return from each of these are
// events, stored in the transaction that notices them.
package ledger

import (
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Ledger reads and writes the book in the store. It is safe for concurrent use.
type Ledger struct {
	db    *db.DB
	plans plans
	homes recent[int64, home]   // by execution
	named recent[called, int64] // crons by what they were called, which may be out of date
}

// New makes a ledger on a migrated store.
func New(d *db.DB) *Ledger { return &Ledger{db: d} }

// Now is the time by which the ledger goes.
func (l *Ledger) Now() time.Time { return l.db.Now() }

// OwnApplication is the application whose crons are Ferryman's own syncs. The
// store has it from the beginning.
const OwnApplication = "ferryman"

// Faults that callers branch on with errors.Is.
var (
	ErrNoCron      = &fault.Error{Kind: fault.NotFound, Code: "cron_unknown", Detail: "there is no such cron"}
	ErrInactive    = &fault.Error{Kind: fault.Inactive, Code: "cron_inactive", Detail: "the cron is switched off"}
	ErrPaused      = &fault.Error{Kind: fault.Inactive, Code: "cron_paused", Detail: "the cron is paused"}
	ErrRunning     = &fault.Error{Kind: fault.Conflict, Code: "already_running", Detail: "as many executions as the cron may have are running"}
	ErrOwn         = &fault.Error{Kind: fault.Conflict, Code: "own_sync", Detail: "this cron is a sync that Ferryman runs itself"}
	ErrNoExecution = &fault.Error{Kind: fault.NotFound, Code: "execution_unknown", Detail: "there is no such execution"}
	ErrEnded       = &fault.Error{Kind: fault.Conflict, Code: "already_ended", Detail: "the execution has ended"}
	ErrTooLate     = &fault.Error{Kind: fault.Conflict, Code: "ended_long_ago", Detail: "the execution ended too long ago to take messages"}
)
