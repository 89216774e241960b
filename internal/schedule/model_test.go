package schedule_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"ferryman/internal/fault"
	"ferryman/internal/schedule"
)

// zones have gaps and folds of half an hour to a day, at all hours, often or never.
var zones = []string{
	"UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "America/Havana",
	"America/Nuuk", "America/Caracas", "America/Asuncion", "Asia/Beirut", "Asia/Gaza", "Asia/Tehran", "Asia/Kathmandu",
	"Asia/Pyongyang", "Africa/Casablanca", "Africa/Cairo", "Antarctica/Troll", "Antarctica/Casey", "Australia/Lord_Howe",
	"Pacific/Apia", "Pacific/Kwajalein", "Pacific/Chatham", "Pacific/Norfolk",
}

// expression is a cron expression and, drawn together with its text, what it means.
type expression struct {
	minute, hour, day, month, weekday values
}

type values struct {
	text string
	set  []int
}

func (e expression) String() string {
	return strings.Join([]string{e.minute.text, e.hour.text, e.day.text, e.month.text, e.weekday.text}, " ")
}

// matches tells whether the expression names the wall time, given as one in UTC.
func (e expression) matches(wall time.Time) bool {
	day := slices.Contains(e.day.set, wall.Day())
	weekday := slices.Contains(e.weekday.set, int(wall.Weekday()))
	days := day && weekday
	if e.day.text != "*" && e.weekday.text != "*" {
		days = day || weekday
	}
	return days && slices.Contains(e.month.set, int(wall.Month())) &&
		slices.Contains(e.hour.set, wall.Hour()) && slices.Contains(e.minute.set, wall.Minute())
}

func drawValues(t *rapid.T, label string, low, high int) values {
	var all []int
	for v := low; v <= high; v++ {
		all = append(all, v)
	}
	if rapid.IntRange(0, 2).Draw(t, label+" is all") == 0 {
		return values{"*", all}
	}
	var items []string
	var set []int
	for range rapid.IntRange(1, 3).Draw(t, label+" items") {
		first := rapid.IntRange(low, high).Draw(t, label+" first")
		last := rapid.IntRange(first, high).Draw(t, label+" last")
		step := rapid.IntRange(1, 20).Draw(t, label+" step")
		switch rapid.IntRange(0, 4).Draw(t, label+" form") {
		case 0:
			items, last, step = append(items, fmt.Sprint(first)), first, 1
		case 1:
			items, step = append(items, fmt.Sprintf("%d-%d", first, last)), 1
		case 2:
			items = append(items, fmt.Sprintf("%d-%d/%d", first, last, step))
		case 3:
			items, last = append(items, fmt.Sprintf("%d/%d", first, step)), high
		case 4:
			step++
			items, first, last = append(items, fmt.Sprintf("*/%d", step)), low, high
		}
		for v := first; v <= last; v += step {
			set = append(set, v)
		}
	}
	return values{strings.Join(items, ","), set}
}

func drawExpression(t *rapid.T) expression {
	return expression{
		drawValues(t, "minute", 0, 59), drawValues(t, "hour", 0, 23), drawValues(t, "day", 1, 31),
		drawValues(t, "month", 1, 12), drawValues(t, "weekday", 0, 6),
	}
}

// drawInstant gives a time in the zone, mostly near a change of its clocks.
func drawInstant(t *rapid.T, zone *time.Location) time.Time {
	low, high := time.Date(1975, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC)
	at := time.Unix(rapid.Int64Range(low.Unix(), high.Unix()).Draw(t, "near"), 0).In(zone)
	if _, end := at.ZoneBounds(); !end.IsZero() && end.Before(high) {
		at = end
	}
	off := rapid.IntRange(-26*60, 26*60).Draw(t, "minutes off")
	second := rapid.SampledFrom([]time.Duration{0, 0, 1, time.Second, time.Minute - 1}).Draw(t, "and")
	return at.Truncate(time.Minute).Add(time.Duration(off)*time.Minute + second)
}

// due walks the clock minute by minute and gives the times after the given one
// at which the rule asks for a start, until the end.
func due(e expression, zone *time.Location, after, end time.Time) []time.Time {
	byElapsed := len(slices.Compact(slices.Sorted(slices.Values(e.hour.set)))) == 24
	var times []time.Time
	seen := map[time.Time]bool{}
	var last time.Time // what the clock showed a minute ago
	for t := after.Truncate(time.Minute).Add(-48 * time.Hour); t.Before(end); t = t.Add(time.Minute) {
		local := t.In(zone)
		wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
		fires := e.matches(wall) && (byElapsed || !seen[wall])
		if !byElapsed && !last.IsZero() {
			for skipped := last.Add(time.Minute); skipped.Before(wall); skipped = skipped.Add(time.Minute) {
				fires = fires || e.matches(skipped) && !seen[skipped]
				seen[skipped] = true
			}
		}
		seen[wall], last = true, wall
		if fires && t.After(after) {
			times = append(times, t)
		}
	}
	return times
}

func TestNextMatchesTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		e := drawExpression(t)
		s, err := schedule.Parse(e.String(), name)
		if err != nil {
			t.Skip(err)
		}
		after := drawInstant(t, zone)
		t.Logf("%s in %s after %v", e, name, after)
		end := after.Add(50 * time.Hour)
		at := after
		for _, want := range due(e, zone, after, end) {
			next := s.Next(at)
			if !next.Equal(want) {
				t.Fatalf("after %v: got %v, want %v", at, next.In(zone), want.In(zone))
			}
			at = next
		}
		if next := s.Next(at); next.Before(end) {
			t.Fatalf("after %v: got %v, want none before %v", at, next.In(zone), end)
		}
	})
}

// Without changes of clocks the parser's own reckoning is right for five years.
func TestNextMatchesTheParser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExpression(t)
		s, err := schedule.Parse(e.String(), "")
		theirs, theirErr := cron.ParseStandard(e.String())
		if theirErr != nil {
			t.Fatal(theirErr)
		}
		at := drawInstant(t, time.UTC)
		for range 5 {
			want := theirs.Next(at)
			if err != nil && want.IsZero() {
				return
			}
			if want.IsZero() {
				t.Skip("rarer than five years")
			}
			if next := s.Next(at); !next.Equal(want) {
				t.Fatalf("%s after %v: got %v, want %v, %v", e, at, next, want, err)
			}
			at = want
		}
	})
}

func TestNextIncreases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		s, err := schedule.Parse(drawExpression(t).String(), zone)
		if err != nil {
			t.Skip(err)
		}
		year := rapid.IntRange(1, 9990).Draw(t, "year")
		at := time.Date(year, 1, 1, 0, 0, 0, rapid.IntRange(0, 1e9).Draw(t, "ns"), time.UTC).
			Add(time.Duration(rapid.Int64Range(0, 366*24*3600).Draw(t, "second")) * time.Second)
		// No time between at and next may have a next that is not next, too.
		for range 10 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%s in %s: %v comes after %v", s, zone, next, at)
			}
			between := at.Add(time.Duration(rapid.Float64Range(0, 0.999).Draw(t, "between") * float64(min(next.Sub(at), math.MaxInt64/2))))
			if again := s.Next(between); !again.Equal(next) {
				t.Fatalf("%s in %s: after %v comes %v, and after %v %v", s, zone, at, next, between, again)
			}
			at = next
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{
		"", "every 10m", "every 1w2d3h4m5s", "*/5 * * * *", "0 0 29 2 *", "0 0 30 2 *", "0 3 1,15 JAN-JUN MON-7", "@daily",
		"@every 1s", "TZ=UTC 0 0 * * *", "* * * * * *", "1-2/3,4/5 ? ? ? ?", "0 0 * * 0-7", "every 366d", "@reboot",
	} {
		f.Add(spec, "Pacific/Apia", int64(1325200000))
		f.Add(spec, "", int64(math.MaxInt64))
	}
	f.Fuzz(func(t *testing.T, spec, zone string, after int64) {
		s, err := schedule.Parse(spec, zone)
		if err != nil {
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Invalid || e.Detail == "" || e.Hint == "" || !s.IsZero() {
				t.Fatalf("%q in %q: %#v", spec, zone, err)
			}
			return
		}
		again, err := schedule.Parse(s.String(), s.Zone())
		if err != nil || again != s {
			t.Fatalf("%q in %q: %q in %q, %v", spec, zone, s, s.Zone(), err)
		}
		at := time.Unix(after, 0)
		s.Next(at) // only has to end
		if s.IsZero() || at.Year() < 0 || at.Year() > 9990 {
			return
		}
		for range 3 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q in %q: %v comes after %v", s, s.Zone(), next, at)
			}
			at = next
		}
	})
}
