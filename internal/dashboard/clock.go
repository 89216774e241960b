package dashboard

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	"ferryman/internal/ledger"
)

// Cookies by which a browser remembers how its user likes to see things.
const (
	zoneCookie  = "ferryman_zone"  // an IANA time zone; the script sets the browser's own
	themeCookie = "ferryman_theme" // light or dark
)

// chosenZone is the time zone in which times are shown; UTC if none was chosen.
func chosenZone(r *http.Request) *time.Location {
	c, err := r.Cookie(zoneCookie)
	if err != nil || c.Value == "" || c.Value == "Local" {
		return time.UTC
	}
	zone, err := time.LoadLocation(c.Value)
	if err != nil {
		return time.UTC
	}
	return zone
}

func chosenTheme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// When is a time in the viewer's zone, with the exact time for whoever points at
// it. Today's go without their date.
func (f frame) When(t time.Time) template.HTML { return f.in(f.r.zone, t) }

// WhenIn is a time in a zone of its own, such as a cron's.
func (f frame) WhenIn(zone string, t time.Time) template.HTML {
	at, err := time.LoadLocation(zone)
	if err != nil {
		at = time.UTC
	}
	return f.in(at, t)
}

func (f frame) in(zone *time.Location, t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.In(zone)
	return stamp(t, clockText(t, f.Now, "15:04:05"))
}

// clockText is a time as text, to so much of its time of day. Today's go without
// their date, this year's without the year.
func clockText(t, now time.Time, ofDay string) string {
	now = now.In(t.Location())
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format(ofDay)
	case t.Year() == now.Year():
		return t.Format("2 Jan " + ofDay)
	}
	return t.Format("2 Jan 2006 " + ofDay)
}

// clock is a time as text in the viewer's zone.
func (r *request) clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return clockText(t.In(r.zone), r.now, "15:04:05")
}

// Ago is how long ago a time was, or in how long it will be.
func (f frame) Ago(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	if d := f.Now.Sub(t); d >= 0 {
		return stamp(t, rough(d)+" ago")
	}
	return stamp(t, "in "+rough(t.Sub(f.Now)))
}

// rough is a duration in one unit.
func rough(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d m", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

// stamp is a time that says exactly when it is. Its parts are numbers, letters
// and blanks.
func stamp(t time.Time, text string) template.HTML {
	exact := t.Format("2006-01-02T15:04:05.000Z07:00")
	return template.HTML(`<time datetime="` + exact + `" title="` + exact + `">` + text + `</time>`) //nolint:gosec // nobody's text
}

// Clock is the time of day in the viewer's zone.
func (f frame) Clock(t time.Time) string { return f.r.ofDay(t) }

// ofDay is the time of day of a message in the viewer's zone.
func (r *request) ofDay(t time.Time) string { return t.In(r.zone).Format("15:04:05.000") }

// Started is when an execution began; of one that was missed, when it should have.
func (f frame) Started(e ledger.Execution) template.HTML {
	if e.Status == ledger.Missed && !e.ScheduledFor.IsZero() {
		return "expected " + f.When(e.ScheduledFor)
	}
	return f.When(e.StartedAt)
}

// Took is how long an execution took, or has taken so far; one that never ran took
// no time.
func (f frame) Took(e ledger.Execution) string {
	if e.Status == ledger.Missed || e.Status == ledger.Skipped {
		return "–"
	}
	return took(ranFor(&e, f.Now))
}

// at is a time in the viewer's zone as text that says which zone that is.
func (r *request) at(t time.Time) string {
	t, form := t.In(r.zone), "2 Jan 15:04"
	if t.Year() != r.now.In(r.zone).Year() {
		form = "2 Jan 2006 15:04"
	}
	return t.Format(form) + " (" + r.zone.String() + ")"
}
