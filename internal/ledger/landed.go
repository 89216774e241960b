package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// mostLanded is among how many executions of Ferryman's own Landed adds up.
const mostLanded = 20_000

// Landed is how many rows Ferryman's own syncs have written since a time, in the
// executions that began since then: the newest 20,000 of them at most.
func (l *Ledger) Landed(ctx context.Context, since time.Time) (rows int64, err error) {
	// Not by =, or PostgreSQL finds the order by the id alone good enough, and reads the
	// executions of all applications from the last one on.
	own := fmt.Sprintf("(SELECT id FROM applications WHERE name = '%s')", OwnApplication)
	err = l.db.QueryRow(ctx, fmt.Sprintf(`SELECT coalesce(sum(n.rows_written), 0) FROM (
			SELECT e.rows_written, e.started_at FROM executions e
			WHERE e.application_id >= %[1]s AND e.application_id <= %[1]s ORDER BY e.application_id DESC, e.id DESC LIMIT %[2]d) AS n
		WHERE n.started_at >= $1`, own, mostLanded), db.Time{Time: since}).Scan(&rows)
	if err != nil {
		return 0, fmt.Errorf("rows of syncs: %w", err)
	}
	return rows, nil
}
