package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Start is what is known when an execution asks to begin.
type Start struct {
	Cron    string // slug
	Trigger Trigger
	Holder  string
	// Request makes starting safe to repeat: while an execution of the same
	// request runs, or once one has ended in any way but by being cut off, no
	// other is begun. "" always begins a new one.
	Request string
	// Lease is how long the holder may stay silent; 0 means for ever.
	Lease time.Duration
}

// Start admits an execution and gives it. If the request has had its execution
// already, it gives that one with replayed set and begins nothing. It gives
// ErrNoCron, ErrInactive, or ErrRunning when all slots are taken.
//
// Executions of the cron whose lease has run out are ended first.
func (l *Ledger) Start(ctx context.Context, s Start) (e Execution, replayed bool, err error) {
	err = l.db.Tx(ctx, func(tx *db.Tx) error {
		e, replayed, err = l.start(ctx, tx, s)
		return err
	})
	if err != nil {
		return Execution{}, false, fmt.Errorf("start %s: %w", s.Cron, err)
	}
	return e, replayed, nil
}

func (l *Ledger) start(ctx context.Context, tx *db.Tx, s Start) (Execution, bool, error) {
	cron, err := scanCron(tx.QueryRow(ctx, "SELECT "+cronColumns+" FROM crons WHERE slug = $1", s.Cron))
	if err != nil {
		return Execution{}, false, err
	}
	if err := expire(ctx, tx, cron.ID); err != nil {
		return Execution{}, false, err
	}
	attempt := int64(1)
	if s.Request != "" {
		last, err := scanExecution(tx.QueryRow(ctx, "SELECT "+executionColumns+` FROM executions
			WHERE cron_id = $1 AND request = $2 ORDER BY attempt DESC LIMIT 1`, cron.ID, s.Request))
		switch {
		case errors.Is(err, ErrNoExecution):
		case err != nil:
			return Execution{}, false, err
		case !last.CutOff():
			return last, true, nil
		default:
			attempt = last.Attempt + 1
		}
	}
	if !cron.Active {
		return Execution{}, false, ErrInactive
	}
	id, err := admit(ctx, tx, cron, s, attempt)
	if err != nil {
		return Execution{}, false, err
	}
	if _, err := tx.Exec(ctx, "UPDATE crons SET last_execution_id = $1 WHERE id = $2", id, cron.ID); err != nil {
		return Execution{}, false, err
	}
	e, err := scanExecution(tx.QueryRow(ctx, "SELECT "+executionColumns+" FROM executions WHERE id = $1", id))
	return e, false, err
}

// admit inserts the execution into the lowest free slot, in one statement. Of
// several that pick the same slot at the same time the index lets one in; the
// others look again, and each look finds a slot taken that seemed free, so there
// are at most as many looks as slots.
func admit(ctx context.Context, tx *db.Tx, cron Cron, s Start, attempt int64) (int64, error) {
	for range max(cron.MaxRunning, 1) + 1 {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO executions (cron_id, slot, status, "trigger", request, attempt, holder, started_at, lease_until, deadline_at)
			SELECT $1, free.slot, 'running', $2, $3, $4, $5, $6, $7, $8
			FROM (
				SELECT CASE WHEN CAST($9 AS BIGINT) IS NULL THEN NULL ELSE min(candidate.slot) END AS slot, count(*) AS n
				FROM (
					SELECT CAST(0 AS BIGINT) AS slot
					UNION ALL
					SELECT slot + 1 FROM executions
					WHERE cron_id = $1 AND ended_at IS NULL AND slot IS NOT NULL AND slot + 1 < $9
				) AS candidate
				WHERE $9 IS NULL OR NOT EXISTS (
					SELECT 1 FROM executions held
					WHERE held.cron_id = $1 AND held.ended_at IS NULL AND held.slot = candidate.slot)
			) AS free
			WHERE free.n > 0
			ON CONFLICT DO NOTHING
			RETURNING id`,
			cron.ID, string(s.Trigger), sql.NullString{String: s.Request, Valid: s.Request != ""}, attempt, s.Holder,
			db.Time{Time: tx.Now()}, leaseUntil(tx, s.Lease), deadline(tx, cron),
			sql.NullInt64{Int64: cron.MaxRunning, Valid: cron.MaxRunning > 0}).Scan(&id)
		if !errors.Is(err, sql.ErrNoRows) {
			return id, err
		}
	}
	return 0, ErrRunning
}

func leaseUntil(tx *db.Tx, lease time.Duration) db.Time {
	if lease == 0 {
		return db.Time{}
	}
	return db.Time{Time: tx.Now().Add(lease)}
}

func deadline(tx *db.Tx, c Cron) db.Time {
	if c.MaxRuntime == 0 {
		return db.Time{}
	}
	return db.Time{Time: tx.Now().Add(c.MaxRuntime)}
}

// Renew extends a running execution's lease from now. It gives ErrEnded once the
// execution has ended, by whatever hand: the caller no longer holds it and must
// stop.
func (l *Ledger) Renew(ctx context.Context, id int64, lease time.Duration) error {
	return l.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE executions SET lease_until = $1 WHERE id = $2 AND ended_at IS NULL", leaseUntil(tx, lease), id)
		if err == nil && n == 0 {
			err = ErrEnded
		}
		return err
	})
}

// ExpireLeases ends every execution whose lease has run out.
func (l *Ledger) ExpireLeases(ctx context.Context, tx *db.Tx) error {
	return expire(ctx, tx, 0)
}

// expire does so for one cron, or for all when cronID is 0.
func expire(ctx context.Context, tx *db.Tx, cronID int64) error {
	ended, err := endExpired(ctx, tx, cronID)
	if err != nil {
		return err
	}
	for _, e := range ended {
		if err := insertMessages(ctx, tx, e.id, Message{Type: Error, Text: e.detail}); err != nil {
			return err
		}
	}
	return nil
}

type expired struct {
	id     int64
	detail string
}

func endExpired(ctx context.Context, tx *db.Tx, cronID int64) ([]expired, error) {
	rows, err := tx.Query(ctx, `
		UPDATE executions SET status = 'failed', ended_at = $1, reason = $2,
			detail = 'its holder ' || holder || ' stopped answering'
		WHERE ended_at IS NULL AND lease_until < $1 AND (cron_id = $3 OR $3 = 0)
		RETURNING id, detail`, db.Time{Time: tx.Now()}, ReasonInterrupted, cronID)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (e expired, err error) {
		err = r.Scan(&e.id, &e.detail)
		return e, err
	})
}
