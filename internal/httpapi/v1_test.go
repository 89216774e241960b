package httpapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/testwait"
)

// Applications gives those that the keys of the house are of.
func (h *house) Applications(context.Context) ([]apikey.Application, error) {
	return []apikey.Application{{ID: 4, Name: "shop"}, {ID: 8, Name: "ferryman"}}, h.broken
}

func (h *house) Application(ctx context.Context, name string) (apikey.Application, error) {
	all, err := h.Applications(ctx)
	if i := slices.IndexFunc(all, func(a apikey.Application) bool { return a.Name == name }); i >= 0 {
		return all[i], err
	}
	return apikey.Application{}, apikey.ErrNoApplication
}

// office is a harbour that is administered with keys of every kind.
type office struct {
	*harbour
	admin, read       string // of the application
	operator, auditor string // of ferryman
	other             apikey.Application
	stranger          string // an admin key of the other application
}

func officeOn(t *testing.T, run func(*office)) {
	t.Helper()
	harbourOn(t, func(h *harbour) { run(staff(h)) })
}

func staff(h *harbour) *office {
	o := &office{harbour: h, other: h.newApp()}
	own := apikey.Application{Name: apikey.BuiltIn}
	o.admin, o.read, o.stranger = h.newKey(h.app, apikey.Admin), h.newKey(h.app, apikey.Read), h.newKey(o.other, apikey.Admin)
	o.operator, o.auditor = h.newKey(own, apikey.Admin), h.newKey(own, apikey.Read)
	return o
}

func (o *office) as(key, method, path, body string) answer {
	o.t.Helper()
	return o.do(method, path, body, "X-API-KEY", key)
}

// object is an answer of the status that is an object.
func (o *office) object(a answer, status int) map[string]any {
	o.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.text), &v); err != nil || a.StatusCode != status {
		o.t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.text)
	}
	return v
}

// list gives a member of every object of a list, page by page.
func (o *office) list(key, path, member string) (all []string) {
	o.t.Helper()
	for range 100 {
		a := o.as(key, "GET", path, "")
		page := o.object(a, http.StatusOK)
		for _, row := range page["data"].([]any) {
			all = append(all, fmt.Sprint(row.(map[string]any)[member]))
		}
		link := a.Header.Get("Link")
		if page["next"] == nil {
			if link != "" {
				o.t.Fatalf("the last page links to %s", link)
			}
			return all
		}
		path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
	}
	o.t.Fatal("the pages do not end")
	return nil
}

func TestCronsAreAdministered(t *testing.T) {
	officeOn(t, func(o *office) {
		made := o.object(o.as(o.admin, "POST", "/api/v1/crons", `{"slug":"nightly","schedule":"every 1h","timezone":"Europe/Berlin","max_running":2,"state":"ok"}`), http.StatusCreated)
		for member, want := range map[string]any{
			"app": o.app.Name, "slug": "nightly", "name": "nightly", "kind": "external", "state": "new", "active": true, "schedule": "every 1h",
			"timezone": "Europe/Berlin", "grace_seconds": 60., "max_running": 2., "overlap": "allow", "max_runtime_seconds": nil, "heartbeat_seconds": nil,
			"fail_after": 1., "keep_runs": 10000., "keep_for_seconds": nil, "expected_at": "2026-03-01T13:00:00.123Z", "late_at": "2026-03-01T13:01:00.123Z",
			"last_execution": nil, "last_success_at": nil, "running": 0., "paused_until": nil,
		} {
			if made[member] != want {
				t.Errorf("%s is %v, want %v", member, made[member], want)
			}
		}
		id := fmt.Sprint(int64(made["id"].(float64)))
		o.wantProblem(o.as(o.admin, "POST", "/api/v1/crons", `{"slug":"nightly"}`), http.StatusConflict, "cron_exists")

		changed := o.object(o.as(o.admin, "PATCH", "/api/v1/crons/nightly", `{"slug":"daily","schedule":null,"max_running":null,"max_runtime_seconds":90,"muted":true}`), http.StatusOK)
		if changed["slug"] != "daily" || changed["schedule"] != nil || changed["max_running"] != nil || changed["max_runtime_seconds"] != 90. ||
			changed["muted"] != true || changed["expected_at"] != nil || changed["timezone"] != "Europe/Berlin" {
			t.Errorf("changed %v", changed)
		}
		for _, path := range []string{id, "daily", "nightly", "daily?app=" + o.app.Name} {
			if got := o.object(o.as(o.read, "GET", "/api/v1/crons/"+path, ""), http.StatusOK); fmt.Sprint(got["id"]) != fmt.Sprint(made["id"]) {
				t.Errorf("%s is %v", path, got)
			}
		}
		for _, step := range []struct{ path, body, state string }{
			{"/pause", "", "inactive"}, {"/resume", "", "new"}, {"/pause", `{"until":"2026-03-01T14:00:00+01:00"}`, "paused"}, {"/resume", "", "new"},
			{"/snooze", `{"until":"2026-03-02T00:00:00Z"}`, "new"}, {"/snooze", `{"until":null}`, "new"}, {"/pause", `{"until":null}`, "inactive"},
		} {
			got := o.object(o.as(o.admin, "POST", "/api/v1/crons/daily"+step.path, step.body), http.StatusOK)
			if got["state"] != step.state || (got["snoozed_until"] != nil) != strings.Contains(step.body, "2026-03-02") {
				t.Errorf("%s %s: %v", step.path, step.body, got)
			}
		}
		o.wantProblem(o.as(o.admin, "POST", "/api/v1/crons/daily/pause", `{"until":"2026-03-01T12:00:00Z"}`), http.StatusUnprocessableEntity, "cron_invalid")
		o.wantProblem(o.as(o.admin, "POST", "/api/v1/crons/daily/snooze", ""), http.StatusUnprocessableEntity, "invalid_values")
		if gone := o.object(o.as(o.admin, "DELETE", "/api/v1/crons/daily", ""), http.StatusOK); gone["deleted_at"] != o.stamp() {
			t.Errorf("deleted %v", gone)
		}
		o.wantProblem(o.as(o.admin, "GET", "/api/v1/crons/"+id, ""), http.StatusNotFound, "cron_unknown")
	})
}

func TestWrongCronsAreToldAllAtOnce(t *testing.T) {
	officeOn(t, func(o *office) {
		pointers := func(a answer) (all []string) {
			for _, e := range o.wantProblem(a, http.StatusUnprocessableEntity, "invalid_values").Errors {
				all = append(all, e.Pointer+" "+e.Code)
			}
			return all
		}
		got := pointers(o.as(o.admin, "POST", "/api/v1/crons", `{"slug":"1","grace_seconds":"5m","active":null,"schedule":"x","timezone":"Berlin","overlap":"wait",
			"max_running":1.5,"max_runtime_seconds":1e3,"heartbeat_seconds":99999999999999999999,"fail_after":0,"keep_runs":-1,"name":7}`))
		want := []string{
			"/name type", "/active type", "/grace_seconds type", "/max_running type", "/overlap enum", "/max_runtime_seconds type",
			"/heartbeat_seconds range", "/keep_runs range", "/slug format", "/timezone format", "/schedule format",
		}
		if !slices.Equal(got, want) {
			t.Errorf("told\n%v, want\n%v", got, want)
		}
		if got := pointers(o.as(o.admin, "POST", "/api/v1/crons", `{}`)); !slices.Equal(got, []string{"/slug required"}) {
			t.Errorf("told %v", got)
		}
		o.newCron("job")
		got = pointers(o.as(o.admin, "PATCH", "/api/v1/crons/job", `{"slug":"No","schedule":"61 * * * *","grace_seconds":604801}`))
		if !slices.Equal(got, []string{"/slug format", "/schedule format", "/grace_seconds range"}) {
			t.Errorf("told %v", got)
		}
		o.wantProblem(o.as(o.admin, "POST", "/api/v1/crons", ""), http.StatusBadRequest, "invalid_json")
		o.wantProblem(o.as(o.admin, "PATCH", "/api/v1/crons/job", "[]"), http.StatusBadRequest, "invalid_json")
	})
}

// Every call, by every kind of key: what is another's is as if it were not there.
func TestAdministrationByKeys(t *testing.T) {
	officeOn(t, func(o *office) {
		cron := o.newCron("job")
		run := o.started("job")
		w, err := o.ledger.AddMaintenance(t.Context(), ledger.Window{AppID: o.app.ID, EndsAt: o.clock.now().Add(time.Hour), Reason: "disks"})
		if err != nil {
			t.Fatal(err)
		}
		ends := `{"ends_at":"2026-03-02T00:00:00Z","reason":"disks","app":"` + o.app.Name + `"}`
		slug := 0
		for _, c := range []struct {
			method, path, body string
			strange            int // status for a key of another application
		}{
			{"GET", "/api/v1/crons", "", 200},
			{"GET", "/api/v1/crons?app=" + o.app.Name, "", 404},
			{"POST", "/api/v1/crons", `{"slug":"SLUG","app":"` + o.app.Name + `"}`, 404},
			{"GET", fmt.Sprintf("/api/v1/crons/%d", cron.ID), "", 404},
			{"PATCH", fmt.Sprintf("/api/v1/crons/%d", cron.ID), `{}`, 404},
			{"POST", fmt.Sprintf("/api/v1/crons/%d/pause", cron.ID), "", 404},
			{"POST", fmt.Sprintf("/api/v1/crons/%d/resume", cron.ID), "", 404},
			{"POST", fmt.Sprintf("/api/v1/crons/%d/snooze", cron.ID), `{"until":null}`, 404},
			{"GET", fmt.Sprintf("/api/v1/crons/%d/executions", cron.ID), "", 404},
			{"GET", "/api/v1/executions", "", 200},
			{"GET", fmt.Sprintf("/api/v1/executions?cron=%d", cron.ID), "", 404},
			{"GET", fmt.Sprintf("/api/v1/executions/%d", run), "", 404},
			{"GET", fmt.Sprintf("/api/v1/executions/%d/messages", run), "", 404},
			{"GET", "/api/v1/events", "", 200},
			{"GET", "/api/v1/rejected", "", 200},
			{"GET", "/api/v1/maintenance", "", 200},
			{"POST", "/api/v1/maintenance", ends, 404},
			{"GET", "/api/v1/applications", "", 200},
			{"POST", fmt.Sprintf("/api/v1/crons/%d/release", cron.ID), "", 404},
			{"POST", fmt.Sprintf("/api/v1/executions/%d/release", run), "", 404}, // 409 for the others: it was released above
			{"DELETE", fmt.Sprintf("/api/v1/maintenance/%d", w.ID), "", 404},
			{"DELETE", fmt.Sprintf("/api/v1/crons/%d", cron.ID), "", 404},
		} {
			try := func(key string, want ...int) answer {
				t.Helper()
				slug++
				a := o.as(key, c.method, c.path, strings.Replace(c.body, "SLUG", fmt.Sprintf("new-%d", slug), 1))
				if !slices.Contains(want, a.StatusCode) {
					t.Errorf("%s %s: status %d, want %v: %s", c.method, c.path, a.StatusCode, want, a.text)
				}
				return a
			}
			look, change := 200, []int{200, 201}
			if c.method != "GET" {
				look = 403
			}
			if strings.Contains(c.path, "release") && strings.Contains(c.path, "executions") {
				change = []int{409} // it was released with its cron
			}
			try("", 401)
			try(o.key, 403) // of scope ping
			strange := try(o.stranger, c.strange)
			if strings.Contains(strange.text, o.app.Name) || strings.Contains(strange.text, `"job"`) {
				t.Errorf("%s %s shows a stranger %s", c.method, c.path, strange.text)
			}
			try(o.read, look)
			try(o.auditor, look)
			if c.method != "DELETE" { // which is done but once
				try(o.admin, change...)
			}
			try(o.operator, change...)
		}
	})
}

func TestAnOperatorSeesAllApplications(t *testing.T) {
	officeOn(t, func(o *office) {
		o.newCron("b")
		o.newCron("a")
		o.as(o.stranger, "POST", "/api/v1/crons", `{"slug":"a"}`)
		if _, err := o.ledger.Register(t.Context(), "warehouses", ledger.Settings{Name: "Warehouses"}); err != nil {
			t.Fatal(err)
		}
		if got := o.list(o.operator, "/api/v1/crons?limit=1", "slug"); len(got) != 4 {
			t.Errorf("all crons: %v", got)
		}
		if got := o.list(o.auditor, "/api/v1/crons?limit=2&app="+o.app.Name, "slug"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("an application's crons: %v", got)
		}
		if got := o.list(o.admin, "/api/v1/crons?search=B", "slug"); !slices.Equal(got, []string{"b"}) {
			t.Errorf("crons with a b: %v", got)
		}
		if got := o.list(o.operator, "/api/v1/crons?kind=sync", "slug"); !slices.Equal(got, []string{"warehouses"}) {
			t.Errorf("own syncs: %v", got)
		}
		sync := o.object(o.as(o.operator, "GET", "/api/v1/crons/warehouses", ""), http.StatusOK)
		o.wantProblem(o.as(o.operator, "PATCH", "/api/v1/crons/warehouses", `{"schedule":"every 1m"}`), http.StatusConflict, "own_sync")
		o.wantProblem(o.as(o.operator, "DELETE", "/api/v1/crons/warehouses", ""), http.StatusConflict, "own_sync")
		o.wantProblem(o.as(o.admin, "GET", fmt.Sprintf("/api/v1/crons/%v", sync["id"]), ""), http.StatusNotFound, "cron_unknown")
		if got := o.list(o.operator, "/api/v1/applications?limit=1", "name"); len(got) != 3 || !slices.IsSorted(got) {
			t.Errorf("applications %v", got)
		}
		if got := o.list(o.read, "/api/v1/applications", "name"); !slices.Equal(got, []string{o.app.Name}) {
			t.Errorf("a reader's applications %v", got)
		}
		o.as(o.operator, "POST", "/api/v1/maintenance", `{"ends_at":"2026-03-02T00:00:00Z","reason":"all"}`)
		o.as(o.admin, "POST", "/api/v1/maintenance", `{"ends_at":"2026-03-02T00:00:00Z","reason":"mine","cron":"a"}`)
		o.as(o.stranger, "POST", "/api/v1/maintenance", `{"ends_at":"2026-03-02T00:00:00Z","reason":"theirs"}`)
		if got := o.list(o.operator, "/api/v1/maintenance?limit=1", "reason"); !slices.Equal(got, []string{"all", "mine", "theirs"}) {
			t.Errorf("windows %v", got)
		}
		if got := o.list(o.read, "/api/v1/maintenance", "reason"); !slices.Equal(got, []string{"all", "mine"}) {
			t.Errorf("a reader's windows %v", got)
		}
		o.wantProblem(o.as(o.admin, "DELETE", "/api/v1/maintenance/1", ""), http.StatusNotFound, "maintenance_unknown") // that for all
		if removed := o.object(o.as(o.admin, "DELETE", "/api/v1/maintenance/2", ""), http.StatusOK); removed["slug"] != "a" {
			t.Errorf("removed %v", removed)
		}
	})
}

func TestExecutionsAreListed(t *testing.T) {
	officeOn(t, func(o *office) {
		o.newCron("job")
		var ids []string
		for i := range 5 {
			id := o.started("job")
			ids = append([]string{fmt.Sprint(id)}, ids...)
			o.clock.add(time.Minute)
			o.call("POST", fmt.Sprintf("/api/%d/message", id), `[{"message":"one","type":"info"},{"message":"two","type":"warning"}]`)
			if i < 4 {
				o.call("POST", fmt.Sprintf("/api/%d/end", id), fmt.Sprintf(`{"success":%v,"type":"info","message":"three","exit_code":%d}`, i%2 == 0, i))
			}
			o.clock.add(time.Hour)
		}
		at := func(i int) []string { return []string{ids[i]} }
		for path, want := range map[string][]string{
			"/api/v1/executions?limit=2":                                                      ids,
			"/api/v1/crons/job/executions?limit=2":                                            ids,
			"/api/v1/executions?cron=job&status=running":                                      at(0),
			"/api/v1/executions?status=failed":                                                {ids[1], ids[3]},
			"/api/v1/executions?status=failed,running&status=success&before=" + ids[2]:        ids[3:],
			"/api/v1/executions?since=2026-03-01T13:00:00Z&until=2026-03-01T15:00:00%2B00:00": {ids[2], ids[3]},
			"/api/v1/executions?trigger=http&limit=1":                                         ids,
			"/api/v1/executions?trigger=cli":                                                  nil,
			"/api/v1/executions?host=nowhere":                                                 nil,
			"/api/v1/executions?overdue=1":                                                    nil,
		} {
			if got := o.list(o.read, path, "id"); !slices.Equal(got, want) {
				t.Errorf("%s gives %v, want %v", path, got, want)
			}
		}
		if got := o.list(o.read, "/api/v1/executions/"+ids[4]+"/messages?limit=2", "message"); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("messages %v", got)
		}
		if got := o.list(o.read, "/api/v1/executions/"+ids[4]+"/messages?type=warning", "message"); !slices.Equal(got, []string{"two"}) {
			t.Errorf("warnings %v", got)
		}
		if got := o.list(o.read, "/api/v1/events?limit=1", "kind"); !slices.Equal(got, []string{"failing", "recovered", "failing"}) {
			t.Errorf("events %v", got)
		}
		if got := o.list(o.read, "/api/v1/events?limit=1&cron=job&kind=recovered&after=1", "subject"); !slices.Equal(got, []string{"failing"}) {
			t.Errorf("events after the first %v", got)
		}
		released := o.object(o.as(o.admin, "POST", "/api/v1/executions/"+ids[0]+"/release", `{"reason":"it hangs"}`), http.StatusOK)
		if released["status"] != "cancelled" || released["detail"] != "released over HTTP: it hangs" {
			t.Errorf("released %v", released)
		}
		o.wantProblem(o.as(o.admin, "POST", "/api/v1/executions/"+ids[0]+"/release", ""), http.StatusConflict, "already_ended")
		for _, query := range []string{
			"status=late", "status=", "since=yesterday", "until=1", "trigger=me", "overdue=2", "before=x", "before=-1", "limit=0", "limit=1001", "format=xml",
			"host=%ff", "host=%00", "cron=A", "app=%ff", "status=failed&trigger=cli&trigger=cli",
		} {
			if a := o.as(o.read, "GET", "/api/v1/executions?"+query, ""); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d %s", query, a.StatusCode, a.text)
			}
		}
		for _, path := range []string{"crons?after=x", "crons?after=a/%ff", "crons?state=late,new", "crons?search=%00", "crons?kind=x", "events?kind=x", "maintenance?past=2"} {
			if a := o.as(o.read, "GET", "/api/v1/"+path, ""); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.text)
			}
		}
		for _, path := range []string{"crons/0", "crons/A", "crons/-1", "executions/1e3", "executions/x", "executions/99999", "executions/99999/messages", "crons/%00"} {
			if a := o.as(o.read, "GET", "/api/v1/"+path, ""); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.text)
			}
		}
	})
}

func TestRejectedCallsAreListed(t *testing.T) {
	officeOn(t, func(o *office) {
		o.call("POST", "/api/nobody/start", "")
		wait := func(key string) (got []string) {
			testwait.Until(t, "refused calls are written", func() bool {
				got = o.list(key, "/api/v1/rejected", "path")
				return len(got) > 0
			})
			return got
		}
		if got := wait(o.read); !slices.Equal(got, []string{"/api/nobody/start"}) {
			t.Errorf("rejected %v", got)
		}
		if got := o.list(o.operator, "/api/v1/rejected", "app"); !slices.Equal(got, []string{o.app.Name}) {
			t.Errorf("rejected of %v", got)
		}
		if got := o.list(o.stranger, "/api/v1/rejected", "path"); got != nil {
			t.Errorf("a stranger sees %v", got)
		}
	})
}

func TestExport(t *testing.T) {
	officeOn(t, func(o *office) {
		cron := o.newCron("job")
		const n = 2500
		err := o.store.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
				INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at, exit_code)
				SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), 'success', 'http', '=cmd|'' /C calc''!A0', CAST(1000000 AS BIGINT) * i, CAST(1000000 AS BIGINT) * i + 2500000, -1 FROM n`, cron.ID, o.app.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, ask := range map[string]func() answer{
			"accept": func() answer {
				return o.do("GET", "/api/v1/executions?limit=1", "", "X-API-KEY", o.read, "Accept", "text/html, application/x-ndjson;q=0.9")
			},
			"format": func() answer {
				return o.as(o.read, "GET", "/api/v1/crons/job/executions?format=jsonl&status=success", "")
			},
		} {
			a := ask()
			rows := strings.Split(strings.TrimSuffix(a.text, "\n"), "\n")
			if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/x-ndjson" || len(rows) != n {
				t.Fatalf("%s: status %d, %s, %d rows", name, a.StatusCode, a.Header.Get("Content-Type"), len(rows))
			}
			seen := map[any]bool{}
			for _, row := range rows {
				var e map[string]any
				if err := json.Unmarshal([]byte(row), &e); err != nil || e["slug"] != "job" || e["duration_ms"] != 2500. {
					t.Fatalf("%v: %s", err, row)
				}
				seen[e["id"]] = true
			}
			if len(seen) != n {
				t.Errorf("%s: %d different ids", name, len(seen))
			}
		}
		a := o.as(o.read, "GET", "/api/v1/executions?format=csv", "")
		table, err := csv.NewReader(strings.NewReader(a.text)).ReadAll()
		if err != nil || len(table) != n+1 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") ||
			a.Header.Get("Content-Disposition") != `attachment; filename="executions.csv"` {
			t.Fatalf("%v, %d rows, %v", err, len(table), a.Header)
		}
		cell := func(name string) string { return table[1][slices.Index(table[0], name)] }
		if cell("host") != "'=cmd|' /C calc'!A0" || cell("exit_code") != "-1" || cell("rows_read") != "" || cell("started_at") != "1970-01-01T00:41:40.000Z" {
			t.Errorf("the first row is %v of %v", table[1], table[0])
		}
		if a := o.do("HEAD", "/api/v1/executions?format=csv", "", "X-API-KEY", o.read); a.StatusCode != http.StatusOK || a.text != "" {
			t.Errorf("HEAD: %d %q", a.StatusCode, a.text)
		}
		if a := o.as(o.read, "GET", "/api/v1/crons?format=csv&search=nothing", ""); strings.Count(a.text, "\n") != 1 || !strings.HasPrefix(a.text, "id,app,slug,") {
			t.Errorf("an empty table: %q", a.text)
		}
		if a := o.as(o.read, "GET", "/api/v1/events?format=jsonl", ""); a.StatusCode != http.StatusOK || a.text != "" {
			t.Errorf("an empty list: %d %q", a.StatusCode, a.text)
		}
		o.wantProblem(o.as(o.read, "GET", "/api/v1/executions?format=csv&before=x", ""), http.StatusBadRequest, "invalid_parameter")
	})
}

// An answer that cannot be brought to its end breaks off: no client takes it for
// the whole.
func TestAnExportBreaksOff(t *testing.T) {
	h := open(t)
	pages := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ex := &exchange{id: "x", begun: time.Now(), out: reply{body: []byte("first\n"), more: func(context.Context) ([]byte, error) {
			if pages++; pages > 3 {
				return nil, &fault.Error{Kind: fault.Unavailable, Code: "store_unavailable", Detail: "gone", Err: errors.New("why")}
			}
			return []byte(strings.Repeat("x", 100_000)), nil
		}}}
		h.finish(w, r, ex)
	}))
	defer srv.Close()
	resp, err := client.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil || len(text) < 300_000 {
		t.Errorf("read %d bytes without an error", len(text))
	}
	if log := h.log.String(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "gone") {
		t.Errorf("logged %s", log)
	}
}
