package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	// lookEvery is how often the watch looks, which costs it a few reads, in one
	// statement, from indexes that hold nothing.
	lookEvery = 300 * time.Millisecond
	// grumbleEvery is how often trouble with the store is logged while it lasts.
	grumbleEvery = time.Minute
	// lookMost is how much of each kind a look takes up.
	lookMost = 10_000
	// A transaction of the watch takes up sliceRows, so that starts come in between.
	sliceRows = 100
)

// Watch notices what does not come by itself, within a second, until ctx ends:
// expected starts that did not come, executions past their lease or deadline, and
// events whose suppression is over. Every node watches; each matter is recorded
// once. Trouble with the store is logged and the watch goes on.
func (l *Ledger) Watch(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var last, grumbled time.Time // by the store's clock; by this machine's
	for {
		var err error
		now := l.db.Now()
		// While a clock was fast, starts came to be expected too late.
		if last.IsZero() || now.Before(last.Add(-time.Second)) {
			err = l.realign(ctx)
		}
		if sweepErr := l.Sweep(ctx); err == nil {
			err, last = sweepErr, now
			if later := l.db.Now(); later.After(now) {
				last = later
			}
		}
		if err != nil && ctx.Err() == nil && (grumbled.IsZero() || time.Since(grumbled) > grumbleEvery) {
			log.Error("watch the crons", "err", err)
			grumbled = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sweep records once what Watch records all the time.
func (l *Ledger) Sweep(ctx context.Context) error {
	lapsed, missed, suppressed, err := l.due(ctx)
	errs := []error{err}
	if lapsed {
		errs = append(errs, l.sweepLapsed(ctx))
	}
	if missed {
		errs = append(errs, l.sweepMissed(ctx))
	}
	if suppressed {
		errs = append(errs, l.sweepSuppressed(ctx))
	}
	return errors.Join(errs...)
}

// due tells of which kinds there seems to be something to take up. Most of the time
// there is nothing, on every node, and one question is cheaper than several.
func (l *Ledger) due(ctx context.Context) (lapsed, missed, suppressed bool, err error) {
	err = l.db.QueryRow(ctx, `SELECT
		EXISTS (SELECT 1 FROM executions WHERE ended_at IS NULL AND lease_until IS NOT NULL AND lease_until < $1)
			OR EXISTS (SELECT 1 FROM executions WHERE ended_at IS NULL AND deadline_at IS NOT NULL AND deadline_at < $1),
		EXISTS (SELECT 1 FROM crons WHERE late_at <= $1),
		EXISTS (SELECT 1 FROM events WHERE suppressed_until IS NOT NULL AND suppressed_until <= $1)`,
		db.Time{Time: l.db.Now()}).Scan(&lapsed, &missed, &suppressed)
	if err != nil {
		return false, false, false, fmt.Errorf("look for what is due: %w", err)
	}
	return lapsed, missed, suppressed, nil
}

// look asks for what a step of the watch is to take up.
func look[T any](ctx context.Context, d *db.DB, scan func(*db.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := d.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, scan)
}

// inSlices runs fn on all in short transactions, sliceRows at a time. What fails
// is tried one by one, so that it does not keep the rest from being done.
func inSlices[T any](ctx context.Context, d *db.DB, all []T, fn func(ctx context.Context, tx *db.Tx, some []T) error) error {
	var errs []error
	for some := range slices.Chunk(all, sliceRows) {
		err := d.Tx(ctx, func(tx *db.Tx) error { return fn(ctx, tx, some) })
		switch {
		case err == nil:
		case ctx.Err() != nil, fault.KindOf(err) == fault.Unavailable:
			return err
		case len(some) == 1:
			errs = append(errs, err)
		default:
			for i := range some {
				errs = append(errs, inSlices(ctx, d, some[i:i+1], fn))
			}
		}
	}
	return errors.Join(errs...)
}

// free ends a SELECT of rows that the transaction is going to change, leaving out
// what others are about to change: the next look comes to it. So the watch never
// waits, for a start or for another node's watch.
func free(tx *db.Tx) string {
	if lock := tx.ForUpdate(); lock != "" {
		return lock + " SKIP LOCKED"
	}
	return ""
}

// lockCrons reads those of the crons that nobody else is about to change. They are
// from first to last: that tells PostgreSQL that the index is worth more than all
// crons.
func (l *Ledger) lockCrons(ctx context.Context, tx *db.Tx, ids string, first, last int64) (map[int64]*Cron, error) {
	rows, err := tx.Query(ctx, "SELECT "+cronColumns+" FROM crons c WHERE c.id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM "+l.rowsTable()+`)
		AND c.id BETWEEN $2 AND $3 ORDER BY c.id`+free(tx), ids, first, last)
	if err != nil {
		return nil, err
	}
	crons := map[int64]*Cron{}
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		c, err := scanCron(r)
		crons[c.ID] = &c
		return struct{}{}, err
	})
	return crons, err
}
