package outbox

import (
	"fmt"
	"testing"
	"time"
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
