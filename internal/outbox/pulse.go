package outbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"

	"ferryman/internal/db"
)

// changesMark is the mark in the store that is another after every change of
// deliveries by a person.
const changesMark = "outbox_changes"

// mark makes a mark in the store another than it was.
func mark(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.Exec(ctx, `INSERT INTO marks (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, rand.Text())
	return err
}

// Pulse gives a short text that is another one after deliveries were added or
// changed by a person, attempts ended, or a channel was paused, rests or was set:
// whoever shows them asks for it often, since it costs next to nothing. That an
// attempt begins it does not tell.
func (o *Outbox) Pulse(ctx context.Context) (string, error) {
	rows, err := o.db.Query(ctx, `
		SELECT '', coalesce(max(id), 0), 0 FROM deliveries
		UNION ALL
		SELECT 'd', CAST(coalesce(sum(sent + failed + expired), 0) AS BIGINT), CAST(coalesce(sum(retried + uncertain), 0) AS BIGINT) FROM channel_totals
		UNION ALL
		SELECT 'm' || value, 0, 0 FROM marks WHERE name = $1
		UNION ALL
		SELECT 'c' || name || paused_by || configured, coalesce(paused_at, 0), coalesce(held_until, 0) FROM channels ORDER BY 1`, changesMark)
	if err != nil {
		return "", fmt.Errorf("feel the outbox's pulse: %w", err)
	}
	sum := fnv.New64a()
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var what string
		var a, b int64
		err = r.Scan(&what, &a, &b)
		_, _ = fmt.Fprintf(sum, "%q %d %d\n", what, a, b) // never fails
		return struct{}{}, err
	})
	if err != nil {
		return "", fmt.Errorf("feel the outbox's pulse: %w", err)
	}
	return fmt.Sprintf("%016x", sum.Sum64()), nil
}
