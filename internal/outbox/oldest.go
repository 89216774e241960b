package outbox

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Oldest gives, by their names, the channels on which something is due, and since when
// the oldest of it is. It asks an index once for each channel, however much waits.
func (o *Outbox) Oldest(ctx context.Context) (map[string]time.Time, error) {
	rows, err := o.db.Query(ctx, waitingNames+`
		SELECT name, (SELECT min(due_at) FROM deliveries WHERE channel = name AND state = 0) FROM names WHERE name IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("look for what is due: %w", err)
	}
	now, oldest := o.db.Now(), map[string]time.Time{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var due time.Time
		if err = r.Scan(&name, db.ScanTime(&due)); err == nil && !due.After(now) {
			oldest[name] = due
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for what is due: %w", err)
	}
	return oldest, nil
}
