package outbox

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

// What was put off is kept in mind for a bounded number of recipients.
func TestTailsAreForgotten(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	tails := func(n int, at time.Time) map[string]time.Time {
		all := map[string]time.Time{}
		for i := range n {
			all[fmt.Sprint(at.Unix(), i)] = at
		}
		return all
	}
	past, future := now.Add(-time.Second), now.Add(time.Second)
	for name, one := range map[string]struct {
		kept, moved map[string]time.Time
		forgets     bool // what was kept: it knows a later time
		want        int
	}{
		"few":        {tails(10, past), tails(10, future), false, 20},
		"past":       {tails(tailMost, past), tails(10, future), false, 10},
		"too many":   {tails(tailMost, future), tails(10, future.Add(time.Second)), false, tailMost / 2},
		"clock back": {tails(10, future), tails(5, now.Add(time.Minute)), true, 5},
	} {
		d := &dispatcher{tails: one.kept}
		last := &turn{now: now, tails: d.tails, moved: one.moved}
		if one.forgets {
			last.tails = nil
		}
		d.keepTails(last)
		if len(d.tails) != one.want {
			t.Errorf("%s: %d are kept, want %d", name, len(d.tails), one.want)
		}
	}
}

// What was put off is forgotten, too, when it is given new times in the middle of a turn.
func TestNewTimesInTheMiddleOfATurn(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	dbtest.Run(t, db.Options{Clock: func() time.Time { return now }}, func(t *testing.T, store *db.DB) {
		o := New(store, Options{})
		o.Set("telegram", Config{Recipient: func(string) Rate { return Rate{N: 1, Per: time.Minute} }})
		one := &turn{d: o.dispatcherOf("telegram"), now: now, moved: map[string]time.Time{}}
		next := now.Add(time.Minute)
		err := store.Tx(t.Context(), func(tx *db.Tx) error {
			for _, statement := range []string{
				"INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ('telegram', 'anna', $1)",
				"INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at) VALUES (0, 0, 'telegram', 'anna', 'text', CAST($1 AS BIGINT) - 60000000, 1)",
			} {
				if _, err := tx.Exec(t.Context(), statement, next.UnixMicro()); err != nil {
					return err
				}
			}
			if err := one.claimRested(t.Context(), tx, 1, ""); err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), "UPDATE deliveries SET due_at = created_at"); err != nil {
				return err
			}
			if err := mark(t.Context(), tx, timesMark); err != nil {
				return err
			}
			return one.claimRested(t.Context(), tx, 1, "")
		})
		if err != nil {
			t.Fatal(err)
		}
		if tail := one.moved["anna"]; !tail.Equal(next) {
			t.Errorf("it is put off until %v, not %v", tail, next)
		}
	})
}

// What was claimed before the clock went back, and not sent, is due at once.
func TestUnsentAfterTheClockWentBack(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	one := &turn{now: now}
	for name, c := range map[string]struct{ due, want time.Time }{
		"it was due":     {now.Add(-time.Hour), time.Time{}},
		"the clock went": {now.Add(time.Hour), now},
	} {
		if e := one.settle(result{flight: flight{due: c.due}, unsent: true}); !e.due.Equal(c.want) || e.state != Waiting {
			t.Errorf("%s: it leads to %+v", name, e)
		}
	}
}
