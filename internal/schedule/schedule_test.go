package schedule_test

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/schedule"
)

// instant reads "2006-01-02 15:04" in UTC, or RFC 3339.
func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		at, err = time.Parse(time.RFC3339Nano, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func parse(t testing.TB, spec, zone string) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		name, spec, zone string
		after            string
		want             []string // one after the other, in UTC
	}{
		{"five minutes", "*/5 * * * *", "", "2026-03-01 10:02", []string{"2026-03-01 10:05", "2026-03-01 10:10"}},
		{"strictly after", "0 10 * * *", "", "2026-03-01 10:00", []string{"2026-03-02 10:00"}},
		{"a moment before", "0 10 * * *", "", "2026-03-01T09:59:59.999999999Z", []string{"2026-03-01 10:00"}},
		{"a moment after", "0 10 * * *", "", "2026-03-01T10:00:00.000000001Z", []string{"2026-03-02 10:00"}},
		{"before 1970", "0 10 * * *", "", "1969-12-31T23:59:59.5Z", []string{"1970-01-01 10:00"}},
		{"after in another zone", "0 10 * * *", "", "2026-03-01T10:30:00+01:00", []string{"2026-03-01 10:00"}},
		{"turn of the year", "30 0 1 1 *", "", "2026-05-05 00:00", []string{"2027-01-01 00:30", "2028-01-01 00:30"}},
		{"names and ranges", "0 8-9 * JAN,mar Mon-fri", "", "2026-01-30 08:30", []string{"2026-01-30 09:00", "2026-03-02 08:00"}},
		{"steps", "10-20/5,50/5 0 * * *", "", "2026-01-01 00:00", []string{"2026-01-01 00:10", "2026-01-01 00:15", "2026-01-01 00:20", "2026-01-01 00:50", "2026-01-01 00:55", "2026-01-02 00:10"}},
		{"last minute", "59 23 31 12 *", "", "2026-12-31 23:59", []string{"2027-12-31 23:59"}},
		{"Sunday as 0", "0 0 * * 0", "", "2026-03-02 00:00", []string{"2026-03-08 00:00"}},
		{"Sunday as 7", "0 0 * * 7", "", "2026-03-02 00:00", []string{"2026-03-08 00:00"}},
		{"to Sunday as 7", "0 0 * * SAT-7", "", "2026-03-02 00:00", []string{"2026-03-07 00:00", "2026-03-08 00:00", "2026-03-14 00:00"}},
		{"all days to 7", "0 0 * * 0-7", "", "2026-03-06 00:00", []string{"2026-03-07 00:00", "2026-03-08 00:00", "2026-03-09 00:00"}},
		{"either day suffices", "0 0 13 * FRI", "", "2026-03-07 00:00", []string{"2026-03-13 00:00", "2026-03-20 00:00", "2026-03-27 00:00", "2026-04-03 00:00", "2026-04-10 00:00", "2026-04-13 00:00"}},
		{"a step restricts a day", "0 0 */15 * MON", "", "2026-03-01 00:00", []string{"2026-03-02 00:00", "2026-03-09 00:00", "2026-03-16 00:00", "2026-03-23 00:00", "2026-03-30 00:00", "2026-03-31 00:00"}},
		{"31st", "0 0 31 * *", "", "2026-03-31 00:00", []string{"2026-05-31 00:00", "2026-07-31 00:00", "2026-08-31 00:00"}},
		{"29 February", "0 0 29 2 *", "", "2026-03-01 00:00", []string{"2028-02-29 00:00", "2032-02-29 00:00"}},
		{"29 February over 2100", "0 0 29 2 *", "", "2096-02-29 00:00", []string{"2104-02-29 00:00"}},
		{"29 February over 2100, by the hour", "30 * 29 2 *", "Europe/Berlin", "2096-02-29 23:00", []string{"2104-02-28 23:30", "2104-02-29 00:30"}},

		{"@hourly", "@hourly", "", "2026-03-01 10:02", []string{"2026-03-01 11:00", "2026-03-01 12:00"}},
		{"@daily", "@daily", "", "2026-03-01 10:02", []string{"2026-03-02 00:00", "2026-03-03 00:00"}},
		{"@midnight", "@midnight", "Europe/Berlin", "2026-03-01 10:02", []string{"2026-03-01 23:00"}},
		{"@weekly", "@weekly", "", "2026-03-02 10:02", []string{"2026-03-08 00:00", "2026-03-15 00:00"}},
		{"@monthly", "@monthly", "", "2026-03-02 10:02", []string{"2026-04-01 00:00", "2026-05-01 00:00"}},
		{"@yearly", "@yearly", "", "2026-03-02 10:02", []string{"2027-01-01 00:00"}},
		{"@annually", "@Annually", "", "2026-03-02 10:02", []string{"2027-01-01 00:00"}},

		{"interval", "every 10m", "", "2026-03-01T10:02:03.5Z", []string{"2026-03-01T10:12:03.5Z", "2026-03-01T10:22:03.5Z"}},
		{"interval over a gap", "every 1d", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 12:00"}},

		// 29 March 2026, 02:00 to 03:00 at 01:00 UTC; back at 01:00 UTC on 25 October.
		{"gap", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00", []string{"2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"}},
		{"gap at its very start", "0 2 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 01:00", "2026-03-30 00:00"}},
		{"gap, several collapse", "*/15 2 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 01:00", "2026-03-30 00:00"}},
		{"gap, together with its end", "*/30 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:00"}},
		{"gap, asked at its end", "30 2 * * *", "Europe/Berlin", "2026-03-29 01:00", []string{"2026-03-30 00:30"}},
		{"gap, asked just before its end", "30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59.9Z", []string{"2026-03-29 01:00"}},
		{"gap, a day that is not due", "30 2 * * MON", "Europe/Berlin", "2026-03-28 00:00", []string{"2026-03-30 00:30"}},
		{"gap, by the hour", "0 * * * *", "Europe/Berlin", "2026-03-28 23:30", []string{"2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"}},
		{"gap, only in it by the hour", "30 0-23 29 3 *", "Europe/Berlin", "2026-03-29 00:00", []string{"2026-03-29 00:30", "2026-03-29 01:30"}},
		{"fold", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", []string{"2026-10-25 00:30", "2026-10-26 01:30"}},
		{"fold, asked between the passes", "30 2 * * *", "Europe/Berlin", "2026-10-25 01:10", []string{"2026-10-26 01:30"}},
		{"fold, at its end", "0 3 * * *", "Europe/Berlin", "2026-10-25 01:10", []string{"2026-10-25 02:00"}},
		{"fold, many", "*/30 1-3 * * *", "Europe/Berlin", "2026-10-25 00:00", []string{"2026-10-25 00:30", "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-26 00:00"}},
		{"fold, by the hour", "30 * * * *", "Europe/Berlin", "2026-10-25 00:00", []string{"2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30"}},
		{"fold, five minutes", "*/20 * * * *", "Europe/Berlin", "2026-10-25 00:30", []string{"2026-10-25 00:40", "2026-10-25 01:00", "2026-10-25 01:20"}},
		{"leap day on the clock of the zone", "0 0 29 2 *", "America/New_York", "2026-03-01 00:00", []string{"2028-02-29 05:00"}},
		{"last day of a leap year", "0 12 * * *", "Europe/Berlin", "2040-12-30 12:00", []string{"2040-12-31 11:00", "2041-01-01 11:00"}},
		{"last day of a leap year, by the hour", "0 * 1 1 *", "Europe/Berlin", "2040-12-31 12:00", []string{"2040-12-31 23:00", "2041-01-01 00:00"}},
		{"into the last day of a leap year, by the hour", "0 * * * *", "Europe/Berlin", "2040-12-30 23:00", []string{"2040-12-31 00:00", "2040-12-31 01:00"}},
		{"far ahead", "30 2 * 3 SUN", "Europe/Berlin", "2099-03-28 12:00", []string{"2099-03-29 01:00"}},

		// Half an hour: on 4 October 2026 at 15:30 UTC, 02:00 to 02:30; back at 15:00 UTC on 4 April 2027.
		{"Lord Howe gap", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02 20:00", []string{"2026-10-03 15:30", "2026-10-04 15:15"}},
		{"Lord Howe gap, minute after", "45 2 * * *", "Australia/Lord_Howe", "2026-10-02 20:00", []string{"2026-10-03 15:45", "2026-10-04 15:45"}},
		{"Lord Howe fold", "45 1 * * *", "Australia/Lord_Howe", "2027-04-02 20:00", []string{"2027-04-03 14:45", "2027-04-04 15:15"}},
		{"Lord Howe fold, by the hour", "45 * * * *", "Australia/Lord_Howe", "2027-04-03 14:00", []string{"2027-04-03 14:45", "2027-04-03 15:15", "2027-04-03 16:15"}},

		// Midnight to one o'clock.
		{"no midnight in São Paulo", "0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", []string{"2018-11-04 03:00", "2018-11-05 02:00"}},
		{"no midnight in São Paulo, weekly", "@weekly", "America/Sao_Paulo", "2018-10-30 12:00", []string{"2018-11-04 03:00", "2018-11-11 02:00"}},
		{"midnight twice in São Paulo", "30 23 * * *", "America/Sao_Paulo", "2018-02-17 12:00", []string{"2018-02-18 01:30", "2018-02-19 02:30"}},
		{"no midnight in Beirut", "30 0 * * *", "Asia/Beirut", "2026-03-28 12:00", []string{"2026-03-28 22:00", "2026-03-29 21:30"}},
		{"no midnight on the 1st in Amman", "@monthly", "Asia/Amman", "2016-03-10 00:00", []string{"2016-03-31 22:00", "2016-04-30 21:00"}},

		// Friday, 30 December 2011 was left out; at 10:00 UTC it became the 31st.
		{"Apia's missing day", "0 12 * * *", "Pacific/Apia", "2011-12-29 12:00", []string{"2011-12-29 22:00", "2011-12-30 10:00", "2011-12-30 22:00"}},
		{"Apia's missing Friday", "0 12 * * FRI", "Pacific/Apia", "2011-12-29 12:00", []string{"2011-12-30 10:00", "2012-01-05 22:00"}},
		{"Apia's missing midnight", "0 0 30,31 12 *", "Pacific/Apia", "2011-12-29 12:00", []string{"2011-12-30 10:00", "2012-12-29 10:00"}},
		{"Apia's missing day, by the hour", "0 * 30 12 *", "Pacific/Apia", "2011-12-29 12:00", []string{"2012-12-29 10:00", "2012-12-29 11:00"}},

		{"Kathmandu", "0 9 * * *", "Asia/Kathmandu", "2026-03-01 00:00", []string{"2026-03-01 03:15", "2026-03-02 03:15"}},
		{"Kathmandu, by the hour", "0 * * * *", "Asia/Kathmandu", "2026-03-01 00:00", []string{"2026-03-01 00:15"}},
		{"St John's, a minute past midnight", "0 0 * * *", "America/St_Johns", "2010-11-06 12:00", []string{"2010-11-07 02:30", "2010-11-08 03:30"}},
		{"two hours in Troll", "0,59 1-3 * * *", "Antarctica/Troll", "2026-03-29 00:59", []string{"2026-03-29 01:00", "2026-03-29 01:59", "2026-03-29 23:00"}},
		{"Morocco's Ramadan", "30 2 * * *", "Africa/Casablanca", "2026-02-14 00:00", []string{"2026-02-14 01:30", "2026-02-15 01:30", "2026-02-16 02:30"}},
		{"seconds in the offset", "0 12 * * *", "Europe/Paris", "1900-01-01 00:00", []string{"1900-01-01T11:50:39Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, c.spec, c.zone)
			at := instant(t, c.after)
			for _, want := range c.want {
				next := s.Next(at)
				if want := instant(t, want); !next.Equal(want) {
					t.Fatalf("after %v: got %v, want %v", at, next, want)
				}
				if next.Location() != time.UTC {
					t.Errorf("%v is not in UTC", next)
				}
				at = next
			}
		})
	}
}

func TestNone(t *testing.T) {
	for _, spec := range []string{"", "  \t"} {
		s := parse(t, spec, "Europe/Berlin")
		if s != (schedule.Schedule{}) || !s.IsZero() || s.String() != "" || s.Zone() != "" || !s.Next(time.Now()).IsZero() {
			t.Errorf("%q is %+v", spec, s)
		}
	}
}

func TestNextOutOfRange(t *testing.T) {
	for _, spec := range []string{"every 10m", "0 0 * * *", "0 * * * *"} {
		s := parse(t, spec, "Europe/Berlin")
		for _, unix := range []int64{math.MinInt64, -1 << 40, 1 << 40, math.MaxInt64} {
			if next := s.Next(time.Unix(unix, 0)); !next.IsZero() {
				t.Errorf("%s after %d: %v", s, unix, next)
			}
		}
		if next := s.Next(time.Time{}); next.IsZero() || next.Year() > 1 {
			t.Errorf("%s after the zero time: %v", s, next)
		}
	}
}

func TestCanonical(t *testing.T) {
	for spec, want := range map[string]string{
		"every 10m":            "every 10m",
		" Every  1h 30m ":      "every 1h30m",
		"every 90s":            "every 1m30s",
		"every 1s":             "every 1s",
		"every 24h":            "every 1d",
		"every 36h":            "every 1d12h",
		"every 7d":             "every 1w",
		"every 8d":             "every 8d",
		"every 2w1d":           "every 15d",
		"every 366d":           "every 366d",
		"every 0h10m":          "every 10m",
		" */5  * * * mon-Fri ": "*/5 * * * MON-FRI",
		"@Daily":               "@daily",
		"0 0 ? jan 7":          "0 0 ? JAN 7",
	} {
		s := parse(t, spec, "Asia/Kathmandu")
		if s.String() != want || s.Zone() != "Asia/Kathmandu" || s.IsZero() {
			t.Errorf("%q is %q in %q", spec, s, s.Zone())
		}
		if s != parse(t, want, "Asia/Kathmandu") || s == parse(t, want, "") {
			t.Errorf("%q: equal to what it is not, or not to itself", spec)
		}
		every, ok := s.Interval()
		if ok != strings.HasPrefix(want, "every") || ok != (every > 0) {
			t.Errorf("%q has the interval %v, %v", spec, every, ok)
		}
	}
	if every, _ := parse(t, "every 1w2d3h4m5s", "").Interval(); every != 9*24*time.Hour+3*time.Hour+4*time.Minute+5*time.Second {
		t.Errorf("interval %v", every)
	}
	if utc := parse(t, "@daily", "UTC"); utc != parse(t, "@daily", "") || utc.Zone() != "UTC" {
		t.Errorf("no zone is not UTC: %q", utc.Zone())
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ spec, detail, hint string }{
		{"60 * * * *", `minute "60": 60 is above 59`, `0 to 59`},
		{"0 0,24 * * *", `hour "0,24": 24 is above 23`, `0 to 23`},
		{"0 0 0 * *", `day of the month "0": 0 is below 1`, `1 to 31`},
		{"0 0 1 13 *", `month "13": 13 is above 12`, `JAN`},
		{"0 0 * * 8", `day of the week "8": 8 is above 7`, `MON-FRI`},
		{"0 0 * * FRI-MON", `day of the week "FRI-MON": beginning of range (5) beyond end of range (1): FRI-MON`, `SAT,SUN`},
		{"0 0 * * FOO", `day of the week "FOO": "FOO" is no value, range or step`, `MON-FRI`},
		{"MON 0 * * *", `minute "MON": "MON" is no value, range or step`, `*/5`},
		{"*/0 * * * *", `minute "*/0": step of range should be a positive number: */0`, `*/5`},
		{"1,,2 * * * *", `minute "1,,2": "" is no value, range or step`, `*/5`},
		{", * * * *", `minute ",": "" is no value, range or step`, `*/5`},
		{"*-5 * * * *", `minute "*-5": "*-5" is no value, range or step`, `*/5`},
		{"+5 * * * *", `minute "+5": "+5" is no value, range or step`, `*/5`},
		{"-5 * * * *", `minute "-5": "-5" is no value, range or step`, `*/5`},
		{"1-2-3 * * * *", `minute "1-2-3": "1-2-3" is no value, range or step`, `*/5`},
		{"1/2/3 * * * *", `minute "1/2/3": "1/2/3" is no value, range or step`, `*/5`},
		{"*/18446744073709551617 * * * *", `is no value, range or step`, `*/5`},
		{"H * * * *", `minute "H": "H" is no value, range or step`, `*/5`},
		{"0 0 L * *", `day of the month "L": "L" is no value, range or step`, `1,15`},
		{"0 0 30 2 *", `day of the month "30" never comes in month "2"`, `0 0 28 2 *`},
		{"0 0 31 4,6,9,11 *", `day of the month "31" never comes in month "4,6,9,11"`, `0 0 28 2 *`},
		{"0 * * * * *", `a cron expression has 5 fields, and "0 * * * * *" has 6`, `leave out the seconds`},
		{"10m", `a cron expression has 5 fields, and "10M" has 1`, `every 10m`},
		{"* * * *", `has 4`, `day of the week`},
		{"TZ=Europe/Berlin 0 3 * * *", `names a time zone`, `time zone`},
		{"CRON_TZ=Europe/Berlin", `names a time zone`, `time zone`},
		{"TZ=", `names a time zone`, `time zone`},
		{"@every 10m", `an interval is written without the @`, `write "every 10m"`},
		{"@reboot", `"@reboot" has no times that could be expected`, `empty`},
		{"@fortnightly", `there is no schedule "@fortnightly"`, `@daily`},
		{"@daily 5", `there is no schedule "@daily 5"`, `@daily`},
		{"@", `there is no schedule "@"`, `@daily`},
		{"every", `the interval "" is not made of numbers`, `every 10m`},
		{"every day", `the interval "day" is not made of numbers`, `every 1d`},
		{"every 10", `the interval "10" is not made of numbers`, `every 10m`},
		{"every 1.5h", `the interval "1.5h" is not made of numbers`, `every 1h30m`},
		{"every -1h", `the interval "-1h" is not made of numbers`, `every 1h30m`},
		{"every 10 minutes", `the interval "10minutes" is not made of numbers`, `every 10m`},
		{"every 100ms", `the interval "100ms" is not made of numbers`, `every 10m`},
		{"every 0s", `shorter than a second`, `every 10m`},
		{"every 367d", `longer than 366 days`, `every 1d`},
		{"every 366d1s", `longer than 366 days`, `every 1d`},
		{"every 99999999999999999999w", `longer than 366 days`, `every 1d`},
		{strings.Repeat("*", 201), `the schedule has 201 bytes, and at most 200 are read`, `every 10m`},
	} {
		s, err := schedule.Parse(c.spec, "")
		if err == nil || !s.IsZero() {
			t.Errorf("%q: no error", c.spec)
			continue
		}
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != fault.Invalid || e.Code != "schedule_invalid" {
			t.Errorf("%q: %#v", c.spec, err)
			continue
		}
		if !strings.Contains(e.Detail, c.detail) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%q: %s | %s", c.spec, e.Detail, e.Hint)
		}
	}
}

func TestZoneErrors(t *testing.T) {
	for _, zone := range []string{
		"Local", "local", "localtime", "Mars/Olympus", "CEST", "UTC+1", "europe/berlin", "Europe/", "Europe//Berlin",
		"/Europe/Berlin", "../Europe/Berlin", "Europe/../Europe/Berlin", "posix/UTC", "right/UTC", "posixrules", "Europe",
		" UTC", "UTC\x00", "Ärger", strings.Repeat("A", 65),
	} {
		for _, spec := range []string{"", "every 10m", "0 0 * * *"} {
			_, err := schedule.Parse(spec, zone)
			if fault.CodeOf(err) != "timezone_unknown" || fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), "Europe/Berlin") {
				t.Errorf("%q in %q: %v", spec, zone, err)
			}
			if len(err.Error()) > 200 {
				t.Errorf("%q: the error is %d bytes long", zone, len(err.Error()))
			}
		}
	}
	for _, zone := range []string{"UTC", "Etc/GMT+5", "GB-Eire", "America/Argentina/ComodRivadavia", "America/Port-au-Prince", "EST5EDT", "America/North_Dakota/New_Salem"} {
		if s := parse(t, "@daily", zone); s.Zone() != zone {
			t.Errorf("%q is %q", zone, s.Zone())
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	after := instant(t, "2026-01-01 00:00")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, zone := range zones {
				s, err := schedule.Parse("0 0 * * *", zone)
				again, _ := schedule.Parse("0 0 * * *", zone)
				if err != nil || s != again || s.Next(after) != again.Next(after) {
					t.Errorf("%s: %v, %v, %v", zone, s, again, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct{ name, spec, zone, after string }{
		{"minutes/UTC", "*/5 * * * *", "", "2026-03-01 10:02"},
		{"minutes/Berlin", "*/5 * * * *", "Europe/Berlin", "2026-03-01 10:02"},
		{"daily/UTC", "30 4 * * *", "", "2026-03-01 10:02"},
		{"daily/Berlin", "30 4 * * *", "Europe/Berlin", "2026-03-01 10:02"},
		{"daily/Berlin2100", "30 4 * * *", "Europe/Berlin", "2100-03-01 10:02"},
		{"gap/Berlin", "30 2 * * *", "Europe/Berlin", "2026-03-28 12:00"},
		{"monthly/NewYork", "0 3 1 * *", "America/New_York", "2026-03-01 10:02"},
		{"leapday/Berlin", "0 0 29 2 *", "Europe/Berlin", "2096-03-01 10:02"},
		{"leapday-hourly/Berlin", "0 * 29 2 *", "Europe/Berlin", "2096-03-01 10:02"},
		{"interval", "every 10m", "", "2026-03-01 10:02"},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, after := parse(b, c.spec, c.zone), instant(b, c.after)
			b.ReportAllocs()
			for b.Loop() {
				s.Next(after)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, spec := range []string{"every 10m", "@daily", "*/5 8-18 * * MON-FRI"} {
		b.Run(spec, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parse(b, spec, "Europe/Berlin")
			}
		})
	}
}
