package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

// found is something of a cron that the watch has found.
type found struct{ cron, id int64 }

func scanFound(r *db.Rows) (f found, err error) {
	err = r.Scan(&f.cron, &f.id)
	return f, err
}

func (f found) ofCron() int64 { return f.cron }
func (f found) own() int64    { return f.id }

// sweepLapsed ends executions that are past their lease or their deadline.
func (l *Ledger) sweepLapsed(ctx context.Context) error {
	for _, query := range []string{
		`SELECT e.cron_id, e.id FROM executions e
			WHERE e.ended_at IS NULL AND e.lease_until IS NOT NULL AND e.lease_until < $1 ORDER BY e.lease_until LIMIT $2`,
		`SELECT e.cron_id, e.id FROM executions e JOIN crons c ON c.id = e.cron_id
			WHERE e.ended_at IS NULL AND e.deadline_at IS NOT NULL AND e.deadline_at < $1 AND c.kind <> 'sync' ORDER BY e.deadline_at LIMIT $2`,
	} {
		all, err := look(ctx, l.db, scanFound, query, db.Time{Time: l.db.Now()}, lookMost)
		if err != nil {
			return fmt.Errorf("look for overdue executions: %w", err)
		}
		slices.SortFunc(all, byCron)
		if err := inSlices(ctx, l.db, all, l.endAll); err != nil {
			return fmt.Errorf("end overdue executions: %w", err)
		}
	}
	return nil
}

func byCron(a, b found) int {
	if a.cron != b.cron {
		return cmp.Compare(a.cron, b.cron)
	}
	return cmp.Compare(a.id, b.id)
}

func byID(a, b found) int { return cmp.Compare(a.id, b.id) }

// endAll ends those of some executions that must be.
func (l *Ledger) endAll(ctx context.Context, tx *db.Tx, some []found) error {
	first, last := some[0].cron, some[len(some)-1].cron
	crons, err := l.lockCrons(ctx, tx, idsOf(some, found.ofCron), first, last)
	if err != nil {
		return err
	}
	oldest, newest := slices.MinFunc(some, byID).id, slices.MaxFunc(some, byID).id
	rows, err := tx.Query(ctx, "SELECT "+executionColumns+" FROM executions e WHERE e.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM "+l.rowsTable()+`)
		AND e.id BETWEEN $2 AND $3 AND e.ended_at IS NULL ORDER BY e.id`+free(tx), idsOf(some, found.own), oldest, newest)
	if err != nil {
		return err
	}
	executions, err := db.Collect(rows, func(r *db.Rows) (Execution, error) { return scanExecution(r) })
	if err != nil {
		return err
	}
	var ended, standings [][]any
	var events []cronEvent
	for _, e := range executions {
		cron := crons[e.CronID]
		if cron == nil || !lapsed(cron, e, tx.Now()) {
			continue
		}
		if e.Messages != 0 { // which of them are kept is not for here
			if err := l.lapse(ctx, tx, cron, &e); err != nil {
				return err
			}
			continue
		}
		e.lapse(tx.Now())
		ended = append(ended, []any{e.ID, e.Status, e.Reason, e.Detail, e.Overdue, len(e.Detail)})
		for _, event := range cron.settle(e, tx.Now()) {
			events = append(events, cronEvent{cron, event})
		}
	}
	if len(ended) == 0 {
		return nil
	}
	for _, cron := range crons {
		standings = append(standings, []any{cron.ID, cron.Failures, cron.Successes, moment(cron.OverdueSince), moment(cron.FailingSince)})
	}
	if err := l.storeEnds(ctx, tx, ended, oldest, newest); err != nil {
		return err
	}
	if err := l.storeStandings(ctx, tx, standings, first, last); err != nil {
		return err
	}
	return l.recordAll(ctx, tx, events)
}

// storeEnds ends executions that said nothing so far, with a message each.
func (l *Ledger) storeEnds(ctx context.Context, tx *db.Tx, rows [][]any, oldest, newest int64) error {
	list, err := rowsOf(rows)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE executions SET status = v.value->>1, reason = v.value->>2, detail = v.value->>3, overdue = CAST(v.value->>4 AS BOOLEAN),
			message_count = 1, head_count = 1, head_bytes = CAST(v.value->>5 AS BIGINT), ended_at = $2
		FROM `+l.rowsTable()+" WHERE executions.id = CAST(v.value->>0 AS BIGINT) AND executions.id BETWEEN $3 AND $4",
		list, db.Time{Time: tx.Now()}, oldest, newest)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO messages (execution_id, message, size, seq, type, at, received_at, ending)
		SELECT CAST(v.value->>0 AS BIGINT), v.value->>3, CAST(v.value->>5 AS BIGINT), 1, 'error', CAST($2 AS BIGINT), CAST($2 AS BIGINT), TRUE
		FROM `+l.rowsTable(), list, db.Time{Time: tx.Now()})
	return err
}

// storeStandings stores what ended does of one cron.
func (l *Ledger) storeStandings(ctx context.Context, tx *db.Tx, rows [][]any, first, last int64) error {
	list, err := rowsOf(rows)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE crons SET failures = CAST(v.value->>1 AS BIGINT), successes = CAST(v.value->>2 AS BIGINT),
			overdue_since = CAST(v.value->>3 AS BIGINT), failing_since = CAST(v.value->>4 AS BIGINT)
		FROM `+l.rowsTable()+" WHERE crons.id = CAST(v.value->>0 AS BIGINT) AND crons.id BETWEEN $2 AND $3", list, first, last)
	return err
}
