package outbox

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"ferryman/internal/db"
)

// orderKey names deliveries that go one after the other.
type orderKey struct{ channel, key string }

const (
	orderLocks = 0x6f626f78 // tells these locks from others of the database
	// So many locks stand for all keys: PostgreSQL's table of locks is small.
	orderStripes = 512
)

// LockOrder takes the locks that Add takes for deliveries of a channel with these
// order keys. A transaction that adds by several calls takes those of all of them
// first, and so never stands against another.
func (o *Outbox) LockOrder(ctx context.Context, tx *db.Tx, channel string, keys []string) error {
	all := make([]orderKey, len(keys))
	for i, k := range keys {
		all[i] = orderKey{channel, k}
	}
	return lockOrder(ctx, tx, all)
}

// lockOrder keeps other transactions from adding to the keys and from settling
// what has them, until tx ends. It comes before the statements that do so: who
// waits for the lock must see what its holder did.
func lockOrder(ctx context.Context, tx *db.Tx, keys []orderKey) error {
	if len(keys) == 0 || tx.ForUpdate() == "" { // SQLite has one writer anyway
		return nil
	}
	stripes := make([]int32, len(keys))
	for i, k := range keys {
		h := fnv.New32a()
		_, _ = h.Write([]byte(k.channel + "\x00" + k.key))
		stripes[i] = int32(h.Sum32() % orderStripes)
	}
	slices.Sort(stripes)
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, stripe) FROM unnest(CAST($2 AS INTEGER[])) AS stripe",
		orderLocks, slices.Compact(stripes)); err != nil {
		return fmt.Errorf("lock order keys: %w", err)
	}
	return nil
}

// notAhead is when a delivery is due that comes to wait again and has no pause to keep: as
// it was, but after a clock that went back no later than now, $2, or when it was asked for.
const notAhead = "CASE WHEN due_at <= $2 OR start_at >= due_at THEN due_at WHEN start_at > $2 THEN start_at ELSE CAST($2 AS BIGINT) END"

// release makes the first Behind delivery of each key Waiting, if none with that
// key is Waiting or Sending, and gives the names of the channels where there was
// one. The keys are locked.
func release(ctx context.Context, tx *db.Tx, keys []orderKey) (freed []string, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	pairs := make([][2]string, len(keys))
	for i, k := range keys {
		pairs[i] = [2]string{k.channel, k.key}
	}
	list, err := listed(pairs)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `
		UPDATE deliveries SET state = 0, due_at = `+notAhead+` WHERE id IN (
			SELECT (SELECT d.id FROM deliveries d
				WHERE d.channel = v.value->>0 AND d.order_key = v.value->>1 AND d.state = 2 AND d.state IN (0, 1, 2) ORDER BY d.id LIMIT 1)
			FROM json_each($1) AS v
			WHERE (SELECT 1 FROM deliveries d
				WHERE d.channel = v.value->>0 AND d.order_key = v.value->>1 AND d.state IN (0, 1) AND d.state IN (0, 1, 2) LIMIT 1) IS NULL)
		RETURNING channel`, list, db.Time{Time: tx.Now()})
	if err != nil {
		return nil, fmt.Errorf("release order keys: %w", err)
	}
	freed, err = db.Collect(rows, func(r *db.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		return nil, fmt.Errorf("release order keys: %w", err)
	}
	slices.Sort(freed)
	return slices.Compact(freed), nil
}
