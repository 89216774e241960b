package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/schedule"
)

func TestScheduleInWords(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                       "no schedule",
		"every 10m":              "every 10 minutes",
		"every 1h":               "every hour",
		"every 90m":              "every 90 minutes",
		"every 1d":               "every day",
		"every 2w":               "every 2 weeks",
		"every 1m1s":             "every 61 seconds",
		"@hourly":                "every hour",
		"@daily":                 "daily at 00:00",
		"@weekly":                "at 00:00 on Sunday",
		"@monthly":               "at 00:00 on the 1st of each month",
		"@yearly":                "at 00:00 on 1 January",
		"* * * * *":              "every minute",
		"*/5 * * * *":            "every 5 minutes",
		"0,15,30,45 * * * *":     "every 15 minutes",
		"*/7 * * * *":            "*/7 * * * *",
		"5 * * * *":              "every hour at minute 5",
		"5,35 * * * *":           "every hour at minutes 5 and 35",
		"30 3 * * *":             "daily at 03:30",
		"30 3,15 * * *":          "daily at 03:30 and 15:30",
		"0 */6 * * *":            "every 6 hours",
		"10 1-23/2 * * *":        "every 2 hours from 01:10",
		"0 8-18 * * MON-FRI":     "hourly from 08:00 to 18:00 on weekdays",
		"*/5 8-18 * * MON-FRI":   "every 5 minutes from 08:00 to 18:55 on weekdays",
		"* 8 * * *":              "every minute from 08:00 to 08:59",
		"0 9 * * 6,0":            "at 09:00 at weekends",
		"0 9 * * SAT,SUN":        "at 09:00 at weekends",
		"0 9 * * SUN,MON":        "at 09:00 on Monday and Sunday",
		"0 9 * * 5-7":            "at 09:00 on Friday, Saturday and Sunday",
		"0 9 * * TUE-THU":        "at 09:00 from Tuesday to Thursday",
		"0 9 1,15,22,23 * *":     "at 09:00 on the 1st, 15th, 22nd and 23rd of each month",
		"0 9 11 * *":             "at 09:00 on the 11th of each month",
		"0 9 1-7 * *":            "at 09:00 from the 1st to the 7th of each month",
		"0 9 1 JAN,JUL *":        "at 09:00 on the 1st in January and July",
		"0 9 * 6-8 *":            "daily at 09:00 from June to August",
		"0 9 1 * MON":            "0 9 1 * MON", // either suffices
		"1,2,3,9,50 3,4,9 * * *": "1,2,3,9,50 3,4,9 * * *",
		"nonsense":               "nonsense",
		"1 2 3 4":                "1 2 3 4",
		"0 9 1-7 6-8 *":          "0 9 1-7 6-8 *",
		"99 * * * *":             "99 * * * *",
		"0 0 ? * ?":              "daily at 00:00",
	} {
		if got := scheduleInWords(spec); got != want {
			t.Errorf("%q is %q, and not %q", spec, got, want)
		}
	}
}

// Schedules that read alike start alike.
func TestScheduleWordsAreExact(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	from := time.Date(2027, 12, 30, 0, 0, 0, 0, time.UTC)
	starts := func(spec string) (all []time.Time) {
		plan, err := schedule.Parse(spec, "UTC")
		if err != nil {
			return nil
		}
		for t := from; len(all) < 500; all = append(all, t) {
			t = plan.Next(t)
		}
		return all
	}
	field := func(t *rapid.T, name string, least, most int) string {
		n := rapid.IntRange(least, most)
		switch rapid.IntRange(0, 5).Draw(t, name) {
		case 0, 1:
			return "*"
		case 2:
			return fmt.Sprint(n.Draw(t, "value"))
		case 3:
			a, b := n.Draw(t, "first"), n.Draw(t, "last")
			return fmt.Sprintf("%d-%d/%d", min(a, b), max(a, b), rapid.IntRange(1, 12).Draw(t, "by"))
		case 4:
			return "*/" + fmt.Sprint(rapid.IntRange(1, most).Draw(t, "step"))
		}
		var all []string
		for _, v := range rapid.SliceOfN(n, 1, 4).Draw(t, "list") {
			all = append(all, fmt.Sprint(v))
		}
		return strings.Join(all, ",")
	}
	rapid.Check(t, func(t *rapid.T) {
		spec := strings.Join([]string{
			field(t, "minute", 0, 59), field(t, "hour", 0, 23), field(t, "day", 1, 31), field(t, "month", 1, 12), field(t, "weekday", 0, 7),
		}, " ")
		if starts(spec) == nil {
			return // it is never due
		}
		words := scheduleInWords(spec)
		other, seen := known[words]
		if seen && !slices.Equal(starts(spec), starts(other)) {
			t.Fatalf("%q and %q are both %q", spec, other, words)
		}
		known[words] = spec
	})
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, " 1H 30 m ": 90 * time.Minute, "2d": 48 * time.Hour, "1w": 168 * time.Hour,
		"36500d": 36500 * 24 * time.Hour,
	} {
		if got, ok := parseSpan(text); !ok || got != want {
			t.Errorf("%q is %v (%v), and not %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"5", "m", "5x", "-5m", "1.5h", "999999999d", "5m3", "99999999999999999999s", "é"} {
		if got, ok := parseSpan(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 36500*24*3600).Draw(t, "seconds")) * time.Second
		if got, ok := parseSpan(formatSpan(d)); !ok || got != d {
			t.Fatalf("%v is written %q, and read as %v", d, formatSpan(d), got)
		}
	})
}
