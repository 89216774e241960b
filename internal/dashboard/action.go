package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
)

// action is something that a form does.
type action struct {
	pattern string // of http.ServeMux, without the method
	name    string // as the record of what was done calls it, such as cron.pause; "": it is not recorded
	who     access // beside which it takes the scope admin, but for everybody
	do      func(*request) (done, error)
}

// done is what an action did.
type done struct {
	say    string // to whoever did it: a sentence
	target string // what it was done to, for the record: "cron 12 shop/nightly"
	detail string // what it was changed to; never a secret
	next   string // the page to go to; "" is the one with the form
	undo   *undo  // how to take it back; nil: it cannot be
	// answer, if not nil, is shown in place of leading on to a page: for what is
	// shown but once, such as a key. Beside an error it is the page with the form as it
	// was filled in.
	answer  *view
	area    string // of answer
	refused bool   // nothing was done: there is nothing to record
	partly  bool   // beside an error: some of it was done, and is recorded
	cookies []*http.Cookie
}

// refusal is what a page with a refused form says, and where it is when it is asked
// for anew.
type refusal struct {
	said flash
	path string
}

// undo is the form that takes an action back.
type undo struct {
	Path   string            `json:"p"`
	Fields map[string]string `json:"f,omitempty"`
}

// maxForm is how large a form may be, in bytes.
const maxForm = 64 << 10

// act answers with what an action did, or with the page that it was on and what
// went wrong.
func (d *Dashboard) act(a action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := d.enter(r, a.who, inPerson)
		if err == nil {
			err = d.takeForm(w, req, a)
		}
		if err != nil {
			d.fail(w, req, err)
			return
		}
		back := localPath(req.form.Get("back"))
		did, err := a.do(req)
		if a.name != "" && !did.refused && (err == nil || did.partly) {
			d.o.Audit.Note(context.WithoutCancel(r.Context()), audit.Entry{
				Who: req.viewer.Name(), App: req.viewer.App, Action: a.name, Target: did.target, Detail: did.detail, Remote: forwarded.Of(r).Host(),
			})
		}
		if err != nil {
			d.failed(w, req, back, did, err)
			return
		}
		for _, c := range did.cookies {
			http.SetCookie(w, c)
		}
		if did.answer != nil {
			d.render(w, req, did.area, *did.answer)
			return
		}
		if did.next != "" {
			back = did.next
		}
		if did.say != "" {
			d.putFlash(w, r, flash{Text: did.say, Undo: did.undo})
		}
		http.Redirect(w, r, back, http.StatusSeeOther)
	}
}

func (d *Dashboard) takeForm(w http.ResponseWriter, r *request, a action) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return &fault.Error{Kind: fault.TooLarge, Code: "too_large", Detail: "the form is larger than 64 KiB"}
		}
		return &fault.Error{Kind: fault.Invalid, Code: "invalid_form", Detail: "the form cannot be read"}
	}
	r.form = r.PostForm
	if !d.ours(r.viewer, r.form.Get("csrf")) {
		return &fault.Error{
			Kind: fault.Forbidden, Code: "foreign_form", Detail: "the form is not one of this session",
			Hint: "go back, load the page anew and try again",
		}
	}
	if a.who == everybody {
		return nil
	}
	return r.viewer.mayAct()
}

// failed answers with the form as it was filled in, or leads back to the page with
// it, which then says what went wrong.
func (d *Dashboard) failed(w http.ResponseWriter, r *request, back string, did done, err error) {
	t := d.trouble(w, err)
	if t.Status >= http.StatusInternalServerError {
		d.fail(w, r, err)
		return
	}
	text := []string{t.Detail}
	for _, f := range t.Fields {
		text = append(text, sentence(f.Pointer+": "+f.Detail))
	}
	if t.Hint != "" {
		text = append(text, t.Hint)
	}
	said := flash{Text: strings.Join(text, " "), Bad: true}
	if did.answer != nil {
		v := *did.answer
		// Whatever the reason was, it is the form that is to be mended.
		v.status, v.refused = http.StatusUnprocessableEntity, &refusal{said, back}
		v.live = nil // anew, the script would ask for the address of the action
		d.render(w, r, did.area, v)
		return
	}
	d.putFlash(w, r.Request, said)
	http.Redirect(w, r.Request, back, http.StatusSeeOther)
}

// localPath is a path of the dashboard that a form or an address names, or the
// first page in place of any other: nobody is led elsewhere.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.EscapedPath(), Root) ||
		strings.ContainsAny(path, "\\\r\n") || strings.Contains(u.Path, "/.") {
		return Root
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}
