package ledger

import (
	"context"
	"fmt"
	"strings"

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

// byTrouble lists all states, that first which people should look at first.
func byTrouble() []State {
	return []State{
		StateFailing, StateMissed, StateOverdue, StateLate, StateRunning, StateOK, StateNew,
		StateMaintenance, StatePaused, StateInactive,
	}
}

// cronState is the state of a cron in SQL; it wants the placeholder of the time.
// No SELECT in it names a column of c, so that each is run once, whatever the
// number of crons: a cron looks itself up in what maintenance is open for.
const cronState = `CASE
	WHEN NOT c.active THEN 'inactive'
	WHEN c.paused_until > %[1]s THEN 'paused'
	WHEN EXISTS (SELECT 1 FROM maintenance_windows w WHERE w.cron_id IS NULL AND w.application_id IS NULL AND w.ends_at > %[1]s AND w.starts_at <= %[1]s)
		OR c.application_id IN (SELECT w.application_id FROM maintenance_windows w
			WHERE w.cron_id IS NULL AND w.application_id IS NOT NULL AND w.ends_at > %[1]s AND w.starts_at <= %[1]s)
		OR c.id IN (SELECT w.cron_id FROM maintenance_windows w
			WHERE w.cron_id IS NOT NULL AND w.ends_at > %[1]s AND w.starts_at <= %[1]s) THEN 'maintenance'
	WHEN c.missed_since IS NOT NULL THEN 'missed'
	WHEN c.overdue_since IS NOT NULL THEN 'overdue'
	WHEN c.failing_since IS NOT NULL THEN 'failing'
	WHEN c.expected_at < %[1]s THEN 'late'
	WHEN c.id IN (SELECT e.cron_id FROM executions e WHERE e.ended_at IS NULL) THEN 'running'
	WHEN c.last_execution_id = 0 THEN 'new'
	ELSE 'ok' END`

// troubleRank is the place of a state in byTrouble, in SQL.
func troubleRank(state string) string {
	var b strings.Builder
	b.WriteString("CASE " + state)
	for i, s := range byTrouble() {
		fmt.Fprintf(&b, " WHEN '%s' THEN %d", s, i)
	}
	b.WriteString(" END")
	return b.String()
}

// StateCounts counts the crons of an application, or of all if app is 0, by how
// they stand. Those that were deleted do not count.
func (l *Ledger) StateCounts(ctx context.Context, app int64) (map[State]int64, error) {
	var w where
	state := fmt.Sprintf(cronState, w.arg(db.Time{Time: l.db.Now()}))
	w.is("c.deleted_at IS NULL")
	if app != 0 {
		w.is("c.application_id = %s", app)
	}
	rows, err := l.db.Query(ctx, "SELECT "+state+" AS state, count(*) FROM crons c"+w.String()+" GROUP BY state", w.args...)
	if err != nil {
		return nil, fmt.Errorf("count crons: %w", err)
	}
	counts := map[State]int64{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var s State
		var n int64
		err = r.Scan(&s, &n)
		counts[s] = n
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("count crons: %w", err)
	}
	return counts, nil
}
