package dashboard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/schedule"
)

// mostTimes is how many times of day, or other values, are listed one by one.
const mostTimes = 4

// scheduleInWords says when a cron is expected to start: "every 10 minutes", "at
// 03:30 on weekdays". What takes too many words is left as it is written.
func scheduleInWords(spec string) string {
	if spec == "" {
		return "no schedule"
	}
	if plan, err := schedule.Parse(spec, ""); err == nil {
		if every, ok := plan.Interval(); ok {
			return everyInWords(every)
		}
	}
	text, short := cronShorthands[spec]
	if !short {
		text = spec
	}
	words := strings.Fields(text)
	if len(words) != len(cronFields) {
		return spec
	}
	var f [5]cronField
	for i, of := range cronFields {
		var ok bool
		if f[i], ok = of.read(words[i]); !ok {
			return spec
		}
	}
	at, ok := timesInWords(f[0], f[1])
	if !ok {
		return spec
	}
	on, ok := daysInWords(f[2], f[3], f[4])
	if !ok {
		return spec
	}
	if f[2].full && f[4].full && strings.HasPrefix(at, "at ") {
		at = "daily " + at
	}
	return strings.TrimSpace(at + " " + on)
}

// cronShorthands are the expressions that have names, as far as words can be made
// of them.
var cronShorthands = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

func everyInWords(d time.Duration) string {
	for _, unit := range [...]struct {
		name   string
		length time.Duration
	}{{"week", 7 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		switch {
		case d == unit.length:
			return "every " + unit.name
		case d%unit.length == 0:
			return fmt.Sprintf("every %d %ss", d/unit.length, unit.name)
		}
	}
	return "every " + formatSpan(d)
}

// timesInWords says at which times of a day the minutes and hours are; false if
// that takes too many words.
func timesInWords(minute, hour cronField) (string, bool) {
	first, step := minute.step(60)
	single := len(minute.values) == 1
	from, to, unbroken := hour.run()
	switch {
	case hour.full && minute.full:
		return "every minute", true
	case hour.full && step > 0 && first == 0:
		return fmt.Sprintf("every %d minutes", step), true
	case hour.full && single && first == 0:
		return "every hour", true
	case hour.full && single:
		return fmt.Sprintf("every hour at minute %d", first), true
	case hour.full && len(minute.values) <= mostTimes:
		return "every hour at minutes " + cronListed(minute.values, strconv.Itoa), true
	case hour.full:
		return "", false
	}
	last := minute.values[len(minute.values)-1]
	if single {
		if begin, by := hour.step(24); by > 0 && len(hour.values) > mostTimes/2 {
			if begin == 0 && first == 0 {
				return fmt.Sprintf("every %d hours", by), true
			}
			return fmt.Sprintf("every %d hours from %s", by, timeOfDay(begin, first)), true
		}
		if unbroken {
			return fmt.Sprintf("hourly from %s to %s", timeOfDay(from, first), timeOfDay(to, first)), true
		}
	}
	if len(minute.values)*len(hour.values) <= mostTimes {
		var times []string
		for _, h := range hour.values {
			for _, m := range minute.values {
				times = append(times, timeOfDay(h, m))
			}
		}
		return "at " + cronJoined(times), true
	}
	// Two hours that follow each other are an unbroken row here, and so is one.
	if to-from != len(hour.values)-1 {
		return "", false
	}
	switch {
	case minute.full:
		return fmt.Sprintf("every minute from %s to %s", timeOfDay(from, 0), timeOfDay(to, last)), true
	case step > 0:
		return fmt.Sprintf("every %d minutes from %s to %s", step, timeOfDay(from, first), timeOfDay(to, last)), true
	}
	return "", false
}

func timeOfDay(hour, minute int) string { return fmt.Sprintf("%02d:%02d", hour, minute) }

// daysInWords says on which days something is; "" on all.
func daysInWords(day, month, weekday cronField) (string, bool) {
	if !day.star && !weekday.star { // either suffices
		return "", false
	}
	var on string
	switch {
	case !weekday.full:
		on = weekdaysInWords(weekday)
	case day.full:
	case len(day.values) <= mostTimes:
		if len(month.values) == 1 && len(day.values) == 1 {
			return fmt.Sprintf("on %d %s", day.values[0], time.Month(month.values[0])), true
		}
		on = "on the " + cronListed(day.values, cronOrdinal)
		if month.full {
			on += " of each month"
		}
	default:
		from, to, unbroken := day.run()
		if !unbroken {
			return "", false
		}
		on = fmt.Sprintf("from the %s to the %s of each month", cronOrdinal(from), cronOrdinal(to))
	}
	if month.full {
		return on, true
	}
	name := func(m int) string { return time.Month(m).String() }
	if from, to, unbroken := month.run(); unbroken {
		return strings.TrimSpace(on + " from " + name(from) + " to " + name(to)), !strings.Contains(on, "each month")
	}
	return strings.TrimSpace(on + " in " + cronListed(month.values, name)), !strings.Contains(on, "each month")
}

func weekdaysInWords(f cronField) string {
	name := func(d int) string { return time.Weekday(d).String() }
	switch {
	case slices.Equal(f.values, []int{1, 2, 3, 4, 5}):
		return "on weekdays"
	case slices.Equal(f.values, []int{0, 6}):
		return "at weekends"
	}
	if from, to, unbroken := f.run(); unbroken {
		return "from " + name(from) + " to " + name(to)
	}
	days := slices.Clone(f.values)
	if days[0] == 0 && len(days) > 1 { // a week begins on Monday
		days = append(days[1:], 0)
	}
	return "on " + cronListed(days, name)
}

func cronOrdinal(n int) string {
	suffix := "th"
	if n/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

func cronListed(values []int, name func(int) string) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = name(v)
	}
	return cronJoined(names)
}

// joined lists names: "a, b and c".
func cronJoined(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
