package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	maxCrons  = 10_000      // of an application
	maxPutOff = 3_660 * day // how far ahead something is paused or snoozed
)

// Faults of the administration that callers branch on with errors.Is.
var (
	ErrExists = &fault.Error{
		Kind: fault.Conflict, Code: "cron_exists", Detail: "the application has a cron of this slug already",
		Hint: "take another slug, or change the one that is there",
	}
	ErrNoApplication = &fault.Error{Kind: fault.NotFound, Code: "application_unknown", Detail: "there is no such application"}
)

// Create adds a cron to an application. Take DefaultSettings and change what was
// decided; what is left zero where that makes no sense is filled in. A slug that
// another cron had before is taken from it.
//
// It gives a fault of kind Unprocessable that names every value that is wrong,
// ErrExists, ErrNoApplication, or a Conflict when the application has 10,000
// crons.
func (l *Ledger) Create(ctx context.Context, app int64, slug string, s Settings) (cron Cron, err error) {
	if err := wrongs(Check(slug, s)).unprocessable("the new cron"); err != nil {
		return Cron{}, err
	}
	s.complete(slug)
	err = l.db.Tx(ctx, func(tx *db.Tx) error {
		if err := lockApplication(ctx, tx, app); err != nil {
			return err
		}
		var id, crons int64
		err := tx.QueryRow(ctx, `INSERT INTO crons (application_id, slug, kind, name, created_at, updated_at) VALUES ($1, $2, 'external', $3, $4, $4)
			ON CONFLICT (application_id, slug) WHERE deleted_at IS NULL DO NOTHING RETURNING id`, app, slug, s.Name, db.Time{Time: tx.Now()}).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, "SELECT count(*) FROM crons WHERE application_id = $1 AND deleted_at IS NULL", app).Scan(&crons)
		if err != nil {
			return err
		}
		if crons > maxCrons {
			return &fault.Error{
				Kind: fault.Conflict, Code: "too_many_crons", Detail: fmt.Sprintf("the application has %d crons already", maxCrons),
				Hint: "delete those that are no longer needed",
			}
		}
		if err := dropAlias(ctx, tx, app, slug); err != nil {
			return err
		}
		if cron, err = l.lockCron(ctx, tx, id); err != nil {
			return err
		}
		was := cron
		cron.Settings = s
		cron.ExpectedAt, cron.LateAt = l.expect(&cron, time.Time{}, tx.Now())
		return l.store(ctx, tx, was, &cron)
	})
	if err != nil {
		return Cron{}, fmt.Errorf("create cron %s: %w", slug, err)
	}
	return cron, nil
}

// Change lets edit decide anew about a cron of app, or of any application if app
// is 0 and ref holds an id. The slug that it had stays an alias. Running
// executions keep the deadline and the lease that they have.
//
// It gives ErrNoCron, ErrExists, ErrOwn if edit changes of a sync what its
// configuration decides, and what Create gives for values that are wrong.
func (l *Ledger) Change(ctx context.Context, app int64, ref Ref, edit func(slug *string, s *Settings)) (Cron, error) {
	return l.alter(ctx, app, ref, func(ctx context.Context, tx *db.Tx, cron *Cron) error {
		was := *cron
		edit(&cron.Slug, &cron.Settings)
		if cron.Kind == Sync {
			if cron.Slug != was.Slug || configured(cron.Settings) != configured(was.Settings) {
				return &fault.Error{
					Kind: ErrOwn.Kind, Code: ErrOwn.Code, Detail: "this cron is a sync that Ferryman runs itself", Err: ErrOwn,
					Hint: "its slug, name, schedule and limits come from the settings of the server",
				}
			}
			return cron.watchedAs()
		}
		var w wrongs
		if cron.Slug != was.Slug {
			w.slug(cron.Slug)
		}
		if err := append(w, cron.complete(cron.Slug)...).unprocessable("the cron"); err != nil {
			return err
		}
		if cron.Slug == was.Slug {
			return nil
		}
		return rename(ctx, tx, was, cron.Slug)
	})
}

// configured is what the configuration decides about a sync, and nothing else.
func configured(s Settings) Settings {
	return Settings{
		Name: s.Name, Schedule: s.Schedule, Zone: s.Zone, MaxRunning: s.MaxRunning, Overlap: s.Overlap,
		MaxRuntime: s.MaxRuntime, Heartbeat: s.Heartbeat,
	}
}

// watchedAs checks what people may decide about a sync.
func (c *Cron) watchedAs() error {
	s := c.Settings
	s.Name, s.Schedule, s.Zone, s.MaxRunning, s.Overlap, s.MaxRuntime, s.Heartbeat = "", "", "", 0, "", 0, 0
	if err := wrongs(s.complete(c.Slug)).unprocessable("the cron"); err != nil {
		return err
	}
	c.FailAfter, c.RecoverAfter, c.KeepRuns = s.FailAfter, s.RecoverAfter, s.KeepRuns
	return nil
}

// rename frees the slug of a cron for an alias of it, and takes the new one.
func rename(ctx context.Context, tx *db.Tx, was Cron, slug string) error {
	if err := lockApplication(ctx, tx, was.AppID); err != nil { // one at a time: slugs may go round
		return err
	}
	var taken bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM crons WHERE application_id = $1 AND slug = $2 AND deleted_at IS NULL)",
		was.AppID, slug).Scan(&taken)
	if err != nil {
		return err
	}
	if taken {
		return ErrExists
	}
	if err := dropAlias(ctx, tx, was.AppID, slug); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO cron_aliases (application_id, slug, cron_id) VALUES ($1, $2, $3)
		ON CONFLICT (application_id, slug) DO UPDATE SET cron_id = excluded.cron_id`, was.AppID, was.Slug, was.ID)
	return err
}

// Pause keeps a cron from being started until a time, or until Resume if it is
// zero. Starts are not expected meanwhile; what runs goes on.
func (l *Ledger) Pause(ctx context.Context, app int64, ref Ref, until time.Time) (Cron, error) {
	return l.alter(ctx, app, ref, func(_ context.Context, tx *db.Tx, cron *Cron) error {
		if until.IsZero() {
			cron.Active, cron.PausedUntil = false, time.Time{}
			return nil
		}
		cron.PausedUntil = until.UTC().Truncate(time.Microsecond)
		return ahead(until, tx.Now())
	})
}

// Resume lets a cron start again that was paused or is inactive.
func (l *Ledger) Resume(ctx context.Context, app int64, ref Ref) (Cron, error) {
	return l.alter(ctx, app, ref, func(_ context.Context, _ *db.Tx, cron *Cron) error {
		cron.Active, cron.PausedUntil = true, time.Time{}
		return nil
	})
}

// Snooze keeps a cron's events from being told until a time; zero ends that. What
// it kept back is told then, if it still holds.
func (l *Ledger) Snooze(ctx context.Context, app int64, ref Ref, until time.Time) (Cron, error) {
	return l.alter(ctx, app, ref, func(_ context.Context, tx *db.Tx, cron *Cron) error {
		cron.SnoozedUntil = until
		if until.IsZero() {
			return nil
		}
		cron.SnoozedUntil = until.UTC().Truncate(time.Microsecond)
		return ahead(until, tx.Now())
	})
}

// ahead tells whether something may be put off until then.
func ahead(until, now time.Time) error {
	var w wrongs
	if !until.After(now) {
		w.add("/until", "range", "must be in the future")
	} else if until.Sub(now) > maxPutOff {
		w.add("/until", "range", "must be within ten years")
	}
	return w.unprocessable("the call")
}

// Delete ends a cron. Its slugs are free at once. What runs may end and say so;
// then the cron and what is known of its executions are removed. It gives
// ErrNoCron, or ErrOwn.
func (l *Ledger) Delete(ctx context.Context, app int64, ref Ref) (Cron, error) {
	return l.alter(ctx, app, ref, func(ctx context.Context, tx *db.Tx, cron *Cron) error {
		if cron.Kind == Sync {
			return ErrOwn
		}
		if err := l.close(ctx, tx, cron, "the cron was deleted", EventMissed, EventOverdue, EventFailing); err != nil {
			return err
		}
		cron.DeletedAt = tx.Now()
		cron.Muted = true // nobody waits for what its last executions come to
		_, err := tx.Exec(ctx, "DELETE FROM cron_aliases WHERE cron_id = $1", cron.ID)
		return err
	})
}

func lockApplication(ctx context.Context, tx *db.Tx, app int64) error {
	var id int64
	err := tx.QueryRow(ctx, "SELECT id FROM applications WHERE id = $1"+tx.ForUpdate(), app).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoApplication
	}
	return err
}

func dropAlias(ctx context.Context, tx *db.Tx, app int64, slug string) error {
	_, err := tx.Exec(ctx, "DELETE FROM cron_aliases WHERE application_id = $1 AND slug = $2", app, slug)
	return err
}
