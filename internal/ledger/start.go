package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/span"
)

// Start is what is known when an execution asks to begin.
type Start struct {
	App     int64 // the cron's application; 0: any, with the cron's id
	Cron    Ref
	Trigger Trigger
	Holder  string
	// Request makes starting safe to repeat: the same request of a cron is begun
	// once, "" always anew.
	Request string
	// Resume lets a request be begun again that was cut off, up to ten times.
	Resume bool
	// Lease is how long the holder may stay silent; 0 is the cron's heartbeat.
	Lease time.Duration
	// ScheduledFor is the expected start that this one stands for; zero if nobody
	// knows.
	ScheduledFor time.Time
	// Began is when the execution began, if that is reported afterwards; it is zero
	// for a start. A report takes no place and is refused neither for a limit nor
	// because the cron does not start: it tells what was.
	Began time.Time
	own   bool // by Ferryman itself
}

// Start admits an execution and gives it. If the request has had its execution
// already, it gives that one with replayed set and begins nothing. It gives
// ErrNoCron, ErrInactive, ErrPaused, ErrOwn for a sync of Ferryman's own, or
// ErrRunning when all places are taken. The last is recorded as skipped.
//
// When all places are taken, executions that are overdue or whose lease has run
// out are ended first.
func (l *Ledger) Start(ctx context.Context, s Start) (e Execution, replayed bool, err error) {
	ctx, t := span.Start(ctx, "ledger start")
	defer func() { endSpan(t, e, replayed, err) }()
	// A name that is out of date shows itself once the cron is locked.
	name := called{s.App, s.Cron}
	id, known := l.named.get(name)
	if known {
		e, replayed, err = l.admit(ctx, id, s)
	}
	if !known || errors.Is(err, ErrNoCron) {
		if id, err = l.resolve(ctx, s.App, s.Cron); err == nil {
			s.Cron = Ref{ID: id}
			e, replayed, err = l.admit(ctx, id, s)
		}
		if err == nil && (name.by.Slug == "" || name.by.Slug == e.Slug) { // not by a former name
			l.named.put(name, id)
		}
	}
	if err != nil {
		return Execution{}, false, fmt.Errorf("start: %w", err)
	}
	return e, replayed, nil
}

type called struct {
	app int64
	by  Ref
}

// means tells whether s is about this cron.
func (s Start) means(c Cron) bool {
	return c.DeletedAt.IsZero() && (s.App == 0 || s.App == c.AppID) && (s.Cron.Slug == "" || s.Cron.Slug == c.Slug)
}

// StartOwn does so for a sync of Ferryman's own, and records nothing of a refusal.
func (l *Ledger) StartOwn(ctx context.Context, cronID int64, s Start) (e Execution, replayed bool, err error) {
	s.own = true
	if e, replayed, err = l.admit(ctx, cronID, s); err != nil {
		return Execution{}, false, fmt.Errorf("start: %w", err)
	}
	return e, replayed, nil
}

func (l *Ledger) admit(ctx context.Context, id int64, s Start) (e Execution, replayed bool, err error) {
	type admitted struct {
		Execution
		replayed bool
	}
	caller := ctx
	a, err := grouped(ctx, l.db, id, func(ctx context.Context, tx *db.Tx) (a admitted, refused, err error) {
		if gone := caller.Err(); gone != nil {
			return admitted{}, gone, nil // it would hold a place of which nobody knows
		}
		a.Execution, a.replayed, refused, err = l.start(ctx, tx, id, s)
		return a, refused, err
	})
	if err == nil {
		l.homes.put(a.ID, home{cron: a.CronID, app: a.AppID, own: s.own})
	}
	return a.Execution, a.replayed, err
}

// start gives refused, rather than an error, for what is no trouble of the
// store's: what it has written until then stands.
func (l *Ledger) start(ctx context.Context, tx *db.Tx, id int64, s Start) (e Execution, replayed bool, refused, err error) {
	cron, err := l.lockCron(ctx, tx, id)
	switch {
	case errors.Is(err, ErrNoCron), err == nil && !s.means(cron):
		return Execution{}, false, ErrNoCron, nil
	case err != nil:
		return Execution{}, false, nil, err
	case (cron.Kind == Sync) != s.own:
		return Execution{}, false, ErrOwn, nil
	}
	defer func() { e.Slug, e.Heartbeat = cron.Slug, cron.Heartbeat }()
	attempt := int64(1)
	if s.Request != "" {
		last, err := scanExecution(tx.QueryRow(ctx, "SELECT "+executionColumns+` FROM executions e
			WHERE e.cron_id = $1 AND e.request = $2 ORDER BY e.attempt DESC LIMIT 1`, cron.ID, s.Request))
		switch {
		case errors.Is(err, ErrNoExecution):
		case err != nil:
			return Execution{}, false, nil, err
		case s.Resume && lapsed(&cron, last, tx.Now()):
			if err := l.lapse(ctx, tx, &cron, &last); err != nil {
				return Execution{}, false, nil, err
			}
			if !last.CutOff() {
				return last, true, nil, nil
			}
			attempt = last.Attempt + 1
		case !s.Resume || !last.CutOff():
			return last, true, nil, nil
		default:
			attempt = last.Attempt + 1
		}
	}
	if !s.Began.IsZero() {
		e, err = l.begunBefore(ctx, tx, &cron, s, attempt)
		return e, false, nil, err
	}
	if err := cron.Startable(tx.Now()); err != nil {
		return Execution{}, false, err, nil
	}
	if err := l.missedBefore(ctx, tx, &cron); err != nil {
		return Execution{}, false, nil, err
	}
	e = s.execution(cron, attempt, tx.Now())
	if e.ScheduledFor.IsZero() {
		e.ScheduledFor = l.standsFor(&cron, tx.Now())
	}
	admitted, err := l.place(ctx, tx, &cron, &e)
	if err != nil {
		return Execution{}, false, nil, err
	}
	if !admitted && s.own {
		return Execution{}, false, ErrRunning, nil // it asks again until its turn comes
	}
	if !admitted {
		refused, err = l.skip(ctx, tx, &cron, e)
		return Execution{}, false, refused, err
	}
	return e, false, nil, l.arrived(ctx, tx, &cron, e)
}

// reportLease is how long the end of an execution that is reported afterwards may
// take to follow: it is known already.
const reportLease = time.Minute

// begunBefore stores an execution whose start is reported afterwards.
func (l *Ledger) begunBefore(ctx context.Context, tx *db.Tx, cron *Cron, s Start, attempt int64) (Execution, error) {
	e := s.execution(*cron, attempt, s.Began)
	e.LeaseUntil, e.DeadlineAt = tx.Now().Add(reportLease), time.Time{}
	if e.ScheduledFor.IsZero() {
		e.ScheduledFor = l.standsFor(cron, s.Began)
	}
	unlimited := *cron
	unlimited.Overlap, unlimited.MaxRunning = Allow, 0
	if _, err := insertRunning(ctx, tx, unlimited, &e); err != nil {
		return Execution{}, err
	}
	return e, l.arrived(ctx, tx, cron, e)
}

func (s Start) execution(cron Cron, attempt int64, now time.Time) Execution {
	e := Execution{
		CronID: cron.ID, AppID: cron.AppID, Status: Running, Trigger: s.Trigger, Request: s.Request, Attempt: attempt,
		Holder: clean(s.Holder), ScheduledFor: s.ScheduledFor, StartedAt: now, Repeats: 1,
	}
	lease := s.Lease
	if lease == 0 {
		lease = cron.Heartbeat
	}
	if lease > 0 {
		e.LeaseUntil = now.Add(lease)
	}
	if cron.MaxRuntime > 0 {
		e.DeadlineAt = now.Add(cron.MaxRuntime)
	}
	return e
}

// place inserts e as running if there is a place for it, having made one if the
// cron's policy or a dead holder allows.
func (l *Ledger) place(ctx context.Context, tx *db.Tx, cron *Cron, e *Execution) (bool, error) {
	for _, makeRoom := range []func() (bool, error){
		func() (bool, error) { return true, nil },
		func() (bool, error) { return l.endLapsed(ctx, tx, cron) },
		func() (bool, error) { return l.supersede(ctx, tx, cron) },
	} {
		room, err := makeRoom()
		if err != nil {
			return false, err
		}
		if !room {
			continue
		}
		admitted, err := insertRunning(ctx, tx, *cron, e)
		if admitted || err != nil {
			return admitted, err
		}
	}
	return false, nil
}

// insertRunning inserts the execution into the lowest free slot, in one
// statement: the index over slots is what admits. Nobody else does so for this
// cron meanwhile, as tx has locked it, so one look is enough. Those that run are
// counted, too: while a limit is new, some may hold slots beyond it.
func insertRunning(ctx context.Context, tx *db.Tx, cron Cron, e *Execution) (bool, error) {
	const columns = `INSERT INTO executions (cron_id, application_id, slot, status, "trigger", request, attempt, holder,
			scheduled_for, started_at, lease_until, deadline_at)`
	limit := cron.Limit()
	args := []any{
		cron.ID, cron.AppID, string(e.Trigger), sql.NullString{String: e.Request, Valid: e.Request != ""}, e.Attempt, e.Holder,
		db.Time{Time: e.ScheduledFor}, db.Time{Time: e.StartedAt}, db.Time{Time: e.LeaseUntil}, db.Time{Time: e.DeadlineAt},
	}
	if limit == 0 {
		err := tx.QueryRow(ctx, columns+` VALUES ($1, $2, NULL, 'running', $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`, args...).Scan(&e.ID)
		return err == nil, err
	}
	args = append(args, limit)
	err := tx.QueryRow(ctx, columns+`
			SELECT $1, $2, free.slot, 'running', $3, $4, $5, $6, $7, $8, $9, $10
			FROM (
				SELECT min(candidate.slot) AS slot, count(*) AS n
				FROM (
					SELECT CAST(0 AS BIGINT) AS slot
					UNION ALL
					SELECT slot + 1 FROM executions
					WHERE cron_id = $1 AND ended_at IS NULL AND slot IS NOT NULL AND slot + 1 < $11
				) AS candidate
				WHERE NOT EXISTS (
					SELECT 1 FROM executions held
					WHERE held.cron_id = $1 AND held.ended_at IS NULL AND held.slot = candidate.slot)
			) AS free
			WHERE free.n > 0 AND (
				SELECT count(*) FROM executions WHERE cron_id = $1 AND ended_at IS NULL AND slot IS NOT NULL) < $11
			ON CONFLICT DO NOTHING
			RETURNING id`, args...).Scan(&e.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// supersede ends the oldest running executions of a cron whose starts replace, so
// many that there is a place: one, unless the limit was lowered.
func (l *Ledger) supersede(ctx context.Context, tx *db.Tx, cron *Cron) (bool, error) {
	if cron.Overlap != Replace {
		return false, nil
	}
	n, err := tx.Exec(ctx, `UPDATE executions SET status = 'superseded', ended_at = $1, detail = 'another start took its place'
		WHERE cron_id = $2 AND ended_at IS NULL AND slot IS NOT NULL AND id NOT IN (
			SELECT id FROM executions WHERE cron_id = $2 AND ended_at IS NULL AND slot IS NOT NULL ORDER BY id DESC LIMIT $3)`,
		db.Time{Time: tx.Now()}, cron.ID, cron.Limit()-1)
	return n > 0, err
}

// skip records a start that found no place, and says who holds it.
func (l *Ledger) skip(ctx context.Context, tx *db.Tx, cron *Cron, e Execution) (refused, err error) {
	holder, err := scanExecution(tx.QueryRow(ctx, "SELECT "+executionColumns+` FROM executions e
		WHERE e.cron_id = $1 AND e.ended_at IS NULL ORDER BY e.id LIMIT 1`, cron.ID))
	if err != nil && !errors.Is(err, ErrNoExecution) {
		return nil, err
	}
	detail := "as many executions as the cron may have are running"
	if err == nil {
		detail = fmt.Sprintf("execution %d%s has been running since %s", holder.ID, on(holder.Holder), holder.StartedAt.Format(time.RFC3339))
	}
	e.Status = Skipped
	err = tx.QueryRow(ctx, `
		INSERT INTO executions (cron_id, application_id, status, "trigger", holder, scheduled_for, started_at, ended_at, reason, detail)
		VALUES ($1, $2, 'skipped', $3, $4, $5, $6, $6, $7, $8) RETURNING id`,
		cron.ID, cron.AppID, string(e.Trigger), e.Holder, db.Time{Time: e.ScheduledFor}, db.Time{Time: e.StartedAt}, ErrRunning.Code, detail).Scan(&e.ID)
	if err != nil {
		return nil, err
	}
	return &fault.Error{Kind: fault.Conflict, Code: ErrRunning.Code, Detail: detail, Err: ErrRunning}, l.arrived(ctx, tx, cron, e)
}

func on(holder string) string {
	if holder == "" {
		return ""
	}
	return " on " + holder
}

// noExecution turns a missing row into ErrNoExecution.
func noExecution(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoExecution
	}
	return err
}
