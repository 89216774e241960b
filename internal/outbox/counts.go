package outbox

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"ferryman/internal/db"
)

// MostCounted is how far Counts and DueHistogram count: what reaches it is that
// many or more.
const MostCounted = 20_000

// Counts is how many deliveries are not sent, each up to MostCounted.
type Counts struct {
	Waiting int64 // behind others included
	Sending int64
	Failed  int64 // dead letters
}

// Counts counts what is not sent, whatever the channel, in a time that has a bound.
func (o *Outbox) Counts(ctx context.Context) (c Counts, err error) {
	// In that index PostgreSQL must not take what is rare for frequent; see merged.
	const one = "(SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE topic IN (0, 1, 2) AND state IN (%s) LIMIT $1) AS first)"
	err = o.db.QueryRow(ctx, "SELECT "+fmt.Sprintf(one, "0, 2")+", "+fmt.Sprintf(one, "1")+", "+fmt.Sprintf(one, "4"), MostCounted).
		Scan(&c.Waiting, &c.Sending, &c.Failed)
	if err != nil {
		return Counts{}, fmt.Errorf("count deliveries: %w", err)
	}
	return c, nil
}

// DueHistogram counts what waits on a channel, or on all if that is "", by the time
// of the next attempt. The first number is what is due within edges[0] from now, or
// already; each further one, what is due after the edge before and within its own.
// The edges must rise. It counts up to MostCounted each, and not what waits behind
// another: that has no time of its own.
func (o *Outbox) DueHistogram(ctx context.Context, channel string, edges []time.Duration) ([]int64, error) {
	channels := []string{channel}
	if channel == "" {
		var err error
		if channels, err = o.waitingOn(ctx); err != nil {
			return nil, err
		}
	}
	counts := make([]int64, len(edges))
	for _, name := range channels {
		if err := o.addDue(ctx, name, edges, counts); err != nil {
			return nil, fmt.Errorf("count what is due: %w", err)
		}
	}
	return counts, nil
}

// addDue adds what waits on a channel to the counts of a histogram. One query counts
// for all edges: each by itself, as it has a bound of its own.
func (o *Outbox) addDue(ctx context.Context, channel string, edges []time.Duration, counts []int64) error {
	if len(edges) == 0 {
		return nil
	}
	now, after := o.db.Now(), int64(math.MinInt64)
	parts, found := make([]string, len(edges)), make([]any, len(edges))
	p, more := page{dialect: o.db.Dialect()}, make([]int64, len(edges))
	name := p.arg(channel)
	for i, edge := range edges {
		until := now.Add(edge).UnixMicro()
		parts[i] = "(SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE channel = " + name + " AND state = 0 AND due_at > " + p.arg(after) +
			" AND due_at <= " + p.arg(until) + " LIMIT " + p.arg(MostCounted-counts[i]) + ") AS first)"
		found[i], after = &more[i], until
	}
	if err := o.db.QueryRow(ctx, "SELECT "+strings.Join(parts, ", "), p.args...).Scan(found...); err != nil {
		return err
	}
	for i, n := range more {
		counts[i] += n
	}
	return nil
}

// waitingNames begins a query with the names of the channels on which something waits,
// in names; the last of them is NULL. It asks an index once for each.
const waitingNames = `WITH RECURSIVE names (name) AS (
	SELECT min(channel) FROM deliveries WHERE state = 0
	UNION ALL
	SELECT (SELECT min(channel) FROM deliveries WHERE state = 0 AND channel > name) FROM names WHERE name IS NOT NULL)`

// waitingOn gives the channels on which something waits: the index is asked for one
// after the other, however much that is.
func (o *Outbox) waitingOn(ctx context.Context) ([]string, error) {
	rows, err := o.db.Query(ctx, waitingNames+" SELECT name FROM names WHERE name IS NOT NULL")
	if err != nil {
		return nil, fmt.Errorf("look where something waits: %w", err)
	}
	names, err := db.Collect(rows, func(r *db.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		return nil, fmt.Errorf("look where something waits: %w", err)
	}
	return names, nil
}
