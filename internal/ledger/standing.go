package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// standsFor is the expected start that a start at now stands for: the next one,
// if it is due or nearly so. A job may be early by a tenth of the time between
// two starts and by no more than the grace: its machine's clock is another.
func (l *Ledger) standsFor(cron *Cron, now time.Time) time.Time {
	if cron.ExpectedAt.IsZero() {
		return time.Time{}
	}
	early := min(cron.Grace, l.plans.get(cron).Next(cron.ExpectedAt).Sub(cron.ExpectedAt)/10)
	if now.Before(cron.ExpectedAt.Add(-early)) {
		return time.Time{}
	}
	return cron.ExpectedAt
}

// expect gives the next expected start of a cron after one that stood for tick at
// now, and when it is missed; zero times without a schedule.
func (l *Ledger) expect(cron *Cron, tick, now time.Time) (expected, late time.Time) {
	plan := l.plans.get(cron)
	if plan.IsZero() {
		return time.Time{}, time.Time{}
	}
	after := now
	if _, interval := plan.Interval(); !interval && tick.After(now) {
		after = tick
	}
	expected = plan.Next(after)
	return expected, expected.Add(cron.Grace)
}

// arrived notes that a start came, whether it was admitted or not, or that one had
// come before.
func (l *Ledger) arrived(ctx context.Context, tx *db.Tx, cron *Cron, e Execution) error {
	runs, records, newest := int64(1), int64(0), max(e.ID, cron.LastExecution)
	if e.Status != Running {
		runs, records, newest = 0, 1, cron.LastExecution
	}
	tick := e.ScheduledFor
	if tick.After(cron.ExpectedAt) { // an application may say anything
		tick = l.standsFor(cron, e.StartedAt)
	}
	expected, late := l.expect(cron, tick, e.StartedAt)
	came := !cron.MissedSince.IsZero()
	if e.StartedAt.Before(tx.Now()) { // it tells of the past, and what is known since stands
		if expected.Before(cron.ExpectedAt) {
			expected, late = cron.ExpectedAt, cron.LateAt
		}
		came = came && !e.StartedAt.Before(cron.MissedSince.Add(-cron.Grace))
	}
	missed := cron.MissedSince
	if came {
		missed = time.Time{}
	}
	_, err := tx.Exec(ctx, `UPDATE crons SET runs = runs + $1, records = records + $2, last_execution_id = $3,
			expected_at = $4, late_at = $5, missed_since = $6 WHERE id = $7`,
		runs, records, newest, db.Time{Time: expected}, db.Time{Time: late}, db.Time{Time: missed}, cron.ID)
	if err != nil || !came {
		return err
	}
	return l.record(ctx, tx, cron, Event{
		Kind: EventRecovered, Subject: EventMissed, Execution: e.ID, Since: cron.MissedSince, Detail: "it started again",
	})
}

// worthALook, in an UPDATE of executions, tells whether the end of one changes how
// its cron stands. Most ends are successes of crons that are well.
const worthALook = `(executions.status <> 'success' OR (SELECT c.failures > 0 OR c.failing_since IS NOT NULL OR c.overdue_since IS NOT NULL OR c.each_success
	FROM crons c WHERE c.id = executions.cron_id))`

// endedOf notes the end of an execution.
func (l *Ledger) endedOf(ctx context.Context, tx *db.Tx, e Execution) error {
	cron, err := l.lockCron(ctx, tx, e.CronID)
	if err != nil {
		return err
	}
	return l.ended(ctx, tx, &cron, e)
}

// ended notes the end of an execution of a cron that tx has locked.
func (l *Ledger) ended(ctx context.Context, tx *db.Tx, cron *Cron, e Execution) error {
	over, err := l.overSince(ctx, tx, e)
	if err != nil {
		return err
	}
	if over {
		if !cron.EachFailure {
			return nil
		}
		return l.record(ctx, tx, cron, Event{Kind: EventFailed, Execution: e.ID, Since: e.EndedAt, Detail: e.Detail})
	}
	events := cron.settle(e, tx.Now())
	_, err = tx.Exec(ctx, "UPDATE crons SET failures = $1, successes = $2, overdue_since = $3, failing_since = $4 WHERE id = $5",
		cron.Failures, cron.Successes, db.Time{Time: cron.OverdueSince}, db.Time{Time: cron.FailingSince}, cron.ID)
	if err != nil {
		return err
	}
	return l.record(ctx, tx, cron, events...)
}

// overSince tells whether an execution is a failure that is reported afterwards,
// and one that began later has ended well since.
func (l *Ledger) overSince(ctx context.Context, tx *db.Tx, e Execution) (over bool, err error) {
	if e.Status != Failed || !e.EndedAt.Before(tx.Now()) {
		return false, nil
	}
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1
		FROM (SELECT status, started_at FROM executions WHERE cron_id = $1 ORDER BY id DESC LIMIT 100) AS newest
		WHERE status = 'success' AND started_at > $2)`, e.CronID, db.Time{Time: e.StartedAt}).Scan(&over)
	return over, err
}

// settle changes how a cron stands by an execution that ended at now, and gives
// what is to be told of it. An end that is neither success nor failure, such as
// one by hand, changes nothing.
func (c *Cron) settle(e Execution, now time.Time) (events []Event) {
	tell := func(kind, subject EventKind, since time.Time, detail string) {
		events = append(events, Event{Kind: kind, Subject: subject, Execution: e.ID, Since: since, Detail: detail})
	}
	switch e.Status {
	case Success:
		if e.EndedAt.Before(now) && (e.EndedAt.Before(c.FailingSince) || e.EndedAt.Before(c.OverdueSince)) {
			return nil // it is reported afterwards, and has failed since
		}
		c.Failures = 0
		if !c.OverdueSince.IsZero() {
			tell(EventRecovered, EventOverdue, c.OverdueSince, "an execution ended well")
			c.OverdueSince = time.Time{}
		}
		if !c.FailingSince.IsZero() {
			if c.Successes++; c.Successes >= c.RecoverAfter {
				tell(EventRecovered, EventFailing, c.FailingSince, "an execution ended well")
				c.FailingSince, c.Successes = time.Time{}, 0
			}
		}
		if c.EachSuccess {
			tell(EventSucceeded, "", time.Time{}, "")
		}
	case Failed, TimedOut:
		if c.Kind == Sync && e.begunAnew() {
			return nil
		}
		// Of several ends that are reported afterwards, a success may be the later one.
		failed := now
		if e.Status == Failed && e.EndedAt.Before(now) {
			failed = e.EndedAt
		}
		if e.heardOfAfterAll() { // it was counted when the ledger ended it
			if e.Overdue && !c.OverdueSince.IsZero() {
				tell(EventRecovered, EventOverdue, c.OverdueSince, "it ended after all, as failed")
				c.OverdueSince = time.Time{}
			}
			if c.FailingSince.IsZero() && c.Failures >= c.FailAfter {
				c.FailingSince = failed
				tell(EventFailing, "", failed, failing(c.Failures, e.Detail))
			}
			return events
		}
		c.Failures++
		c.Successes = 0
		overdue := e.Status == TimedOut
		if overdue {
			if c.OverdueSince.IsZero() {
				c.OverdueSince = now
			}
			tell(EventOverdue, "", e.DeadlineAt, e.Detail)
		}
		// Being overdue says as much as a first failure.
		if c.FailingSince.IsZero() && c.Failures >= c.FailAfter && (!overdue || c.FailAfter > 1) {
			c.FailingSince = failed
			tell(EventFailing, "", failed, failing(c.Failures, e.Detail))
		} else if c.EachFailure && !overdue {
			tell(EventFailed, "", now, e.Detail)
		}
	}
	return events
}

// begunAnew tells whether a run of Ferryman's own was cut off and another takes its
// place at once, whose end says how its cron stands; if it does not come, its cron's
// next start is missed. That of a command has died with its caller. One that is cut off
// again is no accident: it may be what kills its holders.
func (e Execution) begunAnew() bool {
	return e.Status == Failed && e.Reason == ReasonInterrupted && e.Attempt == 1 && e.Trigger != CLI
}

// heardOfAfterAll tells whether the execution's application reported that it failed
// after the ledger had ended it as overdue or interrupted.
func (e Execution) heardOfAfterAll() bool {
	return e.Status == Failed && !e.ReportedAt.IsZero() && (e.Overdue || e.Reason == ReasonInterrupted)
}

func failing(failures int64, detail string) string {
	s := "the last execution failed"
	if failures > 1 {
		s = fmt.Sprintf("the last %d executions failed", failures)
	}
	if detail != "" {
		s += ": " + detail
	}
	return s
}
