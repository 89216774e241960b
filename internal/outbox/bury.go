package outbox

import (
	"context"
	"fmt"

	"ferryman/internal/db"
)

// Lost is a delivery that can never be made, for people to see.
type Lost struct {
	Item // its order and times do not count

	Code   string // in snake case
	Reason string // for whoever owns the data
}

// Bury stores, in tx, dead letters that nobody can revive, and none whose dedupe is
// taken.
func (o *Outbox) Bury(ctx context.Context, tx *db.Tx, lost []Lost) error {
	if len(lost) == 0 {
		return nil
	}
	now := tx.Now()
	items := make([]Item, len(lost))
	for i, l := range lost {
		items[i] = l.Item
		items[i].OrderKey, items[i].StartAt, items[i].ExpiresAt = "", nil, &now // what has expired is not revived
	}
	ids, _, err := o.Add(ctx, tx, items, Skip)
	if err != nil {
		return err
	}
	var rows [][]any
	for i, id := range ids {
		if id != 0 {
			rows = append(rows, []any{id, Outcome{Code: lost[i].Code, Detail: lost[i].Reason}.lastError()})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	list, err := listed(rows)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE deliveries SET state = 4, ended_at = $2, last_error = v.value->>1 FROM "+few(tx)+
		" WHERE deliveries.id = CAST(v.value->>0 AS BIGINT)", list, db.Time{Time: now})
	if err != nil {
		return fmt.Errorf("bury deliveries: %w", err)
	}
	return nil
}
