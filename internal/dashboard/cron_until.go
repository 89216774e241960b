package dashboard

import (
	"net/url"
	"time"

	"ferryman/internal/fault"
)

// morning is the hour at which "until tomorrow" ends.
const morning = 8

// putOffUntil reads until when a form puts something off: for a length of time,
// until tomorrow morning or a date and time of the viewer's clock, or until
// somebody says otherwise, which is the zero time.
func putOffUntil(form url.Values, now time.Time, zone *time.Location) (time.Time, error) {
	switch form.Get("for") {
	case "1h":
		return now.Add(time.Hour), nil
	case "1d":
		return now.Add(24 * time.Hour), nil
	case "tomorrow":
		day := now.In(zone)
		return time.Date(day.Year(), day.Month(), day.Day()+1, morning, 0, 0, 0, zone), nil
	case "resumed":
		return time.Time{}, nil
	case "date":
		t, err := time.Parse(time.RFC3339Nano, form.Get("until")) // of a form that takes something back
		if err != nil {
			_, t, err = wallTime(form.Get("until"), zone)
		}
		if err != nil {
			return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "until_invalid", Detail: "the time until when " + err.Error()}
		}
		if !t.After(now) {
			return t, &fault.Error{
				Kind: fault.Invalid, Code: "until_past", Detail: "the time until when is past", Hint: "times are those of " + zone.String(),
			}
		}
		return t, nil
	}
	return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "for_invalid", Detail: "the form does not say for how long"}
}
