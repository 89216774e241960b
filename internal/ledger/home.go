package ledger

import "context"

// home is where an execution belongs. It never changes, and most calls are about
// an execution that has just begun on this node.
type home struct {
	cron, app int64
	own       bool // of a sync of Ferryman's own
}

// cronOf gives the cron of an execution that ran and belongs to app, or to any
// application if app is 0, and whose application reports on it. It gives
// ErrNoExecution.
func (l *Ledger) cronOf(ctx context.Context, app, id int64) (int64, error) {
	at, known := l.homes.get(id)
	if !known {
		err := l.db.QueryRow(ctx, `SELECT e.cron_id, e.application_id, c.kind = 'sync' FROM executions e JOIN crons c ON c.id = e.cron_id
			WHERE e.id = $1 AND e.status NOT IN ('missed', 'skipped')`, id).Scan(&at.cron, &at.app, &at.own)
		if err != nil {
			return 0, noExecution(err)
		}
	}
	if app != 0 && (at.own || at.app != app) {
		return 0, ErrNoExecution
	}
	return at.cron, nil
}
