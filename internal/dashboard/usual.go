package dashboard

import (
	"strconv"
	"time"

	"ferryman/internal/dashboard/chart"
	"ferryman/internal/ledger"
)

const (
	comparedRuns = 100 // of a cron, the newest: what is usual follows from them
	usualFrom    = 3   // so many have to have ended well
)

// usual is how long runs of a cron take that end well. Those that fail, or are
// cancelled, say nothing about that.
type usual struct {
	Median time.Duration // 0: too few ended well
	Slow   time.Duration // 95 of 100 took no longer; 0 likewise
}

func usualOf(runs []ledger.Execution) usual {
	var all []time.Duration
	for i := range runs {
		if e := &runs[i]; e.Status == ledger.Success {
			all = append(all, ranFor(e, e.EndedAt))
		}
	}
	if len(all) < usualFrom {
		return usual{}
	}
	return usual{Median: chart.Quantile(all, 0.5), Slow: chart.Quantile(all, 0.95)}
}

// Against says how a duration compares with the median: "as usual", "2.3× the
// usual"; "" while that is not known.
func (u usual) Against(d time.Duration) string {
	if u.Median <= 0 {
		return ""
	}
	if n := d.Seconds() / u.Median.Seconds(); n > 0.85 && n < 1.15 {
		return "as usual"
	}
	return times(d, u.Median) + " the usual"
}

// Part is how much of the median a duration is, in percent; 100 at most.
func (u usual) Part(d time.Duration) int {
	if u.Median <= 0 {
		return 0
	}
	return int(min(100*d/u.Median, 100))
}

// times is how often a duration holds another: 0.42×, 2.3×, 120×.
func times(d, usual time.Duration) string {
	n := d.Seconds() / usual.Seconds()
	digits := 0
	switch {
	case n < 0.95:
		digits = 2
	case n < 9.95:
		digits = 1
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + "×"
}
