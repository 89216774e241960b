package outbox

import (
	"context"

	"ferryman/internal/db"
)

// Settle releases an order key, as whoever has settled a delivery does.
func Settle(ctx context.Context, d *db.DB, channel, key string) (freed []string, err error) {
	return settle(ctx, d, orderKey{channel, key}, func(*db.Tx) error { return nil })
}

// Send marks a delivery as sent and releases its order key.
func Send(ctx context.Context, d *db.DB, id int64, channel, key string) error {
	_, err := settle(ctx, d, orderKey{channel, key}, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE deliveries SET state = 3 WHERE id = $1", id)
		return err
	})
	return err
}

func settle(ctx context.Context, d *db.DB, key orderKey, do func(tx *db.Tx) error) (freed []string, err error) {
	err = d.Tx(ctx, func(tx *db.Tx) error {
		if err := lockOrder(ctx, tx, []orderKey{key}); err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return err
		}
		freed, err = release(ctx, tx, []orderKey{key})
		return err
	})
	return freed, err
}
