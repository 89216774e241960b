package outbox

import (
	"context"
	"fmt"

	"ferryman/internal/db"
)

// Sending tells how many deliveries each node has under way, by the node's name. Of
// those in the hands of nobody who lives, nothing is said.
func (o *Outbox) Sending(ctx context.Context) (map[string]int64, error) {
	rows, err := o.db.Query(ctx, `SELECT s.name, count(*) FROM deliveries d JOIN senders s ON s.id = d.sender_id
		WHERE d.topic IN (0, 1, 2) AND d.state = 1 GROUP BY s.name`)
	if err != nil {
		return nil, fmt.Errorf("count what is being sent: %w", err)
	}
	of := map[string]int64{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var n int64
		err = r.Scan(&name, &n)
		of[name] = n
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("count what is being sent: %w", err)
	}
	return of, nil
}
