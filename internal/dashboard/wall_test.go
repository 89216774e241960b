package dashboard

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWallTime(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ zone, text, first, last, wrong string }{
		{"UTC", "2026-03-29T02:30", "2026-03-29T02:30:00Z", "", ""},
		{"Europe/Berlin", "2026-07-01T12:00", "2026-07-01T10:00:00Z", "", ""},
		{"Europe/Berlin", "2026-07-01T12:00:30", "2026-07-01T10:00:30Z", "", ""},
		{"Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59:00Z", "", ""},
		{"Europe/Berlin", "2026-03-29T02:00", "", "", "does not exist in Europe/Berlin: the clocks go from 02:00 to 03:00 then"},
		{"Europe/Berlin", "2026-03-29T02:59", "", "", "02:00 to 03:00"},
		{"Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z", "", ""},
		{"Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", ""},
		{"Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", ""},
		{"Pacific/Apia", "2011-12-30T12:00", "", "", "does not exist"},
		{"UTC", "", "", "", "no date and time"},
		{"UTC", "2026-13-01T00:00", "", "", "no date and time"},
		{"UTC", "1 July", "", "", "no date and time"},
	} {
		zone, err := time.LoadLocation(one.zone)
		if err != nil {
			t.Fatal(err)
		}
		first, last, err := wallTime(one.text, zone)
		if one.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), one.wrong) {
				t.Errorf("%s in %s is %v, %v; want %s", one.text, one.zone, first, err, one.wrong)
			}
			continue
		}
		if one.last == "" {
			one.last = one.first
		}
		if err != nil || first.Format(time.RFC3339) != one.first || last.Format(time.RFC3339) != one.last {
			t.Errorf("%s in %s is %v and %v, %v", one.text, one.zone, first, last, err)
		}
	}
}

// What a clock shows is a time that is found again.
func TestWhatAClockShowsIsFound(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	rapid.Check(t, func(r *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(r, "zone")
		at := time.Unix(rapid.Int64Range(1_000_000_000, 4_000_000_000).Draw(r, "at"), 0)
		if _, end := at.In(zone).ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(r, "near a change") {
			at = end.Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(r, "off")) * time.Second)
		}
		const form = "2006-01-02T15:04:05"
		text := at.In(zone).Format(form)
		first, last, err := wallTime(text, zone)
		if err != nil || first.After(at) || last.Before(at) || first.In(zone).Format(form) != text || last.In(zone).Format(form) != text {
			r.Fatalf("%v in %v is %s, which is %v to %v, %v", at.UTC(), zone, text, first, last, err)
		}
	})
}

func FuzzWallTime(f *testing.F) {
	f.Add("2026-03-29T02:30")
	f.Fuzz(func(t *testing.T, text string) {
		if first, last, err := wallTime(text, time.UTC); err == nil && !first.Equal(last) {
			t.Errorf("%q is %v and %v in UTC", text, first, last)
		}
	})
}
