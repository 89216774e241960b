package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/db"
)

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
	States []State // any of these
	Search string  // what the slug or the name contains, in whatever case of ASCII
	// TroubleFirst lists first what people should look at first: what is failing,
	// missed, overdue or late, then what runs, is well, or is new, then what is in
	// maintenance, paused or inactive. A cron whose state changes meanwhile may be on
	// two pages or on none.
	TroubleFirst bool
	After        string // Next of the page before
	Limit        int
}

// Next is the After of the page that follows one which ends with last.
func (f CronFilter) Next(last CronStatus) string {
	cursor := last.App + "/" + last.Slug
	if f.TroubleFirst {
		cursor = fmt.Sprintf("%d/%s", slices.Index(byTrouble(), last.State), cursor)
	}
	return cursor
}

// Crons gives crons in the order of their application's name and their slug, or
// of their trouble before that.
func (l *Ledger) Crons(ctx context.Context, f CronFilter) ([]CronStatus, error) {
	var w where
	state := fmt.Sprintf(cronState, w.arg(db.Time{Time: l.db.Now()}))
	w.is("c.deleted_at IS NULL")
	if f.App != 0 {
		w.is("c.application_id = %s", f.App)
	}
	if f.Kind != "" {
		w.is("c.kind = %s", string(f.Kind))
	}
	if f.Search != "" {
		pattern := containing(f.Search)
		w.is(`(c.slug LIKE %s ESCAPE '\' OR lower(c.name) LIKE %s ESCAPE '\')`, pattern, pattern)
	}
	if len(f.States) > 0 {
		in(&w, "("+state+")", f.States)
	}
	order := f.order(&w, state)
	page := "SELECT c.id FROM crons c JOIN applications a ON a.id = c.application_id" + w.String() + " ORDER BY " + order + " LIMIT " + w.arg(f.Limit)
	all, err := l.cronStatuses(ctx, lookBack, page, state, order, w.args)
	if err != nil {
		return nil, fmt.Errorf("list crons: %w", err)
	}
	return all, nil
}

// order gives the order of the list, and adds that it goes on after f.After.
func (f CronFilter) order(w *where, state string) string {
	if f.TroubleFirst {
		rank, after, _ := strings.Cut(f.After, "/")
		app, slug, _ := strings.Cut(after, "/")
		if place, err := strconv.Atoi(rank); err == nil {
			w.is("("+troubleRank(state)+", a.name, c.slug) > (%s, %s, %s)", place, app, slug)
		}
		return troubleRank(state) + ", a.name, c.slug"
	}
	app, slug, given := strings.Cut(f.After, "/")
	if given && f.App == 0 {
		w.is("(a.name, c.slug) > (%s, %s)", app, slug)
	}
	if f.App == 0 {
		return "a.name, c.slug"
	}
	if given {
		w.is("c.slug > %s", slug)
	}
	return "c.slug" // the index has it
}

// CronStatus gives a cron as Cron does, and how it stands.
func (l *Ledger) CronStatus(ctx context.Context, app int64, ref Ref) (CronStatus, error) {
	id, err := l.resolve(ctx, app, ref)
	if err != nil {
		return CronStatus{}, err
	}
	all, err := l.cronStatuses(ctx, lookFurther, "SELECT c.id FROM crons c WHERE c.id = $1 AND c.deleted_at IS NULL",
		fmt.Sprintf(cronState, "$2"), "c.id", []any{id, db.Time{Time: l.db.Now()}})
	if err == nil && len(all) == 0 {
		err = ErrNoCron
	}
	if err != nil {
		return CronStatus{}, fmt.Errorf("cron %d: %w", id, err)
	}
	return all[0], nil
}

// cronStatuses gives the crons whose ids a query gives, and how they stand.
func (l *Ledger) cronStatuses(ctx context.Context, back int, ids, state, order string, args []any) ([]CronStatus, error) {
	w := where{args: args}
	rows, err := l.db.Query(ctx, "SELECT "+cronColumns+", "+state+`,
			(SELECT count(*) FROM (SELECT 1 FROM executions e WHERE e.cron_id = c.id AND e.ended_at IS NULL LIMIT `+w.arg(maxCounted)+`) AS counted)
		FROM crons c JOIN applications a ON a.id = c.application_id WHERE c.id IN (`+ids+") ORDER BY "+order, w.args...)
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
