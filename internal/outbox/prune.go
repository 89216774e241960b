package outbox

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/jobs"
)

const (
	keepUsual = 30 * 24 * time.Hour
	keepKeys  = 24 * time.Hour // answers to calls that may be repeated
	keepRates = time.Hour      // rates of recipients that are fully rested: a clock may have been wrong

	// pruneSlice is how many rows a transaction deletes: nobody shall wait for it
	// long. pruneMost is how many of each kind a call does.
	pruneSlice = 500
	pruneMost  = 100_000
)

// pruning is the job that prunes.
type pruning struct{}

// Kind implements jobs.Args.
func (pruning) Kind() string { return "outbox_prune" }

// PruneOn lets the engine prune each minute, on one node at a time.
func (o *Outbox) PruneOn(engine *jobs.Engine) {
	jobs.Housekeep(engine, "outbox-prune", time.Minute, pruning{}, func(ctx context.Context) error {
		_, err := o.Prune(ctx)
		return err
	})
}

// Prune deletes attempts of what is settled, and settled alerts and contacts, that
// are older than Options.Keep, answers kept for calls that are repeated after a
// day, what channels did in hours of long ago, and rates of recipients that are at
// rest: a bounded number of them, in short transactions. It tells how many, also along with an error.
func (o *Outbox) Prune(ctx context.Context) (int64, error) {
	keep := o.o.Keep
	if keep == 0 {
		keep = keepUsual
	}
	now := o.db.Now()
	before := func(d time.Duration) db.Time { return db.Time{Time: now.Add(-d)} }
	var deleted int64
	for _, kind := range []struct {
		what, statement string
		older           db.Time
	}{
		{"attempts", `DELETE FROM attempts WHERE (delivery_id, n) IN (
			SELECT a.delivery_id, a.n FROM attempts a WHERE a.at < $1
				AND coalesce((SELECT d.state FROM deliveries d WHERE d.id = a.delivery_id), 3) NOT IN (0, 1, 2)
			ORDER BY a.at LIMIT $2)`, before(keep)},
		{"sent alerts", pruneSettled(Alert, Sent), before(keep)},
		{"failed alerts", pruneSettled(Alert, Failed), before(keep)},
		{"cancelled alerts", pruneSettled(Alert, Cancelled), before(keep)},
		{"expired alerts", pruneSettled(Alert, Expired), before(keep)},
		{"sent contacts", pruneSettled(Contact, Sent), before(keep)},
		{"failed contacts", pruneSettled(Contact, Failed), before(keep)},
		{"cancelled contacts", pruneSettled(Contact, Cancelled), before(keep)},
		{"expired contacts", pruneSettled(Contact, Expired), before(keep)},
		{"idempotency keys", `DELETE FROM idempotency_keys WHERE key_hash IN (
			SELECT key_hash FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)`, before(keepKeys)},
		{"hours of channels", `DELETE FROM channel_hours WHERE (at, channel, sender_id) IN (
			SELECT at, channel, sender_id FROM channel_hours WHERE at < $1 ORDER BY at LIMIT $2)`, before(keepHourly)},
		{"recipients' rates", `DELETE FROM recipient_rates WHERE next_at < $1 AND (channel, recipient) IN (
			SELECT channel, recipient FROM recipient_rates WHERE next_at < $1 ORDER BY next_at LIMIT $2)`, before(keepRates)},
	} {
		n, err := o.deleteEach(ctx, kind.statement, kind.older)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("prune %s: %w", kind.what, err)
		}
	}
	return deleted, nil
}

// pruneSettled deletes deliveries of a topic that have come to a state. Ids rise
// with time, so that it looks at the first ones only: it does not read all that are
// kept. Some that were settled late may hold up others until it is their time.
func pruneSettled(t Topic, s State) string {
	return fmt.Sprintf(`DELETE FROM deliveries WHERE id IN (
		SELECT id FROM (SELECT id, ended_at FROM deliveries WHERE topic = %d AND state = %d ORDER BY topic, state, id LIMIT $2) AS oldest
		WHERE ended_at < $1)`, t, s)
}

// deleteEach runs a DELETE of what is older than a time, in a transaction each,
// until nothing is left or it was enough.
func (o *Outbox) deleteEach(ctx context.Context, statement string, older db.Time) (deleted int64, err error) {
	for deleted < pruneMost {
		var n int64
		err := o.db.Tx(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(ctx, statement, older, pruneSlice)
			return err
		})
		if err != nil || n == 0 {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}
