package soak

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// trend is how something moved over a stretch of time.
type trend struct {
	median, growth float64 // growth: from the stretch's first moment to its last, by the slope
	seen           int
}

// trendOf fits the line of Theil and Sen, the median of the slopes of all pairs, to
// the values from a time on: a few samples that are far off do not move it.
func trendOf(at []time.Duration, values []float64, from time.Duration) trend {
	var xs, ys []float64
	for i, v := range values {
		if at[i] >= from && !math.IsNaN(v) {
			xs, ys = append(xs, at[i].Seconds()), append(ys, v)
		}
	}
	if len(xs) < 2 {
		return trend{seen: len(xs)}
	}
	var slopes []float64
	for i := range xs {
		for j := i + 1; j < len(xs); j++ {
			slopes = append(slopes, (ys[j]-ys[i])/(xs[j]-xs[i]))
		}
	}
	return trend{median(ys), median(slopes) * (xs[len(xs)-1] - xs[0]), len(xs)}
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// most is how much may be grown by, given the median.
func (b bound) most(median float64) float64 { return max(b.whole, b.share*median) }

// exceeded tells why a series is not flat, "" if it is.
func (b bound) exceeded(t trend) string {
	switch {
	case b.grows:
		return ""
	case t.seen < 10:
		return fmt.Sprintf("was seen %d times only", t.seen)
	case t.growth >= b.most(t.median):
		return fmt.Sprintf("grew by %.3g over the last two thirds, from about %.4g; allowed is %.3g", t.growth, t.median-t.growth/2, b.most(t.median))
	}
	return ""
}

// judge has the test fail for each series that grew too much.
func (s *samples) judge(t *testing.T, d time.Duration) {
	t.Helper()
	for _, one := range s.all {
		if why := one.bound.exceeded(trendOf(s.at, one.values, d/3)); why != "" {
			t.Errorf("%s, %s: %s", one.of, one.what, why)
		}
	}
}

func TestJudging(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bound bound
		value func(i int) float64
		flat  bool
	}{
		"level":                      {memory(), func(int) float64 { return 40 }, true},
		"warms up, then level":       {memory(), func(i int) float64 { return 40 - 30*math.Exp(-float64(i)/20) }, true},
		"saw teeth":                  {memory(), func(i int) float64 { return 40 + float64(i%7) }, true},
		"a few far off":              {memory(), func(i int) float64 { return 40 + 400*float64(i/350) }, true},
		"falls":                      {memory(), func(i int) float64 { return 80 - float64(i)/10 }, true},
		"seen half of the time":      {memory(), func(i int) float64 { return []float64{40, math.NaN()}[i%2] }, true},
		"leaks 6 % in 40 minutes":    {memory(), func(i int) float64 { return 40 + 0.01*float64(i) }, false},
		"leaks below saw teeth":      {memory(), func(i int) float64 { return 40 + float64(i%7) + 0.02*float64(i) }, false},
		"a connection more":          {steady(), func(i int) float64 { return 10 + float64(i)/200 }, false},
		"a goroutine now and then":   {steady(), func(i int) float64 { return 10 + float64(i/37%2) }, true},
		"not seen":                   {memory(), func(int) float64 { return math.NaN() }, false},
		"grows, as it should":        {growing(), func(i int) float64 { return float64(i) }, true},
		"rows, a handful more or so": {rows(), func(i int) float64 { return 100 + float64(i)/10 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s samples
			for i := range 360 {
				s.begin(time.Duration(i) * 10 * time.Second)
				s.note("it", "thing", "", c.bound, c.value(i))
			}
			why := c.bound.exceeded(trendOf(s.at, s.all[0].values, 20*time.Minute))
			if (why == "") != c.flat {
				t.Errorf("flat should be %v: %q", c.flat, why)
			}
		})
	}
}
