package jobs

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTicks(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	after := func(ds ...time.Duration) (ts []time.Time) {
		for _, d := range ds {
			ts = append(ts, at.Add(d))
		}
		return ts
	}
	const m = time.Minute
	for name, c := range map[string]struct {
		policy CatchUp
		late   time.Duration
		fire   []time.Time
		next   time.Duration
	}{
		"on time, skip":           {Skip, 0, after(0), m},
		"a little late, skip":     {Skip, 9 * time.Second, after(0), m},
		"too late, skip":          {Skip, 11 * time.Second, nil, m},
		"missed three, skip":      {Skip, 3*m + 30*time.Second, nil, 4 * m},
		"back in time, skip":      {Skip, 3*m + 5*time.Second, after(3 * m), 4 * m},
		"on time, once":           {Once, 0, after(0), m},
		"missed three, once":      {Once, 3*m + 30*time.Second, after(3 * m), 4 * m},
		"on time, all":            {All, 0, after(0), m},
		"missed three, all":       {All, 3*m + 30*time.Second, after(0, m, 2*m, 3*m), 4 * m},
		"exactly at the next one": {All, m, after(0, m), 2 * m},
	} {
		t.Run(name, func(t *testing.T) {
			fire, next := ticks(at, m, c.policy, at.Add(c.late))
			if !slices.Equal(fire, c.fire) || !next.Equal(at.Add(c.next)) {
				t.Errorf("fire %v, next %v", fire, next)
			}
		})
	}
}

func TestTicksAlwaysMoveOnInRhythm(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "every"))
		late := time.Duration(rapid.Int64Range(0, int64(90*24*time.Hour)).Draw(t, "late"))
		policy := rapid.SampledFrom([]CatchUp{Skip, Once, All}).Draw(t, "policy")
		now := at.Add(late)
		fire, next := ticks(at, every, policy, now)
		if !next.After(now) || next.Sub(now) > every {
			t.Fatalf("next %v is not the first tick after %v", next, now)
		}
		if next.Sub(at)%every != 0 {
			t.Fatalf("next %v is out of rhythm", next)
		}
		if len(fire) > catchUpLimit || (policy != All && len(fire) > 1) || (policy != Skip && len(fire) == 0) {
			t.Fatalf("%s fires %d", policy, len(fire))
		}
		for _, f := range fire {
			if f.After(now) || f.Before(at) || f.Sub(at)%every != 0 {
				t.Fatalf("fires at %v", f)
			}
		}
	})
}
