package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"ferryman/internal/fault"
)

// route is one call. A GET also answers HEAD.
type route struct {
	method  string
	pattern string // of http.ServeMux, without method and host
	answer  answerer
	access  access
	quiet   bool // the log tells of what went well at the level debug
}

// table is all calls that http.ServeMux finds, in the order of the description.
func (s *Server) table() []route {
	return slices.Concat([]route{
		{"PATCH", "/api/syncall", s.syncAll, byOperators(), false},
		{"PATCH", "/api/syncast", s.syncCast, byOperators(), false},
		{"GET", "/api/synlast", s.syncLast, byOperators(), false},
		{"GET", "/api/users", s.list(s.o.Users), byOperators(), false},
		{"GET", "/api/users/{id}", s.get(s.o.Users), byOperators(), false},
		{"GET", "/api/warehouses", s.list(s.o.Warehouses), byOperators(), false},
		{"GET", "/api/warehouses/{id}", s.get(s.o.Warehouses), byOperators(), false},
		{"GET", "/healthz", s.healthz, byAll(), true},
		{"GET", "/readyz", s.readyz, byAll(), true},
		{"GET", "/metrics", s.gather, byOperators(), true},
		{"GET", "/openapi.yaml", s.openapiYAML, byAll(), false},
		{"GET", "/openapi.json", s.openapiJSON, byAll(), false},
		{"GET", "/docs", s.docsPage, byAll(), false},
		{"GET", "/docs/{file}", s.docsFile, byAll(), false},
		{"GET", "/problems/{kind}", s.problemPage, byAll(), false},
		{"GET", "/{$}", s.index, byAll(), true},
	}, s.syncCalls(), s.messageCalls(), s.outboxCalls(), s.administration())
}

// unmatched stands for the pattern of requests that no route takes.
const unmatched = "unmatched"

// noRoute tells a wrong method from an unknown path.
func (s *Server) noRoute(r *http.Request) (reply, error) {
	var allow []string
	for _, method := range [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "/" {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return reply{}, errNoPath
	}
	if ofMessages(r.URL.Path) {
		allow = append(allow, http.MethodOptions)
		if r.Method == http.MethodOptions {
			return reply{status: http.StatusNoContent, allow: strings.Join(allow, ", ")}, nil
		}
	}
	return reply{}, &methodError{allow: strings.Join(allow, ", ")}
}

var errNoPath = &fault.Error{
	Kind: fault.NotFound, Code: "unknown_path", Detail: "there is nothing at this path",
	Hint: "the paths are listed at /docs",
}

// methodError says that a path is there and its method is not.
type methodError struct{ allow string }

func (e *methodError) Error() string { return "the path does not take this method" }

// canonical tells whether a path is as ServeMux wants it. It would redirect any
// other, and a redirect turns a mistyped PATCH into something else.
func canonical(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		if segment == "." || segment == ".." || segment == "" && path != "/" {
			return false
		}
	}
	return true
}
