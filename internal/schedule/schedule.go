// Package schedule says when a cron is expected to start: at an interval, or at
// the times of a cron expression in a time zone.
//
// An expression is read on the clock on the wall. Where that clock jumps, a run
// is neither lost nor doubled: one whose time is skipped is due once, at the
// first moment after the gap, together with all others in the gap; one whose
// time comes twice is due the first time only. An expression for every hour of
// the day goes by elapsed time instead, as it does with cron daemons: it is due
// in both passes of a doubled hour, and owes nothing for a gap.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"ferryman/internal/fault"
)

// maxLength bounds the text of a schedule, in bytes.
const maxLength = 200

// Schedule says when a cron is expected to start. The zero Schedule expects
// nothing. It is a value, safe for concurrent use, and comparable: schedules are
// equal if String and Zone are.
type Schedule struct {
	text    string
	every   time.Duration // of an interval; 0 of an expression
	pattern pattern       // of an expression
	zone    *time.Location
}

// Parse reads a schedule:
//
//   - "": none, the zero Schedule;
//   - "every 10m": an interval of 1s to 366d in whole numbers of s, m, h, d (24
//     hours) and w, such as "every 1h30m";
//   - "*/5 8-18 * * MON-FRI": minute, hour, day of the month, month and day of the
//     week (7 is Sunday, too); if both days are restricted, either suffices, and
//     */2 restricts;
//   - "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly" or
//     "@annually".
//
// The zone is an IANA name; "" is UTC, and what the machine is set to is refused.
// Errors are a *fault.Error of kind Invalid: with the code schedule_invalid for a
// spec that cannot be read or is never due, timezone_unknown for the zone.
func Parse(spec, zone string) (Schedule, error) {
	location, err := load(zone)
	if err != nil {
		return Schedule{}, err
	}
	if len(spec) > maxLength {
		return Schedule{}, invalid("shorten it to something like "+example,
			"the schedule has %d bytes, and at most %d are read", len(spec), maxLength)
	}
	words := strings.Fields(spec)
	switch {
	case len(words) == 0:
		return Schedule{}, nil
	case strings.EqualFold(words[0], "every"):
		every, err := parseInterval(strings.Join(words[1:], ""))
		if err != nil {
			return Schedule{}, err
		}
		return Schedule{text: "every " + formatInterval(every), every: every, zone: location}, nil
	default:
		text, pattern, err := parseExpression(words)
		if err != nil {
			return Schedule{}, err
		}
		return Schedule{text: text, pattern: pattern, zone: location}, nil
	}
}

const example = `"*/5 * * * *" or "every 10m"`

func invalid(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Code: "schedule_invalid", Detail: fmt.Sprintf(format, args...), Hint: hint}
}

// IsZero tells whether nothing is expected.
func (s Schedule) IsZero() bool { return s == Schedule{} }

// Interval is the time between two starts, and false if the schedule is none of an interval.
func (s Schedule) Interval() (time.Duration, bool) { return s.every, s.every > 0 }

// String is the schedule in its canonical form. Parse makes an equal schedule of it and Zone.
func (s Schedule) String() string { return s.text }

// Zone is the IANA name of the time zone, "" for the zero Schedule.
func (s Schedule) Zone() string {
	if s.zone == nil {
		return ""
	}
	return s.zone.String()
}

// Next is the first time after the given one, in UTC, at which a start is due:
// for an interval, after plus the interval, so that the caller chooses from what
// to count. It is the zero time for the zero Schedule, and where after is not
// within the years 0 to 9999.
func (s Schedule) Next(after time.Time) time.Time {
	switch year := after.UTC().Year(); {
	case s.IsZero(), year < 0, year > 9999:
		return time.Time{}
	case s.every > 0:
		return after.Add(s.every).UTC()
	case s.pattern.everyHour():
		return time.Unix(s.nextElapsed(after.Unix()), 0).UTC()
	default:
		now := after.Unix()
		wall, _ := s.pattern.next(shown(s.zone, now))
		return time.Unix(reached(s.zone, wall, now), 0).UTC()
	}
}

// nextElapsed is the first Unix second after now at which the clock shows a time
// of the pattern, whether or not it has shown it before.
func (s Schedule) nextElapsed(now int64) int64 {
	p := periodAt(s.zone, now)
	for {
		wall, _ := s.pattern.next(now + p.offset)
		if t := wall - p.offset; t < p.end {
			return t
		}
		now, p = p.end-1, periodAt(s.zone, p.end) // with the new offset the end itself may match
	}
}
