package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ferryman/internal/db"
)

const (
	// TroubleCounted is how far Trouble counts, and looks: what reaches it is that many
	// or more.
	TroubleCounted = 1000
	// stoppedMost is how many channels Trouble counts on.
	stoppedMost = 20
	// heldUp is how long something must have been due on a channel that rests, or that no
	// node serves, for it to stand still: rests pass, and nodes start.
	heldUp = time.Minute
)

// Trouble is what keeps deliveries from being made, and what has kept some.
type Trouble struct {
	Stopped []Stopped // channels that stand still, those with alerts first
	Dead    []Dead    // dead letters, alerts first; topics without any are left out
}

// Stopped is a channel that stands still.
type Stopped struct {
	Channel string
	Standing
	Waiting int64     // up to TroubleCounted; on the 21st channel and further ones not counted
	Alerts  int64     // of these
	Due     time.Time // since when the oldest has been; zero: none is due
}

// ByPerson tells whether somebody wanted it so.
func (s Stopped) ByPerson() bool { return s.PausedBy == "person" }

// Dead are the dead letters of a topic.
type Dead struct {
	Topic Topic
	N     int64     // up to TroubleCounted
	Last  time.Time // when the last one failed
	ID    int64     // of the newest delivery among them
}

// Trouble tells what stands still, and which deliveries failed for good since a time,
// as far as they were not revived. It takes a time that has a bound: of dead letters it
// looks at the TroubleCounted newest of each topic alone, by when they were accepted.
func (o *Outbox) Trouble(ctx context.Context, since time.Time) (t Trouble, err error) {
	if t.Stopped, err = o.stopped(ctx); err != nil {
		return Trouble{}, fmt.Errorf("look which channels stand still: %w", err)
	}
	which := "state = 4"
	if o.db.Dialect() == db.Postgres { // see merged
		which = "(state, id) >= (4, 0) AND (state, id) < (5, 0)"
	}
	for _, topic := range []Topic{Alert, Message, Contact} {
		dead := Dead{Topic: topic}
		err := o.db.QueryRow(ctx, fmt.Sprintf(`SELECT count(*), max(ended_at), coalesce(max(id), 0) FROM (
				SELECT id, ended_at FROM deliveries WHERE topic = %d AND %s ORDER BY state DESC, id DESC LIMIT %d) AS newest
			WHERE ended_at >= $1`, topic, which, TroubleCounted), db.Time{Time: since}).Scan(&dead.N, db.ScanTime(&dead.Last), &dead.ID)
		if err != nil {
			return Trouble{}, fmt.Errorf("count dead letters: %w", err)
		}
		if dead.N > 0 {
			t.Dead = append(t.Dead, dead)
		}
	}
	return t, nil
}

// stopped gives the channels that stand still.
func (o *Outbox) stopped(ctx context.Context) ([]Stopped, error) {
	all, err := o.Standing(ctx)
	if err != nil {
		return nil, err
	}
	oldest, err := o.Oldest(ctx)
	if err != nil {
		return nil, err
	}
	for name := range oldest {
		if _, known := all[name]; !known { // it was never set
			all[name] = Standing{}
		}
	}
	var still []Stopped
	now := o.db.Now()
	for name, s := range all {
		due := oldest[name]
		rests := !s.HeldUntil.IsZero() && (s.Tripped || s.HeldUntil.Sub(now) >= heldUp) // the rate alone may keep something due for long
		held := (!s.Configured || rests) && !due.IsZero() && now.Sub(due) >= heldUp
		paused := s.PausedBy != "" && (s.Configured || !due.IsZero()) // what is removed is missed by nobody
		if paused || held {
			still = append(still, Stopped{Channel: name, Standing: s, Due: due})
		}
	}
	slices.SortFunc(still, func(a, b Stopped) int {
		return cmp.Or(after(a.ByPerson(), b.ByPerson()), after(a.Due.IsZero(), b.Due.IsZero()), strings.Compare(a.Channel, b.Channel))
	})
	const some = "(SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.channel = $1 AND d.state = 0%s LIMIT $2) AS first)"
	for i := range still[:min(len(still), stoppedMost)] {
		err := o.db.QueryRow(ctx, "SELECT "+fmt.Sprintf(some, "")+", "+fmt.Sprintf(some, " AND d.topic = 1"), still[i].Channel, TroubleCounted).
			Scan(&still[i].Waiting, &still[i].Alerts)
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(still, func(a, b Stopped) int {
		return cmp.Or(after(a.ByPerson(), b.ByPerson()), after(a.Alerts == 0, b.Alerts == 0))
	})
	return still, nil
}

// after sorts what is so behind what is not.
func after(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
