package dashboard

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ferryman/internal/apikey"
)

// engine is the pages of a job engine that says what it was called with.
func engine(o *Options) {
	o.Jobs = JobPages{Policy: "default-src 'none'", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasSuffix(r.URL.Path, "/broken") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "the engine got "+r.Method+" "+r.URL.Path+" "+string(body))
	})}
}

// call makes a call as the engine's own script does.
func (s *site) call(method, path, body string) (status int, text string, policy string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	policy = answer.Header.Get("Content-Security-Policy")
	status, text = s.read(answer)
	return status, text, policy
}

func TestJobEnginesPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, engine)
	s.signIn(apikey.BuiltIn, apikey.Admin)
	s.shows(s.page(Root+"settings"), `href="/ui/jobs/"`)
	status, text, policy := s.call("GET", "/ui/jobs/api/states", "")
	if status != http.StatusOK || text != "the engine got GET /ui/jobs/api/states " || policy != "default-src 'none'" {
		t.Errorf("%d %s %s", status, text, policy)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/ui/jobs/api/jobs/cancel", `{"ids":["7"]}`}, {"PUT", "/ui/jobs/api/queues/housekeeping/pause", ""},
		{"PATCH", "/ui/jobs/api/queues/housekeeping", "{}"}, {"POST", "/ui/jobs/api/jobs/broken", ""},
	} {
		if _, text, _ := s.call(c.method, c.path, c.body); text != "the engine got "+c.method+" "+c.path+" "+c.body {
			t.Error(text)
		}
	}
	if status, text, _ := s.call("POST", "/ui/jobs/api/jobs/retry", strings.Repeat("x", maxForm+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", status, text)
	}
	noted := s.noted()[:3]
	if want := "queue.edit queue housekeeping,queue.pause queue housekeeping,job.cancel jobs"; strings.Join(noted, ",") != want {
		t.Errorf("noted %q", noted)
	}
	entries, _, err := s.audit.Find(t.Context(), "job.cancel", 0, 1)
	if err != nil || len(entries) != 1 || entries[0].Detail != `{"ids":["7"]}` {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestJobEnginesPagesAreForAdmins(t *testing.T) {
	t.Parallel()
	s := newSite(t, engine)
	s.key(apikey.BuiltIn, apikey.Admin)
	s.shows(s.page("/ui/jobs/queues"), `name="next" value="/ui/jobs/queues"`, "!the engine got")
	if status, text, _ := s.call("POST", "/ui/jobs/api/jobs/cancel", "{}"); status != http.StatusUnauthorized || strings.Contains(text, "the engine got") {
		t.Errorf("%d %s", status, text)
	}
	for _, who := range []struct {
		app   string
		scope apikey.Scope
	}{{apikey.BuiltIn, apikey.Read}, {"shop", apikey.Admin}} {
		s.signIn(who.app, who.scope)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if status, text, _ := s.call(method, "/ui/jobs/api/jobs/cancel", "{}"); status != http.StatusForbidden || strings.Contains(text, "the engine got") {
				t.Errorf("%v %s: %d %s", who, method, status, text)
			}
		}
	}
	s.signIn(apikey.BuiltIn, apikey.Read)
	s.shows(s.page(Root+"settings"), `!href="/ui/jobs/"`)
	without := newSite(t)
	if status, text, _ := without.call("GET", "/ui/jobs/", ""); status != http.StatusNotFound {
		t.Errorf("%d %s", status, text)
	}
}
