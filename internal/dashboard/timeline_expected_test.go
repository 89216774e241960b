package dashboard

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
	"ferryman/internal/schedule"
)

// The starts in a stretch are those that follow from the next, one by one.
func TestExpectedStartsFollowFromTheNext(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c := ledger.Cron{}
		c.Schedule = rapid.SampledFrom([]string{"every 1h", "every 7h", "30 3 * * *", "*/5 * * * *", "0 0 1 * *"}).Draw(r, "schedule")
		c.Zone = "Europe/Berlin"
		plan, err := schedule.Parse(c.Schedule, c.Zone)
		if err != nil {
			r.Fatal(err)
		}
		c.ExpectedAt = plan.Next(time.Unix(rapid.Int64Range(1_790_000_000, 1_800_000_000).Draw(r, "now"), 0))
		since := c.ExpectedAt.Add(time.Duration(rapid.IntRange(-100_000, 100_000).Draw(r, "since")) * time.Second)
		until := since.Add(time.Duration(rapid.IntRange(1, 100).Draw(r, "hours")) * time.Hour)
		var want []time.Time
		for at := c.ExpectedAt; at.Before(until); at = plan.Next(at) {
			if !at.Before(since) {
				want = append(want, at)
			}
		}
		var track chart.Track
		addExpected(&track, &c, nil, since, until)
		if len(track.Steady) > 0 {
			if len(track.Expected) > 0 || !track.Steady[0].Since.Equal(want[0]) || len(want) < 3 {
				r.Fatalf("a band from %v, and %v; there are %v", track.Steady[0].Since, track.Expected, want)
			}
			return
		}
		if !slices.EqualFunc(track.Expected, want, time.Time.Equal) || len(want) > 2*timelineStarts {
			r.Fatalf("%v, want %v", track.Expected, want)
		}
	})
}

func TestNothingIsExpectedWithoutASchedule(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []ledger.Cron{
		{},
		{ExpectedAt: now},
		{ExpectedAt: now, Settings: ledger.Settings{Schedule: "broken"}},
		{ExpectedAt: now.Add(time.Hour), Settings: ledger.Settings{Schedule: "every 1m"}},
	} {
		var track chart.Track
		addExpected(&track, &c, nil, now.Add(-time.Hour), now.Add(time.Hour))
		if len(track.Expected) > 0 || len(track.Steady) > 0 {
			t.Errorf("%+v: %+v", c, track)
		}
	}
}
