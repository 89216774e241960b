package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/syncs"
)

func TestEveryKindHasItsStatus(t *testing.T) {
	statuses := map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.NotFound: 404, fault.Inactive: 418, fault.Conflict: 409,
		fault.Unauthorized: 401, fault.Forbidden: 403, fault.TooLarge: 413, fault.RateLimited: 429, fault.Timeout: 504,
		fault.Unavailable: 503, fault.Unconfigured: 503, fault.Canceled: 503, fault.Unprocessable: 422,
	}
	h := open(t)
	for k := fault.Kind(0); k.String() != "unknown"; k++ {
		want, known := statuses[k]
		if !known {
			t.Fatalf("no status for %v", k)
		}
		h.cast = fmt.Errorf("wrapped: %w", &fault.Error{Kind: k, Code: "my_code", Detail: "my detail", Hint: "my hint", Err: errors.New("inner secret")})
		a := h.do("PATCH", "/api/syncast", "")
		p := h.wantProblem(a, want, "my_code")
		if p.Type != "/problems/"+k.String() || p.Hint != "my hint" || strings.Contains(a.text, "secret") {
			t.Errorf("%v: %s", k, a.text)
		}
		if k != fault.Internal && p.Detail != "my detail" {
			t.Errorf("%v: detail %q", k, p.Detail)
		}
	}
	for err, want := range map[error]int{context.DeadlineExceeded: 504, context.Canceled: 503, errors.New("x"): 500, &fault.Error{Kind: 200}: 500} {
		if p := newProblem(err, "r"); p.Status != want || p.Detail == "" {
			t.Errorf("%v: %+v", err, p)
		}
	}
}

func TestRetryAfterRoundsUp(t *testing.T) {
	h := open(t)
	h.cast = &fault.Error{Kind: fault.Unavailable, RetryAfter: 1200 * time.Millisecond}
	if a := h.do("PATCH", "/api/syncast", ""); a.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

func TestUnknownPaths(t *testing.T) {
	h := open(t)
	for _, path := range []string{
		"/nope", "/api", "/api/", "/api/users/", "/api/users/711/", "//", "//api/users", "/api//users", "/api/./users", "/api/x/../users",
		"/api/users/.", "/docs/", "/docs/nope.js", "/docs/../go.mod", "/problems/nope", "/healthz/x", "/index.html", "/api/users%2F711",
	} {
		for _, method := range []string{"GET", "PATCH"} {
			a := h.do(method, path, "")
			if a.Header.Get("Location") != "" {
				t.Errorf("%s %s redirects", method, path)
			}
			if method == "PATCH" && a.StatusCode == http.StatusMethodNotAllowed && (path == "/docs/nope.js" || path == "/problems/nope") {
				continue // the path is of a route
			}
			h.wantProblem(a, 404, "unknown_path")
		}
	}
	for _, line := range h.logged(unmatched) {
		if strings.Contains(fmt.Sprint(line), "nope") {
			t.Errorf("the log quotes a path that may hold anything: %v", line)
		}
	}
}

func TestWrongMethods(t *testing.T) {
	h := open(t)
	allowed := map[string][]string{}
	for _, r := range h.routes {
		allowed[r.pattern] = append(allowed[r.pattern], r.method)
	}
	for pattern, methods := range allowed {
		if slices.Contains(methods, "GET") && pattern != "/api/{id}/start" {
			methods = append(methods, "HEAD")
		}
		if ofMessages(pattern) {
			methods = append(methods, "OPTIONS") // see TestMessageMethods
		}
		path := example(pattern)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(methods, method) {
				continue
			}
			a := h.do(method, path, "")
			named := strings.Split(a.Header.Get("Allow"), ", ")
			if slices.Sort(named); a.StatusCode != http.StatusMethodNotAllowed || !slices.Equal(named, slices.Sorted(slices.Values(methods))) {
				t.Errorf("%s %s: status %d, Allow %q, want %q", method, path, a.StatusCode, named, methods)
			}
			if method != "HEAD" && !ofMessages(pattern) {
				h.wantProblem(a, 405, "method_not_allowed")
			}
		}
	}
}

// example makes a path of a pattern.
func example(pattern string) string {
	return strings.NewReplacer("{id}", "711", "{slug}", "nightly", "{file}", "docs.js", "{kind}", "invalid", "{$}", "").Replace(pattern)
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	h := open(t)
	for _, path := range []string{"/", "/api/users", "/api/users/711", "/api/users/9", "/api/synlast?count=x", "/healthz", "/docs", "/openapi.yaml", "/docs/docs.js"} {
		get, head := h.do("GET", path, ""), h.do("HEAD", path, "")
		if head.StatusCode != get.StatusCode || head.text != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("%s: HEAD %d %q, GET %d", path, head.StatusCode, head.text, get.StatusCode)
		}
		if get.StatusCode == http.StatusOK && head.ContentLength != int64(len(get.text)) {
			t.Errorf("%s: HEAD says %d bytes, GET sends %d", path, head.ContentLength, len(get.text))
		}
	}
	ran := false
	h.call = func(context.Context) (syncs.Run, error) { ran = true; return goodRun(epoch), nil }
	if a := h.do("HEAD", "/api/syncall", ""); a.StatusCode != http.StatusMethodNotAllowed || ran {
		t.Errorf("HEAD runs a sync: %d", a.StatusCode)
	}
}

func TestRequestIDs(t *testing.T) {
	h := open(t)
	long := strings.Repeat("x", 64)
	for _, id := range []string{"a", "A-z_0.9", long} {
		if got := h.do("GET", "/api/users", "", "X-Request-Id", id).Header.Get("X-Request-Id"); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", long + "x", "a b", "a\tb", "é", `a"`, "<script>", "a,b"} {
		got := h.do("GET", "/api/users/9", "", "X-Request-Id", id)
		fresh := got.Header.Get("X-Request-Id")
		if fresh == id || !wellFormed(fresh) || seen[fresh] {
			t.Errorf("%q became %q", id, fresh)
		}
		seen[fresh] = true
		if h.wantProblem(got, 404, "unknown_id").RequestID != fresh {
			t.Error("the problem has another id")
		}
	}
	lines := h.logged("/api/users")
	if len(lines) != 3 || lines[0]["request_id"] != "a" {
		t.Errorf("log %v", lines)
	}
	var inside string
	h.call = func(ctx context.Context) (syncs.Run, error) { inside = exchangeOf(ctx).id; return goodRun(epoch), nil }
	h.do("PATCH", "/api/syncall", "", "X-Request-Id", "deep")
	if inside != "deep" || exchangeOf(t.Context()).id != "" {
		t.Errorf("the context has %q", inside)
	}
}

func TestAccessLog(t *testing.T) {
	h := open(t)
	h.do("GET", "/api/users?token=s3cret&limit=5", "", "Authorization", "Bearer s3cret")
	h.do("BREW", "/s3cret", "")
	h.do("GET", "/healthz", "")
	line := h.logged("/api/users")[0]
	for key, want := range map[string]any{"level": "INFO", "msg": "request", "method": "GET", "status": 200.0} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if line["bytes"].(float64) < 100 || line["duration"] == nil || !strings.HasPrefix(line["remote"].(string), "127.0.0.1:") {
		t.Errorf("line %v", line)
	}
	if got := h.logged(unmatched)[0]; got["method"] != "other" || got["status"] != 404.0 {
		t.Errorf("line %v", got)
	}
	if h.logged("/healthz")[0]["level"] != "DEBUG" {
		t.Error("probes fill the log")
	}
	if strings.Contains(h.log.String(), "s3cret") {
		t.Errorf("the log tells a secret: %s", h.log.String())
	}
}

func TestPanic(t *testing.T) {
	h := open(t)
	h.call = func(context.Context) (syncs.Run, error) { panic("boom secret") }
	a := h.do("PATCH", "/api/syncall", "")
	h.wantProblem(a, 500, "internal")
	if strings.Contains(a.text, "boom") {
		t.Error("the client sees the panic")
	}
	line := h.logged("/api/syncall")[0]
	if line["level"] != "ERROR" || line["err"] != "panic: boom secret" || !strings.Contains(line["stack"].(string), "answer_test.go") {
		t.Errorf("log %v", line)
	}
	if len(h.callers) != 0 {
		t.Error("the panic keeps a caller's place")
	}
	if a := h.do("GET", "/healthz", ""); a.StatusCode != http.StatusOK {
		t.Error("the server did not survive")
	}
}

func TestBodyLimit(t *testing.T) {
	h := open(t, func(o *Options) { o.MaxBody = 1000 })
	fits, over := strings.Repeat("x", 1000), strings.Repeat("x", 1001)
	for _, path := range []string{"/api/syncall", "/api/syncast"} {
		if a := h.do("PATCH", path, fits); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.text)
		}
		h.wantProblem(h.do("PATCH", path, over), 413, "body_too_large")
		for body, want := range map[string]int{fits: 200, over: 413} { // of unknown length
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, h.url+path, io.MultiReader(strings.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s chunked: %d, want %d", path, resp.StatusCode, want)
			}
		}
	}
	conn := h.dial()
	h.send(conn, "PATCH /api/syncall HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken body: %d", resp.StatusCode)
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := open(t)
	for _, path := range []string{"/", "/docs", "/api/users", "/nope", "/problems/invalid", "/docs/docs.js"} {
		a := h.do("GET", path, "")
		for key, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if a.Header.Get(key) != want {
				t.Errorf("%s: %s is %q", path, key, a.Header.Get(key))
			}
		}
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, p := range []string{"/", "/a", "//", "/a/", "/a/./b", "/..", "", "*", "/%2e%2e", "/a//"} {
		f.Add(p)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	f.Fuzz(func(t *testing.T, path string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h"+path, nil)
		if err != nil || !canonical(req.URL.EscapedPath()) {
			return
		}
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, req); w.Code != http.StatusOK {
			t.Errorf("%q: status %d, to %q", path, w.Code, w.Header().Get("Location"))
		}
	})
}
