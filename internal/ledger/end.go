package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Outcome is how an execution ended.
type Outcome struct {
	Status   Status // any but Running
	Reason   string
	Detail   string
	Counts   Counts
	Result   json.RawMessage // nil for none
	Messages []Message       // said at the end; At zero means now
}

// End ends a running execution in tx and frees its slot. It gives ErrEnded if it
// has ended already: the first end stands.
func (l *Ledger) End(ctx context.Context, tx *db.Tx, id int64, o Outcome) error {
	n, err := tx.Exec(ctx, `
		UPDATE executions SET status = $1, ended_at = $2, reason = $3, detail = $4,
			rows_read = $5, rows_written = $6, rows_deleted = $7, rows_rejected = $8, result = $9
		WHERE id = $10 AND ended_at IS NULL`,
		string(o.Status), db.Time{Time: tx.Now()}, o.Reason, clean(o.Detail),
		o.Counts.Read, o.Counts.Written, o.Counts.Deleted, o.Counts.Rejected,
		sql.NullString{String: string(o.Result), Valid: o.Result != nil}, id)
	if err == nil && n == 0 {
		err = ErrEnded
	}
	if err == nil {
		err = insertMessages(ctx, tx, id, o.Messages...)
	}
	if err != nil {
		return fmt.Errorf("end execution %d: %w", id, err)
	}
	return nil
}

// Say adds messages to an execution.
func (l *Ledger) Say(ctx context.Context, id int64, messages ...Message) error {
	err := l.db.Tx(ctx, func(tx *db.Tx) error { return insertMessages(ctx, tx, id, messages...) })
	if err != nil {
		return fmt.Errorf("message of execution %d: %w", id, err)
	}
	return nil
}

func insertMessages(ctx context.Context, tx *db.Tx, id int64, messages ...Message) error {
	for _, m := range messages {
		if m.At.IsZero() {
			m.At = tx.Now()
		}
		_, err := tx.Exec(ctx, "INSERT INTO messages (execution_id, type, message, at) VALUES ($1, $2, $3, $4)",
			id, string(m.Type), clean(m.Text), db.Time{Time: m.At})
		if err != nil {
			return err
		}
	}
	return nil
}

func timeDuration(d db.Duration) time.Duration { return time.Duration(d) }
