package dashboard

import (
	"net/http"
	"time"

	"ferryman/internal/fault"
)

// preferenceFor is how long a browser remembers how its user likes to see things, in
// seconds.
const preferenceFor = 365 * 24 * 60 * 60

func (d *Dashboard) preferenceActions() []action {
	return []action{{Root + "preferences", "", everybody, d.prefer}}
}

// prefer remembers a time zone and a theme in the browser. The script reads them, too.
func (d *Dashboard) prefer(r *request) (done, error) {
	zone, theme := r.form.Get("zone"), r.form.Get("theme")
	if _, err := time.LoadLocation(zone); zone != "Local" && err != nil {
		return done{}, &fault.Error{Kind: fault.Invalid, Code: "zone", Detail: "the time zone is not known", Hint: "choose one as Europe/Berlin, or UTC"}
	}
	if theme != "" && theme != "light" && theme != "dark" {
		return done{}, &fault.Error{Kind: fault.Invalid, Code: "theme", Detail: "the theme is neither light nor dark"}
	}
	return done{cookies: []*http.Cookie{preference(r.Request, zoneCookie, zone), preference(r.Request, themeCookie, theme)}}, nil
}

func preference(r *http.Request, name, value string) *http.Cookie {
	c := cookie(r, name, value, preferenceFor)
	c.HttpOnly = false
	return c
}
