package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"ferryman/internal/db"
)

// Register makes sure that Ferryman's own application has a cron of kind Sync
// with this slug and these settings, and gives it as it stands. What people
// decide stays as it is: whether it is active, and how it is watched.
func (l *Ledger) Register(ctx context.Context, slug string, s Settings) (Cron, error) {
	var cron Cron
	err := l.db.Tx(ctx, func(tx *db.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO crons (application_id, slug, kind, name, max_running, max_runtime, schedule, zone, grace, created_at, updated_at)
			VALUES ((SELECT id FROM applications WHERE name = $1), $2, 'sync', $3, $4, $5, $6, 'UTC', $7, $8, $8)
			ON CONFLICT (application_id, slug) WHERE deleted_at IS NULL DO UPDATE SET
				name = excluded.name, kind = excluded.kind, max_running = excluded.max_running, max_runtime = excluded.max_runtime,
				schedule = excluded.schedule, zone = excluded.zone, updated_at = excluded.updated_at
			RETURNING id`,
			OwnApplication, slug, s.Name, sql.NullInt64{Int64: s.MaxRunning, Valid: s.MaxRunning > 0},
			db.Duration(s.MaxRuntime), s.Schedule, max(s.Grace, DefaultGrace).Microseconds(), db.Time{Time: tx.Now()}).Scan(&id)
		if err != nil {
			return err
		}
		if cron, err = l.lockCron(ctx, tx, id); err != nil {
			return err
		}
		// Nobody could have run it while no server was there.
		was := cron
		cron.ExpectedAt, cron.LateAt = l.expect(&cron, tx.Now(), tx.Now())
		if cron.Schedule == "" {
			if err := l.close(ctx, tx, &cron, "it has no schedule any more", EventMissed); err != nil {
				return err
			}
		}
		return l.store(ctx, tx, was, &cron)
	})
	if err != nil {
		return Cron{}, fmt.Errorf("register cron %s: %w", slug, err)
	}
	return cron, nil
}

// LastAdmitted gives the id of the cron's newest admitted execution, 0 if there
// is none, and keeps others from being admitted until tx ends.
func (l *Ledger) LastAdmitted(ctx context.Context, tx *db.Tx, cronID int64) (int64, error) {
	cron, err := l.lockCron(ctx, tx, cronID)
	return cron.LastExecution, err
}

// Startable tells, in tx, whether a cron is switched on and not paused.
func (l *Ledger) Startable(ctx context.Context, tx *db.Tx, cronID int64) error {
	cron, err := scanCron(tx.QueryRow(ctx, "SELECT "+cronColumns+" FROM crons c WHERE c.id = $1 AND c.deleted_at IS NULL", cronID))
	if err != nil {
		return err
	}
	return cron.Startable(tx.Now())
}

// Busy tells, in tx, whether an execution of a cron is running, having ended those
// whose holder is dead.
func (l *Ledger) Busy(ctx context.Context, tx *db.Tx, cronID int64) (busy bool, err error) {
	cron, err := l.lockCron(ctx, tx, cronID)
	if err != nil {
		return false, err
	}
	if _, err := l.endLapsed(ctx, tx, &cron); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM executions WHERE cron_id = $1 AND ended_at IS NULL)", cronID).Scan(&busy)
	return busy, err
}

// ByRequest gives the newest execution of a request, or ErrNoExecution.
func (l *Ledger) ByRequest(ctx context.Context, cronID int64, request string) (Execution, error) {
	return scanExecution(l.db.QueryRow(ctx, "SELECT "+executionColumns+` FROM executions e
		WHERE e.cron_id = $1 AND e.request = $2 ORDER BY e.attempt DESC LIMIT 1`, cronID, request))
}

// Answered tells whether a run that began after the execution with id after
// stands for requests that wanted one: any but one of the given request itself
// and those that were cut off.
func (l *Ledger) Answered(ctx context.Context, cronID, after int64, request string) (answered bool, err error) {
	err = l.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM executions
		WHERE cron_id = $1 AND id > $2 AND coalesce(request, '') <> $3 AND reason NOT IN ($4, $5) AND status NOT IN ('missed', 'skipped'))`,
		cronID, after, request, ReasonInterrupted, ReasonHandedBack).Scan(&answered)
	return answered, err
}

// Recent gives the newest n executions of a cron that ran and have ended, oldest
// first.
func (l *Ledger) Recent(ctx context.Context, cronID int64, n int) ([]Execution, error) {
	var w where
	w.is("e.cron_id = %s", cronID)
	return l.recent(ctx, w, n)
}

// RecentOf does so for several of Ferryman's own crons together.
func (l *Ledger) RecentOf(ctx context.Context, crons []int64, n int) ([]Execution, error) {
	if len(crons) == 0 {
		return nil, nil
	}
	var w where
	w.is("e.application_id = (SELECT id FROM applications WHERE name = %s)", OwnApplication) // whose index has this order
	in(&w, "e.cron_id", crons)
	return l.recent(ctx, w, n)
}

func (l *Ledger) recent(ctx context.Context, w where, n int) ([]Execution, error) {
	w.is("e.ended_at IS NOT NULL AND e.status NOT IN ('missed', 'skipped')")
	limit := w.arg(n)
	rows, err := l.db.Query(ctx, "SELECT "+executionColumns+" FROM executions e"+w.String()+" ORDER BY e.id DESC LIMIT "+limit, w.args...)
	if err != nil {
		return nil, fmt.Errorf("recent executions: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Execution, error) { return scanExecution(r) })
	if err != nil {
		return nil, fmt.Errorf("recent executions: %w", err)
	}
	slices.Reverse(all)
	return all, nil
}
