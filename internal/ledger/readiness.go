package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Reason is why a start had better not be tried.
type Reason string

// The reasons.
const (
	Ready       Reason = ""
	Inactive    Reason = "inactive"
	Paused      Reason = "paused"
	Maintenance Reason = "maintenance" // a start is let in all the same, and nobody is alarmed
	AtLimit     Reason = "already_running"
)

// Readiness is whether a cron may start.
type Readiness struct {
	Cron    Cron
	Reason  Reason
	Until   time.Time // when Paused or Maintenance ends; zero otherwise
	Running int64     // executions that run and would not be ended by a start
}

// Readiness tells whether a start of a cron would be let in now. It is advice:
// only Start decides. It writes nothing. It gives ErrNoCron.
func (l *Ledger) Readiness(ctx context.Context, app int64, ref Ref) (Readiness, error) {
	cron, err := l.Cron(ctx, app, ref)
	if err != nil {
		return Readiness{}, err
	}
	now := l.db.Now()
	r := Readiness{Cron: cron}
	var maintained time.Time
	var taken int64 // of the places that there are
	// Those that do not count are told by lapsed.
	err = l.db.QueryRow(ctx, `SELECT count(*), count(slot), (SELECT max(ends_at) FROM maintenance_windows
			WHERE starts_at <= $2 AND ends_at > $2 AND (application_id IS NULL OR application_id = $4) AND (cron_id IS NULL OR cron_id = $1))
		FROM executions WHERE cron_id = $1 AND ended_at IS NULL
			AND (lease_until IS NULL OR lease_until >= $2) AND (deadline_at IS NULL OR deadline_at >= $2 OR $3)`,
		cron.ID, db.Time{Time: now}, cron.Kind == Sync, cron.AppID).Scan(&r.Running, &taken, instant(&maintained))
	if err != nil {
		return Readiness{}, fmt.Errorf("readiness of cron %d: %w", cron.ID, err)
	}
	switch {
	case !cron.Active:
		r.Reason = Inactive
	case cron.PausedUntil.After(now):
		r.Reason, r.Until = Paused, cron.PausedUntil
	case !maintained.IsZero():
		r.Reason, r.Until = Maintenance, maintained
	case cron.Limit() > 0 && taken >= cron.Limit() && cron.Overlap != Replace:
		r.Reason = AtLimit
	}
	return r, nil
}
