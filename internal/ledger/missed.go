package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/db"
)

// late is a cron whose next expected start seems to be missed, as it was read.
type late struct {
	Cron
	missed
}

// missed are the expected starts of a cron that are missed.
type missed struct {
	latest time.Time
	count  int64
	more   bool      // there are more than were counted
	next   time.Time // the first that may still come
}

const lateColumns = "c.id, c.schedule, c.zone, c.grace, c.expected_at"

func scanLate(row scanner) (c late, err error) {
	err = row.Scan(&c.ID, &c.Schedule, &c.Zone, duration(&c.Grace), instant(&c.ExpectedAt))
	return c, err
}

// sweepMissed records the starts that did not come.
func (l *Ledger) sweepMissed(ctx context.Context) error {
	now := l.db.Now()
	all, err := look(ctx, l.db, func(r *db.Rows) (late, error) { return scanLate(r) },
		"SELECT "+lateColumns+" FROM crons c WHERE c.late_at <= $1 ORDER BY c.late_at LIMIT $2", db.Time{Time: now}, lookMost)
	if err != nil {
		return fmt.Errorf("look for missed starts: %w", err)
	}
	// A long outage takes long to count; the store's writer does not wait for it.
	known := map[string]missed{}
	for i := range all {
		c := &all[i]
		key := fmt.Sprint(c.Schedule, "|", c.Zone, "|", c.Grace, "|", c.ExpectedAt.UnixMicro())
		m, ok := known[key]
		if !ok {
			m = l.missed(&c.Cron, now)
			known[key] = m
		}
		c.missed = m
	}
	slices.SortFunc(all, func(a, b late) int { return cmp.Compare(a.ID, b.ID) })
	if err := inSlices(ctx, l.db, all, l.recordMissed); err != nil {
		return fmt.Errorf("record missed starts: %w", err)
	}
	return nil
}

// mostCounted bounds how many missed starts are counted: a week of one a minute.
const mostCounted = 10_080

// missed gives the expected starts of a cron that are missed by now. Without a
// schedule there is none to come.
func (l *Ledger) missed(cron *Cron, now time.Time) missed {
	m, plan, over := missed{latest: cron.ExpectedAt, count: 1}, l.plans.get(cron), now.Add(-cron.Grace)
	if plan.IsZero() {
		return m
	}
	if every, ok := plan.Interval(); ok {
		past := max(over.Sub(cron.ExpectedAt), 0)
		m.latest, m.count = cron.ExpectedAt.Add(past.Truncate(every)), 1+int64(past/every)
		m.next = m.latest.Add(every)
		return m
	}
	for m.next = plan.Next(m.latest); !m.next.After(over); m.next = plan.Next(m.latest) {
		m.latest = m.next
		if m.count++; m.count >= mostCounted {
			m.more, m.next = true, plan.Next(over)
			break
		}
	}
	return m
}

// recordMissed records, of crons that were found late, the starts that did not
// come. A cron that could not have started has missed none.
func (l *Ledger) recordMissed(ctx context.Context, tx *db.Tx, some []late) error {
	ids := idsOf(some, func(c late) int64 { return c.ID })
	first, last := some[0].ID, some[len(some)-1].ID
	crons, err := l.lockCrons(ctx, tx, ids, first, last)
	if err != nil {
		return err
	}
	full, err := l.full(ctx, tx, crons, ids)
	if err != nil {
		return err
	}
	var moved, absent [][]any
	var events []cronEvent
	for _, was := range some {
		cron := crons[was.ID]
		if cron == nil || cron.LateAt.IsZero() || cron.LateAt.After(tx.Now()) || !cron.ExpectedAt.Equal(was.ExpectedAt) ||
			cron.Schedule != was.Schedule || cron.Zone != was.Zone || cron.Grace != was.Grace {
			continue // it has started, or was changed meanwhile
		}
		m, records := was.missed, 0
		switch {
		case cron.Startable(tx.Now()) != nil || !cron.DeletedAt.IsZero():
			m.next = l.resumes(cron, m.next)
		case !full[cron.ID]:
			records = 1
			absent = append(absent, []any{cron.ID, cron.AppID, moment(m.latest), m.count, m.detail(cron)})
			if cron.MissedSince.IsZero() {
				cron.MissedSince = cron.ExpectedAt
				events = append(events, cronEvent{cron, Event{Kind: EventMissed, Since: cron.ExpectedAt, Detail: m.detail(cron)}})
			}
		}
		lateAt := m.next
		if !lateAt.IsZero() {
			lateAt = lateAt.Add(cron.Grace)
		}
		moved = append(moved, []any{cron.ID, moment(m.next), moment(lateAt), moment(cron.MissedSince), records})
	}
	if err := l.move(ctx, tx, moved, first, last); err != nil {
		return err
	}
	executions, err := l.insertMissed(ctx, tx, absent)
	if err != nil {
		return err
	}
	for i := range events {
		events[i].Execution = executions[events[i].cron.ID]
	}
	return l.recordAll(ctx, tx, events)
}

// move stores when crons are expected next.
func (l *Ledger) move(ctx context.Context, tx *db.Tx, rows [][]any, first, last int64) error {
	list, err := rowsOf(rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE crons SET expected_at = CAST(v.value->>1 AS BIGINT), late_at = CAST(v.value->>2 AS BIGINT),
			missed_since = CAST(v.value->>3 AS BIGINT), records = records + CAST(v.value->>4 AS BIGINT)
		FROM `+l.rowsTable()+" WHERE crons.id = CAST(v.value->>0 AS BIGINT) AND crons.id BETWEEN $2 AND $3", list, first, last)
	return err
}

// missedBefore records the starts of a cron that did not come before the one that
// comes now, and that the watch has not come to. The transaction has locked the
// cron.
func (l *Ledger) missedBefore(ctx context.Context, tx *db.Tx, cron *Cron) error {
	if cron.LateAt.IsZero() || cron.LateAt.After(tx.Now()) {
		return nil
	}
	if err := l.recordMissed(ctx, tx, []late{{*cron, l.missed(cron, tx.Now())}}); err != nil {
		return err
	}
	again, err := l.lockCron(ctx, tx, cron.ID)
	*cron = again
	return err
}

// insertMissed inserts executions that were not, and gives their ids by cron.
func (l *Ledger) insertMissed(ctx context.Context, tx *db.Tx, rows [][]any) (map[int64]int64, error) {
	list, err := rowsOf(rows)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	inserted, err := tx.Query(ctx, `
		INSERT INTO executions (cron_id, application_id, scheduled_for, repeats, detail, status, "trigger", holder, started_at, ended_at, reason)
		SELECT CAST(v.value->>0 AS BIGINT), CAST(v.value->>1 AS BIGINT), CAST(v.value->>2 AS BIGINT), CAST(v.value->>3 AS BIGINT), v.value->>4,
			'missed', 'schedule', '', CAST($2 AS BIGINT), CAST($2 AS BIGINT), 'missed'
		FROM `+l.rowsTable()+" WHERE TRUE RETURNING cron_id, id", list, db.Time{Time: tx.Now()})
	if err != nil {
		return nil, err
	}
	ids := make(map[int64]int64, len(rows))
	_, err = db.Collect(inserted, func(r *db.Rows) (struct{}, error) {
		var cron, id int64
		err := r.Scan(&cron, &id)
		ids[cron] = id
		return struct{}{}, err
	})
	return ids, err
}

// full tells which of the crons had no place for a start.
func (l *Ledger) full(ctx context.Context, tx *db.Tx, crons map[int64]*Cron, ids string) (map[int64]bool, error) {
	// An execution that must be ended takes nobody's place.
	rows, err := tx.Query(ctx, `SELECT e.cron_id, count(*) FROM executions e JOIN crons c ON c.id = e.cron_id
		WHERE e.cron_id IN (SELECT CAST(v.value->>0 AS BIGINT) FROM `+l.rowsTable()+`) AND e.ended_at IS NULL AND e.slot IS NOT NULL
			AND (e.lease_until IS NULL OR e.lease_until >= $2) AND (e.deadline_at IS NULL OR e.deadline_at >= $2 OR c.kind = 'sync')
		GROUP BY e.cron_id`, ids, db.Time{Time: tx.Now()})
	if err != nil {
		return nil, err
	}
	full := map[int64]bool{}
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		var id, running int64
		err := r.Scan(&id, &running)
		if cron := crons[id]; cron != nil && cron.Overlap != Replace {
			full[id] = cron.Limit() > 0 && running >= cron.Limit()
		}
		return struct{}{}, err
	})
	return full, err
}

// resumes gives the first start that is expected of a cron that may not start,
// once it may; zero if nobody knows when.
func (l *Ledger) resumes(cron *Cron, next time.Time) time.Time {
	if !cron.Active || !cron.DeletedAt.IsZero() {
		return time.Time{} // it is expected anew when it is switched on
	}
	if next.After(cron.PausedUntil) || next.IsZero() {
		return next
	}
	expected, _ := l.expect(cron, time.Time{}, cron.PausedUntil)
	return expected
}

func (m missed) detail(cron *Cron) string {
	first, latest := cron.ExpectedAt.Format(time.RFC3339), m.latest.Format(time.RFC3339)
	switch {
	case m.count == 1:
		return "it should have started at " + first
	case m.more:
		return fmt.Sprintf("it should have started more than %d times since %s", m.count, first)
	default:
		return fmt.Sprintf("it should have started %d times, from %s to %s", m.count, first, latest)
	}
}

// realign moves starts that are expected later than can be: the clock was wrong
// when they came to be expected.
func (l *Ledger) realign(ctx context.Context) error {
	for after := int64(0); ; {
		now := l.db.Now()
		all, err := look(ctx, l.db, func(r *db.Rows) (c Cron, err error) {
			err = r.Scan(&c.ID, &c.Schedule, &c.Zone, duration(&c.Grace), instant(&c.ExpectedAt), instant(&c.PausedUntil))
			return c, err
		}, "SELECT "+lateColumns+", c.paused_until FROM crons c WHERE c.id > $1 AND c.late_at IS NOT NULL ORDER BY c.id LIMIT $2", after, 1000)
		if err != nil {
			return fmt.Errorf("look for starts that are expected too late: %w", err)
		}
		if len(all) == 0 {
			return nil
		}
		after = all[len(all)-1].ID
		all = slices.DeleteFunc(all, func(c Cron) bool { return !l.tooLate(&c, now) })
		if err := inSlices(ctx, l.db, all, l.expectSooner); err != nil {
			return fmt.Errorf("expect starts sooner: %w", err)
		}
	}
}

// tooLate tells whether the next start is expected after the one that can at
// most be next. That is the second from now: a start may be early.
func (l *Ledger) tooLate(cron *Cron, now time.Time) bool {
	plan, from := l.plans.get(cron), now
	if cron.PausedUntil.After(now) {
		from = cron.PausedUntil
	}
	return !plan.IsZero() && cron.ExpectedAt.After(plan.Next(plan.Next(from)))
}

func (l *Ledger) expectSooner(ctx context.Context, tx *db.Tx, some []Cron) error {
	for _, cron := range some {
		from := tx.Now()
		if cron.PausedUntil.After(from) {
			from = cron.PausedUntil
		}
		expected, lateAt := l.expect(&cron, time.Time{}, from)
		_, err := tx.Exec(ctx, "UPDATE crons SET expected_at = $1, late_at = $2 WHERE id = $3 AND expected_at = $4",
			db.Time{Time: expected}, db.Time{Time: lateAt}, cron.ID, db.Time{Time: cron.ExpectedAt})
		if err != nil {
			return err
		}
	}
	return nil
}
