package ledger

import (
	"context"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

const (
	notConfigured = "it is no longer in the configuration of the server"
	// retired is what the name of such a cron ends with, until Register gives it its own.
	retired = " (no longer configured)"
	// byCommand is how many runs in a row make a cron that of a command.
	byCommand = 3
)

// Retire takes the schedules of Ferryman's own crons that are none of these, so that
// nobody waits for their starts, says so in their names and in what was told of them,
// and gives their slugs. Register has them expected again. Crons whose newest runs
// were all begun by a command are left alone, for that goes on with them.
func (l *Ledger) Retire(ctx context.Context, but []string) ([]string, error) {
	rows, err := l.db.Query(ctx, "SELECT "+cronColumns+` FROM crons c
		WHERE c.application_id = (SELECT id FROM applications WHERE name = $1) AND c.kind = 'sync' AND c.schedule <> '' AND c.deleted_at IS NULL
		ORDER BY c.slug`, OwnApplication)
	if err != nil {
		return nil, fmt.Errorf("crons to retire: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Cron, error) { return scanCron(r) })
	if err != nil {
		return nil, fmt.Errorf("crons to retire: %w", err)
	}
	var slugs []string
	for _, cron := range all {
		if slices.Contains(but, cron.Slug) {
			continue
		}
		runs, err := l.begunBy(ctx, cron.ID, byCommand)
		if err != nil {
			return slugs, fmt.Errorf("retire cron %s: %w", cron.Slug, err)
		}
		if len(runs) > 0 && !slices.ContainsFunc(runs, func(t Trigger) bool { return t != CLI }) {
			continue
		}
		if err := l.retire(ctx, cron.ID); err != nil {
			return slugs, err
		}
		slugs = append(slugs, cron.Slug)
	}
	return slugs, nil
}

// begunBy is what started the newest runs of a cron.
func (l *Ledger) begunBy(ctx context.Context, cron int64, n int) ([]Trigger, error) {
	rows, err := l.db.Query(ctx, `SELECT e."trigger" FROM executions e
		WHERE e.cron_id = $1 AND e.status NOT IN ('missed', 'skipped') ORDER BY e.id DESC LIMIT $2`, cron, n)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (t Trigger, err error) { return t, r.Scan(&t) })
}

func (l *Ledger) retire(ctx context.Context, id int64) error {
	_, err := l.alter(ctx, 0, Ref{ID: id}, func(ctx context.Context, tx *db.Tx, cron *Cron) error {
		if cron.Schedule == "" {
			return nil // another node was faster
		}
		cron.Schedule = ""
		cron.Name += retired
		return l.close(ctx, tx, cron, notConfigured, EventMissed, EventOverdue, EventFailing)
	})
	return err
}
