package dashboard

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
)

// JobsRoot is the path of the job engine's own pages.
const JobsRoot = Root + "jobs"

// JobPages are the job engine's own pages. They ask nobody who they are.
type JobPages struct {
	http.Handler        // answers at JobsRoot and below
	Policy       string // the Content-Security-Policy that they need
}

// mountJobs serves the job engine's pages, if there are any.
func (d *Dashboard) mountJobs() {
	if d.o.Jobs.Handler == nil {
		return
	}
	for _, method := range [...]string{http.MethodGet + " ", ""} { // what is only looked at is not worth a line in the log
		d.mux.HandleFunc(method+JobsRoot+"/", d.jobs)
	}
}

// jobs lets operators who may act see and do what the job engine offers. Its calls
// carry no token of ours: that they come from a page of this server is what httpapi
// looks after, and the cookie comes along from nowhere else.
func (d *Dashboard) jobs(w http.ResponseWriter, r *http.Request) {
	looks := r.Method == http.MethodGet || r.Method == http.MethodHead
	use := inPerson
	if looks && strings.HasPrefix(r.URL.Path, JobsRoot+"/api/") { // its pages ask again every few seconds
		use = unattended
	}
	req, err := d.enter(r, operators, use)
	switch {
	case errors.Is(err, errSignIn) && looks:
		http.Redirect(w, r, Root+"sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	case err == nil && !req.viewer.Admin():
		err = &fault.Error{
			Kind: fault.Forbidden, Code: "scope", Detail: "these pages are for keys of scope admin", Hint: "sign in with an admin key of the application ferryman",
		}
	}
	if err != nil {
		d.fail(w, req, err)
		return
	}
	w.Header().Set("Content-Security-Policy", d.o.Jobs.Policy)
	if looks {
		d.o.Jobs.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		d.fail(w, req, &fault.Error{Kind: fault.TooLarge, Code: "too_large", Detail: "the call cannot be read, or is larger than 64 KiB"})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	did := &jobAnswer{ResponseWriter: w}
	d.o.Jobs.ServeHTTP(did, r)
	if did.status < http.StatusMultipleChoices {
		target, action := jobCall(r.URL.Path)
		d.o.Audit.Note(r.Context(), audit.Entry{
			Who: req.viewer.Name(), App: req.viewer.App, Action: action, Target: target, Detail: string(body), Remote: forwarded.Of(r).Host(),
		})
	}
}

// jobCall says what a call of the job engine's is about: the path ends with a verb, or
// with the name of what is changed.
func jobCall(path string) (target, action string) {
	parts := strings.Split(strings.TrimPrefix(path, JobsRoot+"/api/"), "/")
	switch {
	case parts[0] == "jobs" && len(parts) == 2:
		return "jobs", "job." + parts[1]
	case parts[0] == "queues" && len(parts) == 3:
		return "queue " + parts[1], "queue." + parts[2]
	case parts[0] == "queues" && len(parts) == 2:
		return "queue " + parts[1], "queue.edit"
	}
	return "jobs", "job.call"
}

// jobAnswer is an answer whose status is remembered.
type jobAnswer struct {
	http.ResponseWriter
	status int // 0 if nobody said: then it is 200
}

func (a *jobAnswer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what it needs.
func (a *jobAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
