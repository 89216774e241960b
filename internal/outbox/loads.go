package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
)

// Load is what a channel has still to do. Each number goes up to MostCounted.
type Load struct {
	Channel string
	Due     []int64 // what waits for its time, as DueHistogram has it
	Behind  int64   // waits for another, with the same order key
	Sending int64
	Failed  int64 // dead letters
}

// Loads gives the loads of the channels that have any, by name, with a histogram of
// the given edges each. Unlike Stats it does not count without end.
func (o *Outbox) Loads(ctx context.Context, edges []time.Duration) ([]Load, error) {
	of := map[string]*Load{}
	load := func(name string) *Load {
		if of[name] == nil {
			of[name] = &Load{Channel: name, Due: make([]int64, len(edges))}
		}
		return of[name]
	}
	waiting, err := o.waitingOn(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range waiting {
		if load(name).Due, err = o.DueHistogram(ctx, name, edges); err != nil {
			return nil, err
		}
	}
	// Each repeats the condition of a partial index, which has the channel first.
	for _, part := range []struct {
		which string
		to    func(*Load) *int64
	}{
		{"order_key IS NOT NULL AND state IN (0, 1, 2) AND state = 2", func(l *Load) *int64 { return &l.Behind }},
		{"state = 4", func(l *Load) *int64 { return &l.Failed }},
	} {
		counts, err := o.countEach(ctx, part.which)
		if err != nil {
			return nil, fmt.Errorf("count deliveries: %w", err)
		}
		for name, n := range counts {
			*part.to(load(name)) = n
		}
	}
	rows, err := o.db.Query(ctx, `SELECT channel, count(*) FROM (
		SELECT channel FROM deliveries WHERE topic IN (0, 1, 2) AND state IN (1) LIMIT $1) AS first GROUP BY channel`, MostCounted)
	if err != nil {
		return nil, fmt.Errorf("count what is being sent: %w", err)
	}
	sending, err := collectCounts(rows)
	if err != nil {
		return nil, fmt.Errorf("count what is being sent: %w", err)
	}
	for name, n := range sending {
		load(name).Sending = n
	}
	all := make([]Load, 0, len(of))
	for _, l := range of {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b Load) int { return strings.Compare(a.Channel, b.Channel) })
	return all, nil
}

// countEach counts what a condition lets pass on each channel, up to MostCounted.
// The channels are found one after the other in an index that begins with them.
func (o *Outbox) countEach(ctx context.Context, which string) (map[string]int64, error) {
	rows, err := o.db.Query(ctx, `WITH RECURSIVE names (name) AS (
			SELECT min(channel) FROM deliveries WHERE `+which+`
			UNION ALL
			SELECT (SELECT min(channel) FROM deliveries WHERE `+which+` AND channel > name) FROM names WHERE name IS NOT NULL)
		SELECT name, (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE channel = name AND `+which+` LIMIT $1) AS first)
		FROM names WHERE name IS NOT NULL`, MostCounted)
	if err != nil {
		return nil, err
	}
	return collectCounts(rows)
}

func collectCounts(rows *db.Rows) (map[string]int64, error) {
	counts := map[string]int64{}
	_, err := db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var n int64
		err = r.Scan(&name, &n)
		counts[name] = n
		return struct{}{}, err
	})
	return counts, err
}

// Totals gives what channels did since the store was made, by their names.
func (o *Outbox) Totals(ctx context.Context) (map[string]Totals, error) {
	rows, err := o.db.Query(ctx, `SELECT channel, CAST(sum(sent) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(retried) AS BIGINT),
		CAST(sum(uncertain) AS BIGINT), CAST(sum(expired) AS BIGINT) FROM channel_totals GROUP BY channel`)
	if err != nil {
		return nil, fmt.Errorf("read the totals of channels: %w", err)
	}
	all := map[string]Totals{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var n Totals
		err = r.Scan(&name, &n.Sent, &n.Failed, &n.Retried, &n.Uncertain, &n.Expired)
		all[name] = n
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the totals of channels: %w", err)
	}
	return all, nil
}
