package dashboard

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

// A page that is left open keeps no session from ending; who looks or acts does.
func TestAPageLeftOpenEndsItsSession(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(passed.Load())).UTC() }
	hours := func(n int) { passed.Add(int64(time.Duration(n) * time.Hour)) }
	d := dbtest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "ferryman.db"), db.Options{Clock: clock})
	s := siteOn(t, d, func(o *Options) {
		o.Jobs = JobPages{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	})
	e := s.begin(s.cron("shop", "nightly"))
	tail := fmt.Sprintf("%sruns/%d/tail?after=0", Root, e.ID)
	ask := func(path string, header ...string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // a stream would never end
		if strings.HasSuffix(answer.Request.URL.Path, "/sign-in") {
			return http.StatusUnauthorized
		}
		return answer.StatusCode
	}
	for name, left := range map[string]func() int{
		"a refresh":    func() int { return ask(Root+"runs", refreshHeader, "1") },
		"the stream":   func() int { return ask(Root + "live") },
		"a tail":       func() int { return ask(tail) },
		"the job list": func() int { return ask(JobsRoot + "/api/jobs") },
	} {
		s.signIn(apikey.BuiltIn, apikey.Admin)
		for range 3 {
			hours(3)
			if status := left(); status != http.StatusOK {
				t.Fatalf("%s after less than 12 hours: %d", name, status)
			}
		}
		hours(4)
		if status := left(); status != http.StatusUnauthorized {
			t.Errorf("%s keeps the session: %d", name, status)
		}
		if status := ask(Root); status != http.StatusUnauthorized {
			t.Errorf("after %s the session goes on: %d", name, status)
		}
	}
	s.signIn(apikey.BuiltIn, apikey.Admin)
	for range 3 {
		hours(7)
		if status := ask(Root + "runs"); status != http.StatusOK {
			t.Errorf("who looks is signed out: %d", status)
		}
		hours(7)
		if status, page := s.post(Root+"sign-in", Root+"preferences", "zone", "UTC"); status != http.StatusOK || strings.Contains(page, `name="key"`) {
			t.Errorf("who acts is signed out: %d", status)
		}
	}
}
