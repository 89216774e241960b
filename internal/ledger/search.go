package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// ExecutionFilter chooses executions. Zero values choose all.
type ExecutionFilter struct {
	App      int64
	Cron     int64
	Statuses []Status  // any of these
	Since    time.Time // started then or later
	Until    time.Time // started before
	Host     string    // the holder
	Trigger  Trigger
	Overdue  bool  // only those that ran past their deadline
	Before   int64 // only smaller ids: the next of the page before
	Limit    int
}

// ListedExecution is an execution with the names of its cron.
type ListedExecution struct {
	Execution
	App  string
	Slug string
}

const (
	// idSlack is more than the order of ids may differ from that of starts: those
	// of several nodes are numbered as they are written.
	idSlack = 10 * time.Minute
	// maxLooked is how many executions a search looks at for one page. It does not
	// matter to filters that an index answers.
	maxLooked = 10_000
)

// Executions gives executions, the newest first, and the Before of the next page,
// 0 after the last. A page may be short, or empty, and not be the last: a search
// looks at a bounded number of executions at a time.
func (l *Ledger) Executions(ctx context.Context, f ExecutionFilter) (page []ListedExecution, next int64, err error) {
	lo, hi, err := l.searched(ctx, f)
	if err == nil && lo < hi {
		page, next, err = l.search(ctx, f, lo, hi)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list executions: %w", err)
	}
	return page, next, nil
}

// Listed gives one execution of an application, or of any if app is 0, with the
// names of its cron. It gives ErrNoExecution.
func (l *Ledger) Listed(ctx context.Context, app, id int64) (ListedExecution, error) {
	e, err := scanListed(l.db.QueryRow(ctx, selectListed+"WHERE e.id = $1 AND (e.application_id = $2 OR $2 = 0)", id, app))
	if err != nil {
		return ListedExecution{}, fmt.Errorf("execution %d: %w", id, err)
	}
	return e, nil
}

const selectListed = "SELECT " + executionColumns + `, a.name, c.slug
	FROM executions e JOIN crons c ON c.id = e.cron_id JOIN applications a ON a.id = e.application_id `

func scanListed(row scanner) (e ListedExecution, err error) {
	e.Execution, err = scanExecution(also{row, []any{&e.App, &e.Slug}})
	return e, err
}

// searched gives the ids among which the executions of a filter are: from lo on,
// below hi.
func (l *Ledger) searched(ctx context.Context, f ExecutionFilter) (lo, hi int64, err error) {
	lo, hi, err = l.begunIn(ctx, f.Since, f.Until)
	if f.Before > 0 {
		hi = min(hi, f.Before)
	}
	return lo, hi, err
}

// begunIn gives the ids among which are the executions that began in a span of
// time: from lo on, below hi. A zero time does not bound them.
func (l *Ledger) begunIn(ctx context.Context, since, until time.Time) (lo, hi int64, err error) {
	hi = math.MaxInt64
	if !since.IsZero() {
		lo, err = l.firstSince(ctx, since.Add(-idSlack))
	}
	if err == nil && !until.IsZero() {
		hi, err = l.firstSince(ctx, until.Add(idSlack))
	}
	return lo, hi, err
}

// firstSince gives the id of the first execution that began at a time or later,
// one above all if none did. What was reported long afterwards has a larger id than
// its time has: such are not many in a row.
func (l *Ledger) firstSince(ctx context.Context, t time.Time) (id int64, err error) {
	err = l.db.QueryRow(ctx, `SELECT coalesce(min(id), $2) FROM (
		SELECT id FROM executions WHERE started_at >= $1 ORDER BY started_at LIMIT 100) AS first`, db.Time{Time: t}, int64(math.MaxInt64)).Scan(&id)
	return id, err
}

// search looks for a page among the ids from lo on and below hi.
func (l *Ledger) search(ctx context.Context, f ExecutionFilter, lo, hi int64) (page []ListedExecution, next int64, err error) {
	floor := int64(0)
	if f.Host != "" || f.Trigger != "" || f.Overdue || slices.Contains(f.Statuses, Success) {
		if floor, err = l.floor(ctx, f, hi); err != nil {
			return nil, 0, err
		}
	}
	query, args, err := f.query(l.db.Dialect(), max(lo, floor), hi)
	if err != nil {
		return nil, 0, err
	}
	rows, err := l.db.Query(ctx, query, args...)
	if err != nil {
		return nil, 0, err
	}
	page, err = db.Collect(rows, func(r *db.Rows) (ListedExecution, error) { return scanListed(r) })
	switch {
	case err != nil:
		return nil, 0, err
	case len(page) > f.Limit:
		page = page[:f.Limit]
		return page, page[f.Limit-1].ID, nil
	case floor > lo:
		return page, floor, nil
	default:
		return page, 0, nil
	}
}

// floor is the id down to which a page is looked for that no index answers.
func (l *Ledger) floor(ctx context.Context, f ExecutionFilter, hi int64) (id int64, err error) {
	var w where
	order := f.span(&w, l.db.Dialect(), "", 0, hi)
	err = l.db.QueryRow(ctx, "SELECT e.id FROM executions e"+w.String()+" ORDER BY "+order+fmt.Sprintf(" LIMIT 1 OFFSET %d", maxLooked), w.args...).Scan(&id)
	if noRows(err) {
		return 0, nil
	}
	return id, err
}

// span adds whose executions they are, with a status that is neither success nor
// running or with any if it is "", and which ids they have. It gives their order.
func (f *ExecutionFilter) span(w *where, dialect db.Dialect, status Status, lo, hi int64) (order string) {
	index, values := w.of(f.App, f.Cron)
	if status != "" {
		index, values = append(index, "e.status"), append(values, string(status))
		w.is("e.status NOT IN ('success', 'running')") // as its index has it
	}
	return w.span(dialect, append(index, "e.id"), values, lo, hi)
}

// query asks each status by itself, so that each finds its index: one of those
// that leave successes out, that of running ones, or none.
func (f *ExecutionFilter) query(dialect db.Dialect, lo, hi int64) (string, []any, error) {
	var w where
	var parts []string
	limit := fmt.Sprintf(" LIMIT %d", f.Limit+1) // in the text, so that PostgreSQL plans for few
	part := func(order string) {
		f.rest(&w)
		parts = append(parts, "SELECT id FROM (SELECT e.id FROM executions e"+w.String()+" ORDER BY "+order+limit+") AS part")
		w.conditions = nil
	}
	statuses := slices.Compact(slices.Sorted(slices.Values(f.Statuses)))
	for _, s := range statuses {
		switch s {
		case Running:
			w.is("e.ended_at IS NULL")
			if f.Cron != 0 {
				w.is("e.cron_id = %s", f.Cron)
			}
			if f.App != 0 {
				w.is("e.application_id + 0 = %s", f.App) // what is added to keeps the planner from other indexes
			}
			w.is("e.id + 0 >= %s", lo)
			w.is("e.id + 0 < %s", hi)
			part("e.id + 0 DESC")
		case Success:
			w.is("e.status = 'success'")
			part(f.span(&w, dialect, "", lo, hi))
		case Failed, TimedOut, Cancelled, Superseded, Missed, Skipped:
			part(f.span(&w, dialect, s, lo, hi))
		default:
			return "", nil, &fault.Error{Kind: fault.Invalid, Code: "status_unknown", Detail: fmt.Sprintf("there is no status %q", s)}
		}
	}
	if len(statuses) == 0 {
		part(f.span(&w, dialect, "", lo, hi))
	}
	return selectListed + "WHERE e.id IN (" + strings.Join(parts, " UNION ALL ") + ") ORDER BY e.id DESC" + limit, w.args, nil
}

// rest adds what no index answers.
func (f *ExecutionFilter) rest(w *where) {
	if !f.Since.IsZero() {
		w.is("e.started_at >= %s", db.Time{Time: f.Since})
	}
	if !f.Until.IsZero() {
		w.is("e.started_at < %s", db.Time{Time: f.Until})
	}
	if f.Host != "" {
		w.is("e.holder = %s", f.Host)
	}
	if f.Trigger != "" {
		w.is(`e."trigger" = %s`, string(f.Trigger))
	}
	if f.Overdue {
		w.is("e.overdue")
	}
}
