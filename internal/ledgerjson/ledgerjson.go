// Package ledgerjson is how the ledger looks as JSON, on the command line and
// over HTTP alike. Members that may be unset are null rather than missing. Times
// are UTC with milliseconds; durations are seconds where they are settings, and
// milliseconds where they were measured.
package ledgerjson

import (
	"encoding/json"
	"time"

	"ferryman/internal/ledger"
)

// Time is a time; null if it is zero.
type Time time.Time

const timeFormat = "2006-01-02T15:04:05.000Z"

// String is the time as it stands in JSON, "" if it is zero.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return time.Time(t).UTC().Format(timeFormat)
}

// IsZero tells whether there is no time, for omitzero.
func (t Time) IsZero() bool { return time.Time(t).IsZero() }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.String() + `"`), nil
}

// Cron is a cron and how it stands.
type Cron struct {
	ID                int64          `json:"id"`
	App               string         `json:"app"`
	Slug              string         `json:"slug"`
	Name              string         `json:"name"`
	Kind              ledger.Kind    `json:"kind"`
	State             ledger.State   `json:"state"`
	Active            bool           `json:"active"`
	PausedUntil       Time           `json:"paused_until"`
	Schedule          *string        `json:"schedule"`
	Timezone          string         `json:"timezone"`
	GraceSeconds      float64        `json:"grace_seconds"`
	MaxRunning        *int64         `json:"max_running"`
	Overlap           ledger.Overlap `json:"overlap"`
	MaxRuntimeSeconds *float64       `json:"max_runtime_seconds"`
	HeartbeatSeconds  *float64       `json:"heartbeat_seconds"`
	FailAfter         int64          `json:"fail_after"`
	RecoverAfter      int64          `json:"recover_after"`
	EachFailure       bool           `json:"each_failure"`
	EachSuccess       bool           `json:"each_success"`
	Muted             bool           `json:"muted"`
	SnoozedUntil      Time           `json:"snoozed_until"`
	KeepRuns          int64          `json:"keep_runs"`
	KeepForSeconds    *float64       `json:"keep_for_seconds"`
	ExpectedAt        Time           `json:"expected_at"`
	LateAt            Time           `json:"late_at"`
	MissedSince       Time           `json:"missed_since"`
	OverdueSince      Time           `json:"overdue_since"`
	FailingSince      Time           `json:"failing_since"`
	Failures          int64          `json:"failures"` // in a row
	Running           int64          `json:"running"`
	LastExecution     *Last          `json:"last_execution"`
	LastSuccessAt     Time           `json:"last_success_at"`
	CreatedAt         Time           `json:"created_at"`
	UpdatedAt         Time           `json:"updated_at"`
}

// Last is the newest execution of a cron, in short.
type Last struct {
	ID         int64         `json:"id"`
	Status     ledger.Status `json:"status"`
	StartedAt  Time          `json:"started_at"`
	EndedAt    Time          `json:"ended_at"`
	DurationMS *int64        `json:"duration_ms"`
}

// OfCron shows a cron.
func OfCron(c *ledger.CronStatus) Cron {
	shown := Cron{
		ID: c.ID, App: c.App, Slug: c.Slug, Name: c.Name, Kind: c.Kind, State: c.State,
		Active: c.Active, PausedUntil: Time(c.PausedUntil), Schedule: OrNull(c.Schedule), Timezone: c.Zone, GraceSeconds: c.Grace.Seconds(),
		MaxRunning: OrNull(c.MaxRunning), Overlap: c.Overlap,
		MaxRuntimeSeconds: OrNull(c.MaxRuntime.Seconds()), HeartbeatSeconds: OrNull(c.Heartbeat.Seconds()),
		FailAfter: c.FailAfter, RecoverAfter: c.RecoverAfter, EachFailure: c.EachFailure, EachSuccess: c.EachSuccess,
		Muted: c.Muted, SnoozedUntil: Time(c.SnoozedUntil), KeepRuns: c.KeepRuns, KeepForSeconds: OrNull(c.KeepFor.Seconds()),
		ExpectedAt: Time(c.ExpectedAt), LateAt: Time(c.LateAt),
		MissedSince: Time(c.MissedSince), OverdueSince: Time(c.OverdueSince), FailingSince: Time(c.FailingSince),
		Failures: c.Failures, Running: c.Running, LastSuccessAt: Time(c.LastSuccess),
		CreatedAt: Time(c.CreatedAt), UpdatedAt: Time(c.UpdatedAt),
	}
	if e := c.Last; e != nil {
		shown.LastExecution = &Last{e.ID, e.Status, Time(e.StartedAt), Time(e.EndedAt), took(e)}
	}
	return shown
}

// Execution is an execution.
type Execution struct {
	ID           int64               `json:"id"`
	CronID       int64               `json:"cron_id"`
	App          string              `json:"app"`
	Slug         string              `json:"slug"`
	Status       ledger.Status       `json:"status"`
	Trigger      ledger.Trigger      `json:"trigger"`
	Attempt      int64               `json:"attempt"`
	Host         *string             `json:"host"`
	ScheduledFor Time                `json:"scheduled_for"`
	StartedAt    Time                `json:"started_at"`
	EndedAt      Time                `json:"ended_at"`
	DurationMS   *int64              `json:"duration_ms"` // as reported, or as measured here
	DeadlineAt   Time                `json:"deadline_at"`
	Overdue      bool                `json:"overdue"`
	ReportedAt   Time                `json:"reported_at"`
	Type         *ledger.MessageType `json:"type"` // of the report
	ExitCode     *int64              `json:"exit_code"`
	Repeats      int64               `json:"repeats"`
	Messages     int64               `json:"messages"` // received
	Dropped      int64               `json:"dropped"`
	Reason       *string             `json:"reason"`
	Detail       *string             `json:"detail"`
	Rows         *Rows               `json:"rows"` // of a sync
	Result       json.RawMessage     `json:"result"`
}

// Rows are what a sync read and wrote.
type Rows struct {
	Read     int64 `json:"read"`
	Written  int64 `json:"written"`
	Deleted  int64 `json:"deleted"`
	Rejected int64 `json:"rejected"`
}

// OfExecution shows an execution.
func OfExecution(e *ledger.ListedExecution) Execution {
	shown := Execution{
		ID: e.ID, CronID: e.CronID, App: e.App, Slug: e.Slug, Status: e.Status, Trigger: e.Trigger, Attempt: e.Attempt, Host: OrNull(e.Holder),
		ScheduledFor: Time(e.ScheduledFor), StartedAt: Time(e.StartedAt), EndedAt: Time(e.EndedAt), DurationMS: took(&e.Execution),
		DeadlineAt: Time(e.DeadlineAt), Overdue: e.Overdue, ReportedAt: Time(e.ReportedAt), Type: OrNull(e.EndType), ExitCode: e.ExitCode,
		Repeats: e.Repeats, Messages: e.Messages, Dropped: e.Dropped(), Reason: OrNull(e.Reason), Detail: OrNull(e.Detail), Result: e.Result,
	}
	if e.Counts != (ledger.Counts{}) {
		shown.Rows = &Rows{e.Counts.Read, e.Counts.Written, e.Counts.Deleted, e.Counts.Rejected}
	}
	return shown
}

// took is how long an execution took, nil while it runs or if it never ran.
func took(e *ledger.Execution) *int64 {
	if e.EndedAt.IsZero() || e.Status == ledger.Missed || e.Status == ledger.Skipped {
		return nil
	}
	d := e.ReportedTook
	if d == 0 {
		d = e.EndedAt.Sub(e.StartedAt)
	}
	ms := d.Milliseconds()
	return &ms
}

// Message is a message of an execution.
type Message struct {
	ID         int64              `json:"id"`
	Type       ledger.MessageType `json:"type"`
	Message    string             `json:"message"`
	At         Time               `json:"at"`
	ReceivedAt Time               `json:"received_at"`
	Truncated  bool               `json:"truncated"`
	Late       bool               `json:"late"`
}

// OfMessage shows a message.
func OfMessage(m *ledger.Message) Message {
	return Message{m.ID, m.Type, m.Text, Time(m.At), Time(m.ReceivedAt), m.Truncated, m.Late}
}

// Event is an event.
type Event struct {
	ID          int64            `json:"id"`
	CronID      int64            `json:"cron_id"`
	App         string           `json:"app"`
	Slug        string           `json:"slug"`
	ExecutionID *int64           `json:"execution_id"`
	Kind        ledger.EventKind `json:"kind"`
	Subject     *string          `json:"subject"` // of one that is recovered
	Since       Time             `json:"since"`
	Detail      *string          `json:"detail"`
	At          Time             `json:"at"`
	Suppressed  *string          `json:"suppressed"`
}

// OfEvent shows an event.
func OfEvent(e *ledger.ListedEvent) Event {
	return Event{
		e.ID, e.CronID, e.App, e.Slug, OrNull(e.Execution), e.Kind, OrNull(string(e.Subject)), Time(e.Since), OrNull(e.Detail), Time(e.At),
		OrNull(string(e.Suppressed)),
	}
}

// Window is a maintenance window.
type Window struct {
	ID        int64   `json:"id"`
	App       *string `json:"app"`     // null: every application
	CronID    *int64  `json:"cron_id"` // null: every cron of it
	Slug      *string `json:"slug"`
	StartsAt  Time    `json:"starts_at"`
	EndsAt    Time    `json:"ends_at"`
	Reason    string  `json:"reason"`
	CreatedAt Time    `json:"created_at"`
}

// OfWindow shows a maintenance window.
func OfWindow(w *ledger.Window) Window {
	return Window{w.ID, OrNull(w.App), OrNull(w.CronID), OrNull(w.Cron), Time(w.StartsAt), Time(w.EndsAt), w.Reason, Time(w.CreatedAt)}
}

// OrNull gives nil, which is null in JSON, for a zero value.
func OrNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
