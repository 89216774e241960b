package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Upcoming gives up to limit crons of an application, or of all if app is 0, whose
// start is expected before a time, the next first. Those that are late come
// before the others.
func (l *Ledger) Upcoming(ctx context.Context, app int64, until time.Time, limit int) ([]Cron, error) {
	var w where
	w.is("c.expected_at < %s", db.Time{Time: until})
	if app != 0 {
		w.is("c.application_id + 0 = %s", app) // by the index of times
	}
	rows, err := l.db.Query(ctx, "SELECT "+cronColumns+" FROM crons c"+w.String()+" ORDER BY c.expected_at, c.id LIMIT "+w.arg(limit), w.args...)
	if err != nil {
		return nil, fmt.Errorf("upcoming starts: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Cron, error) { return scanCron(r) })
	if err != nil {
		return nil, fmt.Errorf("upcoming starts: %w", err)
	}
	return all, nil
}
