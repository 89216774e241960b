package dashboard

import (
	"errors"
	"fmt"
	"time"

	"ferryman/internal/fault"
)

// localMinute is a time as a form's field for it has it.
const localMinute = "2006-01-02T15:04"

// wallTime gives the moments at which the clock of a zone shows what a date and
// time field says: one, or the first and the last of several where the clock is put
// back. Where it is put forward it shows some times never: the error says so, to
// whoever filled the field in.
func wallTime(text string, zone *time.Location) (first, last time.Time, err error) {
	var wall time.Time
	for _, layout := range [...]string{localMinute, "2006-01-02T15:04:05", "2006-01-02 15:04"} { // the last by hand, where a browser has no field for it
		if wall, err = time.Parse(layout, text); err == nil {
			break
		}
	}
	if err != nil {
		return first, last, errors.New("is no date and time, such as 2030-01-02T15:04")
	}
	const reach = 26 * time.Hour // no clock differs from UTC, or jumps, by more
	gap := ""
	for t := wall.Add(-reach); t.Before(wall.Add(reach)); {
		offset, end := zoneAt(zone, t)
		if at := wall.Add(-offset); !at.Before(t) && at.Before(end) {
			if first.IsZero() {
				first = at
			}
			last = at
		}
		next, _ := zoneAt(zone, end)
		if before, after := end.Add(offset), end.Add(next); !wall.Before(before) && wall.Before(after) {
			gap = fmt.Sprintf("does not exist in %s: the clocks go from %s to %s then; choose a time before or after", zone, before.UTC().Format("15:04"), after.UTC().Format("15:04"))
		}
		t = end
	}
	if first.IsZero() {
		return first, last, errors.New(gap)
	}
	return first.UTC(), last.UTC(), nil
}

// zoneAt gives what a zone's clock is ahead of UTC, and until when.
func zoneAt(zone *time.Location, t time.Time) (ahead time.Duration, end time.Time) {
	_, seconds := t.In(zone).Zone()
	_, end = t.In(zone).ZoneBounds()
	if !end.After(t) { // for ever, or on 31 December of some leap years
		end = t.Add(24 * time.Hour)
	}
	return time.Duration(seconds) * time.Second, end
}

// localTime reads what a field of a form for a time gives.
func localTime(text string, zone *time.Location) (time.Time, error) {
	t, _, err := wallTime(text, zone)
	switch {
	case err != nil:
		return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "invalid_time", Detail: "this time " + err.Error()}
	case t.Year() < 1970 || t.Year() > 2199:
		return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "invalid_time", Detail: "the time is not of the years 1970 to 2199"}
	}
	return t, nil
}
