package wms

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func (s *sim) names() string {
	s.t.Helper()
	var names []string
	for _, w := range s.want(200, "GET", "/api/v1/iam/users/711/warehouses", "k", "")["warehouses"].([]any) {
		names = append(names, fmt.Sprint(w.(map[string]any)["name"]))
	}
	return strings.Join(names, "|")
}

func TestChangeData(t *testing.T) {
	s := start(t, Options{Token: "k", Warehouses: 2})
	s.want(200, "PATCH", "/_sandbox/warehouses/1201", "", `{"name":"Renamed & moved","city":null}`)
	s.want(200, "PUT", "/_sandbox/warehouses/77", "", `{"name":"New one"}`)
	s.want(200, "DELETE", "/_sandbox/warehouses/1202", "", "")
	if got := s.names(); got != "Renamed & moved|New one" {
		t.Errorf("warehouses %s", got)
	}
	s.want(200, "PUT", "/_sandbox/users/711/warehouses", "", `[77]`)
	if got := s.names(); got != "New one" {
		t.Errorf("warehouses %s", got)
	}
	s.want(200, "PATCH", "/_sandbox/users/711", "", `{"email":"new@quay.example"}`)
	if me := s.want(200, "GET", mePath, "k", ""); me["email"] != "new@quay.example" || len(me["warehouses"].([]any)) != 1 {
		t.Errorf("user %v", me["email"])
	}
	for range 2 {
		s.want(200, "PUT", "/_sandbox/load", "", `{"warehouses":3000}`)
		if got := len(s.want(200, "GET", mePath, "k", "")["warehouses"].([]any)); got != 3000 {
			t.Errorf("%d warehouses", got)
		}
	}
	s.want(200, "PUT", "/_sandbox/load", "", `{"warehouses":1}`)
	if got := s.names(); got != "New one" {
		t.Errorf("warehouses %s", got)
	}
}

func TestControlRefuses(t *testing.T) {
	s := start(t, Options{})
	for _, c := range []struct {
		status             int
		method, path, body string
	}{
		{404, "PATCH", "/_sandbox/warehouses/9", `{}`},
		{400, "PATCH", "/_sandbox/warehouses/x", `{}`},
		{400, "PUT", "/_sandbox/warehouses/9", `[]`},
		{404, "DELETE", "/_sandbox/warehouses/9", ``},
		{404, "PATCH", "/_sandbox/users/9", `{}`},
		{404, "PUT", "/_sandbox/users/9/warehouses", `[]`},
		{400, "PUT", "/_sandbox/users/711/warehouses", `[9]`},
		{400, "PUT", "/_sandbox/load", `{}`},
		{400, "PUT", "/_sandbox/load", `{"warehouses":1,"users":2}`},
		{400, "PUT", "/_sandbox/load", `{"warehouses":-1}`},
		{400, "POST", "/_sandbox/faults", `{"kind":"explode"}`},
		{400, "POST", "/_sandbox/faults", `{"kind":"delay","delay":"soon"}`},
		{404, "DELETE", "/_sandbox/faults/3", ``},
		{400, "POST", "/_sandbox/holds", `{"path":"auth"}`},
		{400, "GET", "/_sandbox/held?wait=soon", ``},
		{400, "GET", "/_sandbox/held?count=x", ``},
		{408, "GET", "/_sandbox/held?path=/auth&wait=1ms", ``},
	} {
		if said := s.want(c.status, c.method, c.path, "", c.body); said["message"] == "" {
			t.Errorf("%s %s: nothing said", c.method, c.path)
		}
	}
}

func TestControlFaultsHoldsAndState(t *testing.T) {
	s := start(t, Options{Token: "secret-token", Password: "secret-word", Users: 2})
	token := s.want(200, "POST", "/api/v1/auth", "", login(DefaultUsername, "secret-word"))["access_token"].(string)
	id := s.want(200, "POST", "/_sandbox/faults", "", `{"kind":"status","status":503,"path":"/iam/users/me","delay":"1ms"}`)["id"]
	s.want(503, "GET", mePath, token, "")
	s.want(200, "DELETE", fmt.Sprintf("/_sandbox/faults/%v", id), "", "")
	s.want(200, "GET", mePath, token, "")
	s.want(200, "POST", "/_sandbox/faults", "", `{"kind":"refuse","times":4}`)

	_, text, err := s.call("GET", "/_sandbox/state", "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"GET /iam/users/me":2`, `"POST /auth":1`, `"tokens_issued":1`, `"tokens_live":2`,
		`"kind":"refuse","times":4`, `"warehouses":[1201,1202,1203,1204,1205]`, `"name":"Lantern Quay"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("state lacks %s", want)
		}
	}
	if strings.Contains(string(text), "secret") || strings.Contains(string(text), token) {
		t.Error("state tells a secret")
	}
	s.want(200, "DELETE", "/_sandbox/faults", "", "")

	s.want(200, "POST", "/_sandbox/tokens/expire", "", "")
	s.want(401, "GET", mePath, token, "")

	s.want(200, "POST", "/_sandbox/holds", "", `{"path":"/auth"}`)
	done := make(chan error, 1)
	go func() {
		_, _, err := s.call("POST", "/api/v1/auth", "", login(DefaultUsername, "secret-word"))
		done <- err
	}()
	if got := s.want(200, "GET", "/_sandbox/held?path=/auth&wait=30s", "", ""); got["held"] != 1.0 {
		t.Errorf("held %v", got)
	}
	s.want(200, "DELETE", "/_sandbox/holds?path=/auth", "", "")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestControlIsForLoopback(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for remote, status := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "192.0.2.7:9": 403, "": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_sandbox/state", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q: status %d, want %d", remote, w.Code, status)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range maxTokens {
		if _, _, ok := s.tokens.issue(firstUser); !ok {
			t.Fatal("refused too early")
		}
	}
	if _, _, ok := s.tokens.issue(firstUser); ok {
		t.Error("no bound on tokens")
	}
}
