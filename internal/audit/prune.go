package audit

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/jobs"
)

const (
	keepFor  = 365 * 24 * time.Hour
	keepMost = 1_000_000
	// pruneSlice is how many rows a transaction deletes: nobody shall wait for it long.
	pruneSlice = 500
)

// pruning is the job that prunes.
type pruning struct{}

// Kind implements jobs.Args.
func (pruning) Kind() string { return "audit_prune" }

// PruneOn lets the engine prune each hour, on one node at a time.
func (l *Log) PruneOn(engine *jobs.Engine) {
	jobs.Housekeep(engine, "audit-prune", time.Hour, pruning{}, func(ctx context.Context) error {
		_, err := l.Prune(ctx)
		return err
	})
}

// Prune deletes entries that are older than a year, and the oldest of more than a
// million, in short transactions. It tells how many, also along with an error.
func (l *Log) Prune(ctx context.Context) (deleted int64, err error) {
	for _, kind := range []struct {
		which string
		bound any
	}{
		{"at < $1 ORDER BY at", db.Time{Time: l.db.Now().Add(-keepFor)}},
		{"id <= (SELECT max(id) FROM audit) - $1 ORDER BY id", keepMost},
	} {
		n, err := l.deleteEach(ctx, "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE "+kind.which+" LIMIT $2)", kind.bound)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("prune the audit log: %w", err)
		}
	}
	return deleted, nil
}

// deleteEach runs a DELETE, in a transaction each, until nothing is left.
func (l *Log) deleteEach(ctx context.Context, statement string, bound any) (deleted int64, err error) {
	for {
		var n int64
		err := l.db.Tx(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(ctx, statement, bound, pruneSlice)
			return err
		})
		if err != nil || n == 0 {
			return deleted, err
		}
		deleted += n
	}
}
