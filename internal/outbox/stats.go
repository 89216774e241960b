package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
)

// Stats tells, in the order of their names, how every channel stands that was ever
// set or paused, or has deliveries that wait. What waits and what has failed is
// counted one by one, in indexes that hold nothing else.
func (o *Outbox) Stats(ctx context.Context) ([]ChannelStats, error) {
	of := map[string]*ChannelStats{}
	stats := func(name string) *ChannelStats {
		if of[name] == nil {
			of[name] = &ChannelStats{Name: name}
		}
		return of[name]
	}
	now := o.db.Now()
	rows, err := o.db.Query(ctx, "SELECT name, configured, paused_by, paused_at, pause_reason, held_until FROM channels")
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var c ChannelStats
		err = r.Scan(&c.Name, &c.Configured, &c.PausedBy, db.ScanTime(&c.PausedAt), &c.PauseReason, db.ScanTime(&c.HeldUntil))
		if !c.HeldUntil.After(now) {
			c.HeldUntil = time.Time{}
		}
		*stats(c.Name) = c
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	// Each SELECT repeats the condition of a partial index.
	rows, err = o.db.Query(ctx, `
		SELECT 'waiting', channel, count(*), count(CASE WHEN due_at <= $1 THEN 1 END), min(due_at), 0, 0 FROM deliveries
			WHERE state = 0 GROUP BY channel
		UNION ALL
		SELECT 'behind', channel, count(*), 0, 0, 0, 0 FROM deliveries
			WHERE order_key IS NOT NULL AND state IN (0, 1, 2) AND state = 2 GROUP BY channel
		UNION ALL
		SELECT 'sending', channel, count(*), 0, 0, 0, 0 FROM deliveries WHERE topic IN (0, 1, 2) AND state = 1 GROUP BY channel
		UNION ALL
		SELECT 'failed', channel, count(*), 0, 0, 0, 0 FROM deliveries WHERE state = 4 GROUP BY channel
		UNION ALL
		SELECT 'totals', channel, CAST(sum(sent) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(retried) AS BIGINT),
			CAST(sum(uncertain) AS BIGINT), CAST(sum(expired) AS BIGINT) FROM channel_totals GROUP BY channel`, db.Time{Time: now})
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var what, name string
		var n [5]int64
		if err := r.Scan(&what, &name, &n[0], &n[1], &n[2], &n[3], &n[4]); err != nil {
			return struct{}{}, err
		}
		c := stats(name)
		switch what {
		case "waiting":
			c.Waiting += n[0]
			if c.Due = n[1]; c.Due > 0 {
				c.OldestDue = time.UnixMicro(n[2]).UTC()
			}
		case "behind":
			c.Waiting += n[0]
		case "sending":
			c.Sending = n[0]
		case "failed":
			c.Failed = n[0]
		case "totals":
			c.Totals = Totals{Sent: n[0], Failed: n[1], Retried: n[2], Uncertain: n[3], Expired: n[4]}
		}
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	all := make([]ChannelStats, 0, len(of))
	for _, c := range of {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b ChannelStats) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
