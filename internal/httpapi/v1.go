package httpapi

import (
	"context"
	"net/http"
	"strings"

	"ferryman/internal/apikey"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// Applications knows what applications there are.
type Applications interface {
	Applications(ctx context.Context) ([]apikey.Application, error)
	// Application gives a fault of kind NotFound for a name that none has.
	Application(ctx context.Context, name string) (apikey.Application, error)
}

// administration is the calls by which crons are administered, in the order of
// the description. Keys of the application ferryman may look at all applications,
// and change them with the scope admin; others see only their own.
func (s *Server) administration() []route {
	look, change := byKey(apikey.Read), byKey(apikey.Admin)
	body := change.withBody()
	all := []route{
		{"GET", "/api/v1/crons", s.listCrons, look, false},
		{"POST", "/api/v1/crons", s.createCron, body, false},
		{"GET", "/api/v1/crons/{id}", s.readCron, look, false},
		{"PATCH", "/api/v1/crons/{id}", s.changeCron, body, false},
		{"DELETE", "/api/v1/crons/{id}", s.deleteCron, change, false},
		{"POST", "/api/v1/crons/{id}/pause", s.pauseCron, body, false},
		{"POST", "/api/v1/crons/{id}/resume", s.resumeCron, change, false},
		{"POST", "/api/v1/crons/{id}/snooze", s.snoozeCron, body, false},
		{"POST", "/api/v1/crons/{id}/release", s.releaseCron, body, false},
		{"GET", "/api/v1/crons/{id}/executions", s.listCronExecutions, look, false},
		{"GET", "/api/v1/executions", s.listExecutions, look, false},
		{"GET", "/api/v1/executions/{id}", s.readExecution, look, false},
		{"POST", "/api/v1/executions/{id}/release", s.releaseExecution, body, false},
		{"GET", "/api/v1/executions/{id}/messages", s.listMessages, look, false},
		{"GET", "/api/v1/events", s.listEvents, look, false},
		{"GET", "/api/v1/rejected", s.listRejected, look, false},
		{"GET", "/api/v1/maintenance", s.listMaintenance, look, false},
		{"POST", "/api/v1/maintenance", s.addMaintenance, body, false},
		{"DELETE", "/api/v1/maintenance/{id}", s.removeMaintenance, change, false},
		{"GET", "/api/v1/applications", s.listApplications, look, false},
	}
	for i, rt := range all {
		all[i].answer = asDescribed(rt, timely(s.o.AdminTime, rt.answer))
	}
	return all
}

// asDescribed refuses a query with a parameter that the call does not take: a list
// would be another than was asked for.
func asDescribed(rt route, answer answerer) answerer {
	known := parameters(rt)
	return func(r *http.Request) (reply, error) {
		q, err := params.Parse(r.URL.RawQuery)
		if err == nil {
			err = q.Only(known...)
		}
		if err != nil {
			return reply{}, err
		}
		return answer(r)
	}
}

// parameters gives those of the query that a call takes.
func parameters(rt route) []string {
	executions := []string{"status", "since", "until", "host", "trigger", "overdue", "limit", "before", "format"}
	switch rt.method + " " + rt.pattern {
	case "GET /api/v1/syncs":
		return []string{"limit"}
	case "GET /api/v1/deliveries":
		return []string{"topic", "state", "channel", "recipient", "limit", "after", "format"}
	case "GET /api/v1/crons":
		return []string{"app", "kind", "state", "search", "limit", "after", "format"}
	case "GET /api/v1/crons/{id}/executions":
		return append([]string{"app"}, executions...)
	case "GET /api/v1/executions":
		return append([]string{"app", "cron"}, executions...)
	case "GET /api/v1/executions/{id}/messages":
		return []string{"type", "limit", "after", "format"}
	case "GET /api/v1/events":
		return []string{"app", "cron", "kind", "limit", "after", "before", "format"}
	case "GET /api/v1/rejected":
		return []string{"app", "limit", "before", "format"}
	case "GET /api/v1/maintenance":
		return []string{"app", "past", "limit", "after", "format"}
	case "GET /api/v1/applications":
		return []string{"limit", "after", "format"}
	}
	if strings.HasPrefix(rt.pattern, "/api/v1/crons/{id}") {
		return []string{"app"}
	}
	return nil
}

// seen is the application whose crons the caller may see; 0: all.
func seen(r *http.Request) int64 {
	if who := caller(r); who.App != apikey.BuiltIn {
		return who.AppID
	}
	return 0
}

// appNamed gives the application of a name that the caller may see. It gives
// ledger.ErrNoApplication.
func (s *Server) appNamed(r *http.Request, name string) (int64, error) {
	if who := caller(r); name == who.App {
		return who.AppID, nil
	}
	if seen(r) != 0 {
		return 0, ledger.ErrNoApplication
	}
	app, err := s.o.Apps.Application(r.Context(), name)
	if fault.KindOf(err) == fault.NotFound {
		return 0, ledger.ErrNoApplication
	}
	return app.ID, err
}

// appAsked gives the application that the query names, or else all that the
// caller may see.
func (s *Server) appAsked(r *http.Request, q params.Query) (int64, error) {
	name, given, err := q.Text("app", maxText)
	if err != nil || !given {
		return seen(r), err
	}
	return s.appNamed(r, name)
}

// cronAsked gives the cron that the path names, by its id or by its slug in the
// application that the query names or in the caller's own.
func (s *Server) cronAsked(r *http.Request) (app int64, ref ledger.Ref, err error) {
	ref, ok := ledger.ParseRef(r.PathValue("id"))
	if !ok {
		return 0, ledger.Ref{}, ledger.ErrNoCron
	}
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return 0, ledger.Ref{}, err
	}
	app, err = s.appAsked(r, q)
	if app == 0 && ref.ID == 0 {
		app = caller(r).AppID
	}
	return app, ref, err
}

// idAsked gives the id that the path names, or what is given for one that can be
// none.
func idAsked(r *http.Request, none error) (int64, error) {
	id, ok := ledger.ParseID(r.PathValue("id"))
	if !ok {
		return 0, none
	}
	return id, nil
}

// optionalForm reads a body that may be missing.
func optionalForm(r *http.Request, members ...string) (form, error) {
	body, err := jsonBody(r)
	if err != nil {
		return form{}, err
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	return readOwnForm(body, nil, members...)
}
