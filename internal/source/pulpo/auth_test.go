package pulpo

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/fault"
)

var (
	getMe         = "GET " + mePath
	getWarehouses = "GET " + warehousesPath
	postAuth      = "POST " + authPath
)

func sent(t *testing.T, a *api, want ...string) {
	t.Helper()
	if got := a.requests(); !slices.Equal(got, want) {
		t.Errorf("requests\n%q, want\n%q", got, want)
	}
}

func TestNotConfigured(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		detail string
		hint   string
	}{
		"nothing":     {Config{}, "there is no way to authenticate with the warehouse API", "set API_TOKEN, or API_USER and API_PASSWORD"},
		"no password": {Config{User: "ann"}, "API_USER is set and API_PASSWORD is not", "set API_TOKEN, or API_USER and API_PASSWORD"},
		"no user":     {Config{Password: "sesame"}, "API_PASSWORD is set and API_USER is not", "set API_TOKEN, or API_USER and API_PASSWORD"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			_, err := read(t, a.source(t, c.config))
			f := faultOf(t, err)
			if f.Kind != fault.Unconfigured || f.Code != "not_configured" || f.Detail != c.detail || f.Hint != c.hint || f.Temporary() {
				t.Errorf("got %+v", f)
			}
			sent(t, a)
		})
	}
}

func TestTokenWinsOverCredentials(t *testing.T) {
	a := newAPI(t)
	var authorization string
	a.answer(mePath, func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		serve(w, "testdata/users_me.json")
	})
	if _, err := read(t, a.source(t, Config{Token: "by-hand", User: "ann", Password: "sesame"})); err != nil {
		t.Fatal(err)
	}
	sent(t, a, getMe, getWarehouses)
	if authorization != "Bearer by-hand" {
		t.Errorf("sent %q", authorization)
	}
}

func TestTokenRequestAsSent(t *testing.T) {
	a := newAPI(t)
	var body, header any
	a.answer(authPath, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Get("Content-Type")
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		a.issue(w)
	})
	s := a.source(t, Config{User: "ann", Password: `se"same`})
	for range 3 {
		if _, err := read(t, s); err != nil {
			t.Fatal(err)
		}
	}
	sent(t, a, postAuth, getMe, getWarehouses, getMe, getWarehouses, getMe, getWarehouses)
	m, _ := body.(map[string]any)
	if len(m) != 4 || m["grant_type"] != "password" || m["username"] != "ann" || m["password"] != `se"same` || m["scope"] != "default" || header != "application/json" {
		t.Errorf("sent %v as %v", body, header)
	}
}

func TestManualTokenRefused(t *testing.T) {
	a := newAPI(t)
	a.revoke()
	_, err := read(t, a.source(t, Config{Token: "by-hand"}))
	f := faultOf(t, err)
	if f.Kind != fault.Unauthorized || f.Code != "unauthorized" || f.Hint != "API_TOKEN is no longer valid: replace it" ||
		f.Detail != "GET "+a.URL+mePath+": 401 Unauthorized" {
		t.Errorf("got %+v", f)
	}
	sent(t, a, getMe)
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	a := newAPI(t)
	s := a.source(t, Config{User: "ann", Password: "sesame"})
	if _, err := read(t, s); err != nil {
		t.Fatal(err)
	}
	a.requests()
	a.revoke()
	if _, err := read(t, s); err != nil {
		t.Fatal(err)
	}
	sent(t, a, getMe, postAuth, getMe, getWarehouses)

	// Also when the token ends between the two calls.
	a.answer(mePath, func(w http.ResponseWriter, _ *http.Request) {
		a.revoke()
		serve(w, "testdata/users_me.json")
	})
	if _, err := read(t, s); err != nil {
		t.Fatal(err)
	}
	sent(t, a, getMe, getWarehouses, postAuth, getWarehouses)
}

func TestFreshTokenRefused(t *testing.T) {
	a := newAPI(t)
	a.answer(mePath, text(http.StatusUnauthorized, `{"error":"no"}`))
	_, err := read(t, a.source(t, Config{User: "ann", Password: "sesame"}))
	f := faultOf(t, err)
	if f.Kind != fault.Unauthorized || f.Code != "unauthorized" || f.Detail != "a fresh token was refused: GET "+a.URL+mePath+`: 401 Unauthorized: {"error":"no"}` {
		t.Errorf("got %+v", f)
	}
	sent(t, a, postAuth, getMe, postAuth, getMe)
}

func TestReplacementFails(t *testing.T) {
	a := newAPI(t)
	s := a.source(t, Config{User: "ann", Password: "sesame"})
	if _, err := read(t, s); err != nil {
		t.Fatal(err)
	}
	a.requests()
	a.revoke()
	a.answer(authPath, text(http.StatusBadGateway, ""))
	_, err := read(t, s)
	if f := faultOf(t, err); f.Code != "upstream_error" || !strings.HasPrefix(f.Detail, "POST "+a.URL+authPath+": 502 Bad Gateway; the next token request can be made in ") {
		t.Errorf("got %+v", f)
	}
	_, err = read(t, s)
	if fault.CodeOf(err) != "upstream_error" {
		t.Errorf("got %v", err)
	}
	sent(t, a, getMe, postAuth) // the second read asks for nothing within the interval
}

func TestCredentialsRefused(t *testing.T) {
	for status, want := range map[int]struct {
		kind fault.Kind
		code string
		hint string
	}{
		400: {fault.Unauthorized, "unauthorized", "API_USER and API_PASSWORD"},
		401: {fault.Unauthorized, "unauthorized", "API_USER and API_PASSWORD"},
		403: {fault.Forbidden, "forbidden", "API_USER"},
		404: {fault.NotFound, "not_found", "API_BASE_URL"},
		429: {fault.RateLimited, "rate_limited", ""},
		503: {fault.Unavailable, "upstream_error", ""},
	} {
		a := newAPI(t)
		a.answer(authPath, text(status, "no"))
		_, err := read(t, a.source(t, Config{User: "ann", Password: "sesame"}))
		f := faultOf(t, err)
		if f.Kind != want.kind || f.Code != want.code || !strings.Contains(f.Hint, want.hint) ||
			!strings.HasPrefix(f.Detail, "POST "+a.URL+authPath+": ") {
			t.Errorf("%d: got %+v", status, f)
		}
		sent(t, a, postAuth)
	}
}

func TestRetryIntervalPasses(t *testing.T) {
	a := newAPI(t)
	a.answer(authPath, text(http.StatusBadGateway, ""))
	s := a.source(t, Config{User: "ann", Password: "sesame", RetryInterval: time.Nanosecond})
	if _, err := read(t, s); err == nil {
		t.Fatal("no error")
	}
	a.answer(authPath, nil)
	if _, err := read(t, s); err != nil {
		t.Error(err)
	}
	sent(t, a, postAuth, postAuth, getMe, getWarehouses)
}

// Many readers at once, and a server that keeps revoking their token.
func TestManyReadersShareTokens(t *testing.T) {
	a := newAPI(t)
	var mu sync.Mutex
	running, most := 0, 0
	a.answer(authPath, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		a.issue(w)
		mu.Lock()
		running--
		mu.Unlock()
	})
	s := a.source(t, Config{User: "ann", Password: "sesame"})
	for range 5 {
		a.revoke()
		var readers sync.WaitGroup
		for range 30 {
			readers.Go(func() {
				if _, err := read(t, s); err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
	}
	auths := 0
	for _, r := range a.requests() {
		if r == postAuth {
			auths++
		}
	}
	if auths != 5 || most != 1 {
		t.Errorf("%d token requests, %d at once; want 5, 1 at once", auths, most)
	}
}

func TestRunFetchesAtStart(t *testing.T) {
	a := newAPI(t)
	fetched := make(chan struct{})
	a.answer(authPath, func(w http.ResponseWriter, _ *http.Request) {
		a.issue(w)
		close(fetched)
	})
	s := a.source(t, Config{User: "ann", Password: "sesame"})
	ended := background(t, s)
	<-fetched
	if _, err := read(t, s); err != nil {
		t.Error(err)
	}
	sent(t, a, postAuth, getMe, getWarehouses)
	ended()
}

func TestRunWithoutCredentials(t *testing.T) {
	for _, c := range []Config{{}, {Token: "by-hand"}} {
		a := newAPI(t)
		background(t, a.source(t, c))()
		sent(t, a)
	}
}
