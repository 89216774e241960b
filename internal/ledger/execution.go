package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ferryman/internal/db"
)

// Trigger is what started an execution.
type Trigger string

// The triggers.
const (
	Schedule Trigger = "schedule" // Ferryman's own
	HTTP     Trigger = "http"     // a call, or the application that reported it
	CLI      Trigger = "cli"
)

// Status is how an execution stands.
type Status string

// The statuses. All but Running have an end.
const (
	Running    Status = "running"
	Success    Status = "success"
	Failed     Status = "failed"
	TimedOut   Status = "timed_out"  // it ran past its deadline, and nothing was heard of it since
	Cancelled  Status = "cancelled"  // called off, or released by hand
	Superseded Status = "superseded" // another start took its place
	Missed     Status = "missed"     // it was expected and never started
	Skipped    Status = "skipped"    // its start was refused
)

// Reasons that the ledger itself, rather than the work, gives for an end.
const (
	ReasonInterrupted = "interrupted" // the holder died or lost its lease
	ReasonHandedBack  = "handed_back" // the holder was stopped in mid-work
	ReasonDeadline    = "deadline"    // it ran longer than its cron allows
	ReasonReleased    = "released"    // somebody freed its place by hand
)

// Execution is one run of a cron, or the record of one that did not come about.
// Times are UTC.
type Execution struct {
	ID           int64
	CronID       int64
	Slug         string        // of the cron; only Start gives it
	Heartbeat    time.Duration // likewise
	AppID        int64
	Status       Status
	Trigger      Trigger
	Request      string // what asked for it; "" if nobody needs to know
	Attempt      int64  // 1, or more when earlier attempts at the request were cut off
	Holder       string // the node or host that runs it
	ScheduledFor time.Time
	StartedAt    time.Time
	EndedAt      time.Time // zero while it runs
	LeaseUntil   time.Time // zero without a lease
	DeadlineAt   time.Time // zero without one

	Overdue         bool        // it ran past its deadline
	ReportedAt      time.Time   // when the application reported its end; zero if it did not
	ReportedSuccess bool        // as it reported it
	EndType         MessageType // level of that report; "" without one
	ExitCode        *int64      // nil if nobody told
	ReportedTook    time.Duration
	Repeats         int64 // of a missed one: how many expected starts it stands for
	Messages        int64 // received, whether or not they are kept

	Reason string // machine-readable cause of an end other than success
	Detail string // the same for a person
	Counts Counts
	Result json.RawMessage // what the work says of itself; nil if nothing

	kept kept
}

// Dropped is how many of its messages were not kept.
func (e Execution) Dropped() int64 { return e.Messages - e.kept.count(e.Messages) }

// CutOff tells whether the execution ended without its work being done or
// refused, so that the request is worth another attempt. Work that was cut off
// too often is not: it may be what kills its holders.
func (e Execution) CutOff() bool {
	return (e.Reason == ReasonInterrupted || e.Reason == ReasonHandedBack) && e.Attempt < maxAttempts
}

const maxAttempts = 10

// Counts are the rows of a sync.
type Counts struct{ Read, Written, Deleted, Rejected int64 }

const executionColumns = `e.id, e.cron_id, e.application_id, e.status, e."trigger", e.request, e.attempt, e.holder, e.scheduled_for, e.started_at, e.ended_at,
	e.lease_until, e.deadline_at, e.overdue, e.reported_at, coalesce(e.reported_success, FALSE), coalesce(e.end_type, ''), e.exit_code, e.reported_took, e.repeats,
	e.message_count, e.head_count, e.head_bytes, e.tail_seq, e.tail_bytes, e.reason, e.detail, e.rows_read, e.rows_written, e.rows_deleted, e.rows_rejected, e.result`

// returned is executionColumns as RETURNING takes them on both databases.
func returned() string { return strings.ReplaceAll(executionColumns, "e.", "") }

// scanExecution reads executionColumns, and into more what the query adds to them.
func scanExecution(row scanner, more ...any) (Execution, error) {
	var e Execution
	var request, result sql.NullString
	err := row.Scan(append([]any{&e.ID, &e.CronID, &e.AppID, &e.Status, &e.Trigger, &request, &e.Attempt, &e.Holder, instant(&e.ScheduledFor), instant(&e.StartedAt), instant(&e.EndedAt),
		instant(&e.LeaseUntil), instant(&e.DeadlineAt), &e.Overdue, instant(&e.ReportedAt), &e.ReportedSuccess, &e.EndType, &e.ExitCode, duration(&e.ReportedTook), &e.Repeats,
		&e.Messages, &e.kept.head, &e.kept.headBytes, &e.kept.tail, &e.kept.tailBytes, &e.Reason, &e.Detail, &e.Counts.Read, &e.Counts.Written, &e.Counts.Deleted, &e.Counts.Rejected, &result}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return Execution{}, ErrNoExecution
	}
	e.Request = request.String
	if result.Valid {
		e.Result = json.RawMessage(result.String)
	}
	return e, err
}

// Execution gives one execution of an application, or of any if app is 0. It
// gives ErrNoExecution.
func (l *Ledger) Execution(ctx context.Context, app, id int64) (Execution, error) {
	e, err := scanExecution(l.db.QueryRow(ctx, "SELECT "+executionColumns+" FROM executions e WHERE e.id = $1 AND (e.application_id = $2 OR $2 = 0)", id, app))
	if err != nil {
		return Execution{}, fmt.Errorf("execution %d: %w", id, err)
	}
	return e, nil
}

// lockExecution reads an execution in tx and keeps others from changing it.
func (l *Ledger) lockExecution(ctx context.Context, tx *db.Tx, id int64) (Execution, error) {
	return scanExecution(tx.QueryRow(ctx, "SELECT "+executionColumns+" FROM executions e WHERE e.id = $1"+tx.ForUpdate(), id))
}

// clean makes text fit for both databases: PostgreSQL refuses NUL and broken
// UTF-8.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
