package ledger

import (
	"context"

	"ferryman/internal/db"
)

// Prune deletes, in tx, executions that have ended and are older than the newest
// keep of their cron, at most limit of them, with their messages. It gives how
// many it deleted. Those that run stay, however old.
func (l *Ledger) Prune(ctx context.Context, tx *db.Tx, keep, limit int) (int64, error) {
	return tx.Exec(ctx, `
		DELETE FROM executions WHERE id IN (
			SELECT e.id FROM executions e
			JOIN (
				SELECT c.id AS cron, (
					SELECT id FROM executions WHERE cron_id = c.id ORDER BY id DESC LIMIT 1 OFFSET $1
				) AS oldest
				FROM crons c
			) AS horizon ON horizon.cron = e.cron_id
			WHERE e.id <= horizon.oldest AND e.ended_at IS NOT NULL
			ORDER BY e.id LIMIT $2)`, keep, limit)
}
