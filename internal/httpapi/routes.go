package httpapi

import (
	"net/http"
	"strings"

	"ferryman/internal/fault"
)

// route is one call. A GET also answers HEAD.
type route struct {
	method  string
	pattern string // of http.ServeMux, without method and host
	answer  answerer
}

// table is all calls, in the order of the description.
func (s *Server) table() []route {
	return []route{
		{"PATCH", "/api/syncall", s.syncAll},
		{"PATCH", "/api/syncast", s.syncCast},
		{"GET", "/api/synlast", s.syncLast},
		{"GET", "/api/users", s.list(s.o.Users)},
		{"GET", "/api/users/{id}", s.get(s.o.Users)},
		{"GET", "/api/warehouses", s.list(s.o.Warehouses)},
		{"GET", "/api/warehouses/{id}", s.get(s.o.Warehouses)},
		{"GET", "/healthz", s.healthz},
		{"GET", "/readyz", s.readyz},
		{"GET", "/metrics", s.gather},
		{"GET", "/openapi.yaml", s.openapiYAML},
		{"GET", "/openapi.json", s.openapiJSON},
		{"GET", "/docs", s.docsPage},
		{"GET", "/docs/{file}", s.docsFile},
		{"GET", "/problems/{kind}", s.problemPage},
		{"GET", "/{$}", s.index},
	}
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
