package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
	"ferryman/internal/ledger"
	"ferryman/internal/rejected"
)

// reports are the calls by which applications report what their crons do. They
// are found before http.ServeMux looks: it cannot hold their patterns beside
// those of rows, and a cron may be called users.
type reports struct {
	all    []route
	byCall map[string][]route // by the last segment of the path
}

func (s *Server) reportCalls() reports {
	c := reports{byCall: map[string][]route{}, all: []route{
		{"GET", "/api/{slug}/can-start", timely(s.o.CallTime, s.canStart), byKey(apikey.Ping, apikey.Read), true},
		{"GET", "/api/{id}/start", timely(s.o.CallTime, s.startByGet), byKey(apikey.Ping), true},
		{"POST", "/api/{id}/start", timely(s.o.CallTime, s.start), byKey(apikey.Ping).withBody(), true},
		{"POST", "/api/{id}/end", timely(s.o.CallTime, s.end), byKey(apikey.Ping).withBody(), true},
		{"POST", "/api/{id}/message", timely(s.o.CallTime, s.message), byKey(apikey.Ping).withBody(), true},
	}}
	for _, rt := range c.all {
		call := lastSegment(rt.pattern)
		c.byCall[call] = append(c.byCall[call], rt)
	}
	return c
}

// find gives the route of a path that is one of the calls, and sets its path
// value ref.
func (c reports) find(r *http.Request) (route, bool) {
	rest, found := strings.CutPrefix(r.URL.EscapedPath(), "/api/")
	if !found {
		return route{}, false
	}
	ref, call, found := strings.Cut(rest, "/")
	if !found {
		return route{}, false
	}
	methods := c.byCall[unescaped(call)]
	if methods == nil {
		return route{}, false
	}
	r.SetPathValue("ref", unescaped(ref))
	var allow []string
	for _, rt := range methods {
		// What may be posted as well changes something, and HEAD must not.
		if rt.method == r.Method || r.Method == http.MethodHead && rt.method == http.MethodGet && len(methods) == 1 {
			return rt, true
		}
		allow = append(allow, rt.method)
		if rt.method == http.MethodGet && len(methods) == 1 {
			allow = append(allow, http.MethodHead)
		}
	}
	return route{pattern: methods[0].pattern, access: byAll(), answer: func(*http.Request) (reply, error) {
		return reply{}, &methodError{allow: strings.Join(allow, ", ")}
	}}, true
}

func unescaped(segment string) string {
	text, _ := url.PathUnescape(segment) // the URL was parsed
	return text
}

// timely bounds what a call of the ledger may take. Its caller is told of any
// trouble of the store that it may pass.
func timely(most time.Duration, answer answerer) answerer {
	return func(r *http.Request) (reply, error) {
		ctx, cancel := context.WithTimeout(r.Context(), most)
		defer cancel()
		out, err := answer(r.WithContext(ctx))
		return out, storeTrouble(err)
	}
}

// storeTrouble makes trouble that may pass of all trouble of the store: nothing
// else that such a call does can fail without being classified.
func storeTrouble(err error) error {
	if _, other := otherKind(err); other || err == nil {
		return err
	}
	f := &fault.Error{Kind: fault.Unavailable, Code: "store_unavailable", Err: err}
	switch fault.KindOf(err) {
	case fault.Timeout:
		f.Detail = "the store does not answer in time"
	case fault.Unconfigured:
		f.Code, f.Detail = fault.CodeOf(err), "the store cannot be used"
	case fault.Internal:
		f.Code, f.Detail = "store_failed", "the store failed; the log has the reason under the request id"
	default:
		return err
	}
	return f
}

// keepRefused notes reports of applications that were refused: they show who is
// wired wrongly.
func (s *Server) keepRefused(r *http.Request, ex *exchange, status int) {
	if s.o.Rejected == nil || ex.err == nil || s.reports.byCall[lastSegment(ex.route.pattern)] == nil {
		return
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTeapot, http.StatusUnprocessableEntity:
	default:
		return
	}
	prefix := ex.who.Prefix
	if prefix == "" {
		prefix = apikey.Prefix(r.Header.Get(keyHeader))
	}
	s.o.Rejected.Note(rejected.Call{
		AppID: ex.who.AppID, Method: knownMethod(r.Method), Path: r.URL.Path, Status: status, Code: fault.CodeOf(ex.err), Detail: publicDetail(ex.err),
		KeyPrefix: prefix, Remote: forwarded.Of(r).Host(), Agent: r.UserAgent(),
	})
}

func lastSegment(pattern string) string { return pattern[strings.LastIndexByte(pattern, '/')+1:] }

// cronRef gives the cron that a path names.
func cronRef(r *http.Request) (ledger.Ref, error) {
	ref, ok := ledger.ParseRef(r.PathValue("ref"))
	if !ok {
		return ledger.Ref{}, ledger.ErrNoCron
	}
	return ref, nil
}

// executionID gives the execution that a path names.
func executionID(r *http.Request) (int64, error) {
	id, ok := ledger.ParseID(r.PathValue("ref"))
	if !ok {
		return 0, ledger.ErrNoExecution
	}
	return id, nil
}
