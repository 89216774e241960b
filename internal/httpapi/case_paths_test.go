package httpapi

import (
	"net/http"
	"strings"

	"ferryman/internal/ledger"
)

func pathTricks(h *harbour) {
	h.newCron("nightly")
	running := h.started("nightly")
	for _, ref := range []string{
		"0", "-1", "+1", "1e3", "1.0", "01", "0x1", "12345678901234567890", "9007199254740992", "%2e%2e", "..", "%2e", "%00", "nightly%00",
		"nightly%2Fstart", "%6eightly%20", "NIGHTLY", "_nightly", "n%C3%A9", "%FF", strings.Repeat("n", 101), "%20", "nightly;x", "1,2",
	} {
		for _, c := range fourCalls(ref, ref) {
			a := h.call(c[0], c[1], c[2])
			if a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != "" || a.Header.Get("Content-Type") != problemMIME {
				h.t.Errorf("%s %s: %d %s %s", c[0], c[1], a.StatusCode, a.Header.Get("Location"), a.text)
			}
		}
	}
	for _, c := range fourCalls("nightly", running) {
		for _, path := range []string{
			c[1] + "/", "/" + c[1], strings.Replace(c[1], "/api/", "/api//", 1), c[1] + "/x", c[1] + "%2F", c[1] + "/.", c[1] + "/../start",
			strings.ToUpper(c[1]),
		} {
			a := h.call(c[0], path, c[2])
			if a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != "" || a.Header.Get("Content-Type") != problemMIME {
				h.t.Errorf("%s %s: %d %s %s", c[0], path, a.StatusCode, a.Header.Get("Location"), a.text)
			}
		}
	}
	// One and the same segment may be written in several ways.
	h.want(h.call("GET", "/api/%6eightly/can%2Dstart", ""), http.StatusOK, "")
	// No slug is reserved.
	for _, slug := range []string{"users", "warehouses", "v1", "start", "syncall", "can-start"} {
		h.newCron(slug)
		for _, c := range fourCalls(slug, h.started(slug)) {
			h.want(h.call(c[0], c[1], c[2]), http.StatusOK, "")
		}
	}
}

func headOfStart(h *harbour) {
	cron := h.newCron("nightly")
	a := h.call("HEAD", "/api/nightly/start", "")
	if h.want(a, http.StatusMethodNotAllowed, ""); a.Header.Get("Allow") != "GET, POST" || a.text != "" {
		h.t.Errorf("Allow %q, text %q", a.Header.Get("Allow"), a.text)
	}
	if n := h.count(cron, ledger.Running); n != 0 {
		h.t.Errorf("%d executions run", n)
	}
	h.want(h.call("HEAD", "/api/nightly/can-start", ""), http.StatusOK, "")
}

func prefetchedStart(h *harbour) {
	cron := h.newCron("nightly")
	for _, headers := range [][]string{
		{"Sec-Purpose", "prefetch"}, {"Sec-Purpose", "prefetch;prerender"}, {"Purpose", "prefetch"}, {"X-Moz", "Prefetch"},
		{"Purpose", "none", "Purpose", "prefetch"},
	} {
		h.wantProblem(h.call("GET", "/api/nightly/start", "", headers...), http.StatusBadRequest, "prefetch")
	}
	if n := h.count(cron, ledger.Running); n != 0 {
		h.t.Errorf("%d executions run", n)
	}
	h.want(h.call("GET", "/api/nightly/start", "", "Purpose", "navigation"), http.StatusOK, "")
}

func wrongMethodAndPath(h *harbour) {
	for path, allow := range map[string]string{
		"/api/nightly/can-start": "GET, HEAD", "/api/nightly/start": "GET, POST", "/api/1/end": "POST", "/api/1/message": "POST",
	} {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
			a := h.call(method, path, "")
			h.wantProblem(a, http.StatusMethodNotAllowed, "method_not_allowed")
			if a.Header.Get("Allow") != allow {
				h.t.Errorf("%s %s: Allow %q, want %q", method, path, a.Header.Get("Allow"), allow)
			}
		}
	}
	for _, path := range []string{"/api/nightly", "/api/nightly/stop", "/api/1/end/2", "/api", "/api/", "/start"} {
		h.wantProblem(h.call("POST", path, "{}"), http.StatusNotFound, "unknown_path")
	}
}
