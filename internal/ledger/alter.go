package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// alter lets fn change a cron of app that nobody else changes meanwhile, stores
// it with what follows from the change, and gives it. What fn refuses, it refuses
// before it writes.
func (l *Ledger) alter(ctx context.Context, app int64, ref Ref, fn func(ctx context.Context, tx *db.Tx, cron *Cron) error) (cron Cron, err error) {
	id, err := l.resolve(ctx, app, ref)
	if err == nil {
		// In the cron's turn, so that it stands against no report of an end.
		cron, err = grouped(ctx, l.db, id, func(ctx context.Context, tx *db.Tx) (cron Cron, refused, err error) {
			cron, err = l.lockCron(ctx, tx, id)
			if errors.Is(err, ErrNoCron) || err == nil && !cron.DeletedAt.IsZero() {
				return Cron{}, ErrNoCron, nil
			}
			was := cron
			if err == nil {
				err = fn(ctx, tx, &cron)
			}
			if kind := fault.KindOf(err); kind == fault.Conflict || kind == fault.Unprocessable {
				return Cron{}, err, nil
			}
			if err == nil {
				err = l.follow(ctx, tx, was, &cron)
			}
			return cron, nil, err
		})
	}
	if err != nil {
		return Cron{}, fmt.Errorf("change cron: %w", err)
	}
	return cron, nil
}

// follow does what follows from a change and stores the cron.
func (l *Ledger) follow(ctx context.Context, tx *db.Tx, was Cron, cron *Cron) error {
	l.expectAnew(was, cron, tx.Now())
	if cron.Schedule == "" {
		if err := l.close(ctx, tx, cron, "it has no schedule any more", EventMissed); err != nil {
			return err
		}
	}
	if cron.Limit() != was.Limit() && cron.Limit() > 0 {
		if err := renumber(ctx, tx, cron.ID); err != nil {
			return err
		}
	}
	if was.Muted && !cron.Muted {
		if err := unmute(ctx, tx, cron); err != nil {
			return err
		}
	}
	if !cron.SnoozedUntil.Equal(was.SnoozedUntil) {
		until := cron.SnoozedUntil
		if until.IsZero() {
			until = tx.Now()
		}
		_, err := tx.Exec(ctx, "UPDATE events SET suppressed_until = $1 WHERE cron_id = $2 AND suppressed = 'snoozed' AND suppressed_until IS NOT NULL",
			db.Time{Time: until}, cron.ID)
		if err != nil {
			return err
		}
	}
	return l.store(ctx, tx, was, cron)
}

// expectAnew sets when the next start is expected, if the change has a bearing on
// that.
func (l *Ledger) expectAnew(was Cron, cron *Cron, now time.Time) {
	switch {
	case !cron.Active || !cron.DeletedAt.IsZero():
		cron.ExpectedAt, cron.LateAt = time.Time{}, time.Time{}
	case cron.Schedule != was.Schedule || cron.Zone != was.Zone || !was.Active || !cron.PausedUntil.Equal(was.PausedUntil):
		from := now
		if cron.PausedUntil.After(now) {
			from = cron.PausedUntil
		}
		cron.ExpectedAt, cron.LateAt = l.expect(cron, time.Time{}, from)
	case cron.Grace != was.Grace && !cron.ExpectedAt.IsZero():
		cron.LateAt = cron.ExpectedAt.Add(cron.Grace)
	}
}

// close ends troubles of a cron that stand, and says so.
func (l *Ledger) close(ctx context.Context, tx *db.Tx, cron *Cron, why string, troubles ...EventKind) error {
	for _, kind := range troubles {
		since := cron.trouble(kind)
		if since.IsZero() {
			continue
		}
		err := l.record(ctx, tx, cron, Event{Kind: EventRecovered, Subject: kind, Since: *since, Detail: why})
		if err != nil {
			return err
		}
		*since = time.Time{}
	}
	return nil
}

// trouble is since when a trouble stands.
func (c *Cron) trouble(kind EventKind) *time.Time {
	switch kind {
	case EventMissed:
		return &c.MissedSince
	case EventOverdue:
		return &c.OverdueSince
	case EventFailing:
		return &c.FailingSince
	default:
		return &time.Time{}
	}
}

// renumber gives the running executions of a cron the first places, whether or
// not they had one: a limit that comes counts those that began without.
func renumber(ctx context.Context, tx *db.Tx, cron int64) error {
	_, err := tx.Exec(ctx, "UPDATE executions SET slot = NULL WHERE cron_id = $1 AND ended_at IS NULL AND slot IS NOT NULL", cron)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE executions SET slot = numbered.place - 1
		FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM executions WHERE cron_id = $1 AND ended_at IS NULL) AS numbered
		WHERE numbered.id = executions.id`, cron)
	return err
}

// unmute has the last event of each trouble that stands told after all.
func unmute(ctx context.Context, tx *db.Tx, cron *Cron) error {
	for _, kind := range []EventKind{EventMissed, EventOverdue, EventFailing} {
		since := *cron.trouble(kind)
		if since.IsZero() {
			continue
		}
		id, why, err := lastAbout(ctx, tx, cron, kind, since)
		if err != nil {
			return err
		}
		if why != Muted {
			continue
		}
		if _, err := tx.Exec(ctx, "UPDATE events SET suppressed_until = $1 WHERE id = $2", db.Time{Time: tx.Now()}, id); err != nil {
			return err
		}
	}
	return nil
}

// store writes what an administrator may change of a cron.
func (l *Ledger) store(ctx context.Context, tx *db.Tx, was Cron, c *Cron) error {
	if *c == was {
		return nil
	}
	c.UpdatedAt = tx.Now()
	_, err := tx.Exec(ctx, `UPDATE crons SET slug = $1, name = $2, active = $3, schedule = $4, zone = $5, grace = $6,
			max_running = $7, overlap = $8, max_runtime = $9, heartbeat = $10, fail_after = $11, recover_after = $12,
			each_failure = $13, each_success = $14, muted = $15, keep_runs = $16, keep_for = $17, paused_until = $18, snoozed_until = $19,
			expected_at = $20, late_at = $21, missed_since = $22, overdue_since = $23, failing_since = $24, updated_at = $25, deleted_at = $26
		WHERE id = $27`,
		c.Slug, c.Name, c.Active, c.Schedule, c.Zone, c.Grace.Microseconds(),
		sql.NullInt64{Int64: c.MaxRunning, Valid: c.MaxRunning > 0}, string(c.Overlap), db.Duration(c.MaxRuntime), db.Duration(c.Heartbeat),
		c.FailAfter, c.RecoverAfter, c.EachFailure, c.EachSuccess, c.Muted, c.KeepRuns, db.Duration(c.KeepFor),
		db.Time{Time: c.PausedUntil}, db.Time{Time: c.SnoozedUntil}, db.Time{Time: c.ExpectedAt}, db.Time{Time: c.LateAt},
		db.Time{Time: c.MissedSince}, db.Time{Time: c.OverdueSince}, db.Time{Time: c.FailingSince},
		db.Time{Time: c.UpdatedAt}, db.Time{Time: c.DeletedAt}, c.ID)
	return err
}
