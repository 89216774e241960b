package schedule

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a minimal Debian or a container without zoneinfo has the zones, too

	"ferryman/internal/fault"
)

// zones holds what has been loaded, at most the zones that there are. Loading
// reads a file and takes kilobytes: thousands of schedules share a zone, and by
// that are equal.
var zones sync.Map //nolint:gochecknoglobals // a memo of immutable values; nobody can tell that it is there

// load gives the location of an IANA name, UTC for "".
func load(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	if !named(name) {
		return nil, unknownZone(name)
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknownZone(name) // the cause would only list folders
	}
	known, _ := zones.LoadOrStore(name, location)
	return known.(*time.Location), nil
}

const maxZone = 64 // bytes; the longest name has half of it

func unknownZone(name string) error {
	detail := "the time zone's name is too long"
	if len(name) <= maxZone {
		detail = fmt.Sprintf("there is no time zone %q", name)
	}
	return &fault.Error{
		Kind: fault.Invalid, Code: "timezone_unknown", Detail: detail,
		Hint: `write its IANA name, such as "Europe/Berlin" or "UTC"`,
	}
}

// named tells whether name may be an IANA name. Not every file among the zones is
// one: the machine's own and those with leap seconds begin with a small letter.
func named(name string) bool {
	if len(name) > maxZone || name == "Local" {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] < 'A' || part[0] > 'Z' || strings.Trim(part, alphabet) != "" {
			return false
		}
	}
	return true
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-"

// Below, an instant is in Unix seconds. A wall time, what a clock in the zone
// shows, is the instant at which a clock in UTC shows the same.

// reach is more than a wall time can be apart from its instant, and than a clock
// can be set back: a whole day, at the date line. In seconds.
const reach = 26 * 60 * 60

// period is a stretch of time throughout which a zone's offset is the same. The
// next one's may be the same, too.
type period struct {
	start, end int64 // instants; the end is the next period's start
	offset     int64 // wall time less instant
}

func periodAt(zone *time.Location, instant int64) period {
	t := time.Unix(instant, 0).In(zone)
	_, offset := t.Zone()
	p := period{math.MinInt64, math.MaxInt64, int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		p.start = start.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= instant { // on 31 December of some leap years, golang.org/issue/81583
		p.end = unix(t.UTC().Year()+1, time.January, 1, 0, 0)
	}
	return p
}

// shown is the latest wall time that the clock has shown up to now. That is more
// than it shows now if it was set back a moment ago.
func shown(zone *time.Location, now int64) int64 {
	p := periodAt(zone, now)
	wall := now + p.offset
	for p.start > now-reach {
		last := p.start - 1
		p = periodAt(zone, last)
		wall = max(wall, last+p.offset)
	}
	return wall
}

// reached is the first instant at which the clock shows wall or, by a jump, more.
// It is not to have done so by now.
func reached(zone *time.Location, wall, now int64) int64 {
	p := periodAt(zone, max(now, wall-reach))
	for wall-p.offset >= p.end {
		p = periodAt(zone, p.end)
	}
	return max(wall-p.offset, p.start)
}
