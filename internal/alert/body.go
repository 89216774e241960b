package alert

import (
	"encoding/json"
	"time"

	"ferryman/internal/ledger"
)

// envelope is what a webhook gets, as Standard Webhooks has it.
type envelope struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // when it happened
	Data      any    `json:"data"`
}

// event is what happened, with the members that the API's events have.
type event struct {
	EventID     int64            `json:"event_id"`
	App         string           `json:"app"`
	CronID      int64            `json:"cron_id"`
	Slug        string           `json:"slug"`
	Kind        ledger.EventKind `json:"kind"`
	Subject     *string          `json:"subject"` // of one that is recovered
	Since       *string          `json:"since"`
	Detail      string           `json:"detail"`
	ExecutionID *int64           `json:"execution_id"`
}

// body is what a webhook gets of an event.
func body(n *ledger.News) string {
	e := event{EventID: n.ID, App: n.App, CronID: n.CronID, Slug: n.Slug, Kind: n.Kind, Detail: cut(n.Detail, "")}
	if n.Subject != "" {
		subject := string(n.Subject)
		e.Subject = &subject
	}
	if !n.Since.IsZero() {
		since := stamp(n.Since)
		e.Since = &since
	}
	if n.Execution != 0 {
		e.ExecutionID = &n.Execution
	}
	return enveloped("cron."+string(n.Kind), n.At, e)
}

func enveloped(kind string, at time.Time, data any) string {
	b, _ := json.Marshal(envelope{Type: kind, Timestamp: stamp(at), Data: data}) //nolint:errchkjson // there is nothing in it that could fail
	return string(b)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
