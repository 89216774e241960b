package dashboard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzLocalPath gives what a form or an address says of where to go on any content: a
// browser stays on the dashboard, and the header is one header.
func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{
		"/ui/crons?state=failing", "/ui/", "//evil.example/ui/", "///evil.example/ui/", `/\evil.example/ui/`, `\\evil.example`, "https://evil.example/ui/", "javascript:alert(1)",
		"/ui/../api/v1/crons", "/ui/%2e%2e/api", "/ui/..%2fapi", "/ui/\r\nSet-Cookie: a=b", "/ui/%0d%0aSet-Cookie:%20a=b", "/ui/\x00", "/ui//evil.example", "/ui/?next=//evil.example",
		"/ui/#x", "/UI/", "", "ui/", "?x", "/ui/\t//evil.example", " /ui/", "/ui/;/../..", "/ui/%5cevil", "/ui/..", "/ui/.", "http:///ui/", "/ui/@evil.example", "%2fui%2f",
	} {
		f.Add(seed)
	}
	from := &url.URL{Scheme: "https", Host: "ferry.example", Path: Root + "sign-in"}
	f.Fuzz(func(t *testing.T, given string) {
		next := localPath(given)
		if !strings.HasPrefix(next, Root) || strings.ContainsAny(next, "\r\n\\\x00") {
			t.Fatalf("%q leads to %q", given, next)
		}
		to, err := from.Parse(next)
		if err != nil || to.Host != from.Host || to.Scheme != from.Scheme || to.User != nil || !strings.HasPrefix(path.Clean(to.Path)+"/", Root) {
			t.Fatalf("%q leads to %v, %v", given, to, err)
		}
		w := httptest.NewRecorder()
		http.Redirect(w, httptest.NewRequest(http.MethodPost, from.String(), http.NoBody), next, http.StatusSeeOther)
		if at := w.Header().Get("Location"); strings.ContainsAny(at, "\r\n") || !strings.HasPrefix(at, Root) {
			t.Fatalf("%q leads to %q", given, at)
		}
	})
}
