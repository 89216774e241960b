package outbox

import (
	"context"
	"fmt"
)

// Backlog counts what a channel still has to send, from as many as most on only
// that: whoever adds much asks first whether it still flows off.
func (o *Outbox) Backlog(ctx context.Context, channel string, most int) (int, error) {
	var waiting, behind int
	// Each SELECT repeats the condition of a partial index.
	err := o.db.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM (SELECT d.id FROM deliveries d WHERE d.channel = $1 AND d.state = 0 LIMIT $2) AS first),
		(SELECT count(*) FROM (SELECT d.id FROM deliveries d
			WHERE d.channel = $1 AND d.order_key IS NOT NULL AND d.state IN (0, 1, 2) AND d.state = 2 LIMIT $2) AS first)`,
		channel, most).Scan(&waiting, &behind)
	if err != nil {
		return 0, fmt.Errorf("count the backlog: %w", err)
	}
	return min(waiting+behind, most), nil
}
