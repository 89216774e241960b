package dashboard

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
	"ferryman/internal/params"
)

// page is one kind of page.
type page struct {
	pattern string // of http.ServeMux, without the method
	area    string // the entry of the menu that it belongs to
	who     access
	show    func(*request) (view, error)
	takes   []string // the parameters that its address may have
}

// understands refuses an address with a parameter that the page does not know:
// somebody asks for something, and would be shown something else.
func (p page) understands(q params.Query) error {
	for _, name := range slices.Sorted(maps.Keys(q.Values)) {
		if slices.Contains(p.takes, name) {
			continue
		}
		hint := "the address of this page takes none"
		if len(p.takes) > 0 {
			hint = "the address of this page takes " + strings.Join(p.takes, ", ")
		}
		return params.Bad(cut(name, 40), "not known here", hint)
	}
	return nil
}

// access is who may see a page or act.
type access int

const (
	viewers   access = iota // whoever is signed in
	operators               // who sees all applications
	everybody               // also who is not signed in
)

// request is a request for a page, or of an action.
type request struct {
	*http.Request
	viewer viewer
	now    time.Time
	zone   *time.Location // in which times are shown
	query  params.Query
	form   url.Values // of an action
	// versions are those of what pages show, from before anything was read for this
	// one; nil: not asked for yet.
	versions map[string]string
}

// view is what to show.
type view struct {
	template string // the file in web/, without .html
	title    string
	data     any // for the template, as .Data
	// live names the topics, as pulses has them, with which the page changes.
	live    []string
	status  int      // 200 if 0
	refused *refusal // of the answer to a form; nil: it was not refused
}

// frame is what every template gets.
type frame struct {
	Title   string
	Area    string
	Root    string
	Viewer  viewer
	CSRF    string
	Version string
	Sandbox bool   // the store is that of a trial
	Zone    string // its name; "" for UTC by default
	Theme   string // light, dark, or "" for the browser's
	Now     time.Time
	Path    string // with the query; where an action leads back to
	Live    string // versions of the topics, as the stream names them
	Flash   *flash
	Data    any

	r *request
}

// serve answers with a page.
func (d *Dashboard) serve(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := d.enter(r, p.who, inPerson)
		switch {
		case errors.Is(err, errSignIn):
			http.Redirect(w, r, Root+"sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		case err != nil:
			d.fail(w, req, err)
			return
		}
		if err := p.understands(req.query); err != nil {
			d.fail(w, req, err)
			return
		}
		if p.who != everybody {
			req.versions = d.live.ask(r.Context()) // what changes while the page is made, it asks for anew
		}
		v, err := p.show(req)
		if err != nil {
			d.fail(w, req, err)
			return
		}
		d.render(w, req, p.area, v)
	}
}

// enter finds out who asks, and whether they may.
func (d *Dashboard) enter(r *http.Request, who access, use use) (*request, error) {
	req := &request{Request: r, now: d.o.Now(), zone: chosenZone(r), query: params.Query{Values: url.Values{}}}
	var err error
	if req.query, err = params.Parse(r.URL.RawQuery); err != nil {
		return req, err
	}
	v, err := d.identify(r, use)
	if err != nil && (who != everybody || !errors.Is(err, errSignIn)) {
		return req, err
	}
	req.viewer = v
	if who == operators && !v.Operator() {
		return req, &fault.Error{
			Kind: fault.Forbidden, Code: "not_an_operator", Detail: "this page is for keys of the application ferryman",
			Hint: "you are signed in with a key of the application " + v.App,
		}
	}
	return req, nil
}

// render writes a view. The page is made before anything goes out, so that what
// goes wrong is a page of its own and not half of one.
func (d *Dashboard) render(w http.ResponseWriter, r *request, area string, v view) {
	f := frame{
		Title: v.title, Area: area, Root: Root, Viewer: r.viewer, Version: d.o.Version, Sandbox: d.o.Node.Sandbox, Now: r.now, Path: r.URL.RequestURI(),
		Theme: chosenTheme(r.Request), Zone: r.zone.String(), Data: v.data, r: r, CSRF: d.csrf(r.viewer), Flash: d.takeFlash(w, r.Request),
	}
	if v.refused != nil {
		f.Flash, f.Path = &v.refused.said, v.refused.path
	}
	if len(v.live) > 0 {
		if r.versions == nil {
			r.versions = d.live.ask(r.Context())
		}
		f.Live = d.versionsOf(r.versions, v.live)
	}
	var buf bytes.Buffer
	if err := d.views.execute(&buf, v.template, f); err != nil {
		d.fail(w, r, fmt.Errorf("render %s: %w", v.template, err))
		return
	}
	status := v.status
	if status == 0 {
		status = http.StatusOK
	}
	writeHTML(w, r.Request, status, buf.Bytes())
}

// worthZipping is how large a page is that is compressed, in bytes.
const worthZipping = 4 << 10

// writeHTML writes a page. That it is compressed betrays no token to pages of other
// sites, which could measure how long it is: their requests carry no session.
func writeHTML(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Encoding")
	if len(text) > worthZipping && takesZip(r) {
		h.Set("Content-Encoding", "gzip")
		text = zip(text, gzip.BestSpeed)
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the browser may be gone
}

// trouble is what the page of an error says.
type trouble struct {
	Status  int
	Title   string
	Detail  string
	Hint    string
	Fields  []fault.Field
	Request string // the id under which the log has it
}

// fail says what went wrong, on a page. What an unclassified error says goes to
// the log and not to the browser.
func (d *Dashboard) fail(w http.ResponseWriter, r *request, err error) {
	t := d.trouble(w, err)
	if t.Status >= http.StatusInternalServerError && fault.KindOf(err) != fault.Canceled {
		d.o.Log.LogAttrs(r.Context(), slogLevel(t.Status), "page failed", errAttrs(r, t, err)...)
	}
	f := frame{
		Title: t.Title, Root: Root, Viewer: r.viewer, Version: d.o.Version, Sandbox: d.o.Node.Sandbox, Now: r.now, Path: Root, Theme: chosenTheme(r.Request),
		Zone: r.zone.String(), Data: t, r: r, CSRF: d.csrf(r.viewer),
	}
	var buf bytes.Buffer
	if err := d.views.execute(&buf, "error", f); err != nil {
		http.Error(w, t.Title, t.Status)
		return
	}
	writeHTML(w, r.Request, t.Status, buf.Bytes())
}

func (d *Dashboard) trouble(w http.ResponseWriter, err error) trouble {
	t := trouble{
		Status: d.o.Status(err), Title: "Something went wrong", Detail: "The server met something that nobody foresaw.",
		Hint: "Its log has the reason under the number below. The same page may work later.", Request: w.Header().Get("X-Request-Id"),
	}
	f, classified := errors.AsType[*fault.Error](err)
	if !classified || f.Kind == fault.Internal {
		return t
	}
	t.Title, t.Detail, t.Hint, t.Fields = http.StatusText(t.Status), sentence(f.Detail), sentence(f.Hint), f.Fields
	if t.Title == "" || f.Kind == fault.Inactive {
		t.Title = "Not possible now"
	}
	return t
}

// file is what a page leads to that is no page: a download or a stream.
type file struct {
	pattern string // of http.ServeMux, without the method
	who     access
	answer  func(http.ResponseWriter, *request) error // an error is told if nothing has gone out
	use     use
}

// give answers with a file.
func (d *Dashboard) give(f file) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := d.enter(r, f.who, f.use)
		if err == nil {
			err = f.answer(w, req)
		}
		if err != nil {
			d.fail(w, req, err)
		}
	}
}

// missing answers where there is no page.
func (d *Dashboard) missing(w http.ResponseWriter, r *http.Request) {
	req, err := d.enter(r, viewers, inPerson)
	if errors.Is(err, errSignIn) {
		http.Redirect(w, r, Root+"sign-in", http.StatusSeeOther)
		return
	}
	if err == nil {
		err = &fault.Error{Kind: fault.NotFound, Code: "unknown_path", Detail: "there is no page at this address"}
	}
	d.fail(w, req, err)
}

// serverURL is the address by which the viewer reached the server.
func serverURL(r *request) string {
	const otherwise = "http://127.0.0.1:8080"
	if r.Host == "" || strings.Trim(r.Host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") != "" {
		return otherwise
	}
	if forwarded.Of(r.Request).Encrypted {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
