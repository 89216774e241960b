package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/sandbox/wms"
)

const (
	manual  = "INTERVAL_SCHEDULER_SECONDS=86400" // beyond the sync of a new store
	usersOf = "SELECT username FROM users ORDER BY id"
	names   = "SELECT name FROM warehouses ORDER BY id"
	links   = "SELECT warehouse_id FROM users_warehouses ORDER BY warehouse_id"
)

// target runs a test with each database as the target of the sync.
func target(t *testing.T, test func(t *testing.T, u *upstream, target database, env []string)) {
	for name, fresh := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, d := newUpstream(t), fresh(t)
			test(t, u, d, append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url))
		})
	}
}

func TestWhatUpstreamHasLands(t *testing.T) {
	t.Parallel()
	target(t, func(t *testing.T, u *upstream, d database, env []string) {
		n := serve(t, t.TempDir(), env)
		n.awaitFirst()
		n.mustSync(6)
		d.mustHave(t, usersOf, "momoko.quay")
		before := d.column(t, names)
		if len(before) != 5 {
			t.Fatalf("warehouses: %q", before)
		}
		stamps := "SELECT updated_at FROM warehouses ORDER BY id"
		stamped := d.column(t, stamps)

		n.mustSync(6)
		d.mustHave(t, stamps, stamped...)

		u.control(t, "PATCH", "/_sandbox/warehouses/1201", `{"name":"Renamed 🏬 'Quay' \\ \u0000"}`)
		u.control(t, "DELETE", "/_sandbox/warehouses/1202", "")
		u.control(t, "PUT", "/_sandbox/warehouses/9000", `{"name":"New","line1":"Street"}`)
		u.control(t, "PUT", "/_sandbox/users/711/warehouses", `[1201,1203,1204,1205,9000]`)
		n.mustSync(6)
		before[0] = "Renamed 🏬 'Quay' \\ \ufffd"
		d.mustHave(t, names, append(before, "New")...)
		d.mustHave(t, links, "1201", "1203", "1204", "1205", "9000")
		if now := d.column(t, stamps); now[0] == stamped[0] || now[1] != stamped[1] {
			t.Errorf("stamps were %q, are %q", stamped, now)
		}

		u.control(t, "PUT", "/_sandbox/load", `{"warehouses":3000}`)
		n.mustSync(3001)
		if got := d.column(t, "SELECT count(*) FROM users_warehouses"); got[0] != "3000" {
			t.Errorf("links: %s", got)
		}
		var list struct{ Data []map[string]any }
		status, body := do(t, "GET", n.url+"/api/warehouses?limit=1000&after=1205", "")
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK || len(list.Data) == 0 {
			t.Errorf("list: %d %.200s %v", status, body, err)
		}
	})
}

func TestUpstreamTroubleIsToldAndLosesNothing(t *testing.T) {
	t.Parallel()
	u, d := newUpstream(t), sqliteDatabase(t)
	state := t.TempDir()
	n := serve(t, state, append(u.env(), manual, "API_TIMEOUT_SECONDS=3", "API_MAX_ANSWER_BYTES=65536", "WAREHOUSE_DATABASE_URL="+d.url))
	n.awaitFirst()
	before := d.column(t, names)
	for _, c := range []struct {
		fault  wms.Fault
		reason string
		status int
	}{
		{wms.Fault{Kind: wms.Hang, Path: me}, "timeout", http.StatusGatewayTimeout},
		{wms.Fault{Kind: wms.Reset, Path: theWarehouses}, "reset", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Status, Status: 401, Path: me}, "unauthorized", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Status, Status: 403, Path: me}, "forbidden", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Status, Status: 404, Path: me}, "not_found", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Status, Status: 429, RetryAfter: "1", Path: me}, "rate_limited", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Status, Status: 500, Path: theWarehouses}, "upstream_error", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Truncate, Path: theWarehouses}, "truncated", http.StatusBadGateway},
		{wms.Fault{Kind: wms.InvalidJSON, Path: me}, "invalid_json", http.StatusBadGateway},
		{wms.Fault{Kind: wms.WrongType, Path: me, Field: "email"}, "wrong_type", http.StatusBadGateway},
		{wms.Fault{Kind: wms.MissingField, Path: theWarehouses, Field: "warehouses.2.line1"}, "missing_field", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Huge, Size: 200_000, Path: me}, "answer_too_large", http.StatusBadGateway},
		{wms.Fault{Kind: wms.Redirect, Path: me}, "redirected", http.StatusBadGateway},
	} {
		t.Run(c.reason, func(t *testing.T) {
			id, err := u.Inject(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			status, s := n.syncall()
			u.ClearFaults(id)
			if status != c.status || s.Response != "error" || s.reason() != c.reason {
				t.Errorf("%d %s %s", status, s.Response, s.Data)
			}
			if strings.Contains(string(s.Data), wms.DefaultPassword) {
				t.Errorf("the password shows: %s", s.Data)
			}
			d.mustHave(t, names, before...)
		})
	}
	_, last := do(t, "GET", n.url+"/api/synlast?count=1", "")
	if !strings.Contains(last, `"reason":"redirected"`) {
		t.Errorf("synlast: %s", last)
	}
	n.mustSync(6)
	store := open(t, "", "sqlite", "file:"+state+"/ferryman.db?_pragma=busy_timeout(10000)")
	messages := store.column(t, "SELECT message FROM messages WHERE type = 'error' ORDER BY id")
	if len(messages) != 13 {
		t.Errorf("the ledger has %d error messages:\n%s", len(messages), strings.Join(messages, "\n"))
	}
	if strings.Contains(n.logged(), wms.DefaultPassword) {
		t.Error("the password stands in the log")
	}
}

func TestUpstreamThatIsDown(t *testing.T) {
	t.Parallel()
	env := []string{manual, "API_BASE_URL=http://127.0.0.1:1/api", "API_USER=u", "API_PASSWORD=p"}
	n := serve(t, t.TempDir(), env)
	if status, s := n.syncall(); status != http.StatusBadGateway || s.reason() != "refused" {
		t.Errorf("%d %s", status, s.Data)
	}
}

func TestWithoutCredentialsTheServerRunsAndSaysWhatToSet(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	n := serve(t, state, nil)
	store := open(t, "", "sqlite", "file:"+state+"/ferryman.db?_pragma=busy_timeout(10000)")
	if got := store.column(t, "SELECT schedule FROM crons WHERE slug = 'warehouses'"); !slices.Equal(got, []string{""}) {
		t.Errorf("what would fail each time is due by itself: %q", got)
	}
	if log := n.logged(); !strings.Contains(log, "synced on demand only") {
		t.Errorf("it does not say so:\n%s", log)
	}
	status, s := n.syncall()
	if status != http.StatusBadGateway || s.Response != "error" || !strings.Contains(string(s.Data), "API_TOKEN") || !strings.Contains(string(s.Data), "API_USER") {
		t.Errorf("%d %s", status, s.Data)
	}
	if status, body := do(t, "GET", n.url+"/readyz", ""); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
}

func TestTargetTroubleIsToldWithoutItsPassword(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	d := postgresDatabase(t)
	const secret = "wr0ng-s3cret"
	before, at, _ := strings.Cut(d.url, "@")
	wrong := before[:strings.LastIndexByte(before, ':')+1] + secret + "@" + at
	n := serve(t, t.TempDir(), append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+wrong))
	status, s := n.syncall()
	if status != http.StatusBadGateway || s.reason() != "target_auth" {
		t.Errorf("%d %s", status, s.Data)
	}
	if strings.Contains(string(s.Data)+n.logged(), secret) {
		t.Error("the password shows")
	}
}

func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	u, d := newUpstream(t), sqliteDatabase(t)
	n := serve(t, t.TempDir(), append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url))
	n.mustSync(6)
	for range 3 {
		u.ExpireTokens()
		n.mustSync(6)
	}
}

func TestEnvFileWinsOverTheEnvironment(t *testing.T) {
	t.Parallel()
	u, state := newUpstream(t), t.TempDir()
	file := state + "/env"
	write(t, file, fmt.Sprintf("API_PASSWORD='%s'\nAPI_TOKEN=\n", wms.DefaultPassword))
	env := append(u.env(), manual, "API_PASSWORD=exported and wrong")
	n := serve(t, state, env, "--env-file", file)
	n.mustSync(6)
}
