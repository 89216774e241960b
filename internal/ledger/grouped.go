package ledger

import (
	"context"

	"ferryman/internal/db"
)

// grouped runs fn in a transaction that calls share, and gives what it gives.
// What fn refuses is no trouble of the store's: what it has written until then
// stands. A caller whose ctx ends leaves fn alone with its results, as it may run
// all the same.
func grouped[T any](ctx context.Context, d *db.DB, key int64, fn func(context.Context, *db.Tx) (out T, refused, err error)) (T, error) {
	var none, out T
	var refused error
	err := d.Group(ctx, key, func(ctx context.Context, tx *db.Tx) (err error) {
		out, refused, err = fn(ctx, tx)
		return err
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return none, err
	}
	return out, nil
}
