package outbox

import (
	"context"
	"sync"
	"time"

	"ferryman/internal/db"
)

// Others have to go on with the work of a sender that died within 5 s, also on a busy
// machine, and one that is merely slow has to keep its place. A sender that dies right
// after a beat is alive for the whole lease, and is found out at somebody's next beat:
// 4 s, which leaves one for the rest. A slow one may miss six beats in a row. It claims
// nothing from a second before the end of its lease on: claims that are on their way
// then, and attempts that begin, have that second.
const (
	usualBeat  = 500 * time.Millisecond
	leaseBeats = 7
	ownBeats   = 5
	lookBeats  = 4 // that each part of looking after the rest may take, that after the senders before the next beat renews
	// On SQLite nobody waits for a lease: the row only keeps in mind what time it was.
	usualBeatSQLite = time.Second
	beatsSQLite     = 60
)

// sender is this process among those that send.
type sender struct {
	beat time.Duration // what is usual if 0

	mu      sync.Mutex
	id      int64
	renewed time.Time // by the monotonic clock
	until   time.Time // by the store's
}

// every is how long a beat is.
func (o *Outbox) every() time.Duration {
	switch {
	case o.self.beat != 0:
		return o.self.beat
	case o.db.Dialect() == db.SQLite:
		return usualBeatSQLite
	}
	return usualBeat
}

// current gives the id to claim by, and whether it may be used: what others take
// for dead must not begin anything.
func (o *Outbox) current() (id int64, alive bool) {
	s := &o.self
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.db.Dialect() == db.SQLite {
		return s.id, true
	}
	return s.id, time.Since(s.renewed) < ownBeats*o.every() && o.db.Now().Before(s.until)
}

func (s *sender) renewedAt(id int64, begun, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.renewed, s.until = id, begun, until
}

// register makes a new sender, and tells when by the store's clock, and whether that
// has gone back since others were there.
func (o *Outbox) register(ctx context.Context) (at time.Time, back bool, err error) {
	begun, lease := time.Now(), leaseBeats*o.every()
	var id int64
	var until time.Time
	err = o.db.Tx(ctx, func(tx *db.Tx) error {
		at = tx.Now()
		var latest time.Time
		if err := tx.QueryRow(ctx, "SELECT max(alive_until) FROM senders").Scan(db.ScanTime(&latest)); err != nil {
			return err
		}
		back = latest.After(at.Add(lease + o.every()))
		until = at.Add(lease)
		return tx.QueryRow(ctx, "INSERT INTO senders (name, alive_until) VALUES ($1, $2) RETURNING id", o.o.Node, db.Time{Time: until}).Scan(&id)
	})
	if err == nil {
		o.self.renewedAt(id, begun, until)
	}
	return at, back, err
}

// renew extends the lease. A process that others have taken for dead begins anew.
func (o *Outbox) renew(ctx context.Context) error {
	begun, s := time.Now(), &o.self
	s.mu.Lock()
	id, last := s.id, s.renewed
	s.mu.Unlock()
	if o.db.Dialect() == db.SQLite && begun.Sub(last) < beatsSQLite*o.every() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ownBeats*o.every())
	defer cancel()
	var until time.Time
	var n int64
	err := o.db.Tx(ctx, func(tx *db.Tx) (err error) {
		until = tx.Now().Add(leaseBeats * o.every())
		n, err = tx.Exec(ctx, "UPDATE senders SET alive_until = $1 WHERE id = $2", db.Time{Time: until}, id)
		return err
	})
	if err != nil {
		return err
	}
	if n == 0 {
		o.log.Warn("this process was taken for dead: what it was sending is sent again by others, or held")
		_, _, err := o.register(ctx)
		return err
	}
	s.renewedAt(id, begun, until)
	return nil
}

// leave ends the lease. On SQLite the row stays until the next start.
func (o *Outbox) leave(ctx context.Context) error {
	id, _ := o.current()
	return o.db.Tx(ctx, func(tx *db.Tx) error {
		if o.db.Dialect() == db.SQLite {
			_, err := tx.Exec(ctx, "UPDATE senders SET alive_until = $1 WHERE id = $2", db.Time{Time: tx.Now()}, id)
			return err
		}
		return forget(ctx, tx, []int64{id})
	})
}

// forget removes senders; what they did is counted as that of nobody.
func forget(ctx context.Context, tx *db.Tx, ids []int64) error {
	list, err := listed(idRows(ids))
	if err != nil {
		return err
	}
	const these = "(SELECT CAST(v.value->>0 AS BIGINT) FROM json_each($1) AS v)"
	rows, err := tx.Query(ctx, "SELECT channel FROM channel_totals WHERE sender_id IN "+these+" ORDER BY channel, sender_id"+tx.ForUpdate(), list)
	if err != nil {
		return err
	}
	channels, err := db.Collect(rows, func(r *db.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		return err
	}
	if len(channels) > 0 {
		_, err = tx.Exec(ctx, addTotals+`
			SELECT channel, 0, CAST(sum(sent) AS BIGINT), CAST(sum(failed) AS BIGINT), CAST(sum(retried) AS BIGINT), CAST(sum(uncertain) AS BIGINT), CAST(sum(expired) AS BIGINT)
			FROM channel_totals WHERE sender_id IN `+these+" GROUP BY channel"+onTotals, list)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM channel_totals WHERE sender_id IN "+these, list); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "DELETE FROM senders WHERE id IN "+these, list)
	return err
}
