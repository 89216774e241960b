package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/db"
)

const executionColumns = `id, cron_id, status, "trigger", request, attempt, holder, started_at, ended_at, lease_until, deadline_at,
	reason, detail, rows_read, rows_written, rows_deleted, rows_rejected, result`

func scanExecution(row scanner) (Execution, error) {
	var e Execution
	var request, result sql.NullString
	var started, ended, lease, deadline db.Time
	err := row.Scan(&e.ID, &e.CronID, &e.Status, &e.Trigger, &request, &e.Attempt, &e.Holder, &started, &ended, &lease, &deadline,
		&e.Reason, &e.Detail, &e.Counts.Read, &e.Counts.Written, &e.Counts.Deleted, &e.Counts.Rejected, &result)
	if errors.Is(err, sql.ErrNoRows) {
		return Execution{}, ErrNoExecution
	}
	e.Request = request.String
	e.StartedAt, e.EndedAt, e.LeaseUntil, e.DeadlineAt = started.Time, ended.Time, lease.Time, deadline.Time
	if result.Valid {
		e.Result = json.RawMessage(result.String)
	}
	return e, err
}

// Execution gives one execution, or ErrNoExecution.
func (l *Ledger) Execution(ctx context.Context, id int64) (Execution, error) {
	e, err := scanExecution(l.db.QueryRow(ctx, "SELECT "+executionColumns+" FROM executions WHERE id = $1", id))
	if err != nil {
		return Execution{}, fmt.Errorf("execution %d: %w", id, err)
	}
	return e, nil
}

// ByRequest gives the newest execution of a request, or ErrNoExecution.
func (l *Ledger) ByRequest(ctx context.Context, cronID int64, request string) (Execution, error) {
	return scanExecution(l.db.QueryRow(ctx, "SELECT "+executionColumns+` FROM executions
		WHERE cron_id = $1 AND request = $2 ORDER BY attempt DESC LIMIT 1`, cronID, request))
}

// Answered tells whether a run that began after the execution with id after
// stands for requests that wanted one: any but one of the given request itself
// and those that were cut off.
func (l *Ledger) Answered(ctx context.Context, cronID, after int64, request string) (answered bool, err error) {
	err = l.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM executions
		WHERE cron_id = $1 AND id > $2 AND coalesce(request, '') <> $3 AND reason NOT IN ($4, $5))`,
		cronID, after, request, ReasonInterrupted, ReasonHandedBack).Scan(&answered)
	return answered, err
}

// Recent gives the newest n executions of a cron that have ended, oldest first.
func (l *Ledger) Recent(ctx context.Context, cronID int64, n int) ([]Execution, error) {
	rows, err := l.db.Query(ctx, "SELECT "+executionColumns+` FROM executions
		WHERE cron_id = $1 AND ended_at IS NOT NULL ORDER BY id DESC LIMIT $2`, cronID, n)
	if err != nil {
		return nil, fmt.Errorf("recent executions: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Execution, error) { return scanExecution(r) })
	if err != nil {
		return nil, fmt.Errorf("recent executions: %w", err)
	}
	slices.Reverse(all)
	return all, nil
}

// Messages gives up to limit messages of an execution that follow the one with
// id after, in the order in which they came.
func (l *Ledger) Messages(ctx context.Context, execution, after int64, limit int) ([]Message, error) {
	rows, err := l.db.Query(ctx, `SELECT id, type, message, at FROM messages
		WHERE execution_id = $1 AND id > $2 ORDER BY id LIMIT $3`, execution, after, limit)
	if err != nil {
		return nil, fmt.Errorf("messages of execution %d: %w", execution, err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Message, error) {
		var m Message
		var at db.Time
		err := r.Scan(&m.ID, &m.Type, &m.Text, &at)
		m.At = at.Time
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("messages of execution %d: %w", execution, err)
	}
	return all, nil
}

// clean makes text fit for both databases: PostgreSQL refuses NUL and broken
// UTF-8.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
