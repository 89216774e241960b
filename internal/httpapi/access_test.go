package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

// TestKeysOnly asks for every route of a server that is open to the network for
// holders of keys.
func TestKeysOnly(t *testing.T) {
	h := open(t, func(o *Options) { o.LoopbackOnly, o.KeysOnly = false, true })
	public := map[string]bool{
		"/healthz": true, "/readyz": true, "/docs": true, "/docs/{file}": true, "/openapi.yaml": true, "/openapi.json": true, "/problems/{kind}": true,
	}
	for _, r := range h.routes {
		if ofMessages(r.pattern) || ofOutbox(r.pattern) {
			continue // they need a store: see TestMessagesByKey and TestOutboxByKey
		}
		path := example(r.pattern)
		a := h.do(r.method, path, "", "Host", "ferry.example")
		if r.pattern == "/{$}" {
			if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != dashboardRoot {
				t.Errorf("%s: %d to %q", path, a.StatusCode, a.Header.Get("Location"))
			}
			continue
		}
		if public[r.pattern] {
			if a.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, a.StatusCode)
			}
			continue
		}
		h.wantProblem(a, http.StatusUnauthorized, "unauthorized")
		if len(r.access.scopes) > 0 {
			continue // it has a key in any case
		}
		for key, want := range map[string]int{
			"ferryman admin": 200, "ferryman read": 200, "ferryman ping": 403, "shop admin": 403, "shop read": 403, "ferryman root": 401,
		} {
			if r.method != "GET" && key == "ferryman read" {
				want = 403
			}
			a := h.do(r.method, path, "", "X-API-KEY", key)
			if a.StatusCode != want && (want != 200 || a.StatusCode != http.StatusNotFound) { // there may be no such row
				t.Errorf("%s %s by %s: %d %s", r.method, path, key, a.StatusCode, a.text)
			}
		}
	}
	h.wantProblem(h.do("GET", "/nowhere", ""), http.StatusNotFound, "unknown_path")
	// A body is not read for nobody.
	h.wantProblem(h.do("PATCH", "/api/syncall", strings.Repeat("x", 2<<20)), http.StatusUnauthorized, "unauthorized")
	// On loopback nobody needs a key, but for reports.
	home := open(t)
	for _, r := range home.routes {
		if ofMessages(r.pattern) || ofOutbox(r.pattern) {
			continue
		}
		if a := home.do(r.method, example(r.pattern), ""); (a.StatusCode == http.StatusUnauthorized) != (len(r.access.scopes) > 0) {
			t.Errorf("%s %s at home: %d", r.method, r.pattern, a.StatusCode)
		}
	}
}

// ofOutbox tells whether a route is one of what leaves.
func ofOutbox(pattern string) bool {
	return strings.HasPrefix(pattern, "/api/v1/outbox") || strings.HasPrefix(pattern, "/api/v1/deliveries")
}
