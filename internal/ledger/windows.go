package ledger

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// WindowFilter chooses maintenance windows by when they are. Zero values choose
// all.
type WindowFilter struct {
	App   int64     // those of an application, and those for every one
	Crons []int64   // of those for one cron, only these
	Since time.Time // over later than this
	Until time.Time // begin before this
	Over  time.Time // over by this; what was over last then comes first
	After string    // Next of the page before
	Limit int       // at most 1,000
}

// Next is the After of the page that follows one which ends with last.
func (f WindowFilter) Next(last Window) string {
	at := last.StartsAt
	if !f.Over.IsZero() {
		at = last.EndsAt
	}
	return fmt.Sprintf("%d/%d", at.UnixMicro(), last.ID)
}

// Windows gives maintenance windows in the order in which they begin. An After that
// Next has not given is a fault of kind Invalid.
func (l *Ledger) Windows(ctx context.Context, f WindowFilter) ([]Window, error) {
	var w where
	if f.App != 0 {
		w.is("(w.application_id = %s OR w.application_id IS NULL)", f.App)
	}
	if len(f.Crons) > 0 {
		placeholders := make([]string, len(f.Crons))
		for i, id := range f.Crons {
			placeholders[i] = w.arg(id)
		}
		w.is("(w.cron_id IS NULL OR w.cron_id IN (" + strings.Join(placeholders, ", ") + "))")
	}
	if !f.Since.IsZero() {
		w.is("w.ends_at > %s", db.Time{Time: f.Since})
	}
	if !f.Until.IsZero() {
		w.is("w.starts_at < %s", db.Time{Time: f.Until})
	}
	order, follows := "w.starts_at, w.id", "(w.starts_at, w.id) > (%s, %s)"
	if !f.Over.IsZero() {
		w.is("w.ends_at <= %s", db.Time{Time: f.Over})
		order, follows = "w.ends_at DESC, w.id DESC", "(w.ends_at, w.id) < (%s, %s)"
	}
	if f.After != "" {
		at, id, err := windowPlace(f.After)
		if err != nil {
			return nil, err
		}
		w.is(follows, at, id)
	}
	rows, err := l.db.Query(ctx, "SELECT "+windowColumns+w.String()+" ORDER BY "+order+" LIMIT "+w.arg(min(f.Limit, maxWindowPage)), w.args...)
	if err != nil {
		return nil, fmt.Errorf("maintenance windows: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Window, error) { return scanWindow(r) })
	if err != nil {
		return nil, fmt.Errorf("maintenance windows: %w", err)
	}
	return all, nil
}

func windowPlace(after string) (at, id int64, err error) {
	left, right, _ := strings.Cut(after, "/")
	if at, err = strconv.ParseInt(left, 10, 64); err == nil {
		id, err = strconv.ParseInt(right, 10, 64)
	}
	if err != nil {
		return 0, 0, &fault.Error{
			Kind: fault.Invalid, Code: "invalid_parameter", Detail: "there is no such place in the list of maintenance windows",
			Hint: "begin with the first page",
		}
	}
	return at, id, nil
}
