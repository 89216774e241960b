package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Window is a time of maintenance: what happens in it is recorded as always, and
// troubles are told when it is over, if they still stand. Times are UTC.
type Window struct {
	ID        int64
	AppID     int64  // 0: every application
	App       string // its name; "" for every one
	CronID    int64  // 0: every cron of the application
	Cron      string // its slug; "" for every one
	StartsAt  time.Time
	EndsAt    time.Time
	Reason    string
	CreatedAt time.Time
}

// Bounds of maintenance windows.
const (
	maxWindow     = 366 * day
	maxAhead      = 36_600 * day
	maxReason     = 200    // characters
	maxWindows    = 10_000 // that are not over
	keepWindows   = 366 * day
	maxWindowPage = 1000
)

// ErrNoWindow says that there is no such maintenance window.
var ErrNoWindow = &fault.Error{Kind: fault.NotFound, Code: "maintenance_unknown", Detail: "there is no such maintenance window"}

// AddMaintenance stores a window and gives it. A zero StartsAt is now; AppID and
// CronID say for what it holds. It gives ErrNoApplication, ErrNoCron, a fault of
// kind Unprocessable that names every value that is wrong, or a Conflict when
// there are 10,000 windows.
func (l *Ledger) AddMaintenance(ctx context.Context, w Window) (Window, error) {
	err := l.db.Tx(ctx, func(tx *db.Tx) error {
		w.CreatedAt = tx.Now()
		if w.StartsAt.IsZero() {
			w.StartsAt = tx.Now()
		}
		w.StartsAt, w.EndsAt = w.StartsAt.UTC().Truncate(time.Microsecond), w.EndsAt.UTC().Truncate(time.Microsecond)
		w.Reason = strings.TrimSpace(clean(w.Reason))
		if err := w.check(tx.Now()); err != nil {
			return err
		}
		if err := w.scope(ctx, tx); err != nil {
			return err
		}
		var open int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM maintenance_windows WHERE ends_at > $1", db.Time{Time: tx.Now()}).Scan(&open); err != nil {
			return err
		}
		if open >= maxWindows {
			return &fault.Error{
				Kind: fault.Conflict, Code: "too_many_windows", Detail: fmt.Sprintf("there are %d maintenance windows already", open),
				Hint: "remove those that are no longer needed",
			}
		}
		return tx.QueryRow(ctx, `INSERT INTO maintenance_windows (application_id, cron_id, starts_at, ends_at, reason, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
			sql.NullInt64{Int64: w.AppID, Valid: w.AppID != 0}, sql.NullInt64{Int64: w.CronID, Valid: w.CronID != 0},
			db.Time{Time: w.StartsAt}, db.Time{Time: w.EndsAt}, w.Reason, db.Time{Time: w.CreatedAt}).Scan(&w.ID)
	})
	if err != nil {
		return Window{}, fmt.Errorf("add maintenance window: %w", err)
	}
	return w, nil
}

func (w Window) check(now time.Time) error {
	var wrong wrongs
	switch {
	case !w.EndsAt.After(w.StartsAt):
		wrong.add("/ends_at", "range", "must be after the beginning")
	case !w.EndsAt.After(now):
		wrong.add("/ends_at", "range", "must be in the future")
	case w.EndsAt.Sub(w.StartsAt) > maxWindow:
		wrong.add("/ends_at", "range", "must be at most 366 days after the beginning")
	}
	if w.StartsAt.Sub(now) > maxAhead {
		wrong.add("/starts_at", "range", "must be within a hundred years")
	}
	switch {
	case w.Reason == "":
		wrong.add("/reason", "required", "must say what is being done")
	case utf8.RuneCountInString(w.Reason) > maxReason:
		wrong.add("/reason", "max_length", fmt.Sprintf("must have at most %d characters", maxReason))
	case strings.ContainsFunc(w.Reason, unicode.IsControl):
		wrong.add("/reason", "format", "must be one line without control characters")
	}
	return wrong.unprocessable("the maintenance window")
}

// scope looks up what the window is for.
func (w *Window) scope(ctx context.Context, tx *db.Tx) error {
	var err error
	switch {
	case w.CronID != 0:
		err = tx.QueryRow(ctx, `SELECT c.application_id, a.name, c.slug FROM crons c JOIN applications a ON a.id = c.application_id
			WHERE c.id = $1 AND (c.application_id = $2 OR $2 = 0) AND c.deleted_at IS NULL`, w.CronID, w.AppID).Scan(&w.AppID, &w.App, &w.Cron)
		if noRows(err) {
			return ErrNoCron
		}
	case w.AppID != 0:
		err = tx.QueryRow(ctx, "SELECT name FROM applications WHERE id = $1", w.AppID).Scan(&w.App)
		if noRows(err) {
			return ErrNoApplication
		}
	}
	return err
}

const windowColumns = `w.id, coalesce(w.application_id, 0), coalesce(a.name, ''), coalesce(w.cron_id, 0), coalesce(c.slug, ''),
	w.starts_at, w.ends_at, w.reason, w.created_at
	FROM maintenance_windows w LEFT JOIN applications a ON a.id = w.application_id LEFT JOIN crons c ON c.id = w.cron_id`

func scanWindow(row scanner) (w Window, err error) {
	err = row.Scan(&w.ID, &w.AppID, &w.App, &w.CronID, &w.Cron, instant(&w.StartsAt), instant(&w.EndsAt), &w.Reason, instant(&w.CreatedAt))
	if noRows(err) {
		err = ErrNoWindow
	}
	return w, err
}

// Maintenance gives up to limit windows, in the order in which they were added,
// from the one after the id after: those of an application and those for every
// one, or all if app is 0. Those that are over are left out unless includePast.
func (l *Ledger) Maintenance(ctx context.Context, app int64, includePast bool, after int64, limit int) ([]Window, error) {
	rows, err := l.db.Query(ctx, "SELECT "+windowColumns+`
		WHERE w.id > $1 AND (w.application_id = $2 OR w.application_id IS NULL OR $2 = 0) AND (w.ends_at > $3 OR $4)
		ORDER BY w.id LIMIT $5`, after, app, db.Time{Time: l.db.Now()}, includePast, min(limit, maxWindowPage))
	if err != nil {
		return nil, fmt.Errorf("maintenance windows: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Window, error) { return scanWindow(r) })
	if err != nil {
		return nil, fmt.Errorf("maintenance windows: %w", err)
	}
	return all, nil
}

// RemoveMaintenance removes a window of an application, or any if app is 0, and
// gives it. Troubles that it kept from being told are told now, if they still
// stand and no other window keeps them. It gives ErrNoWindow.
func (l *Ledger) RemoveMaintenance(ctx context.Context, app, id int64) (w Window, err error) {
	err = l.db.Tx(ctx, func(tx *db.Tx) error {
		w, err = scanWindow(tx.QueryRow(ctx, "SELECT "+windowColumns+" WHERE w.id = $1 AND (w.application_id = $2 OR $2 = 0)", id, app))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM maintenance_windows WHERE id = $1", id); err != nil {
			return err
		}
		if w.StartsAt.After(tx.Now()) || !w.EndsAt.After(tx.Now()) {
			return nil
		}
		// What another window keeps, too, is kept anew when the watch comes to it.
		_, err = tx.Exec(ctx, `UPDATE events SET suppressed_until = $1
			WHERE suppressed_until > $1 AND suppressed = 'maintenance' AND (application_id = $2 OR $2 = 0) AND (cron_id = $3 OR $3 = 0)`,
			db.Time{Time: tx.Now()}, w.AppID, w.CronID)
		return err
	})
	if err != nil {
		return Window{}, fmt.Errorf("remove maintenance window %d: %w", id, err)
	}
	return w, nil
}

// windows are until when maintenance lasts, by application and cron; 0 stands for
// every one.
type windows map[[2]int64]time.Time

// openWindows gives the windows that are open and may matter to events.
func openWindows(ctx context.Context, tx *db.Tx, events []cronEvent) (windows, error) {
	first, last := events[0].cron.ID, events[0].cron.ID
	for _, e := range events {
		first, last = min(first, e.cron.ID), max(last, e.cron.ID)
	}
	rows, err := tx.Query(ctx, `SELECT coalesce(application_id, 0), coalesce(cron_id, 0), max(ends_at) FROM maintenance_windows
		WHERE starts_at <= $1 AND ends_at > $1 AND (cron_id IS NULL OR cron_id BETWEEN $2 AND $3) GROUP BY application_id, cron_id`,
		db.Time{Time: tx.Now()}, first, last)
	if err != nil {
		return nil, err
	}
	open := windows{}
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		var scope [2]int64
		var end time.Time
		err := r.Scan(&scope[0], &scope[1], instant(&end))
		open[scope] = end
		return struct{}{}, err
	})
	return open, err
}

// until gives when a cron's maintenance ends; zero if there is none.
func (w windows) until(c *Cron) (end time.Time) {
	for _, scope := range [][2]int64{{0, 0}, {c.AppID, 0}, {c.AppID, c.ID}} {
		if w[scope].After(end) {
			end = w[scope]
		}
	}
	return end
}
