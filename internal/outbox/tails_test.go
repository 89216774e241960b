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

// A turn that has begun goes by no times from before those in the store were changed.
func TestATurnForgetsTails(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, store *db.DB) {
		o := New(store, Options{})
		o.Set("telegram", Config{Recipient: func(string) Rate { return Rate{N: 1, Per: time.Minute} }})
		d := o.dispatcherOf("telegram")
		for _, changes := range []int64{0, 1} {
			d.take()
			d.tails["anna"] = store.Now().Add(time.Hour)
			now := &turn{d: d, tails: d.tails, retimed: d.retimed, open: true}
			o.retimed.Add(changes)
			if err := o.commit(d.key, now.run); err != nil {
				t.Fatal(err)
			}
			if kept := now.tails != nil; kept != (changes == 0) {
				t.Errorf("after %d changes they are kept: %v", changes, kept)
			}
		}
	})
}
