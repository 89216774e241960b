package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

// mostOfEach is how many executions of a cron one answer has at most.
const mostOfEach = 500

// Strips gives the newest n executions of each cron, at most 500, whatever their
// status, the oldest first.
func (l *Ledger) Strips(ctx context.Context, crons []int64, n int) (map[int64][]Execution, error) {
	all, err := l.ofEach(ctx, 0, crons, newestOf("", n))
	if err != nil {
		return nil, fmt.Errorf("newest executions: %w", err)
	}
	return all, nil
}

// newestOf is a query for the newest n executions x of a cron that meet a
// condition. The number is in the text, so that PostgreSQL plans for few.
func newestOf(condition string, n int) string {
	if condition != "" {
		condition = " AND " + condition
	}
	return fmt.Sprintf("SELECT x.id, x.started_at, x.ended_at FROM executions x WHERE x.cron_id = CAST(v.value->>0 AS BIGINT)%s ORDER BY x.cron_id DESC, x.id DESC LIMIT %d",
		condition, min(n, mostOfEach))
}

// ofEach gives the executions of each cron whose ids a query finds, the oldest
// first; only those of an application unless app is 0. The query's first argument
// is $2.
func (l *Ledger) ofEach(ctx context.Context, app int64, crons []int64, query string, args ...any) (map[int64][]Execution, error) {
	// SQLite knows no LATERAL; PostgreSQL would ask what IN holds for each execution.
	// That is for ids alone: together with the rest it would look as if all executions
	// were worth reading.
	found := "SELECT e.id FROM " + l.rowsTable() + " JOIN executions e ON e.id IN (SELECT id FROM (" + query + ") AS found)"
	if l.db.Dialect() == db.Postgres {
		found = "SELECT found.id FROM " + l.rowsTable() + " CROSS JOIN LATERAL (" + query + ") AS found"
	}
	rows, err := l.db.Query(ctx, found, append([]any{idsOf(crons, itself)}, args...)...)
	if err != nil {
		return nil, err
	}
	ids, err := db.Collect(rows, func(r *db.Rows) (id int64, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, err
	}
	rows, err = l.db.Query(ctx, "SELECT "+executionColumns+" FROM "+l.rowsTable()+` JOIN executions e ON e.id = CAST(v.value->>0 AS BIGINT)
		WHERE e.application_id = $2 OR $2 = 0`, idsOf(ids, itself), app)
	if err != nil {
		return nil, err
	}
	all := make(map[int64][]Execution, len(crons))
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		e, err := scanExecution(r)
		all[e.CronID] = append(all[e.CronID], e)
		return struct{}{}, err
	})
	for _, some := range all {
		slices.SortFunc(some, func(a, b Execution) int { return cmp.Compare(a.ID, b.ID) })
	}
	return all, err
}
