package dashboard

import (
	"net/url"

	"ferryman/internal/params"
)

// typed is what a form was filled in with: it comes back when the form is refused.
// The zero value is a form that nobody has filled in.
type typed struct {
	values url.Values
}

// Any tells whether somebody has filled the form in.
func (t typed) Any() bool { return t.values != nil }

// Or is what a field was filled in with, or what it begins with.
func (t typed) Or(name, begin string) string {
	if t.values == nil {
		return begin
	}
	return t.values.Get(name)
}

// Value is what a field was filled in with; "" to begin with.
func (t typed) Value(name string) string { return t.Or(name, "") }

// On tells whether a box is ticked, which begins as it is.
func (t typed) On(name string, begin bool) bool {
	if t.values == nil {
		return begin
	}
	return t.values.Get(name) != ""
}

// Of is the form if it was about one of several things on the page, which a field of
// it names; else one that nobody has filled in.
func (t typed) Of(name, which string) typed {
	if t.Value(name) != which {
		return typed{}
	}
	return t
}

// refusedWith are what an action gives along with its error where the page of the
// form can be shown once more.
func refusedWith(area string, v view, show, err error) (done, error) {
	if show != nil { // then the page that the form was on says what went wrong
		return done{}, err
	}
	return done{answer: &v, area: area}, err
}

// asOn is the request with the query of the page that its form was on, if that is the
// page at a path: it comes back with its filters.
func (r *request) asOn(path string) *request {
	again := *r
	again.query = params.Query{Values: url.Values{}}
	if at, query := r.from(); at == path {
		again.query = query
	}
	return &again
}

// from is the page that a form was on.
func (r *request) from() (path string, query params.Query) {
	u, err := url.Parse(localPath(r.form.Get("back")))
	if err != nil {
		return Root, query
	}
	if query, err = params.Parse(u.RawQuery); err != nil {
		query = params.Query{Values: url.Values{}}
	}
	return u.Path, query
}
