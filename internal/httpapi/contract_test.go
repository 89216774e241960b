package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"ferryman/api"
	"ferryman/internal/fault"
	"ferryman/internal/syncs"
)

func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.YAML())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestRoutesAreTheDescription(t *testing.T) {
	var described, routed []string
	for path, item := range description(t).Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, r := range open(t).routes {
		routed = append(routed, r.method+" "+strings.ReplaceAll(r.pattern, "{$}", ""))
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described and routed differ\n%v\n%v", described, routed)
	}
}

func TestProblemKindsAreDescribed(t *testing.T) {
	schema := description(t).Paths.Value("/problems/{kind}").Get.Parameters[0].Value.Schema.Value
	var names []any
	for _, k := range slices.Concat(kinds[:], otherKinds[:]) {
		names = append(names, k.Name)
	}
	if !reflect.DeepEqual(schema.Enum, names) {
		t.Errorf("described %v, served %v", schema.Enum, names)
	}
	for k := fault.Kind(0); k.String() != "unknown"; k++ {
		if kinds[k].Name != k.String() {
			t.Errorf("%v is called %s", k, kinds[k].Name)
		}
	}
}

func TestFilesAreDescribed(t *testing.T) {
	schema := description(t).Paths.Value("/docs/{file}").Get.Parameters[0].Value.Schema.Value
	var described []string
	for _, name := range schema.Enum {
		described = append(described, name.(string))
	}
	slices.Sort(described)
	if served := slices.Sorted(maps.Keys(build(t).docs.files)); !slices.Equal(described, served) {
		t.Errorf("described %v, served %v", described, served)
	}
}

// scenario makes a house answer with one of the description's examples.
type scenario struct {
	set   func(*house)
	query string // instead of the parameters' examples
	path  string // likewise

	key     string         // with which the house is called; see house.Authenticate
	moored  func(*harbour) // likewise for what is asked with a key, and has a ledger; see moorExample
	options func(*Options)
	request string // the example of the body that is sent; none if ""
	headers []string
}

func failing(reason, detail string) func(*house) {
	return func(h *house) {
		h.call = func(context.Context) (syncs.Run, error) { return badRun(epoch, reason, detail), nil }
	}
}

const refused = "GET http://127.0.0.1:1/api/v1/iam/users/me: the connection was refused: dial tcp 127.0.0.1:1: connect: connection refused " +
	"(check that the other side is running, and host and port in API_BASE_URL)"

// scenarios are by operation, status and name of the example. Those of default
// answers are the same for every operation: see replay.
var scenarios = map[string]scenario{
	"syncAll 200 done": {},
	"syncAll 429 busy": {set: func(h *house) {
		for range maxCallers {
			h.callers <- struct{}{}
		}
	}},
	"syncAll 502 refused":      {set: failing("refused", refused)},
	"syncAll 502 unconfigured": {set: failing("not_configured", "there is no way to authenticate with the warehouse API (set API_TOKEN, or API_USER and API_PASSWORD)")},
	"syncAll 504 timeout": {set: failing("timeout", "GET http://127.0.0.1:8089/api/v1/iam/users/me: no complete answer within 1s: context deadline exceeded "+
		"(if the other side is only slow, raise API_TIMEOUT_SECONDS)")},
	"syncCast 200 cast": {},
	"syncLast 200 last": {set: func(h *house) {
		before := epoch.Add(-60_002_664_000)
		h.runs = []syncs.Run{goodRun(before), badRun(before, "refused", refused), goodRun(epoch)}
	}},
	"syncLast 400 count": {query: "count=0"},
	"listRuns 200 last": {query: "limit=2", set: func(h *house) {
		h.runs = []syncs.Run{goodRun(epoch.Add(-120_000_000_000)), badRun(epoch.Add(-60_000_000_000), "refused", refused), goodRun(epoch)}
		h.runs[2].Execution = 2
	}},
	"listRuns 400 limit":         {query: "limit=ten"},
	"runSync 202 asked":          {},
	"runSync 404 unknown":        {path: "/api/v1/syncs/nothing/run"},
	"listUsers 200 page":         {},
	"listUsers 400 limit":        {query: "limit=ten"},
	"getUser 200 user":           {},
	"getUser 404 unknown":        {path: "/api/users/9"},
	"listWarehouses 200 page":    {},
	"listWarehouses 400 limit":   {query: "limit=ten"},
	"getWarehouse 200 warehouse": {},
	"getWarehouse 404 unknown":   {path: "/api/warehouses/9"},
	"health 200 alive":           {},
	"readiness 200 ready":        {},
	"readiness 503 failing": {set: func(h *house) {
		h.o.Checks[0].Run = func(context.Context) error {
			return &fault.Error{Kind: fault.Unavailable, Detail: "the store does not answer"}
		}
	}},
}

// TestExamplesAreWhatTheServerSays replays every example of the description:
// JSON must be answered to the letter, anything else must fit its schema.
func TestExamplesAreWhatTheServerSays(t *testing.T) {
	doc := description(t)
	scenarios := maps.Clone(scenarios)
	maps.Copy(scenarios, reportScenarios())
	maps.Copy(scenarios, administrationScenarios())
	maps.Copy(scenarios, messageScenarios())
	maps.Copy(scenarios, outboxScenarios())
	left := maps.Clone(scenarios)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				for mime, media := range response.Value.Content {
					for name, ex := range media.Examples {
						id := fmt.Sprintf("%s %s %s", op.OperationID, status, name)
						sc, known := scenarios[id]
						delete(left, id)
						if !known && (isJSON(mime) || op.Tags[0] == "reports") && status != "default" {
							t.Errorf("no scenario for the example %s", id)
							continue
						}
						t.Run(id, func(t *testing.T) { replay(t, doc, method, path, status, name, mime, sc, ex.Value.Value) })
					}
					if media.Examples == nil { // files of several types, and the description itself
						t.Run(op.OperationID+" "+mime, func(t *testing.T) { replay(t, doc, method, path, status, "", mime, scenario{}, nil) })
					}
				}
			}
		}
	}
	for id := range left {
		t.Errorf("no example for the scenario %s", id)
	}
}

func replay(t *testing.T, doc *openapi3.T, method, path, status, name, mime string, sc scenario, want any) {
	item := doc.Paths.Value(path)
	op := item.GetOperation(method)
	headers := append([]string{"X-Request-Id", "example-1"}, sc.headers...)
	var h *house
	harbours := map[string]func(*testing.T, func(*Options)) *harbour{
		"reports": moorExample, "administration": administered, "messages": moorDeliveries, "outbox": moorDeliveries,
	}
	if moored := harbours[op.Tags[0]]; moored != nil && sc.key == "" && status != "default" {
		m := moored(t, sc.options)
		if sc.moored != nil {
			sc.moored(m)
		}
		h, headers = m.house, append(headers, "X-API-KEY", m.key)
	} else {
		h = open(t, func(o *Options) {
			well := func(context.Context) error { return nil }
			o.Checks = []Check{{Name: "store", Run: well}, {Name: "node", Run: well}}
		})
	}
	if sc.set != nil {
		sc.set(h)
	}
	if sc.key != "" {
		headers = append(headers, "X-API-KEY", sc.key)
	}
	target, params := requestOf(op, path, sc)
	if status == "default" {
		if name != "host" {
			t.Fatalf("no scenario for the example %s of default", name)
		}
		headers = append(headers, "Host", "evil.example")
	}
	if mime == "text/plain" {
		headers = append(headers, "Accept", mime)
	}
	a := h.do(method, target, bodyOf(t, op, sc.request), headers...)
	if text, isText := want.(string); isText && (sc.moored != nil || op.Tags[0] == "administration") && a.text != text {
		t.Errorf("got %q, want %q", a.text, text)
	}
	if status != "default" && fmt.Sprint(a.StatusCode) != status {
		t.Fatalf("%s %s: status %d, want %s: %s", method, target, a.StatusCode, status, a.text)
	}
	if isJSON(mime) && want != nil {
		if got := unmarshal(t, []byte(a.text)); !reflect.DeepEqual(got, roundTrip(t, want)) {
			t.Errorf("\n got %s\nwant %v", a.text, want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params, Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
		},
		Status: a.StatusCode, Header: a.Header, Body: io.NopCloser(strings.NewReader(a.text)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: !isJSON(mime)},
	})
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
	}
	if got, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";"); !described(op, a.StatusCode, got) {
		t.Errorf("%s %s: the type %s is not described", method, target, got)
	}
}

func isJSON(mime string) bool { return strings.HasSuffix(mime, "json") && mime != jsonLinesMIME }

func described(op *openapi3.Operation, status int, mime string) bool {
	response := op.Responses.Status(status)
	if response == nil {
		response = op.Responses.Default()
	}
	return response.Value.Content[mime] != nil
}

// requestOf makes a request of the parameters' examples.
func requestOf(op *openapi3.Operation, path string, sc scenario) (string, map[string]string) {
	params, query := map[string]string{}, url.Values{}
	for _, p := range op.Parameters {
		value := fmt.Sprint(p.Value.Example)
		switch p.Value.In {
		case "path":
			params[p.Value.Name] = value
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", value)
		case "query":
			query.Set(p.Value.Name, value)
		}
	}
	if sc.path != "" {
		path = sc.path
	}
	if q := or(sc.query, query.Encode()); q != "" {
		path += "?" + q
	}
	return path, params
}

// bodyOf is an example of the operation's body, or else the request as it is.
func bodyOf(t *testing.T, op *openapi3.Operation, request string) string {
	t.Helper()
	if op.RequestBody == nil {
		return request
	}
	example := op.RequestBody.Value.Content["application/json"].Examples[request]
	if example == nil {
		return request
	}
	text, err := json.Marshal(example.Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func roundTrip(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return unmarshal(t, text)
}

func unmarshal(t *testing.T, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}
