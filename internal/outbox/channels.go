package outbox

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// Standing is how a channel stands, without what it has to send.
type Standing struct {
	Configured  bool   // a node has set it
	PausedBy    string // "", "person" or "fault"
	PausedAt    time.Time
	PauseReason string
	HeldUntil   time.Time // zero: it rests not
	Tripped     bool      // it rests, or is probed, after several troubles in a row
}

// Standing tells, by their names, how all channels stand that were ever set or
// paused. Unlike Stats it counts nothing.
func (o *Outbox) Standing(ctx context.Context) (map[string]Standing, error) {
	rows, err := o.db.Query(ctx, "SELECT name, configured, paused_by, paused_at, pause_reason, held_until, troubles FROM channels")
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	all, now := map[string]Standing{}, o.db.Now()
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var name string
		var s Standing
		var troubles int
		err = r.Scan(&name, &s.Configured, &s.PausedBy, db.ScanTime(&s.PausedAt), &s.PauseReason, db.ScanTime(&s.HeldUntil), &troubles)
		s.Tripped = troubles >= tripsAt
		if !s.HeldUntil.After(now) {
			s.HeldUntil = time.Time{}
		}
		all[name] = s
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return all, nil
}
