package chart

import (
	"math"
	"slices"
	"time"
)

// shortest is the shortest duration that a drawing tells from none.
const shortest = time.Millisecond

// logScale places durations between 0 and 1 by their logarithm, so that seconds
// and hours can stand side by side.
type logScale struct{ low, high float64 } // logarithms of milliseconds

// logScaleOf makes a scale for some durations. It spans at least the given factor,
// so that small differences look small.
func logScaleOf(durations []time.Duration, factor float64) logScale {
	if len(durations) == 0 {
		durations = []time.Duration{time.Second}
	}
	s := logScale{logOf(slices.Min(durations)), logOf(slices.Max(durations))}
	if missing := math.Log(factor) - (s.high - s.low); missing > 0 {
		s.low -= missing / 2
		s.high += missing / 2
	}
	return s
}

func logOf(d time.Duration) float64 {
	return math.Log(float64(max(d, shortest)) / float64(shortest))
}

func (s logScale) at(d time.Duration) float64 {
	return min(max((logOf(d)-s.low)/(s.high-s.low), 0), 1)
}

// value is the duration whose logarithm is given.
func (logScale) value(logarithm float64) time.Duration {
	return time.Duration(math.Exp(logarithm) * float64(shortest))
}

// round lists durations that people read easily, from a millisecond to a month.
func round() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute,
		time.Hour, 6 * time.Hour, day, 7 * day, 30 * day,
	}
}

// ticks gives the round durations on a scale.
func (s logScale) ticks() (some []time.Duration) {
	for _, d := range round() {
		if l := logOf(d); l >= s.low && l <= s.high {
			some = append(some, d)
		}
	}
	return some
}

// Quantile is the smallest of some durations that a share of them does not exceed:
// 0.5 gives their median. It is 0 of none.
func Quantile(durations []time.Duration, share float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}
