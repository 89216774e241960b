package dashboard

import (
	"time"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
	"ferryman/internal/schedule"
)

// timelineStarts is how many expected starts have room side by side.
const timelineStarts = 60

// addExpected adds the starts that were expected and came, and those that are.
func addExpected(track *chart.Track, c *ledger.Cron, came []time.Time, since, until time.Time) {
	least := until.Sub(since) / timelineStarts
	if last := len(came) - 1; last > 1 && came[last].Sub(came[0]) < time.Duration(last)*least {
		track.Steady = append(track.Steady, chart.Band{Since: came[0], Until: came[last], Label: "starts were expected all the time"})
	} else {
		track.Expected = append(track.Expected, came...)
	}
	if c.ExpectedAt.IsZero() || !c.ExpectedAt.Before(until) {
		return
	}
	plan, err := schedule.Parse(c.Schedule, c.Zone)
	if err != nil || plan.IsZero() {
		return // the ledger expects nothing of it either
	}
	var starts []time.Time
	for at := firstStart(plan, c.ExpectedAt, since); !at.IsZero() && at.Before(until); at = plan.Next(at) {
		starts = append(starts, at)
		if n := len(starts); n > 2 && at.Sub(starts[n-3]) < 2*least {
			track.Steady = append(track.Steady, chart.Band{Since: starts[0], Until: until, Label: "expected: " + plan.String()})
			return
		}
	}
	track.Expected = append(track.Expected, starts...)
}

// firstStart is the first start from a time on; one is expected, and the others
// follow from it.
func firstStart(plan schedule.Schedule, expected, since time.Time) time.Time {
	if !expected.Before(since) {
		return expected
	}
	if every, interval := plan.Interval(); interval {
		missing := since.Sub(expected)
		return expected.Add((missing + every - 1).Truncate(every))
	}
	return plan.Next(since.Add(-1))
}
