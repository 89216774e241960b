package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"ferryman/internal/db"
)

// EventKind is what happened to a cron that somebody may want to know.
type EventKind string

// The kinds of events.
const (
	EventMissed    EventKind = "missed"    // an expected start did not come
	EventOverdue   EventKind = "overdue"   // a run went past its deadline
	EventFailing   EventKind = "failing"   // too many failures in a row
	EventRecovered EventKind = "recovered" // one of these, the subject, is over
	EventFailed    EventKind = "failed"    // each failure, where the cron asks for it
	EventSucceeded EventKind = "succeeded" // each success likewise
)

// Suppression is why an event is not told.
type Suppression string

// The suppressions. None of them keeps an event from being stored.
const (
	Told          Suppression = ""
	Muted         Suppression = "muted"
	Snoozed       Suppression = "snoozed"
	InMaintenance Suppression = "maintenance"
)

// Event is a change that an alert can be made from. Times are UTC.
type Event struct {
	ID         int64
	CronID     int64
	AppID      int64
	Execution  int64 // 0 if it is about none
	Kind       EventKind
	Subject    EventKind // of EventRecovered: what is over
	Since      time.Time // when the trouble began; zero where there is none
	Detail     string
	At         time.Time
	Suppressed Suppression
}

// record stores events of a cron, and whether they are told. A recovery is told
// exactly if its trouble was.
func (l *Ledger) record(ctx context.Context, tx *db.Tx, cron *Cron, events ...Event) error {
	for _, e := range events {
		why, until, err := l.suppression(ctx, tx, cron, e)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO events (cron_id, application_id, execution_id, kind, subject, since, detail, at, suppressed, suppressed_until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			cron.ID, cron.AppID, sql.NullInt64{Int64: e.Execution, Valid: e.Execution != 0}, string(e.Kind), string(e.Subject),
			db.Time{Time: e.Since}, clean(e.Detail), db.Time{Time: tx.Now()}, string(why), db.Time{Time: until})
		if err != nil {
			return err
		}
	}
	return nil
}

// suppression tells whether an event is kept from being told, and until when.
func (l *Ledger) suppression(ctx context.Context, tx *db.Tx, cron *Cron, e Event) (why Suppression, until time.Time, err error) {
	if e.Kind == EventRecovered {
		err := tx.QueryRow(ctx, "SELECT suppressed FROM events WHERE cron_id = $1 AND kind = $2 ORDER BY id DESC LIMIT 1",
			cron.ID, string(e.Subject)).Scan(&why)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return why, time.Time{}, err
	}
	if cron.Muted {
		return Muted, time.Time{}, nil
	}
	err = tx.QueryRow(ctx, `SELECT max(ends_at) FROM maintenance_windows
		WHERE starts_at <= $1 AND ends_at > $1 AND (application_id IS NULL OR application_id = $2) AND (cron_id IS NULL OR cron_id = $3)`,
		db.Time{Time: tx.Now()}, cron.AppID, cron.ID).Scan(instant(&until))
	switch {
	case err != nil:
		return Told, time.Time{}, err
	case !until.IsZero():
		return InMaintenance, until, nil
	case cron.SnoozedUntil.After(tx.Now()):
		return Snoozed, cron.SnoozedUntil, nil
	}
	return Told, time.Time{}, nil
}
