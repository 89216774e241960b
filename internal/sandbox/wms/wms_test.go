package wms

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// sim is a simulator on loopback with a small client.
type sim struct {
	*Server
	t   *testing.T
	url string
}

func start(t *testing.T, o Options) *sim {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &sim{Server: s, t: t, url: srv.URL}
}

var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call makes a request and returns its answer with the body read.
func (s *sim) call(method, path, token, body string) (*http.Response, []byte, error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, text, err
}

// want makes a request that must have the status, and decodes its answer.
func (s *sim) want(status int, method, path, token, body string) map[string]any {
	s.t.Helper()
	resp, text, err := s.call(method, path, token, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	m, _ := v.(map[string]any)
	return m
}

func login(username, password string) string {
	return `{"grant_type":"password","username":"` + username + `","password":"` + password + `","scope":"default"}`
}

func (s *sim) token() string {
	s.t.Helper()
	return s.want(200, "POST", "/api/v1/auth", "", login(DefaultUsername, DefaultPassword))["access_token"].(string)
}

func TestAuth(t *testing.T) {
	s := start(t, Options{ExpiresIn: 90 * time.Second})
	got := s.want(200, "POST", "/api/v1/auth", "", login(DefaultUsername, DefaultPassword))
	if got["expires_in"] != 90.0 || got["scope"] != "default" || got["token_type"] != "Bearer" || got["access_token"] == "" {
		t.Errorf("answer %v", got)
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"wrong password":   {login(DefaultUsername, "open-barley"), 401},
		"wrong user":       {login("ali", DefaultPassword), 401},
		"not JSON":         {"grant_type=password", 400},
		"half JSON":        {`{"grant_type":"password"`, 400},
		"more than JSON":   {login(DefaultUsername, DefaultPassword) + "{}", 400},
		"other grant":      {`{"grant_type":"refresh_token"}`, 400},
		"wrong field type": {`{"grant_type":"password","username":1}`, 400},
		"too long":         {`{"grant_type":"` + strings.Repeat("x", maxBody) + `"}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sim{Server: s.Server, t: t, url: s.url}
			s.want(c.status, "POST", "/api/v1/auth", "", c.body)
		})
	}
	if n := s.Requests("POST /auth"); n != 9 {
		t.Errorf("%d requests counted, want 9", n)
	}
}

func TestTokenExpiresByTheClock(t *testing.T) {
	var elapsed atomic.Int64
	epoch := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := start(t, Options{
		ExpiresIn: time.Minute, Token: "by-hand",
		Now: func() time.Time { return epoch.Add(time.Duration(elapsed.Load())) },
	})
	token := s.token()
	elapsed.Store(int64(time.Minute - 1))
	s.want(200, "GET", "/api/v1/iam/users/me", token, "")
	elapsed.Store(int64(time.Minute))
	s.want(401, "GET", "/api/v1/iam/users/me", token, "")
	s.want(200, "GET", "/api/v1/iam/users/me", "by-hand", "")
	s.want(200, "GET", "/api/v1/iam/users/me", s.token(), "")

	s.ExpireTokens()
	if issued, live := s.tokens.counts(); issued != 2 || live != 1 {
		t.Errorf("issued %d, live %d", issued, live)
	}
	s.want(200, "GET", "/api/v1/iam/users/me", "by-hand", "")
}

func TestMeIsShapedLikeTheRealAnswer(t *testing.T) {
	s := start(t, Options{})
	_, text, err := s.call("GET", "/api/v1/iam/users/me", s.token(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(text) < 40_000 || len(text) > 100_000 {
		t.Errorf("%d bytes, want about 50 KB", len(text))
	}
	var me struct {
		ID         int64   `json:"id"`
		Username   string  `json:"username"`
		Email      string  `json:"email"`
		EmployeeID string  `json:"employee_id"`
		FirstName  string  `json:"first_name"`
		LastName   string  `json:"last_name"`
		Warehouses []int64 `json:"warehouses"`
		Profiles   []struct {
			Permissions []any `json:"permissions"`
		} `json:"profiles"`
	}
	if err := json.Unmarshal(text, &me); err != nil {
		t.Fatal(err)
	}
	if me.ID != firstUser || me.Username != DefaultUsername || me.Email == "" || me.EmployeeID == "" || me.FirstName == "" || me.LastName == "" {
		t.Errorf("user %+v", me)
	}
	if len(me.Warehouses) != DefaultWarehouses || len(me.Profiles) != len(areas) || len(me.Profiles[0].Permissions) < 50 {
		t.Errorf("%d warehouses, %d profiles", len(me.Warehouses), len(me.Profiles))
	}
}

func TestWarehouses(t *testing.T) {
	s := start(t, Options{Users: 3, Token: "k"})
	got := s.want(200, "GET", "/api/v1/iam/users/711/warehouses", "k", "")
	list := got["warehouses"].([]any)
	if len(list) != 5 || got["username"] != DefaultUsername || got["profiles"] != nil {
		t.Fatalf("answer %v", got)
	}
	nulls := 0
	for _, w := range list {
		w := w.(map[string]any)
		if len(w) != 14 || w["name"] == nil || w["line1"] == nil {
			t.Errorf("warehouse %v", w)
		}
		if w["fax"] == nil {
			nulls++
		}
	}
	if nulls == 0 {
		t.Error("no field is null")
	}
	other := s.want(200, "GET", "/api/v1/iam/users/712/warehouses", "k", "")["warehouses"].([]any)
	if len(other) != 3 || other[0].(map[string]any)["id"] != list[0].(map[string]any)["id"] {
		t.Errorf("the second user has %v", other)
	}
	s.want(404, "GET", "/api/v1/iam/users/799/warehouses", "k", "")
	s.want(404, "GET", "/api/v1/iam/users/x/warehouses", "k", "")
	s.want(401, "GET", "/api/v1/iam/users/711/warehouses", "K", "")
	s.want(401, "GET", "/api/v1/iam/users/711/warehouses", "", "")
}

func TestOtherUsersLogIn(t *testing.T) {
	s := start(t, Options{Users: 9, Password: "s3same"})
	for username, id := range map[string]float64{"anselm.tidewater": 712, "momoko.quay.8": 719} {
		token := s.want(200, "POST", "/api/v1/auth", "", login(username, "s3same"))["access_token"].(string)
		if me := s.want(200, "GET", "/api/v1/iam/users/me", token, ""); me["id"] != id {
			t.Errorf("%s is %v, want %v", username, me["id"], id)
		}
	}
}

func TestBase(t *testing.T) {
	s := start(t, Options{Base: "/v2/", Token: "k", Warehouses: -1})
	me := s.want(200, "GET", "/v2/iam/users/me", "k", "")
	if list, ok := me["warehouses"].([]any); !ok || len(list) != 0 {
		t.Errorf("warehouses %v, want an empty list", me["warehouses"])
	}
	if resp, _, err := s.call("GET", "/api/v1/iam/users/me", "k", ""); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("other base: %v, %v", resp, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"base":       {Base: "v1"},
		"warehouses": {Warehouses: maxWarehouses + 1},
		"users":      {Users: maxUsers + 1},
		"fault":      {Faults: []Fault{{Kind: Status}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkShrinkTheLoad(b *testing.B) {
	s, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, n := range []int{maxWarehouses, 5} {
			if err := s.SetWarehouses(n); err != nil {
				b.Fatal(err)
			}
		}
	}
}
