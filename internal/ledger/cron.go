package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"ferryman/internal/db"
)

// Kind tells whose work a cron stands for.
type Kind string

// The kinds of crons.
const (
	Sync     Kind = "sync"     // Ferryman's own
	External Kind = "external" // reported by an application
)

// Overlap is what becomes of a start that finds the cron's places taken.
type Overlap string

// The overlap policies.
const (
	Allow   Overlap = "allow"   // it is refused only over MaxRunning, if there is one
	Forbid  Overlap = "forbid"  // it is refused while any execution runs
	Replace Overlap = "replace" // it supersedes the oldest that runs
)

// Settings are what people decide about a cron.
type Settings struct {
	Name     string
	Active   bool   // an inactive cron does not start
	Schedule string // as schedule.Parse takes it; "": starts are not expected
	Zone     string // IANA time zone of the schedule
	Grace    time.Duration

	MaxRunning int64         // how many executions may run at a time; 0: no limit
	Overlap    Overlap       // "" is Allow
	MaxRuntime time.Duration // how long one may run before it is overdue; 0: no limit
	Heartbeat  time.Duration // how long one may be silent before it counts as dead; 0: for ever

	FailAfter    int64 // failures in a row that are an event; 0 is 1
	RecoverAfter int64 // successes in a row after which that is over; 0 is 1
	EachFailure  bool  // every failure is an event
	EachSuccess  bool  // every success is one
	Muted        bool  // events are recorded and not told

	KeepRuns int64         // how many ended executions are kept; 0 is DefaultKeepRuns
	KeepFor  time.Duration // how long they are kept; 0: age does not matter
}

// Defaults of settings.
const (
	DefaultGrace    = time.Minute
	DefaultKeepRuns = 10_000
)

// Cron is work that runs again and again. Times are UTC.
type Cron struct {
	ID    int64
	AppID int64
	App   string // the application's name
	Slug  string // unique in the application
	Kind  Kind
	Settings
	PausedUntil  time.Time // it does not start until then; zero: not paused
	SnoozedUntil time.Time // events are not told until then

	LastExecution int64     // id of the newest execution that was admitted; 0 before the first
	Runs          int64     // executions that are kept and had a run
	Records       int64     // those that had none: missed and skipped
	ExpectedAt    time.Time // the next start that is expected; zero: none
	LateAt        time.Time // it is missed after this

	Failures     int64     // in a row
	Successes    int64     // in a row since the last failure, while failing
	MissedSince  time.Time // zero unless the last expected start did not come
	OverdueSince time.Time // zero unless a run went past its deadline, and nothing ended well since
	FailingSince time.Time // zero unless it failed FailAfter times in a row

	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt time.Time // zero unless it was deleted
}

// Limit is how many executions may run at a time; 0: no limit.
func (c Cron) Limit() int64 {
	if c.Overlap == Forbid || c.Overlap == Replace && c.MaxRunning == 0 {
		return 1
	}
	return c.MaxRunning
}

// Startable gives ErrInactive or ErrPaused if the cron may not start at now.
func (c Cron) Startable(now time.Time) error {
	switch {
	case !c.Active:
		return ErrInactive
	case c.PausedUntil.After(now):
		return ErrPaused
	}
	return nil
}

// Ref names a cron in a call: by id, or by slug.
type Ref struct {
	ID   int64 // 0: by slug
	Slug string
}

// maxID is the largest id that a number of JSON holds exactly.
const maxID = 1<<53 - 1

// ParseRef reads a path segment: digits alone are an id, anything else a slug. It
// gives false if the segment can be neither.
func ParseRef(segment string) (Ref, bool) {
	if id, ok := ParseID(segment); ok {
		return Ref{ID: id}, true
	}
	return Ref{Slug: segment}, ValidSlug(segment)
}

// ParseID reads an id as it stands in a path. It gives false for what can be none.
func ParseID(segment string) (int64, bool) {
	id, err := strconv.ParseInt(segment, 10, 64)
	return id, err == nil && id > 0 && id <= maxID && strconv.FormatInt(id, 10) == segment
}

const maxSlug = 100

// ValidSlug tells whether a cron may be called so: lower-case letters, digits,
// _ and -, at most 100, beginning with a letter or digit, with at least one
// letter.
func ValidSlug(s string) bool {
	letter := false
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z':
			letter = true
		case '0' <= c && c <= '9':
		case (c == '_' || c == '-') && i > 0:
		default:
			return false
		}
	}
	return letter && len(s) <= maxSlug
}

const cronColumns = `c.id, c.application_id, (SELECT name FROM applications a WHERE a.id = c.application_id), c.slug, c.name, c.kind, c.active,
	c.schedule, c.zone, c.grace, coalesce(c.max_running, 0), c.overlap, c.max_runtime, c.heartbeat,
	c.fail_after, c.recover_after, c.each_failure, c.each_success, c.muted, c.keep_runs, c.keep_for, c.paused_until, c.snoozed_until,
	c.last_execution_id, c.runs, c.records, c.expected_at, c.late_at, c.failures, c.successes,
	c.missed_since, c.overdue_since, c.failing_since, c.created_at, c.updated_at, c.deleted_at`

type scanner interface{ Scan(dest ...any) error }

func scanCron(row scanner) (Cron, error) {
	var c Cron
	err := row.Scan(&c.ID, &c.AppID, &c.App, &c.Slug, &c.Name, &c.Kind, &c.Active,
		&c.Schedule, &c.Zone, duration(&c.Grace), &c.MaxRunning, &c.Overlap, duration(&c.MaxRuntime), duration(&c.Heartbeat),
		&c.FailAfter, &c.RecoverAfter, &c.EachFailure, &c.EachSuccess, &c.Muted, &c.KeepRuns, duration(&c.KeepFor), instant(&c.PausedUntil), instant(&c.SnoozedUntil),
		&c.LastExecution, &c.Runs, &c.Records, instant(&c.ExpectedAt), instant(&c.LateAt), &c.Failures, &c.Successes,
		instant(&c.MissedSince), instant(&c.OverdueSince), instant(&c.FailingSince), instant(&c.CreatedAt), instant(&c.UpdatedAt), instant(&c.DeletedAt))
	if errors.Is(err, sql.ErrNoRows) {
		return Cron{}, ErrNoCron
	}
	return c, err
}

// Cron gives a cron of an application, or of any application if app is 0. It
// gives ErrNoCron, also for one that was deleted. Slugs are not unique across
// applications: by slug, app must be given.
func (l *Ledger) Cron(ctx context.Context, app int64, ref Ref) (Cron, error) {
	id, err := l.resolve(ctx, app, ref)
	if err != nil {
		return Cron{}, err
	}
	c, err := scanCron(l.db.QueryRow(ctx, "SELECT "+cronColumns+" FROM crons c WHERE c.id = $1 AND c.deleted_at IS NULL", id))
	if err != nil {
		return Cron{}, fmt.Errorf("cron %d: %w", id, err)
	}
	return c, nil
}

// resolve gives the id of a cron that is there and belongs to app. A slug that a
// cron had before finds it, unless another has taken it.
func (l *Ledger) resolve(ctx context.Context, app int64, ref Ref) (int64, error) {
	query, args := `SELECT id FROM crons WHERE id = $1 AND (application_id = $2 OR $2 = 0) AND deleted_at IS NULL`, []any{ref.ID, app}
	if ref.ID == 0 {
		query, args = `
			SELECT id FROM (
				SELECT id, 0 AS rank FROM crons WHERE application_id = $1 AND slug = $2 AND deleted_at IS NULL
				UNION ALL
				SELECT c.id, 1 FROM cron_aliases a JOIN crons c ON c.id = a.cron_id
				WHERE a.application_id = $1 AND a.slug = $2 AND c.deleted_at IS NULL
			) AS found ORDER BY rank LIMIT 1`, []any{app, ref.Slug}
	}
	var id int64
	err := l.db.QueryRow(ctx, query, args...).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrNoCron
	}
	if err != nil {
		return 0, fmt.Errorf("find cron: %w", err)
	}
	return id, nil
}

// lockCron reads a cron in tx and keeps others from changing it until tx ends.
func (l *Ledger) lockCron(ctx context.Context, tx *db.Tx, id int64) (Cron, error) {
	return scanCron(tx.QueryRow(ctx, "SELECT "+cronColumns+" FROM crons c WHERE c.id = $1"+tx.ForUpdate(), id))
}

// duration scans a db.Duration into a time.Duration, instant a db.Time likewise.
func duration(d *time.Duration) *db.Duration { return (*db.Duration)(d) }
func instant(t *time.Time) sql.Scanner       { return db.ScanTime(t) }
