package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/jobs"
)

const (
	// sliceWeight is how many rows a transaction deletes: no start shall wait for it
	// long. Each has its place in many indexes. Text counts as a row each sliceBytes.
	sliceWeight = 60
	sliceBytes  = 4096
	// doomedMost is how many executions are chosen at once, without the writer.
	doomedMost = 5000

	keepEvents = 90 * day
	mostEvents = 1_000_000
)

// pruning is the job that prunes.
type pruning struct{}

// Kind implements jobs.Args.
func (pruning) Kind() string { return "ledger_prune" }

// PruneOn lets the engine prune each minute, on one node at a time.
func (l *Ledger) PruneOn(engine *jobs.Engine) {
	jobs.Housekeep(engine, "ledger-prune", time.Minute, pruning{}, func(ctx context.Context) error {
		_, err := l.Prune(ctx)
		return err
	})
}

// Prune deletes what is kept no longer, in short transactions, and gives how many
// executions that were: of each cron what has ended and is over KeepRuns or older
// than KeepFor, runs and records of none counted apart; crons that were deleted,
// once nothing of them runs; events, tallies and maintenance windows of long ago.
// It stops when ctx ends, with an error: the rest is left for the next time.
//
// SQLite's file does not shrink by it: what comes next takes the pages that are
// free. To return them to the system would mean writing the whole file anew while
// nobody may start.
func (l *Ledger) Prune(ctx context.Context) (executions int64, err error) {
	crons, err := l.overfull(ctx)
	errs := []error{err}
	for _, c := range crons {
		n, err := l.pruneCron(ctx, c)
		executions += n
		if err != nil {
			errs = append(errs, fmt.Errorf("cron %d: %w", c.ID, err))
		}
		if ctx.Err() != nil || fault.KindOf(err) == fault.Unavailable {
			break
		}
	}
	errs = append(errs, l.pruneEvents(ctx), l.pruneWindows(ctx), l.pruneHours(ctx))
	if err := errors.Join(errs...); err != nil {
		return executions, fmt.Errorf("prune: %w", err)
	}
	return executions, nil
}

// overfull gives the crons that seem to have something to delete.
func (l *Ledger) overfull(ctx context.Context) ([]Cron, error) {
	rows, err := l.db.Query(ctx, "SELECT "+cronColumns+` FROM crons c
		WHERE c.runs > c.keep_runs OR c.records > c.keep_runs OR c.deleted_at IS NOT NULL
			OR c.keep_for IS NOT NULL AND EXISTS (
				SELECT 1 FROM (SELECT ended_at FROM executions WHERE cron_id = c.id AND ended_at IS NOT NULL ORDER BY id LIMIT 20) AS oldest
				WHERE oldest.ended_at < $1 - c.keep_for)
		ORDER BY c.id`, db.Time{Time: l.db.Now()})
	if err != nil {
		return nil, fmt.Errorf("look for crons to prune: %w", err)
	}
	return db.Collect(rows, func(r *db.Rows) (Cron, error) { return scanCron(r) })
}

// pruneCron deletes what a cron keeps no longer.
func (l *Ledger) pruneCron(ctx context.Context, c Cron) (deleted int64, err error) {
	if !c.DeletedAt.IsZero() {
		deleted, err = l.pruneAll(ctx, c.ID, math.MaxInt64, "TRUE")
		if err == nil {
			err = l.removeCron(ctx, c.ID)
		}
		return deleted, err
	}
	var running int64
	if err := l.db.QueryRow(ctx, "SELECT count(*) FROM executions WHERE cron_id = $1 AND ended_at IS NULL", c.ID).Scan(&running); err != nil {
		return 0, err
	}
	for _, kind := range []struct {
		over  int64
		which string
		args  []any
	}{
		{c.Runs - running - c.KeepRuns, "e.status NOT IN ('missed', 'skipped')", nil},
		{c.Records - c.KeepRuns, "e.status IN ('missed', 'skipped')", nil},
		{math.MaxInt64, "e.ended_at < $3", []any{db.Time{Time: l.db.Now().Add(-c.KeepFor)}}},
	} {
		if kind.over <= 0 || kind.args != nil && c.KeepFor == 0 {
			continue
		}
		n, err := l.pruneAll(ctx, c.ID, kind.over, kind.which, kind.args...)
		if deleted += n; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// doomed is an execution that is going to be deleted.
type doomed struct{ id, messages, weight int64 }

// pruneAll deletes the oldest executions of a cron that have ended and meet a
// condition, at most so many.
func (l *Ledger) pruneAll(ctx context.Context, cron, most int64, which string, args ...any) (deleted int64, err error) {
	for deleted < most {
		all, err := l.choose(ctx, cron, min(most-deleted, doomedMost), which, args...)
		if err != nil || len(all) == 0 {
			return deleted, err
		}
		for len(all) > 0 {
			n, weight := 1, all[0].weight
			for n < len(all) && weight+all[n].weight <= sliceWeight {
				weight += all[n].weight
				n++
			}
			if weight > sliceWeight {
				if err := l.dropMessages(ctx, all[0]); err != nil {
					return deleted, err
				}
			}
			some, err := l.deleteExecutions(ctx, cron, all[:n])
			if deleted += some; err != nil {
				return deleted, err
			}
			if err := l.settlePages(ctx); err != nil {
				return deleted, err
			}
			all = all[n:]
		}
	}
	return deleted, nil
}

func (l *Ledger) choose(ctx context.Context, cron, most int64, which string, args ...any) ([]doomed, error) {
	rows, err := l.db.Query(ctx, `SELECT e.id, e.message_count, e.head_count, e.tail_seq, e.head_bytes + e.tail_bytes FROM executions e
		WHERE e.cron_id = $1 AND e.ended_at IS NOT NULL AND `+which+" ORDER BY e.id LIMIT $2", append([]any{cron, most}, args...)...)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (d doomed, err error) {
		var k kept
		var bytes int64
		err = r.Scan(&d.id, &d.messages, &k.head, &k.tail, &bytes)
		d.messages = k.count(d.messages)
		d.weight = 1 + d.messages + bytes/sliceBytes
		return d, err
	})
}

// deleteExecutions deletes some of a cron, with their messages.
func (l *Ledger) deleteExecutions(ctx context.Context, cron int64, some []doomed) (deleted int64, err error) {
	ids := idsOf(some, func(d doomed) int64 { return d.id })
	err = l.db.Tx(ctx, func(tx *db.Tx) error {
		deleted = 0
		// The cron first, as everybody does.
		if _, err := l.lockCron(ctx, tx, cron); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "DELETE FROM executions WHERE id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM "+l.rowsTable()+`)
			AND ended_at IS NOT NULL RETURNING status`, ids)
		if err != nil {
			return err
		}
		statuses, err := db.Collect(rows, func(r *db.Rows) (s Status, err error) {
			err = r.Scan(&s)
			return s, err
		})
		if err != nil {
			return err
		}
		var records int64
		for _, s := range statuses {
			if s == Missed || s == Skipped {
				records++
			}
		}
		deleted = int64(len(statuses))
		_, err = tx.Exec(ctx, "UPDATE crons SET runs = runs - $1, records = records - $2 WHERE id = $3", deleted-records, records, cron)
		return err
	})
	return deleted, err
}

// settlePages writes what was deleted from SQLite's log into its file. Executions
// are spread over many pages, so that this takes a while; the one whose commit
// finds the log full does it otherwise, while the writer waits.
func (l *Ledger) settlePages(ctx context.Context) error {
	if l.db.Dialect() != db.SQLite {
		return nil
	}
	rows, err := l.db.Query(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil {
		return err
	}
	_, err = db.Collect(rows, func(*db.Rows) (struct{}, error) { return struct{}{}, nil })
	return err
}

// dropMessages deletes the messages of an execution that has many, or long ones.
func (l *Ledger) dropMessages(ctx context.Context, d doomed) error {
	each := max(1, sliceWeight*d.messages/d.weight)
	return l.deleteEach(ctx, `DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE execution_id = $1 ORDER BY seq LIMIT $2)`, d.id, each)
}

// deleteEach runs a DELETE, in a transaction each, until nothing is left. Its last
// parameter is how many rows it deletes at most.
func (l *Ledger) deleteEach(ctx context.Context, statement string, args ...any) error {
	for {
		var n int64
		err := l.db.Tx(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(ctx, statement, args...)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// removeCron removes a deleted cron of which nothing is left.
func (l *Ledger) removeCron(ctx context.Context, id int64) error {
	var left bool
	if err := l.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM executions WHERE cron_id = $1)", id).Scan(&left); err != nil || left {
		return err
	}
	for _, statement := range []string{
		"DELETE FROM events WHERE id IN (SELECT id FROM events WHERE cron_id = $1 ORDER BY id LIMIT $2)",
		"DELETE FROM execution_hours WHERE cron_id = $1 AND at IN (SELECT at FROM execution_hours WHERE cron_id = $1 ORDER BY at LIMIT $2)",
	} {
		if err := l.deleteEach(ctx, statement, id, sliceWeight); err != nil {
			return err
		}
	}
	return l.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM crons WHERE id = $1 AND deleted_at IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM executions WHERE cron_id = $1)`, id)
		return err
	})
}

// pruneEvents deletes events that are old, and the oldest when there are too many.
// They are in the order of their time.
func (l *Ledger) pruneEvents(ctx context.Context) error {
	err := l.deleteEach(ctx, `DELETE FROM events WHERE id IN (
			SELECT id FROM (SELECT id, at FROM events ORDER BY id LIMIT $3) AS oldest
			WHERE at < $1 OR id <= (SELECT max(id) FROM events) - CAST($2 AS BIGINT))`,
		db.Time{Time: l.db.Now().Add(-keepEvents)}, mostEvents, sliceWeight)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

func (l *Ledger) pruneWindows(ctx context.Context) error {
	err := l.deleteEach(ctx, `DELETE FROM maintenance_windows WHERE id IN (
			SELECT id FROM maintenance_windows WHERE ends_at < $1 ORDER BY ends_at LIMIT $2)`,
		db.Time{Time: l.db.Now().Add(-keepWindows)}, sliceWeight)
	if err != nil {
		return fmt.Errorf("maintenance windows: %w", err)
	}
	return nil
}

// pruneHours deletes tallies that are older than any that is given.
func (l *Ledger) pruneHours(ctx context.Context) error {
	first := db.Time{Time: l.hourOf(time.Time{})}
	for _, statement := range []string{
		`DELETE FROM execution_hours WHERE (cron_id, at, status) IN (
			SELECT cron_id, at, status FROM execution_hours WHERE at < $1 ORDER BY at LIMIT $2)`,
		`DELETE FROM application_hours WHERE (at, application_id, status, part) IN (
			SELECT at, application_id, status, part FROM application_hours WHERE at > 0 AND at < $1 ORDER BY at LIMIT $2)`,
	} {
		if err := l.deleteEach(ctx, statement, first, sliceWeight); err != nil {
			return fmt.Errorf("tallies: %w", err)
		}
	}
	return nil
}
