package chart

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// Ticks are where a clock that is looked at each minute shows a multiple of the
// step, or has just been put forward over one.
func TestTicksByLookingAtTheClock(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Beirut", "Asia/Kathmandu", "Pacific/Apia", "America/Santiago"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	minute := func(zone *time.Location, at time.Time) int64 {
		_, ahead := at.In(zone).Zone()
		return (at.Unix() + int64(ahead)) / 60
	}
	rapid.Check(t, func(r *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(r, "zone")
		step := rapid.SampledFrom([]time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, day}).Draw(r, "step")
		since := time.Unix(rapid.Int64Range(1_000_000_000, 2_000_000_000).Draw(r, "since"), 0)
		if rapid.Bool().Draw(r, "near a change") {
			if _, end := since.In(zone).ZoneBounds(); !end.IsZero() {
				since = end.Add(-time.Duration(rapid.IntRange(0, 3000).Draw(r, "before")) * time.Minute)
			}
		}
		until := since.Add(time.Duration(rapid.IntRange(0, 4000).Draw(r, "minutes")) * time.Minute)
		size := int64(step / time.Minute)
		var want []time.Time
		at := since.Truncate(time.Minute)
		if at.Before(since) {
			at = at.Add(time.Minute)
		}
		for before := minute(zone, at.Add(-time.Minute)); at.Before(until); at = at.Add(time.Minute) {
			shows := minute(zone, at)
			jumped := shows > before+1 && !at.Equal(since) && ceil(before+1, size) < shows
			if shows%size == 0 || jumped {
				want = append(want, at.UTC())
			}
			before = shows
		}
		if got := wallTicks(zone, since, until, step); !slices.EqualFunc(got, want, time.Time.Equal) {
			r.Fatalf("%v from %v to %v in %v: %v, want %v", step, since.UTC(), until.UTC(), zone, got, want)
		}
	})
}

func TestLanes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var runs []Run
		at := time.Unix(0, 0)
		for range rapid.IntRange(0, 60).Draw(r, "runs") {
			at = at.Add(time.Duration(rapid.IntRange(0, 5).Draw(r, "later")))
			runs = append(runs, Run{
				At: at, Took: time.Duration(rapid.IntRange(0, 20).Draw(r, "took")), Result: rapid.SampledFrom([]Result{OK, Running}).Draw(r, "result"),
			})
		}
		lanes, count := lanesOf(runs)
		if count < 1 || count > mostLane {
			r.Fatalf("%d lanes", count)
		}
		for i, a := range runs {
			if lanes[i] < 0 || lanes[i] >= count {
				r.Fatalf("lane %d of %d", lanes[i], count)
			}
			for j := range i {
				b := runs[j]
				if lanes[i] == lanes[j] && lanes[i] < mostLane-1 && b.At.Add(b.Took).After(a.At) {
					r.Fatalf("%d and %d overlap in lane %d", j, i, lanes[i])
				}
			}
		}
	})
}
