package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// keepTallies is how long tallies are kept. Executions may go sooner.
const keepTallies = 90 * day

// Tally counts executions by how they ended.
type Tally struct {
	Success, Failed, TimedOut, Cancelled int64         // Cancelled counts superseded ones, too
	Missed, Skipped                      int64         // records, however many starts one stands for
	Took                                 time.Duration // all of Success and Failed together, from start to end
}

// Runs is how many of them had a run.
func (t Tally) Runs() int64 { return t.Success + t.Failed + t.TimedOut + t.Cancelled }

func (t *Tally) add(s Status, n int64, took time.Duration) {
	t.Took += took
	switch s {
	case Success:
		t.Success += n
	case Failed:
		t.Failed += n
	case TimedOut:
		t.TimedOut += n
	case Cancelled, Superseded:
		t.Cancelled += n
	case Missed:
		t.Missed += n
	case Skipped:
		t.Skipped += n
	case Running: // it is not counted before it ends
	}
}

// Hour is what ended in an hour.
type Hour struct {
	At time.Time // when it began, UTC
	Tally
}

// HourFilter chooses executions by when they ended. Zero values choose all.
type HourFilter struct {
	App   int64
	Cron  int64     // tallies of a cron go when it is removed, those of its application stay
	Since time.Time // from the hour of this time on; at most 90 days are kept
	Until time.Time // hours that began before
}

// Hours gives what ended, hour by hour. Hours in which nothing did are left out.
func (l *Ledger) Hours(ctx context.Context, f HourFilter) ([]Hour, error) {
	var w where
	table := "application_hours"
	switch {
	case f.Cron != 0:
		table = "execution_hours"
		w.is("h.cron_id = %s", f.Cron)
		if f.App != 0 {
			w.is("EXISTS (SELECT 1 FROM crons c WHERE c.id = h.cron_id AND c.application_id = %s)", f.App)
		}
	case f.App != 0:
		w.is("h.application_id = %s", f.App)
	}
	w.is("h.at >= %s", db.Time{Time: l.hourOf(f.Since)})
	if !f.Until.IsZero() {
		w.is("h.at < %s", db.Time{Time: f.Until})
	}
	rows, err := l.db.Query(ctx, "SELECT h.at, h.status, CAST(sum(h.n) AS BIGINT), CAST(sum(h.took) AS BIGINT) FROM "+table+" h"+w.String()+
		" GROUP BY h.at, h.status ORDER BY h.at", w.args...)
	if err != nil {
		return nil, fmt.Errorf("hours: %w", err)
	}
	var hours []Hour
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var at time.Time
		var s Status
		var n int64
		var took db.Duration
		if err = r.Scan(instant(&at), &s, &n, &took); err != nil || n == 0 {
			return struct{}{}, err
		}
		if len(hours) == 0 || !hours[len(hours)-1].At.Equal(at) {
			hours = append(hours, Hour{At: at})
		}
		hours[len(hours)-1].add(s, n, time.Duration(took))
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("hours: %w", err)
	}
	return hours, nil
}

// Tallies gives what ended of each of some crons from the hour of a time on. It
// leaves out those of which nothing did.
func (l *Ledger) Tallies(ctx context.Context, crons []int64, since time.Time) (map[int64]Tally, error) {
	rows, err := l.db.Query(ctx, "SELECT h.cron_id, h.status, CAST(sum(h.n) AS BIGINT), CAST(sum(h.took) AS BIGINT) FROM "+l.rowsTable()+`
		JOIN execution_hours h ON h.cron_id = CAST(v.value->>0 AS BIGINT) AND h.at >= $2 GROUP BY h.cron_id, h.status`,
		idsOf(crons, itself), db.Time{Time: l.hourOf(since)})
	if err != nil {
		return nil, fmt.Errorf("tallies: %w", err)
	}
	all := make(map[int64]Tally, len(crons))
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var cron, n int64
		var s Status
		var took db.Duration
		if err = r.Scan(&cron, &s, &n, &took); err != nil || n == 0 {
			return struct{}{}, err
		}
		t := all[cron]
		t.add(s, n, time.Duration(took))
		all[cron] = t
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("tallies: %w", err)
	}
	return all, nil
}

func itself(id int64) int64 { return id }

// hourOf gives the beginning of the hour of a time, or of the first that is kept.
func (l *Ledger) hourOf(t time.Time) time.Time {
	if first := l.db.Now().Add(-keepTallies); t.Before(first) {
		t = first
	}
	return t.Truncate(time.Hour)
}
