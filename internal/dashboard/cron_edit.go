package dashboard

import (
	"errors"
	"fmt"
	"net/http"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// newCron is the form of a new cron. The address may say what it begins with.
func (d *Dashboard) newCron(r *request) (view, error) {
	if err := r.viewer.mayAct(); err != nil {
		return view{}, err
	}
	defaults := ledger.DefaultSettings()
	f := cronForm{Values: settingsAsForm(r.query.Get("slug"), &defaults)}
	f.Values.Set("app", r.query.Get("app"))
	return d.cronFormView(r, f)
}

// editCron is the form of a cron that is there.
func (d *Dashboard) editCron(r *request) (view, error) {
	if err := r.viewer.mayAct(); err != nil {
		return view{}, err
	}
	ref, err := cronAsked(r)
	if err != nil {
		return view{}, err
	}
	c, err := d.o.Ledger.Cron(r.Context(), r.viewer.AppID, ref)
	if err != nil {
		return view{}, err
	}
	return d.cronFormView(r, cronFormOf(&c))
}

func cronFormOf(c *ledger.Cron) cronForm {
	return cronForm{ID: c.ID, App: c.App, Own: c.Kind == ledger.Sync, Values: settingsAsForm(c.Slug, &c.Settings)}
}

// cronFormView shows a form, with what is wrong in it.
func (d *Dashboard) cronFormView(r *request, f cronForm) (view, error) {
	v := view{template: "cronform", title: "New cron"}
	if f.ID != 0 {
		v.title = "Edit " + f.App + "/" + f.Values.Get("slug")
	} else {
		var err error
		if f.Apps, err = d.appsOffered(r.Context(), r.viewer); err != nil {
			return view{}, err
		}
		f.Typed = f.Apps == nil && r.viewer.Operator()
	}
	if len(f.Wrong) > 0 {
		v.status = http.StatusUnprocessableEntity
	}
	v.data = f
	return v, nil
}

// wrongForm answers with the form as it was typed.
func (d *Dashboard) wrongForm(r *request, f cronForm) (done, error) {
	v, err := d.cronFormView(r, f)
	return done{answer: &v, area: "crons", refused: true}, err
}

// refusedForm gives the form as it was typed where what is wrong is none of its
// fields.
func (d *Dashboard) refusedForm(r *request, f cronForm, err error) (done, error) {
	v, show := d.cronFormView(r, f)
	return refusedWith("crons", v, show, err)
}

// createCron adds a cron to an application.
func (d *Dashboard) createCron(r *request) (done, error) {
	f := cronForm{Values: r.form}
	var s ledger.Settings
	f.Wrong = readSettings(f.Values, &s)
	noteWrong(f.Wrong, ledger.Check(f.Value("slug"), s))
	app := r.viewer.AppID
	if r.viewer.Operator() {
		var err error
		app, err = d.appNamed(r.Context(), r.viewer, f.Value("app"))
		switch {
		case errors.Is(err, apikey.ErrNoApplication):
			f.Wrong["app"] = "is none of the applications"
		case err != nil:
			return done{}, err
		}
	}
	if len(f.Wrong) > 0 {
		return d.wrongForm(r, f)
	}
	made, err := d.o.Ledger.Create(r.Context(), app, f.Value("slug"), s)
	if wrongAfterAll(f.Wrong, err) {
		return d.wrongForm(r, f)
	}
	if err != nil {
		return d.refusedForm(r, f, err)
	}
	did := cronDone(&made, "was added.", orNothing(made.Schedule))
	did.next = fmt.Sprintf("%scrons/%d", Root, made.ID)
	return did, nil
}

// changeCron decides anew about a cron.
func (d *Dashboard) changeCron(r *request) (done, error) {
	ref, err := cronAsked(r)
	if err != nil {
		return done{}, err
	}
	ctx := r.Context()
	was, err := d.o.Ledger.Cron(ctx, r.viewer.AppID, ref)
	if err != nil {
		return done{}, err
	}
	f := cronFormOf(&was)
	before := f.Values
	f.Values = r.form
	if f.Own { // its form has no field for what the heading says
		f.Values.Set("slug", was.Slug)
		f.Values.Set("name", was.Name)
	}
	slug, s := f.Value("slug"), ledger.Settings{}
	f.Wrong = readSettings(f.Values, &s)
	if f.Own {
		slug, s = was.Slug, watchedBy(was.Settings, s)
	}
	noteWrong(f.Wrong, ledger.Check(slug, s))
	if len(f.Wrong) > 0 {
		return d.wrongForm(r, f)
	}
	is, err := d.o.Ledger.Change(ctx, r.viewer.AppID, ref, func(to *string, now *ledger.Settings) {
		if f.Own {
			s = watchedBy(*now, s)
		}
		*to, *now = slug, s
	})
	if wrongAfterAll(f.Wrong, err) {
		return d.wrongForm(r, f)
	}
	if err != nil {
		return d.refusedForm(r, f, err)
	}
	did := done{
		say: visible(is.Name) + " was changed.", target: audit.Cron(is.ID, is.App, is.Slug),
		detail: changedIn(before, settingsAsForm(is.Slug, &is.Settings)), next: fmt.Sprintf("%scrons/%d", Root, is.ID),
	}
	if did.detail == "" {
		did.say, did.refused = "Nothing was changed.", true
	}
	return did, nil
}

// wrongAfterAll tells whether the store refused what a form says for a reason that
// belongs to a field, and notes it.
func wrongAfterAll(wrong map[string]string, err error) bool {
	if errors.Is(err, ledger.ErrExists) {
		wrong["slug"] = "is taken: the application has a cron of this slug already"
		return true
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Unprocessable || len(f.Fields) == 0 {
		return false
	}
	noteWrong(wrong, f.Fields)
	return true
}
