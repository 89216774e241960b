package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	// lookEvery is how often the watch looks, which costs it a few reads from
	// indexes that hold nothing.
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
	return errors.Join(l.sweepLapsed(ctx), l.sweepMissed(ctx), l.sweepSuppressed(ctx))
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
