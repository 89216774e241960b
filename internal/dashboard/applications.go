package dashboard

import (
	"context"
	"net/url"
	"strings"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/fault"
)

const (
	applicationsOnPage = 100
	// removeWithin is how long a call removes an application. What is left then is for
	// the next call: nobody waits longer at a browser.
	removeWithin = 20 * time.Second
)

func (d *Dashboard) applicationPages() []page {
	return []page{
		{Root + "applications", "applications", operators, d.applications, []string{"search", "after"}},
		{Root + "applications/{name}", "applications", operators, d.application, []string{"ended"}},
	}
}

func (d *Dashboard) applicationActions() []action {
	one := Root + "applications/{name}"
	return []action{
		{Root + "applications", "app.add", operators, d.addApplication},
		{one, "key.create", operators, d.once(errKeyMade, d.createKey)}, // its answer has the address of the page
		{one + "/remove", "app.remove", operators, d.removeApplication},
		{one + "/keys/{prefix}/revoke", "key.revoke", operators, d.revokeKey},
	}
}

// applicationsPage is what the list of applications shows.
type applicationsPage struct {
	Search string
	Rows   []apikey.Application
	More   string // the address of the next page; "" after the last
	Only   bool   // there is none but Ferryman's own
	Own    string // the name of that
	Form   typed  // of a new one
}

// applications is the list of all applications, by name.
func (d *Dashboard) applications(r *request) (view, error) { return d.applicationsView(r, typed{}) }

// applicationsView is the list with the form of a new one as it was filled in.
func (d *Dashboard) applicationsView(r *request, form typed) (view, error) {
	p := applicationsPage{Own: apikey.BuiltIn, Form: form}
	var err error
	if p.Search, _, err = r.query.Text("search", maxAsked); err != nil {
		return view{}, err
	}
	after, _, err := r.query.Text("after", maxAsked)
	if err != nil {
		return view{}, err
	}
	all, err := d.o.Keys.Applications(r.Context())
	if err != nil {
		return view{}, err
	}
	p.Only = len(all) <= 1
	wanted := strings.ToLower(strings.TrimSpace(p.Search))
	for _, a := range all {
		switch {
		case a.Name <= after || !strings.Contains(a.Name, wanted):
		case len(p.Rows) == applicationsOnPage:
			p.More = with(r.query, "applications", "after", p.Rows[applicationsOnPage-1].Name)
			return view{template: "applications", title: "Applications", data: p}, nil
		default:
			p.Rows = append(p.Rows, a)
		}
	}
	return view{template: "applications", title: "Applications", data: p}, nil
}

func applicationPath(name string) string { return Root + "applications/" + url.PathEscape(name) }

func (d *Dashboard) addApplication(r *request) (done, error) {
	a, err := d.o.Keys.AddApplication(r.Context(), strings.TrimSpace(r.form.Get("name")))
	if err != nil {
		v, show := d.applicationsView(r.asOn(Root+"applications"), typed{r.form})
		return refusedWith("applications", v, show, err)
	}
	return done{
		say:    "The application " + a.Name + " is there. Its programs need a key to report their runs.",
		target: audit.Application(a.Name), next: applicationPath(a.Name),
	}, nil
}

// removeApplication removes an application with all that it has: the form says
// what that is.
func (d *Dashboard) removeApplication(r *request) (done, error) {
	name := r.PathValue("name")
	did := done{
		say:    "The application " + name + " was removed with its keys, its crons and their runs.",
		target: audit.Application(name), next: Root + "applications",
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), removeWithin)
	defer cancel()
	err := d.o.Keys.RemoveApplication(ctx, name, true)
	if fault.KindOf(err) == fault.Timeout && ctx.Err() != nil {
		did.say = "Not all of " + name + " is removed yet: there was too much for one call. Its keys are refused and its crons are gone. Remove it once more to go on."
		did.detail, did.next = "not all of it yet", applicationPath(name)
		return did, nil
	}
	return did, err
}
