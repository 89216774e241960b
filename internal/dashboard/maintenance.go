package dashboard

import (
	"net/http"
	"net/url"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/ledger"
)

const (
	windowsOnPage = 50
	maxWindowText = 100 // characters of what the address fills in
)

func (d *Dashboard) maintenancePages() []page {
	return []page{
		{Root + "maintenance", "maintenance", viewers, d.maintenance, []string{"app", "cron", "past", "after"}},
	}
}

func (d *Dashboard) maintenanceActions() []action {
	return []action{
		{Root + "maintenance", "maintenance.add", viewers, d.addWindow},
		{Root + "maintenance/{id}/remove", "maintenance.remove", viewers, d.removeWindow},
	}
}

// maintenancePage is what the page of maintenance windows shows.
type maintenancePage struct {
	Form   windowForm
	Open   []window
	ToCome []window
	Past   []window
	Over   bool   // those that are over were asked for, and no others
	More   string // address of the next page
	First  string // of the first one; "" on it
}

// window is a maintenance window in a list.
type window struct {
	ledger.Window
	Scope     string
	Removable bool   // by the viewer
	Removal   string // what it would do
}

// maintenance is the page of maintenance windows. The address may say what its form
// begins with: ?app=&cron=.
func (d *Dashboard) maintenance(r *request) (view, error) {
	f := windowForm{Values: url.Values{}}
	for _, name := range [...]string{"app", "cron"} {
		text, _, err := r.query.Text(name, maxWindowText)
		if err != nil {
			return view{}, err
		}
		f.Values.Set(name, text)
	}
	return d.maintenanceView(r, f)
}

func (d *Dashboard) maintenanceView(r *request, f windowForm) (v view, err error) {
	p := maintenancePage{Form: f}
	if p.Form.Apps, err = d.appsOffered(r.Context(), r.viewer); err != nil {
		return view{}, err
	}
	p.Form.Typed = p.Form.Apps == nil && r.viewer.Operator()
	if err := d.listWindows(r, &p); err != nil {
		return view{}, err
	}
	v = view{template: "maintenance", title: "Maintenance", data: p}
	if len(f.Wrong) > 0 {
		v.status = http.StatusUnprocessableEntity
	}
	return v, nil
}

// listWindows reads ?past=&after= and adds the windows that they ask for.
func (d *Dashboard) listWindows(r *request, p *maintenancePage) (err error) {
	if p.Over, err = r.query.Truth("past"); err != nil {
		return err
	}
	filter := ledger.WindowFilter{App: r.viewer.AppID, Since: r.now, Limit: windowsOnPage + 1}
	if p.Over {
		filter.Since, filter.Over = time.Time{}, r.now
	}
	if filter.After, _, err = r.query.Text("after", maxWindowText); err != nil {
		return err
	}
	all, err := d.o.Ledger.Windows(r.Context(), filter)
	if err != nil {
		return err
	}
	if len(all) > windowsOnPage {
		all = all[:windowsOnPage]
		p.More = with(r.query, "maintenance", "after", filter.Next(all[windowsOnPage-1]))
	}
	if filter.After != "" {
		p.First = with(r.query, "maintenance", "after", "")
	}
	for i := range all {
		w := window{
			Window: all[i], Scope: windowScope(&all[i]),
			Removable: r.viewer.Admin() && (r.viewer.AppID == 0 || r.viewer.AppID == all[i].AppID),
		}
		switch {
		case p.Over:
			w.Removal = "Nobody will see any more that there was maintenance. What was recorded stays."
			p.Past = append(p.Past, w)
		case w.StartsAt.After(r.now):
			w.Removal = "Troubles will then be told as they come."
			p.ToCome = append(p.ToCome, w)
		default:
			w.Removal = "Maintenance ends at once: troubles that still stand are told now."
			p.Open = append(p.Open, w)
		}
	}
	return nil
}

// windowScope says for what a window holds.
func windowScope(w *ledger.Window) string {
	switch {
	case w.AppID == 0:
		return "all applications"
	case w.CronID == 0:
		return "all of " + w.App
	}
	return w.App + "/" + w.Cron
}

func (d *Dashboard) addWindow(r *request) (done, error) {
	f := windowForm{Values: r.form, Wrong: map[string]string{}}
	w, err := d.readWindow(r, &f)
	if err == nil && len(f.Wrong) > 0 {
		return d.wrongWindow(r, f)
	}
	var added ledger.Window
	if err == nil {
		added, err = d.o.Ledger.AddMaintenance(r.Context(), w)
	}
	if f.refusedWindow(err) {
		return d.wrongWindow(r, f)
	}
	if err != nil {
		v, show := d.maintenanceView(r, f)
		return refusedWith("maintenance", v, show, err)
	}
	scope := windowScope(&added)
	return done{
		say:    "Maintenance of " + scope + " from " + r.at(added.StartsAt) + " until " + r.at(added.EndsAt) + " was added.",
		target: audit.Maintenance(added.ID), detail: windowDetail(&added), next: Root + "maintenance",
	}, nil
}

// wrongWindow answers with the form as it was filled in.
func (d *Dashboard) wrongWindow(r *request, f windowForm) (done, error) {
	v, err := d.maintenanceView(r, f)
	return done{answer: &v, area: "maintenance", refused: true}, err
}

func (d *Dashboard) removeWindow(r *request) (done, error) {
	id, ok := ledger.ParseID(r.PathValue("id"))
	if !ok {
		return done{}, ledger.ErrNoWindow
	}
	w, err := d.o.Ledger.RemoveMaintenance(r.Context(), r.viewer.AppID, id)
	if err != nil {
		return done{}, err
	}
	return done{say: "Maintenance of " + windowScope(&w) + " was removed.", target: audit.Maintenance(w.ID), detail: windowDetail(&w)}, nil
}

func windowDetail(w *ledger.Window) string {
	return windowScope(w) + ", " + w.StartsAt.UTC().Format(time.RFC3339) + " to " + w.EndsAt.UTC().Format(time.RFC3339) + ": " + w.Reason
}
