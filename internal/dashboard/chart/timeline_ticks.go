package chart

import "time"

const day = 24 * time.Hour

// grain is how far apart an axis names times.
type grain struct {
	most  time.Duration // for stretches up to this
	named time.Duration
}

// grain is the one for the stretch. A name for each has room on a small screen.
func (t Timeline) grain() grain {
	whole := t.Until.Sub(t.Since)
	for _, g := range [...]grain{{2 * time.Hour, 15 * time.Minute}, {8 * time.Hour, time.Hour}, {36 * time.Hour, 4 * time.Hour}, {10 * day, day}} {
		if whole <= g.most {
			return g
		}
	}
	return grain{whole, 5 * day}
}

// wallTicks gives the moments of a stretch at which the clock on the wall shows a
// multiple of a step. Where the clock is put back it shows some twice; where it
// is put forward over one, the first moment afterwards stands for it.
func wallTicks(zone *time.Location, since, until time.Time, step time.Duration) (ticks []time.Time) {
	size := int64(step / time.Second)
	for t := since; t.Before(until); {
		offset, end := offsetAt(zone, t, until)
		first := t.Unix()
		if t.Nanosecond() > 0 {
			first++
		}
		for at := ceil(first+offset, size) - offset; at < end.Unix() || at == end.Unix() && end.Nanosecond() > 0; at += size {
			ticks = append(ticks, time.Unix(at, 0).UTC())
		}
		if end.Before(until) {
			after, _ := offsetAt(zone, end, until)
			shows := end.Unix() + after
			if skipped := ceil(end.Unix()+offset, size); skipped < shows && ceil(shows, size) != shows {
				ticks = append(ticks, end.UTC())
			}
		}
		t = end
	}
	return ticks
}

// offsetAt gives what a zone's clock is ahead of UTC, in seconds, and until when it
// is, or until the end of the stretch.
func offsetAt(zone *time.Location, t, until time.Time) (offset int64, end time.Time) {
	_, ahead := t.In(zone).Zone()
	_, end = t.In(zone).ZoneBounds()
	if !end.IsZero() && !end.After(t) { // on 31 December of some leap years
		end = t.Add(day)
	}
	if end.IsZero() || end.After(until) {
		end = until
	}
	return int64(ahead), end
}

// ceil is the smallest multiple of step that is not less than n.
func ceil(n, step int64) int64 {
	rest := n % step
	if rest < 0 {
		rest += step
	}
	if rest == 0 {
		return n
	}
	return n - rest + step
}

// change is a moment at which the clock on the wall jumps.
type change struct {
	at       time.Time
	from, to string // what it shows
}

// changes gives those of a stretch.
func changes(zone *time.Location, since, until time.Time) (all []change) {
	for t := since; t.Before(until); {
		offset, end := offsetAt(zone, t, until)
		if !end.Before(until) {
			break
		}
		if after, _ := offsetAt(zone, end, until); after != offset {
			wall := func(ahead int64) string { return end.UTC().Add(time.Duration(ahead) * time.Second).Format("15:04") }
			all = append(all, change{end, wall(offset), wall(after)})
		}
		t = end
	}
	return all
}

// tickLabel names a time of the wall's clock: at midnight the day begins.
func tickLabel(at time.Time, step time.Duration) string {
	if step >= day || at.Hour() == 0 && at.Minute() == 0 {
		return at.Format("2 Jan")
	}
	return at.Format("15:04")
}
