package ledger

import (
	"context"
	"fmt"
)

// Neighbours are executions of the same cron; 0 where there is none.
type Neighbours struct {
	Previous, Next int64
	LastSuccess    int64 // the newest success before it, among the 2,000 before it
}

// Neighbours gives the executions about one.
func (l *Ledger) Neighbours(ctx context.Context, id int64) (n Neighbours, err error) {
	var cron int64
	if err := l.db.QueryRow(ctx, "SELECT cron_id FROM executions WHERE id = $1", id).Scan(&cron); err != nil {
		return Neighbours{}, fmt.Errorf("execution %d: %w", id, noExecution(err))
	}
	err = l.db.QueryRow(ctx, `SELECT
		coalesce((SELECT e.id FROM executions e WHERE e.cron_id = $1 AND e.id < $2 ORDER BY e.cron_id DESC, e.id DESC LIMIT 1), 0),
		coalesce((SELECT e.id FROM executions e WHERE e.cron_id = $1 AND e.id > $2 ORDER BY e.cron_id, e.id LIMIT 1), 0),
		coalesce((SELECT b.id FROM (
			SELECT e.id, e.status FROM executions e WHERE e.cron_id = $1 AND e.id < $2 ORDER BY e.cron_id DESC, e.id DESC LIMIT `+fmt.Sprint(lookFurther)+`) AS b
			WHERE b.status = 'success' ORDER BY b.id DESC LIMIT 1), 0)`, cron, id).Scan(&n.Previous, &n.Next, &n.LastSuccess)
	if err != nil {
		return Neighbours{}, fmt.Errorf("neighbours of execution %d: %w", id, err)
	}
	return n, nil
}
