package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// BlockFilter chooses what ended of some crons in a span of time, by stretches of it.
type BlockFilter struct {
	Crons []int64
	Since time.Time     // from the hour of this time on; at most 90 days are kept
	Until time.Time     // hours that began before
	Every time.Duration // how long a stretch is: whole hours; the first begins with the hour of Since
}

// Blocks gives what ended of each cron, stretch by stretch, the oldest first; an
// Hour's At is when its stretch began. Stretches in which nothing ended are left
// out.
func (l *Ledger) Blocks(ctx context.Context, f BlockFilter) (map[int64][]Hour, error) {
	since, every := l.hourOf(f.Since), max(f.Every.Truncate(time.Hour), time.Hour)
	// To SQLite CROSS JOIN says which table comes first. Left to choose, it may read the
	// hours of all crons, since these come in the order that is asked for.
	rows, err := l.db.Query(ctx, `SELECT h.cron_id, (h.at - CAST($2 AS BIGINT)) / CAST($4 AS BIGINT) AS block, h.status,
			CAST(sum(h.n) AS BIGINT), CAST(sum(h.took) AS BIGINT)
		FROM `+l.rowsTable()+` CROSS JOIN execution_hours h
		WHERE h.cron_id = CAST(v.value->>0 AS BIGINT) AND h.at >= $2 AND h.at < $3
		GROUP BY h.cron_id, block, h.status ORDER BY h.cron_id, block`,
		idsOf(f.Crons, itself), db.Time{Time: since}, db.Time{Time: f.Until}, every.Microseconds())
	if err != nil {
		return nil, fmt.Errorf("blocks of hours: %w", err)
	}
	all := make(map[int64][]Hour, len(f.Crons))
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var cron, block, n int64
		var s Status
		var took db.Duration
		if err = r.Scan(&cron, &block, &s, &n, &took); err != nil || n == 0 {
			return struct{}{}, err
		}
		at, some := since.Add(time.Duration(block)*every).UTC(), all[cron]
		if len(some) == 0 || !some[len(some)-1].At.Equal(at) {
			some = append(some, Hour{At: at})
		}
		some[len(some)-1].add(s, n, time.Duration(took))
		all[cron] = some
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("blocks of hours: %w", err)
	}
	return all, nil
}
