package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

// News is an event that is to be told, with what it takes to tell of it.
type News struct {
	ListedEvent
	Zone    string // of the cron's schedule
	Repeats int64  // how many starts did not come, if it is EventMissed; 0 if that is not known any more
}

// HasNews tells, at the cost of a look into an empty index, whether there are
// events to be told that nobody has taken.
func (l *Ledger) HasNews(ctx context.Context) (some bool, err error) {
	// In order: PostgreSQL would else read the whole table when many were news at the
	// time of its statistics.
	const query = "SELECT count(*) > 0 FROM (SELECT id FROM events WHERE alerted_at IS NULL ORDER BY id LIMIT 1) AS news"
	if err := l.db.QueryRow(ctx, query).Scan(&some); err != nil {
		return false, fmt.Errorf("look for news: %w", err)
	}
	return some, nil
}

// TakeNews gives up to limit events that are to be told and that nobody has
// taken, the oldest first, and takes them: what tx does with them is done once. It
// gives none while another transaction takes some, so that of each cron nobody
// takes an event before those that came before it are told.
func (l *Ledger) TakeNews(ctx context.Context, tx *db.Tx, limit int) ([]News, error) {
	if free(tx) != "" {
		var mine bool
		err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtext('ferryman.news ' || current_schema()))").Scan(&mine)
		if err != nil || !mine {
			return nil, err
		}
	}
	rows, err := tx.Query(ctx, `WITH news AS (SELECT id FROM events WHERE alerted_at IS NULL ORDER BY id LIMIT $2`+free(tx)+`)
		UPDATE events SET alerted_at = $1 WHERE id IN (SELECT id FROM news)
		RETURNING id, cron_id, application_id, coalesce(execution_id, 0), kind, subject, since, detail, at,
			(SELECT a.name FROM applications a WHERE a.id = application_id),
			(SELECT c.slug FROM crons c WHERE c.id = cron_id), (SELECT c.zone FROM crons c WHERE c.id = cron_id),
			coalesce((SELECT e.repeats FROM executions e WHERE e.id = execution_id AND e.status = 'missed'), 0)`, db.Time{Time: tx.Now()}, limit)
	if err != nil {
		return nil, err
	}
	all, err := db.Collect(rows, func(r *db.Rows) (n News, err error) {
		err = r.Scan(&n.ID, &n.CronID, &n.AppID, &n.Execution, &n.Kind, &n.Subject, instant(&n.Since), &n.Detail, instant(&n.At),
			&n.App, &n.Slug, &n.Zone, &n.Repeats)
		return n, err
	})
	slices.SortFunc(all, func(a, b News) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}
