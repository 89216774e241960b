package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ferryman/internal/db"
)

// Register makes sure that a cron of this slug exists with this name, kind,
// limits, and gives it as it stands. Whether it is active stays as it is.
func (l *Ledger) Register(ctx context.Context, c Cron) (Cron, error) {
	err := l.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO crons (slug, name, kind, max_running, max_runtime, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $6)
			ON CONFLICT (slug) DO UPDATE SET
				name = excluded.name, kind = excluded.kind, max_running = excluded.max_running,
				max_runtime = excluded.max_runtime, updated_at = excluded.updated_at
			WHERE (crons.name, crons.kind) <> (excluded.name, excluded.kind)
			   OR coalesce(crons.max_running, 0) <> coalesce(excluded.max_running, 0)
			   OR coalesce(crons.max_runtime, 0) <> coalesce(excluded.max_runtime, 0)`,
			c.Slug, c.Name, string(c.Kind), sql.NullInt64{Int64: c.MaxRunning, Valid: c.MaxRunning > 0},
			db.Duration(c.MaxRuntime), db.Time{Time: tx.Now()})
		return err
	})
	if err != nil {
		return Cron{}, fmt.Errorf("register cron %s: %w", c.Slug, err)
	}
	return l.Cron(ctx, c.Slug)
}

const cronColumns = `id, slug, name, kind, active, coalesce(max_running, 0), max_runtime, last_execution_id, created_at, updated_at`

// Cron gives the cron with this slug, or ErrNoCron.
func (l *Ledger) Cron(ctx context.Context, slug string) (Cron, error) {
	c, err := scanCron(l.db.QueryRow(ctx, "SELECT "+cronColumns+" FROM crons WHERE slug = $1", slug))
	if err != nil {
		return Cron{}, fmt.Errorf("cron %s: %w", slug, err)
	}
	return c, nil
}

// LastAdmitted gives the id of the cron's newest admitted execution, 0 if there
// is none, and keeps others from being admitted until tx ends.
func (l *Ledger) LastAdmitted(ctx context.Context, tx *db.Tx, cronID int64) (int64, error) {
	// An update takes the row's lock on PostgreSQL; SQLite has one writer anyway.
	var id int64
	err := tx.QueryRow(ctx, "UPDATE crons SET last_execution_id = last_execution_id WHERE id = $1 RETURNING last_execution_id", cronID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrNoCron
	}
	return id, err
}

// SetActive switches a cron on or off.
func (l *Ledger) SetActive(ctx context.Context, slug string, active bool) error {
	return l.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE crons SET active = $1, updated_at = $2 WHERE slug = $3", active, db.Time{Time: tx.Now()}, slug)
		if err == nil && n == 0 {
			err = ErrNoCron
		}
		return err
	})
}

type scanner interface{ Scan(dest ...any) error }

func scanCron(row scanner) (Cron, error) {
	var c Cron
	var maxRuntime db.Duration
	var created, updated db.Time
	err := row.Scan(&c.ID, &c.Slug, &c.Name, &c.Kind, &c.Active, &c.MaxRunning, &maxRuntime, &c.LastExecution, &created, &updated)
	if errors.Is(err, sql.ErrNoRows) {
		return Cron{}, ErrNoCron
	}
	c.MaxRuntime = timeDuration(maxRuntime)
	c.CreatedAt, c.UpdatedAt = created.Time, updated.Time
	return c, err
}

// Active tells, in tx, whether a cron is switched on.
func (l *Ledger) Active(ctx context.Context, tx *db.Tx, cronID int64) (active bool, err error) {
	err = tx.QueryRow(ctx, "SELECT active FROM crons WHERE id = $1", cronID).Scan(&active)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoCron
	}
	return active, err
}

// Busy tells, in tx, whether an execution of a cron is running, having ended those
// whose holder is dead.
func (l *Ledger) Busy(ctx context.Context, tx *db.Tx, cronID int64) (busy bool, err error) {
	if err := expire(ctx, tx, cronID); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM executions WHERE cron_id = $1 AND ended_at IS NULL)", cronID).Scan(&busy)
	return busy, err
}
