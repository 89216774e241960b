package httpapi

import (
	"errors"
	"net/http"
	"slices"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// problem is an error as RFC 9457 has it.
type problem struct {
	Type      string `json:"type"` // a page of this server
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
	Hint      string `json:"hint,omitempty"`

	Errors []fault.Field `json:"errors,omitempty"` // the values that are wrong, all of them
}

// problemKind is one row of the table of errors.
type problemKind struct {
	Name   string // the end of the type's path
	Status int
	Title  string
	Text   string // for a person, on the page
}

// kinds gives every fault.Kind its status.
var kinds = [...]problemKind{
	fault.Internal: {"internal", http.StatusInternalServerError, "Internal error",
		"Something went wrong on the server that nobody foresaw. The server's log has the reason under the request id. The same call may work later."},
	fault.Invalid: {"invalid", http.StatusBadRequest, "Invalid request",
		"A part of the request is not what it should be; the detail names it. The same call will fail again."},
	fault.NotFound: {"not_found", http.StatusNotFound, "Not found",
		"There is nothing at this path, or nothing with this id."},
	// The answer that clients of the cron ledger wait for.
	fault.Inactive: {"inactive", http.StatusTeapot, "Inactive",
		"What the call is about is there and has been switched off."},
	fault.Conflict: {"conflict", http.StatusConflict, "Conflict",
		"The call collides with something that is already there or already running."},
	fault.Unauthorized: {"unauthorized", http.StatusUnauthorized, "Unauthorized",
		"The credentials that the call needs are missing or were refused."},
	fault.Forbidden: {"forbidden", http.StatusForbidden, "Forbidden",
		"The server knows the caller well enough, and does not let it do this."},
	fault.TooLarge: {"too_large", http.StatusRequestEntityTooLarge, "Too large",
		"The request is over a bound; the detail names the bound."},
	fault.RateLimited: {"rate_limited", http.StatusTooManyRequests, "Too many requests",
		"Too many calls at once. Try again after the seconds that Retry-After names."},
	fault.Timeout: {"timeout", http.StatusGatewayTimeout, "Timed out",
		"Something that the server asked did not answer in time. The same call may work later."},
	fault.Unavailable: {"unavailable", http.StatusServiceUnavailable, "Unavailable",
		"The server, or something that it needs, is in trouble or about to stop. The same call may work later."},
	fault.Unconfigured: {"not_configured", http.StatusServiceUnavailable, "Not configured",
		"A setting of the server is missing or wrong; the hint names it."},
	fault.Canceled: {"canceled", http.StatusServiceUnavailable, "Called off",
		"The call was called off before it was done, by the caller or because the server stops."},
	fault.Unprocessable: {"unprocessable", http.StatusUnprocessableEntity, "Unprocessable values",
		"The body can be read and some of its values are not what they must be. The member errors names all of them."},
}

// otherKinds are what HTTP itself objects to and no fault.Kind stands for.
var otherKinds = [...]problemKind{
	{"method_not_allowed", http.StatusMethodNotAllowed, "Method not allowed",
		"The path is there and does not take this method. The header Allow names those it takes."},
	{"unsupported_media_type", http.StatusUnsupportedMediaType, "Unsupported media type",
		"The body is of a type that the call does not take. The detail names the one that it does."},
}

// otherKind gives the kind of an error that HTTP itself has, and what to say of it.
func otherKind(err error) (k problemKind, found bool) {
	if _, ok := errors.AsType[*methodError](err); ok {
		return otherKinds[0], true
	}
	if _, ok := errors.AsType[*mediaTypeError](err); ok {
		return otherKinds[1], true
	}
	return problemKind{}, false
}

func kindOf(err error) problemKind {
	if k, other := otherKind(err); other {
		return k
	}
	if k := fault.KindOf(err); int(k) < len(kinds) {
		return kinds[k]
	}
	return kinds[fault.Internal]
}

// StatusOf gives the HTTP status of an error.
func StatusOf(err error) int { return kindOf(err).Status }

func newProblem(err error, requestID string) problem {
	k := kindOf(err)
	p := problem{
		Type: "/problems/" + k.Name, Title: k.Title, Status: k.Status,
		Detail: publicDetail(err), Code: k.Name, RequestID: requestID, Hint: hintOf(err),
	}
	if _, other := otherKind(err); !other {
		p.Code = fault.CodeOf(err)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		p.Errors = f.Fields
	}
	return p
}

// hintOf is what to do about an error. The ledger leaves that open where the command
// line has other advice.
func hintOf(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return hint
	}
	switch fault.CodeOf(err) {
	case ledger.ErrNoCron.Code:
		return "a key finds the crons of its own application alone; GET /api/v1/crons lists them, and a start with ?create=1 makes one"
	case ledger.ErrNoApplication.Code:
		return "a key finds its own application alone, but for those of ferryman; GET /api/v1/applications lists what it finds"
	case ledger.ErrEnded.Code:
		return "the end that was reported first stands; another run needs another start"
	}
	return ""
}

// publicDetail is what a client may read of an error: what was written for it,
// and nothing of the causes below, which name tables and addresses.
func publicDetail(err error) string {
	if _, other := otherKind(err); other {
		return err.Error() // nobody wraps these
	}
	f, classified := errors.AsType[*fault.Error](err)
	switch {
	case classified && f.Kind != fault.Internal && f.Detail != "":
		return f.Detail
	case fault.KindOf(err) == fault.Internal:
		return "an unexpected error; the log has it under the request id"
	default:
		return kindOf(err).Text
	}
}

// problemPage is the page that a problem's type leads to.
func (s *Server) problemPage(r *http.Request) (reply, error) {
	all := slices.Concat(kinds[:], otherKinds[:])
	i := slices.IndexFunc(all, func(k problemKind) bool { return k.Name == r.PathValue("kind") })
	if i < 0 {
		return reply{}, errNoPath
	}
	return s.pages.render("problem.html", all[i])
}
