package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
)

// State is how a cron stands, in a word. Of several that hold it is the first in
// the order below.
type State string

// The states.
const (
	StateInactive    State = "inactive"    // it is switched off
	StatePaused      State = "paused"      // for a while
	StateMaintenance State = "maintenance" // a maintenance window is open
	StateMissed      State = "missed"      // the last expected start did not come
	StateOverdue     State = "overdue"     // a run went past its deadline
	StateFailing     State = "failing"     // it failed as often in a row as it may
	StateLate        State = "late"        // a start is expected and the grace goes by
	StateRunning     State = "running"
	StateNew         State = "new" // it never ran
	StateOK          State = "ok"
)

// States lists all states.
func States() []State {
	return []State{
		StateInactive, StatePaused, StateMaintenance, StateMissed, StateOverdue, StateFailing,
		StateLate, StateRunning, StateNew, StateOK,
	}
}

const (
	maxCounted = 1000 // up to where running executions are counted

	// Executions of a cron among which its last success is looked for: in a list,
	// and of one cron.
	lookBack    = 100
	lookFurther = 2000
	soughtEach  = 100 // crons whose last success one query looks for: PostgreSQL compiles what looks expensive
)

// CronStatus is a cron and how it stands.
type CronStatus struct {
	Cron
	State   State
	Running int64      // executions; 1,000 also stands for more
	Last    *Execution // the newest that was admitted; nil if there is none any more
	// LastSuccess is when the newest execution that succeeded ended; zero if there
	// is none among the last 100, or the last 2,000 where the cron was not listed
	// but asked for.
	LastSuccess time.Time
}

// CronFilter chooses crons that are not deleted. Zero values choose all.
type CronFilter struct {
	App    int64
	Kind   Kind
	State  State
	Search string // what the slug or the name contains, in whatever case of ASCII
	After  string // the Cursor of the last cron of the page before
	Limit  int
}

// Cursor is where a cron stands in a list. Cursors are read by After alone.
func (c *Cron) Cursor() string { return c.App + "/" + c.Slug }

// cronState is the state of a cron in SQL; it wants the placeholder of the time.
const cronState = `CASE
	WHEN NOT c.active THEN 'inactive'
	WHEN c.paused_until > %[1]s THEN 'paused'
	WHEN EXISTS (SELECT 1 FROM maintenance_windows w WHERE w.starts_at <= %[1]s AND w.ends_at > %[1]s
		AND (w.application_id IS NULL OR w.application_id = c.application_id) AND (w.cron_id IS NULL OR w.cron_id = c.id)) THEN 'maintenance'
	WHEN c.missed_since IS NOT NULL THEN 'missed'
	WHEN c.overdue_since IS NOT NULL THEN 'overdue'
	WHEN c.failing_since IS NOT NULL THEN 'failing'
	WHEN c.expected_at < %[1]s THEN 'late'
	WHEN c.id IN (SELECT e.cron_id FROM executions e WHERE e.ended_at IS NULL) THEN 'running'
	WHEN c.last_execution_id = 0 THEN 'new'
	ELSE 'ok' END`

// Crons gives crons in the order of their application's name and their slug.
func (l *Ledger) Crons(ctx context.Context, f CronFilter) ([]CronStatus, error) {
	var w where
	w.is("c.deleted_at IS NULL")
	if f.App != 0 {
		w.is("c.application_id = %s", f.App)
	}
	if f.Kind != "" {
		w.is("c.kind = %s", string(f.Kind))
	}
	if f.Search != "" {
		pattern := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(f.Search)) + "%"
		w.is(`(c.slug LIKE %s ESCAPE '\' OR lower(c.name) LIKE %s ESCAPE '\')`, pattern, pattern)
	}
	if app, slug, given := strings.Cut(f.After, "/"); given && f.App != 0 {
		w.is("c.slug > %s", slug)
	} else if given {
		w.is("(a.name, c.slug) > (%s, %s)", app, slug)
	}
	if f.State != "" {
		state := fmt.Sprintf(cronState, w.arg(db.Time{Time: l.db.Now()}))
		w.is("("+state+") = %s", string(f.State))
	}
	order := "a.name, c.slug"
	if f.App != 0 {
		order = "c.slug" // the index has it
	}
	page := "SELECT c.id FROM crons c JOIN applications a ON a.id = c.application_id" + w.String() + " ORDER BY " + order + " LIMIT " + w.arg(f.Limit)
	all, err := l.cronStatuses(ctx, lookBack, page, w.args)
	if err != nil {
		return nil, fmt.Errorf("list crons: %w", err)
	}
	return all, nil
}

// CronStatus gives a cron as Cron does, and how it stands.
func (l *Ledger) CronStatus(ctx context.Context, app int64, ref Ref) (CronStatus, error) {
	id, err := l.resolve(ctx, app, ref)
	if err != nil {
		return CronStatus{}, err
	}
	all, err := l.cronStatuses(ctx, lookFurther, "SELECT c.id FROM crons c WHERE c.id = $1 AND c.deleted_at IS NULL", []any{id})
	if err == nil && len(all) == 0 {
		err = ErrNoCron
	}
	if err != nil {
		return CronStatus{}, fmt.Errorf("cron %d: %w", id, err)
	}
	return all[0], nil
}

// cronStatuses gives the crons whose ids a query gives, and how they stand.
func (l *Ledger) cronStatuses(ctx context.Context, back int, ids string, args []any) ([]CronStatus, error) {
	w := where{args: args}
	state := fmt.Sprintf(cronState, w.arg(db.Time{Time: l.db.Now()}))
	rows, err := l.db.Query(ctx, "SELECT "+cronColumns+", "+state+`,
			(SELECT count(*) FROM (SELECT 1 FROM executions e WHERE e.cron_id = c.id AND e.ended_at IS NULL LIMIT `+w.arg(maxCounted)+`) AS counted)
		FROM crons c JOIN applications a ON a.id = c.application_id WHERE c.id IN (`+ids+") ORDER BY a.name, c.slug", w.args...)
	if err != nil {
		return nil, err
	}
	all, err := db.Collect(rows, func(r *db.Rows) (s CronStatus, err error) {
		s.Cron, err = scanCron(also{r, []any{&s.State, &s.Running}})
		return s, err
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if err := l.addLast(ctx, all); err != nil {
		return nil, err
	}
	return all, l.addSuccess(ctx, back, all)
}

// addLast adds the newest execution of each cron.
func (l *Ledger) addLast(ctx context.Context, all []CronStatus) error {
	var w where
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].LastExecution
	}
	in(&w, "e.id", ids)
	rows, err := l.db.Query(ctx, "SELECT "+executionColumns+" FROM executions e"+w.String(), w.args...)
	if err != nil {
		return err
	}
	executions, err := db.Collect(rows, func(r *db.Rows) (Execution, error) { return scanExecution(r) })
	if err != nil {
		return err
	}
	of := make(map[int64]*Execution, len(executions))
	for i := range executions {
		of[executions[i].CronID] = &executions[i]
	}
	for i := range all {
		all[i].Last = of[all[i].ID]
	}
	return nil
}

// addSuccess adds the last success of each cron. That of most is the newest
// execution.
func (l *Ledger) addSuccess(ctx context.Context, back int, all []CronStatus) error {
	var ids []int64
	of := map[int64]*CronStatus{}
	for i := range all {
		c := &all[i]
		if c.Last != nil && c.Last.Status == Success {
			c.LastSuccess = c.Last.EndedAt
		} else if c.Runs > 0 {
			ids, of[c.ID] = append(ids, c.ID), c
		}
	}
	for some := range slices.Chunk(ids, soughtEach) {
		var w where
		oldest := w.arg(back)
		in(&w, "c.id", some)
		rows, err := l.db.Query(ctx, `
			SELECT c.id, (
				SELECT e.ended_at FROM executions e WHERE e.cron_id = c.id AND e.status = 'success' AND e.id >= coalesce((
					SELECT b.id FROM executions b WHERE b.cron_id = c.id ORDER BY b.id DESC LIMIT 1 OFFSET `+oldest+`), 0)
				ORDER BY e.id DESC LIMIT 1)
			FROM crons c`+w.String(), w.args...)
		if err != nil {
			return err
		}
		_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
			var id int64
			var ended time.Time
			if err = r.Scan(&id, instant(&ended)); err == nil {
				of[id].LastSuccess = ended
			}
			return struct{}{}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Named gives the crons of all applications that are called so, or, if none is,
// those that were once.
func (l *Ledger) Named(ctx context.Context, slug string) ([]Cron, error) {
	for _, query := range []string{
		"SELECT id FROM crons WHERE slug = $1 AND deleted_at IS NULL",
		"SELECT cron_id FROM cron_aliases WHERE slug = $1",
	} {
		rows, err := l.db.Query(ctx, "SELECT "+cronColumns+" FROM crons c WHERE c.id IN ("+query+") AND c.deleted_at IS NULL ORDER BY c.id LIMIT 100", slug)
		if err != nil {
			return nil, fmt.Errorf("find cron: %w", err)
		}
		all, err := db.Collect(rows, func(r *db.Rows) (Cron, error) { return scanCron(r) })
		if err != nil {
			return nil, fmt.Errorf("find cron: %w", err)
		}
		if len(all) > 0 {
			return all, nil
		}
	}
	return nil, ErrNoCron
}

// also scans further columns after those that a scan function knows.
type also struct {
	row  scanner
	dest []any
}

func (a also) Scan(dest ...any) error { return a.row.Scan(append(dest, a.dest...)...) }

// noRows tells whether a query found nothing.
func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
