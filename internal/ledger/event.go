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

// cronEvent is an event with the cron that it is about, which the transaction has
// locked.
type cronEvent struct {
	cron *Cron
	Event
}

// record stores events of a cron, and whether they are told: those that are not
// are no news; see TakeNews. A recovery is told exactly if its trouble was.
func (l *Ledger) record(ctx context.Context, tx *db.Tx, cron *Cron, events ...Event) error {
	all := make([]cronEvent, len(events))
	for i, e := range events {
		all[i] = cronEvent{cron, e}
	}
	return l.recordAll(ctx, tx, all)
}

// recordAll does so for several crons.
func (l *Ledger) recordAll(ctx context.Context, tx *db.Tx, events []cronEvent) error {
	if len(events) == 0 {
		return nil
	}
	open, err := openWindows(ctx, tx, events)
	if err != nil {
		return err
	}
	rows := make([][]any, len(events))
	for i, e := range events {
		why, until := e.cron.suppression(open.until(e.cron), tx.Now())
		if e.Kind == EventRecovered {
			until = time.Time{}
			if _, why, err = lastAbout(ctx, tx, e.cron, e.Subject, e.Since); err != nil {
				return err
			}
		}
		taken := time.Time{}
		if why != Told {
			taken = tx.Now()
		}
		rows[i] = []any{
			e.cron.ID, e.cron.AppID, e.Execution, e.Kind, e.Subject, moment(e.Since), clean(e.Detail), why, moment(until), moment(taken),
		}
	}
	list, err := rowsOf(rows)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO events (cron_id, application_id, execution_id, kind, subject, since, detail, suppressed, suppressed_until, alerted_at, at)
		SELECT CAST(v.value->>0 AS BIGINT), CAST(v.value->>1 AS BIGINT), nullif(CAST(v.value->>2 AS BIGINT), 0), v.value->>3, v.value->>4,
			CAST(v.value->>5 AS BIGINT), v.value->>6, v.value->>7, CAST(v.value->>8 AS BIGINT), CAST(v.value->>9 AS BIGINT), CAST($2 AS BIGINT)
		FROM `+l.rowsTable(), list, db.Time{Time: tx.Now()})
	return err
}

// suppression tells whether a trouble of the cron is kept from being told, and
// until when. Its maintenance lasts until the given time; zero for none.
func (c *Cron) suppression(maintenance, now time.Time) (why Suppression, until time.Time) {
	switch {
	case c.Muted:
		return Muted, time.Time{}
	case !maintenance.IsZero():
		return InMaintenance, maintenance
	case c.SnoozedUntil.After(now):
		return Snoozed, c.SnoozedUntil
	}
	return Told, time.Time{}
}

// lastAbout gives the newest event of a trouble of the cron that stands since then,
// and why it was not told; 0 if there is none. A cron may be failing of which only
// that it is overdue was told.
func lastAbout(ctx context.Context, tx *db.Tx, cron *Cron, trouble EventKind, since time.Time) (id int64, why Suppression, err error) {
	instead := trouble
	if trouble == EventFailing {
		instead = EventOverdue
	}
	// A cron may have very many events: it is not for those from before the trouble.
	err = tx.QueryRow(ctx, `SELECT id, suppressed FROM events
		WHERE cron_id = $1 AND kind IN ($2, $3) AND id > coalesce((SELECT id FROM events WHERE cron_id = $1 AND at < $4 ORDER BY id DESC LIMIT 1), 0)
		ORDER BY kind = $2 DESC, id DESC LIMIT 1`, cron.ID, string(trouble), string(instead), db.Time{Time: since}).Scan(&id, &why)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, why, err
}
