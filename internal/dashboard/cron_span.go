package dashboard

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// spanUnits are the units in which people write durations, the longest first.
var spanUnits = []struct {
	name string
	unit time.Duration
}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// parseSpan reads a duration as 90s, 1h 30m or 2d; "" and "0" are none. It gives
// false for what is none, and for more than the domains count.
func parseSpan(text string) (sum time.Duration, ok bool) {
	text = strings.ToLower(strings.Join(strings.Fields(text), ""))
	if text == "" || text == "0" {
		return 0, true
	}
	for text != "" {
		unit := strings.TrimLeft(text, "0123456789")
		n, err := strconv.ParseInt(strings.TrimSuffix(text, unit), 10, 32)
		length := time.Duration(0)
		for _, u := range spanUnits {
			if strings.HasPrefix(unit, u.name) {
				length = u.unit
			}
		}
		const most = 100_000 * 24 * time.Hour
		if err != nil || length == 0 || time.Duration(n) > most/length {
			return 0, false
		}
		if sum += time.Duration(n) * length; sum > most {
			return 0, false
		}
		text = unit[1:]
	}
	return sum, true
}

// formatSpan writes a duration of whole seconds as parseSpan reads it; "" is none.
func formatSpan(d time.Duration) string {
	var b strings.Builder
	for _, u := range spanUnits[1:] { // days are easier to compare than weeks
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, " %d%s", n, u.name)
		}
		d %= u.unit
	}
	return strings.TrimPrefix(b.String(), " ")
}
