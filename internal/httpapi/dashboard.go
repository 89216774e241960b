package httpapi

import (
	"net/http"
	"strings"
)

// dashboardRoot is the path below which Options.Dashboard answers.
const dashboardRoot = "/ui/"

// passing is an answer that somebody else writes: the dashboard's.
type passing struct {
	http.ResponseWriter
	asked  *http.Request
	method string
	status int // 0 before it begins
	bytes  int64
}

func (p *passing) WriteHeader(status int) {
	if p.status == 0 && status >= http.StatusOK {
		p.begin(status)
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *passing) begin(status int) {
	p.status = status
	extendWrite(p.ResponseWriter, p.asked)
}

func (p *passing) Write(text []byte) (int, error) {
	if p.status == 0 {
		p.begin(http.StatusOK)
	}
	n, err := p.ResponseWriter.Write(text)
	p.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find what it needs.
func (p *passing) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// pass lets the dashboard answer, which asks by itself who may see what.
func (s *Server) pass(w http.ResponseWriter, r *http.Request) {
	ex := exchangeOf(r.Context())
	ex.route = route{pattern: dashboardRoot}
	ex.passed = &passing{ResponseWriter: w, asked: r, method: knownMethod(r.Method)}
	awaitAnswer(w, r)
	r = s.beginSpan(r, ex)
	w.Header().Set("X-Request-Id", ex.id)
	s.o.Dashboard.ServeHTTP(ex.passed, r)
	if method, pattern, found := strings.Cut(r.Pattern, " "); found {
		ex.route.pattern, ex.route.quiet = pattern, method == http.MethodGet
	}
}
