package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"ferryman/api"
	"ferryman/internal/sandbox/wms"
	"ferryman/internal/testwait"
)

// ask makes a call with headers that come in pairs, "Host" among them, and gives
// the answer with its body read.
func ask(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestHostsThatTheServerAnswersFor(t *testing.T) {
	t.Parallel()
	closed := serve(t, t.TempDir(), []string{manual})
	proxied := serve(t, t.TempDir(), []string{manual, "FERRYMAN_HOSTS=Ferry.example"})
	for _, c := range []struct {
		method, path    string
		headers         []string
		closed, proxied int
	}{
		{"GET", "/api/synlast", nil, 200, 200},
		{"GET", "/api/synlast", []string{"Host", "localhost:80"}, 200, 200},
		{"GET", "/api/synlast", []string{"Host", "ferry.example"}, 403, 200},
		{"GET", "/api/synlast", []string{"Host", "ferry.example:8443"}, 403, 200},
		{"GET", "/api/synlast", []string{"Host", "evil.example"}, 403, 403},
		{"PATCH", "/api/syncast", []string{"Origin", "https://ferry.example"}, 403, 200},
		{"PATCH", "/api/syncast", []string{"Origin", "https://evil.example"}, 403, 403},
	} {
		for n, want := range map[*node]int{closed: c.closed, proxied: c.proxied} {
			res, body := ask(t, c.method, n.url+c.path, c.headers...)
			if res.StatusCode != want || want == http.StatusForbidden && !strings.Contains(body, "FERRYMAN_HOSTS") {
				t.Errorf("%s %s %q: %d %s, want %d", c.method, c.path, c.headers, res.StatusCode, body, want)
			}
		}
	}
}

func TestSyncGoesOnWhenItsCallerLeaves(t *testing.T) {
	t.Parallel()
	u, state := newUpstream(t), t.TempDir()
	n := serve(t, state, append(u.env(), manual))
	n.awaitFirst()
	release := u.hold(t, me)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, n.url+"/api/syncall", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		left <- err
	}()
	u.awaitHeld(t, me)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	testwait.Until(t, "the server lets go of the caller", func() bool { return strings.Contains(n.logged(), "route=/api/syncall") })
	release()
	var last struct{ Data []synced }
	testwait.Until(t, "the sync ends", func() bool {
		_, body := do(t, "GET", n.url+"/api/synlast", "")
		return json.Unmarshal([]byte(body), &last) == nil && len(last.Data) == 2
	})
	if last.Data[1].Response != "ok" {
		t.Errorf("synlast: %s", last.Data[1].Data)
	}
	if runs := store(t, state).ledger(t); len(runs) != 2 || runs[1].trigger != "http" || runs[1].attempt != 1 {
		t.Errorf("the ledger has %+v", runs)
	}
}

func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.YAML())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// fits makes a call and checks status, headers and body against what the
// description says of path, of which target is one.
func fits(t *testing.T, doc *openapi3.T, n *node, method, path, target string, status int, headers ...string) string {
	t.Helper()
	res, body := ask(t, method, n.url+target, headers...)
	if res.StatusCode != status {
		t.Errorf("%s %s: %d %s, want %d", method, target, res.StatusCode, body, status)
		return body
	}
	item := doc.Paths.Value(path)
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: res.Request, Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		},
		Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(strings.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
	}
	return body
}

func TestAnswersFitTheDescription(t *testing.T) {
	t.Parallel()
	doc, u := description(t), newUpstream(t)
	n := serve(t, t.TempDir(), append(u.env(), manual))
	n.awaitFirst()
	fits(t, doc, n, "PATCH", "/api/syncall", "/api/syncall", 200)
	fits(t, doc, n, "PATCH", "/api/syncast", "/api/syncast", 200)
	if _, err := u.Inject(wms.Fault{Kind: wms.Status, Status: 500, Path: theWarehouses}); err != nil {
		t.Fatal(err)
	}
	fits(t, doc, n, "PATCH", "/api/syncall", "/api/syncall", 502)
	fits(t, doc, n, "GET", "/api/synlast", "/api/synlast?count=2", 200)
	fits(t, doc, n, "GET", "/api/synlast", "/api/synlast?count=007", 400)
	fits(t, doc, n, "GET", "/api/users", "/api/users", 200)
	fits(t, doc, n, "GET", "/api/users/{id}", "/api/users/711", 200)
	fits(t, doc, n, "GET", "/api/users/{id}", "/api/users/9", 404)
	fits(t, doc, n, "GET", "/api/warehouses", "/api/warehouses?limit=2", 200)
	fits(t, doc, n, "GET", "/api/warehouses/{id}", "/api/warehouses/1201", 200)
	fits(t, doc, n, "GET", "/healthz", "/healthz", 200)
	fits(t, doc, n, "GET", "/api/users", "/api/users", 403, "Host", "evil.example")

	var example any = doc.Paths.Value("/readyz").Get.Responses.Status(200).Value.Content["application/json"].Examples["ready"].Value.Value
	var ready any
	if err := json.Unmarshal([]byte(fits(t, doc, n, "GET", "/readyz", "/readyz", 200)), &ready); err != nil || !reflect.DeepEqual(ready, example) {
		t.Errorf("readyz: %v %v, described as %v", err, ready, example)
	}
}

// TestFailuresAreAsInTheDescription runs into the failures that the description
// shows, and finds their words.
func TestFailuresAreAsInTheDescription(t *testing.T) {
	t.Parallel()
	doc, u := description(t), newUpstream(t)
	u.hold(t, me)
	for name, c := range map[string]struct {
		status int
		env    []string
	}{
		"unconfigured": {502, nil},
		"refused":      {502, []string{"API_TOKEN=a-token", "API_BASE_URL=http://127.0.0.1:1/api/v1"}},
		"timeout":      {504, append(u.env(), "API_TIMEOUT_SECONDS=1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := serve(t, t.TempDir(), append(c.env, manual))
			body := fits(t, doc, n, "PATCH", "/api/syncall", "/api/syncall", c.status)
			body = strings.ReplaceAll(body, u.url, "http://127.0.0.1:8089") // the sandbox's own
			var got map[string]any
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			response := doc.Paths.Value("/api/syncall").Patch.Responses.Status(c.status).Value
			example, _ := response.Content["application/json"].Examples[name].Value.Value.(map[string]any)
			if !reflect.DeepEqual(got["data"], example["data"]) {
				t.Errorf("\n     said %v\ndescribed %v", got["data"], example["data"])
			}
		})
	}
}
