package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/db"
)

// sweepSuppressed tells of troubles that still stand when what kept them from
// being told is over.
func (l *Ledger) sweepSuppressed(ctx context.Context) error {
	all, err := look(ctx, l.db, scanFound, `SELECT cron_id, id FROM events
		WHERE suppressed_until IS NOT NULL AND suppressed_until <= $1 ORDER BY suppressed_until LIMIT $2`, db.Time{Time: l.db.Now()}, lookMost)
	if err != nil {
		return fmt.Errorf("look for suppressed events: %w", err)
	}
	slices.SortFunc(all, byCron)
	if err := inSlices(ctx, l.db, all, l.tellAfterAll); err != nil {
		return fmt.Errorf("tell suppressed events: %w", err)
	}
	return nil
}

// tellAfterAll records anew those events whose trouble still stands. They may be
// suppressed again.
func (l *Ledger) tellAfterAll(ctx context.Context, tx *db.Tx, some []found) error {
	crons, err := l.lockCrons(ctx, tx, idsOf(some, found.ofCron), some[0].cron, some[len(some)-1].cron)
	if err != nil {
		return err
	}
	some = slices.DeleteFunc(slices.Clone(some), func(f found) bool { return crons[f.cron] == nil })
	// Of several about the same trouble, the last one stands for it.
	const newest = "NOT EXISTS (SELECT 1 FROM events n WHERE n.cron_id = e.cron_id AND n.id > e.id AND n.kind = e.kind)"
	due := "e.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM " + l.rowsTable() + ") AND e.suppressed_until <= $2"
	args := []any{idsOf(some, found.own), db.Time{Time: tx.Now()}}
	rows, err := tx.Query(ctx, "SELECT e.cron_id, coalesce(e.execution_id, 0), e.kind FROM events e WHERE "+due+" AND "+newest, args...)
	if err != nil {
		return err
	}
	events, err := db.Collect(rows, func(r *db.Rows) (e Event, err error) {
		err = r.Scan(&e.CronID, &e.Execution, &e.Kind)
		return e, err
	})
	if err != nil {
		return err
	}
	var again []cronEvent
	for _, e := range events {
		cron := crons[e.CronID]
		e.Since = *cron.trouble(e.Kind)
		if e.Since.IsZero() || !cron.DeletedAt.IsZero() {
			continue
		}
		e.Detail = e.Kind.since(e.Since)
		again = append(again, cronEvent{cron, e})
	}
	if _, err := tx.Exec(ctx, "UPDATE events AS e SET suppressed_until = NULL WHERE "+due, args...); err != nil {
		return err
	}
	return l.recordAll(ctx, tx, again)
}

// since says how long a trouble has stood.
func (k EventKind) since(t time.Time) string {
	at := t.Format(time.RFC3339)
	switch k {
	case EventMissed:
		return "it has not started since it should have at " + at
	case EventOverdue:
		return "no execution has ended well since one went past its deadline at " + at
	default:
		return "it has been failing since " + at
	}
}
