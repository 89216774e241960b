package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day         = 24 * time.Hour
	week        = 7 * day
	minInterval = time.Second
	maxInterval = 366 * day
)

const intervalHint = `write whole numbers of s, m, h, d and w, such as "every 10m", "every 1h30m" or "every 1d"`

// units are those of an interval, the longest first.
var units = []struct {
	name string
	unit time.Duration
}{{"w", week}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// parseInterval reads what stands after "every".
func parseInterval(text string) (time.Duration, error) {
	var sum time.Duration
	for rest := text; ; {
		unit := strings.TrimLeft(rest, "0123456789")
		digits := strings.TrimSuffix(rest, unit)
		length := unitOf(unit)
		if digits == "" || length == 0 {
			return 0, invalid(intervalHint, "the interval %q is not made of numbers with a unit each", text)
		}
		number, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || time.Duration(number) > maxInterval/length {
			return 0, tooLong(text)
		}
		if sum += time.Duration(number) * length; sum > maxInterval {
			return 0, tooLong(text)
		}
		if rest = unit[1:]; rest == "" {
			break
		}
	}
	if sum < minInterval {
		return 0, invalid(intervalHint, "the interval %q is shorter than a second", text)
	}
	return sum, nil
}

func tooLong(text string) error {
	return invalid(intervalHint, "the interval %q is longer than 366 days", text)
}

// unitOf is the length of the unit with which text begins, 0 if with none.
func unitOf(text string) time.Duration {
	for _, u := range units {
		if strings.HasPrefix(text, u.name) {
			return u.unit
		}
	}
	return 0
}

// formatInterval writes an interval in the longest units, weeks only by themselves.
func formatInterval(d time.Duration) string {
	if d%week == 0 {
		return fmt.Sprintf("%dw", d/week)
	}
	var b strings.Builder
	for _, u := range units[1:] {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
		}
		d %= u.unit
	}
	return b.String()
}
