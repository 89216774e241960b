package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/span"
)

// Outcome is how an execution of Ferryman's own ended.
type Outcome struct {
	Status   Status // any but Running
	Reason   string
	Detail   string
	Counts   Counts
	Result   json.RawMessage // nil for none
	Messages []Message       // said at the end; At zero means now
}

// End ends a running execution in tx and frees its place. It gives ErrEnded if it
// has ended already: the first end stands.
func (l *Ledger) End(ctx context.Context, tx *db.Tx, id int64, o Outcome) error {
	e, err := scanExecution(tx.QueryRow(ctx, `
		UPDATE executions SET status = $1, ended_at = $2, reason = $3, detail = $4,
			rows_read = $5, rows_written = $6, rows_deleted = $7, rows_rejected = $8, result = $9
		WHERE id = $10 AND ended_at IS NULL`+cronFirst(tx, "$10")+`
		RETURNING `+returned(),
		string(o.Status), db.Time{Time: tx.Now()}, o.Reason, clean(o.Detail),
		o.Counts.Read, o.Counts.Written, o.Counts.Deleted, o.Counts.Rejected,
		sql.NullString{String: string(o.Result), Valid: o.Result != nil}, id))
	if errors.Is(err, ErrNoExecution) {
		err = ErrEnded
	}
	for i := range o.Messages {
		o.Messages[i].Ending = true
	}
	if err == nil {
		_, err = l.say(ctx, tx, &e, o.Messages)
	}
	if err == nil {
		err = l.endedOf(ctx, tx, e)
	}
	if err != nil {
		return fmt.Errorf("end execution %d: %w", id, err)
	}
	return nil
}

// Report is what an application says of the end of an execution.
type Report struct {
	Success  bool
	Type     MessageType
	Message  string // "" for none
	ExitCode *int64 // nil if it does not say
	Took     time.Duration
	EndedAt  time.Time // when it ended, if that is reported afterwards; zero: now
}

func (r Report) endedAt(now time.Time) time.Time {
	if r.EndedAt.IsZero() || r.EndedAt.After(now) {
		return now
	}
	return r.EndedAt
}

// detail is what a failure says in a line: the exit code, and the end of the
// message, where programs say what went wrong.
func (r Report) detail() string {
	if r.Success {
		return ""
	}
	var said []string
	if r.ExitCode != nil {
		said = append(said, fmt.Sprintf("exit code %d", *r.ExitCode))
	}
	last := strings.TrimSpace(clean(r.Message))
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = strings.TrimSpace(last[i:])
	}
	if runes := []rune(last); len(runes) > maxDetail {
		last = string(runes[:maxDetail]) + "…"
	}
	if last != "" {
		said = append(said, last)
	}
	return strings.Join(said, ": ")
}

const maxDetail = 300 // characters

// Reported is an execution whose end was reported.
type Reported struct {
	Execution
	MessageID int64 // of the report's message; 0 without one
	Replayed  bool  // the same end had been reported before
}

// Report ends an execution of app as its application says. It takes the end of
// one that was ended by the ledger meanwhile: overdue, interrupted, superseded or
// released. The first report stands: it gives ErrEnded for another outcome, and
// for the same one what was said the first time. It gives ErrNoExecution.
func (l *Ledger) Report(ctx context.Context, app, id int64, r Report) (out Reported, err error) {
	ctx, t := span.Start(ctx, "ledger end")
	defer func() { endSpan(t, out.Execution, out.Replayed, err) }()
	cron, err := l.cronOf(ctx, app, id)
	if err != nil {
		return Reported{}, fmt.Errorf("end execution %d: %w", id, err)
	}
	out, err = grouped(ctx, l.db, cron, func(ctx context.Context, tx *db.Tx) (Reported, error, error) {
		return l.report(ctx, tx, id, r)
	})
	if err != nil {
		return Reported{}, fmt.Errorf("end execution %d: %w", id, err)
	}
	return out, nil
}

func (l *Ledger) report(ctx context.Context, tx *db.Tx, id int64, r Report) (out Reported, refused, err error) {
	status := Failed
	if r.Success {
		status = Success
	}
	var look bool
	out.Execution, err = scanExecution(tx.QueryRow(ctx, `
		UPDATE executions SET
			status = CASE WHEN status = 'superseded' THEN status ELSE $1 END,
			reason = CASE WHEN status = 'superseded' OR $2 THEN '' WHEN reason = 'interrupted' THEN reason ELSE 'reported' END,
			detail = CASE WHEN status = 'superseded' OR reason = 'interrupted' THEN detail ELSE $8 END,
			ended_at = CASE WHEN $9 < started_at THEN started_at ELSE $9 END,
			reported_at = $3, reported_success = $2, end_type = $4, exit_code = $5, reported_took = $6
		WHERE id = $7 AND reported_at IS NULL`+cronFirst(tx, "$7")+`
		RETURNING `+returned()+", "+worthALook,
		string(status), r.Success, db.Time{Time: tx.Now()}, string(r.Type), r.ExitCode, db.Duration(r.Took), id,
		r.detail(), db.Time{Time: r.endedAt(tx.Now())}), &look)
	switch {
	case errors.Is(err, ErrNoExecution):
		return l.reportedBefore(ctx, tx, id, r)
	case err != nil:
		return Reported{}, nil, err
	}
	if r.Message != "" {
		said, err := l.say(ctx, tx, &out.Execution, []Message{{Type: r.Type, Text: r.Message, Ending: true}})
		if err != nil {
			return Reported{}, nil, err
		}
		out.MessageID = said[0].ID
	}
	if !look {
		return out, nil, nil
	}
	return out, nil, l.endedOf(ctx, tx, out.Execution)
}

// cronFirst, in an UPDATE that ends the execution of this placeholder, locks the
// cron before the execution, as everybody does: the end also counts in the cron's
// hour, whose row whoever has locked the cron must not wait for.
func cronFirst(tx *db.Tx, execution string) string {
	lock := tx.ForUpdate()
	if lock == "" {
		return ""
	}
	return " AND (SELECT c.id FROM crons c WHERE c.id = (SELECT e.cron_id FROM executions e WHERE e.id = " + execution + ")" + lock + ") IS NOT NULL"
}

func (l *Ledger) reportedBefore(ctx context.Context, tx *db.Tx, id int64, r Report) (out Reported, refused, err error) {
	e, err := scanExecution(tx.QueryRow(ctx, "SELECT "+executionColumns+" FROM executions e WHERE e.id = $1", id))
	switch {
	case errors.Is(err, ErrNoExecution):
		return Reported{}, ErrNoExecution, nil
	case err != nil:
		return Reported{}, nil, err
	case e.ReportedSuccess != r.Success:
		return Reported{}, ErrEnded, nil
	}
	out = Reported{Execution: e, Replayed: true}
	err = tx.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM messages WHERE execution_id = $1 AND ending", id).Scan(&out.MessageID)
	return out, nil, err
}
