package ledger

import (
	"context"
	"fmt"
	"math"
	"strings"

	"ferryman/internal/db"
)

// ListedEvent is an event with the names of its cron.
type ListedEvent struct {
	Event
	App  string
	Slug string
}

// EventFilter chooses events. Zero values choose all.
type EventFilter struct {
	App    int64
	Cron   int64
	Kind   EventKind
	Before int64 // only smaller ids
	After  int64 // only larger ones, and then the oldest first
	Limit  int
}

// Events gives events, the newest first, or with After the oldest first.
func (l *Ledger) Events(ctx context.Context, f EventFilter) ([]ListedEvent, error) {
	var w where
	index, values := w.of(f.App, f.Cron)
	if f.Kind != "" {
		w.is("e.kind = %s", string(f.Kind))
	}
	before := f.Before
	if before == 0 {
		before = math.MaxInt64
	}
	order := w.span(l.db.Dialect(), append(index, "e.id"), values, f.After+1, before)
	if f.After != 0 {
		order = strings.ReplaceAll(order, " DESC", "")
	}
	rows, err := l.db.Query(ctx, `
		SELECT e.id, e.cron_id, e.application_id, coalesce(e.execution_id, 0), e.kind, e.subject, e.since, e.detail, e.at, e.suppressed, a.name, c.slug
		FROM events e JOIN crons c ON c.id = e.cron_id JOIN applications a ON a.id = e.application_id`+w.String()+
		" ORDER BY "+order+" LIMIT "+w.arg(f.Limit), w.args...)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (e ListedEvent, err error) {
		err = r.Scan(&e.ID, &e.CronID, &e.AppID, &e.Execution, &e.Kind, &e.Subject, instant(&e.Since), &e.Detail, instant(&e.At), &e.Suppressed, &e.App, &e.Slug)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return all, nil
}
