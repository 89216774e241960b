package dashboard

import (
	"net/url"
	"slices"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/fault"
)

const keysOnPage = 200

// applicationPage is what the page of one application shows.
type applicationPage struct {
	apikey.Application
	BuiltIn bool
	Rows    []keyRow
	Ended   bool   // keys that are revoked or expired are among them
	Toggle  string // the address of the page with those, or without
	Cut     bool   // there are more than the page shows
	Scopes  []scopeWord
	Spans   []keySpan
	Form    typed // of a new key
}

// keyRow is a key, and how it stands.
type keyRow struct {
	apikey.Key
	State apikey.State
	Own   bool // the viewer signed in with it
}

// scopeWord says what a scope is for.
type scopeWord struct {
	Scope apikey.Scope
	Word  string
}

// keySpan is for how long a key may be good.
type keySpan struct {
	For  string // in the form
	Word string
	days int
}

func keySpans() []keySpan {
	return []keySpan{{"30d", "30 days", 30}, {"90d", "90 days", 90}, {"365d", "a year", 365}}
}

// scopesOf are the scopes that a key of an application may have, with what each is
// good for there.
func scopesOf(app string) []scopeWord {
	if app == apikey.BuiltIn {
		return []scopeWord{{apikey.Admin, "see everything and act"}, {apikey.Read, "see everything"}}
	}
	return []scopeWord{
		{apikey.Ping, "report runs, and nothing else: for jobs"}, {apikey.Read, "look at its crons and runs"},
		{apikey.Admin, "all of that, and change its crons"},
	}
}

// application is the page of one application and its keys.
func (d *Dashboard) application(r *request) (view, error) { return d.applicationView(r, typed{}) }

// applicationView is the page with the form of a new key as it was filled in.
func (d *Dashboard) applicationView(r *request, form typed) (view, error) {
	a, err := d.o.Keys.Application(r.Context(), r.PathValue("name"))
	if err != nil {
		return view{}, err
	}
	p := applicationPage{Application: a, BuiltIn: a.Name == apikey.BuiltIn, Scopes: scopesOf(a.Name), Spans: keySpans(), Form: form}
	if p.Ended, err = r.query.Truth("ended"); err != nil {
		return view{}, err
	}
	here, other := "applications/"+url.PathEscape(a.Name), "1"
	if p.Ended {
		other = ""
	}
	p.Toggle = with(r.query, here, "ended", other)
	keys, err := d.o.Keys.List(r.Context(), a.Name)
	if err != nil {
		return view{}, err
	}
	for _, k := range slices.Backward(keys) { // the newest first
		state := k.State(r.now)
		switch {
		case state != apikey.Live && !p.Ended:
		case len(p.Rows) == keysOnPage:
			p.Cut = true
		default:
			p.Rows = append(p.Rows, keyRow{Key: k, State: state, Own: k.Prefix == r.viewer.Prefix})
		}
	}
	return view{template: "application", title: a.Name, data: p}, nil
}

// newKeyPage is what shows a key, once.
type newKeyPage struct {
	apikey.Key
	Text string // the key itself
	URL  string // of this server
}

// errKeyMade is the answer to a form that has made a key.
var errKeyMade = &fault.Error{
	Kind: fault.Conflict, Code: "form_spent", Detail: "this key was made already and cannot be shown again",
	Hint: "if nobody has kept it, revoke it and make another",
}

// createKey makes a key and shows it on the page that answers: it is kept nowhere.
func (d *Dashboard) createKey(r *request) (done, error) {
	did, err := d.keyCreated(r)
	if err == nil {
		return did, nil
	}
	v, show := d.applicationView(r.asOn(applicationPath(r.PathValue("name"))), typed{r.form})
	return refusedWith("applications", v, show, err)
}

func (d *Dashboard) keyCreated(r *request) (done, error) {
	ends, err := keyEnd(r.form, r.now, r.zone)
	if err != nil {
		return done{}, err
	}
	made, text, err := d.o.Keys.Create(r.Context(), r.PathValue("name"), apikey.Scope(r.form.Get("scope")), ends)
	if err != nil {
		return done{}, err
	}
	detail := "scope " + string(made.Scope) + ", " + audit.KeyTarget(made.Prefix)
	if !ends.IsZero() {
		detail += ", until " + ends.UTC().Format(time.RFC3339)
	}
	return done{
		target: audit.Application(made.App), detail: detail, area: "applications",
		answer: &view{template: "newkey", title: "A new key", data: newKeyPage{made, text, serverURL(r)}},
	}, nil
}

// keyEnd reads when a key is to end: on a day that was picked, with that day, or
// after some days; the zero time is never.
func keyEnd(form url.Values, now time.Time, zone *time.Location) (time.Time, error) {
	if day := form.Get("until"); day != "" {
		t, err := time.ParseInLocation(time.DateOnly, day, zone)
		if err != nil {
			return t, &fault.Error{Kind: fault.Invalid, Code: "until_invalid", Detail: "the day on which the key ends is none", Hint: "write it as 2030-01-31"}
		}
		return t.AddDate(0, 0, 1), nil
	}
	if form.Get("for") == "" {
		return time.Time{}, nil
	}
	for _, s := range keySpans() {
		if s.For == form.Get("for") {
			return now.AddDate(0, 0, s.days), nil
		}
	}
	return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "for_invalid", Detail: "the form does not say for how long the key is good"}
}

// revokeKey ends a key of the application that the page is of.
func (d *Dashboard) revokeKey(r *request) (done, error) {
	keys, err := d.o.Keys.List(r.Context(), r.PathValue("name"))
	if err != nil {
		return done{}, err
	}
	if !slices.ContainsFunc(keys, func(k apikey.Key) bool { return k.Prefix == r.PathValue("prefix") }) {
		return done{}, apikey.ErrNoKey
	}
	prefix, err := d.o.Keys.Revoke(r.Context(), r.PathValue("prefix"))
	if err != nil {
		return done{}, err
	}
	return done{
		say:    "The key fm_" + prefix + " is revoked: calls with it are refused, and who signed in with it is signed out.",
		target: audit.KeyTarget(prefix), detail: audit.Application(r.PathValue("name")),
	}, nil
}
