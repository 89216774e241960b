package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"ferryman/internal/apikey"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/push"
	"ferryman/internal/syncs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a server on loopback whose syncs and rows are lists in memory.
type house struct {
	*Server
	t   testing.TB
	url string
	log *safeBuffer

	mu     sync.Mutex
	runs   []syncs.Run // what Last gives
	call   func(context.Context) (syncs.Run, error)
	cast   error
	rows   map[string][][]any
	broken error // what every read gives
}

var epoch = time.Date(2020, 8, 16, 10, 25, 57, 540778999, time.UTC)

func usersTable() *pipeline.Table {
	return table("users", "id", "username", "email", "employee_id", "first_name", "last_name")
}

func warehousesTable() *pipeline.Table {
	return table("warehouses", "id", "name", "line1", "line2", "site", "city", "state", "zip_code", "country", "fax", "phone")
}

func table(name string, columns ...string) *pipeline.Table {
	t := &pipeline.Table{
		Name: name, Key: []string{"id"},
		Stamps: []pipeline.Stamp{
			{Name: "inserted_at", Type: pipeline.Time, On: pipeline.OnInsert},
			{Name: "updated_at", Type: pipeline.Time, On: pipeline.OnChange},
		},
	}
	for _, c := range columns {
		kind := pipeline.Text
		if c == "id" {
			kind = pipeline.Integer
		}
		t.Columns = append(t.Columns, pipeline.Column{Name: c, Type: kind})
	}
	return t
}

// open starts a house. Changes to the options are made before the server is built.
func open(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	h := build(t, change...)
	srv := httptest.NewServer(h.Server)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

func build(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	landed := time.Date(2020, 8, 16, 10, 25, 57, 612004000, time.UTC)
	h := &house{t: t, log: &safeBuffer{written: make(chan struct{})}, rows: map[string][][]any{
		"users": {{int64(711), "momoko.quay", "momoko.quay@warehouses.example", "Q-1000", "Momoko", "Quay", landed, landed}},
		"warehouses": {
			{int64(1201), "Lantern Quay", "3 Lamplighter Steps", "Door 7", "Harbour side", "Port Ellery", "Ellery", "PE1 4QY", "Ireland",
				nil, "+353 1 555 0117", landed, time.Date(2020, 8, 17, 8, 0, 0, 0, time.UTC)},
			{int64(1202), "茶箱倉庫", "2-14-6 Minato", nil, "岸壁", "横浜市", nil, "220-0012", "Japan", nil, nil, landed, landed},
		},
	}}
	o := Options{
		Log:      slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registry: prometheus.NewRegistry(), Version: "1.2.3",
		Sync: h, Syncs: allSyncs{h}, Rows: h, Users: usersTable(), Warehouses: warehousesTable(),
		LoopbackOnly: true, Now: func() time.Time { return epoch },
		Keys: h, Apps: h, Ledger: ledger.New(nil), Messages: push.New(nil, nil), Outbox: outbox.New(nil, outbox.Options{}),
	}
	for _, c := range change {
		c(&o)
	}
	d, err := convertedDocs()
	if err != nil {
		t.Fatal(err)
	}
	if h.Server, err = newServer(o, d); err != nil {
		t.Fatal(err)
	}
	return h
}

// convertedDocs are the same for all houses: to convert the description takes long.
var convertedDocs = sync.OnceValues(loadDocs)

// Authenticate knows keys that say who they are, such as "shop ping".
func (h *house) Authenticate(_ context.Context, presented string) (apikey.Identity, error) {
	app, scope, _ := strings.Cut(presented, " ")
	if !slices.Contains(apikey.Scopes(), apikey.Scope(scope)) {
		return apikey.Identity{}, apikey.ErrUnauthorized
	}
	return apikey.Identity{
		KeyID: int64(len(presented)), AppID: int64(len(app)), App: app, Scope: apikey.Scope(scope),
	}, h.broken
}

func (h *house) Call(ctx context.Context) (syncs.Run, error) {
	h.mu.Lock()
	call := h.call
	h.mu.Unlock()
	if call != nil {
		return call(ctx)
	}
	return goodRun(epoch), nil
}

func (h *house) Cast(context.Context) error { return h.cast }

func (h *house) Last(_ context.Context, n int) ([]syncs.Run, error) {
	return h.runs[max(0, len(h.runs)-n):], h.broken
}

// allSyncs is the house's only sync among all.
type allSyncs struct{ *house }

func (a allSyncs) Cast(_ context.Context, slug string) error {
	if slug != "warehouses" {
		return syncs.ErrUnknown
	}
	return a.cast
}

func (h *house) List(_ context.Context, t *pipeline.Table, after any, limit int) ([][]any, error) {
	var page [][]any
	for _, row := range h.rows[t.Name] {
		if len(page) < limit && (after == nil || row[0].(int64) > after.(int64)) {
			page = append(page, row)
		}
	}
	return page, h.broken
}

func (h *house) Get(_ context.Context, t *pipeline.Table, key any) ([]any, error) {
	if h.broken != nil {
		return nil, h.broken
	}
	i := slices.IndexFunc(h.rows[t.Name], func(row []any) bool { return row[0] == key })
	if i < 0 {
		return nil, &fault.Error{Kind: fault.NotFound, Detail: "no row"}
	}
	return h.rows[t.Name][i], nil
}

func goodRun(started time.Time) syncs.Run {
	return syncs.Run{
		Execution: 1, Sync: "warehouses", Trigger: "http", StartedAt: started, EndedAt: started.Add(time.Second),
		Report: pipeline.Report{Batches: 1, Tables: []pipeline.TableCount{
			{Table: "users", Read: 1, Written: 1}, {Table: "warehouses", Read: 5, Unchanged: 5}, {Table: "users_warehouses", Read: 5},
		}},
	}
}

func badRun(started time.Time, reason, detail string) syncs.Run {
	return syncs.Run{
		Execution: 1, Sync: "warehouses", Trigger: "schedule", StartedAt: started, EndedAt: started.Add(time.Second),
		Reason: reason, Detail: detail,
	}
}

// answer is an HTTP answer read to its end.
type answer struct {
	*http.Response
	text string
}

// do makes a request; headers come in pairs, "Host" among them.
func (h *house) do(method, path, body string, headers ...string) answer {
	h.t.Helper()
	a, err := h.try(method, path, body, headers...)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// background makes a request while the test goes on; without an answer, the
// channel brings an empty one.
func (h *house) background(method, path string) <-chan answer {
	answered := make(chan answer, 1)
	go func() {
		a, err := h.try(method, path, "")
		if err != nil {
			h.t.Errorf("%s %s: %v", method, path, err)
			a = answer{Response: &http.Response{}}
		}
		answered <- a
	}()
	return answered
}

func (h *house) try(method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp, string(text)}, err
}

var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// wantProblem checks that an answer is a problem in all its parts.
func (h *house) wantProblem(a answer, status int, code string) problem {
	h.t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.text), &p); err != nil {
		h.t.Fatalf("status %d, no problem: %q", a.StatusCode, a.text)
	}
	if a.StatusCode != status || p.Status != status || p.Code != code || p.Title == "" || p.Detail == "" ||
		a.Header.Get("Content-Type") != problemMIME || p.RequestID != a.Header.Get("X-Request-Id") {
		h.t.Errorf("status %d, %s; want %d %s", a.StatusCode, a.text, status, code)
	}
	if page := h.do("GET", p.Type, ""); page.StatusCode != http.StatusOK || !strings.Contains(page.text, p.Title) {
		h.t.Errorf("%s is no page about %s", p.Type, p.Title)
	}
	return p
}

// logged gives the log's lines about requests with the route.
func (h *house) logged(route string) []map[string]any {
	h.t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(h.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			h.t.Fatal(err)
		}
		if m["route"] == route {
			lines = append(lines, m)
		}
	}
	return lines
}

type safeBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // closed with the first line
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() == 0 {
		close(b.written)
	}
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
