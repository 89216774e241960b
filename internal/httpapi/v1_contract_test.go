package httpapi

import (
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
)

// administered is the harbour of the examples: one application with one cron,
// whose one execution has failed.
func administered(t *testing.T, options func(*Options)) *harbour {
	t.Helper()
	h := moorExample(t, options)
	app, err := h.keys.AddApplication(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	h.app = app
	ping := h.newKey(app, apikey.Ping)
	h.key = h.newKey(app, apikey.Admin)
	h.newCron("nightly-import", func(s *ledger.Settings) {
		s.Name, s.Schedule, s.Zone = "Nightly import", "30 3 * * *", "Europe/Berlin"
	})
	h.call("POST", "/api/nightly-import/start", `{"host":"web-1"}`, "X-API-KEY", ping)
	h.call("POST", "/api/84213/message", `{"message":"1000 rows read","type":"info"}`, "X-API-KEY", ping)
	h.clock.add(61_250 * time.Millisecond)
	h.call("POST", "/api/84213/end", `{"success":false,"type":"error","message":"the disk is full","exit_code":1}`, "X-API-KEY", ping)
	h.call("POST", "/api/v1/maintenance", `{"cron":"nightly-import","starts_at":"2026-03-07T20:00:00Z","ends_at":"2026-03-07T22:00:00Z","reason":"new disks"}`)
	err = h.store.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO rejected_calls (application_id, method, path, status, code, detail, key_prefix, remote, agent, times, first_at, last_at)
			VALUES ($1, 'POST', '/api/nightly-imports/start', 404, 'cron_unknown', 'there is no such cron', '7k3m9x2p', '10.0.0.7', 'curl/8.7', 3, $2, $2)`,
			app.ID, db.Time{Time: h.clock.now()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// begun starts another execution.
func begun(h *harbour) {
	h.call("POST", "/api/nightly-import/start", `{"host":"web-1"}`, "X-API-KEY", h.newKey(h.app, apikey.Ping))
}

// administrationScenarios are those of the administration.
func administrationScenarios() map[string]scenario {
	one, body := "limit=1", "example"
	running := "/api/v1/executions/84214/release"
	all := map[string]scenario{
		"listCrons 200 page":             {query: one},
		"listCrons 400 parameter":        {query: "state=well"},
		"createCron 201 created":         {request: body},
		"createCron 400 json":            {request: `{"rid": one}`},
		"createCron 409 exists":          {request: `{"slug":"nightly-import"}`},
		"createCron 422 wrong":           {request: `{"slug":"2026","schedule":"61 * * * *","grace_seconds":"5m"}`},
		"createCron 422 misspelt":        {request: `{"slug":"ab2","schedul":"30 3 * * *","max_runtime":"1h"}`},
		"readCron 200 cron":              {},
		"readCron 404 unknown":           {path: "/api/v1/crons/nobody"},
		"changeCron 200 changed":         {request: body},
		"changeCron 404 unknown":         {path: "/api/v1/crons/nobody", request: body},
		"deleteCron 200 deleted":         {},
		"deleteCron 404 unknown":         {path: "/api/v1/crons/nobody"},
		"deleteCron 409 own":             {path: "/api/v1/crons/warehouses", query: "app=ferryman", moored: withOwnSync},
		"pauseCron 200 paused":           {request: body},
		"pauseCron 404 unknown":          {path: "/api/v1/crons/nobody/pause", request: body},
		"resumeCron 200 resumed":         {},
		"resumeCron 404 unknown":         {path: "/api/v1/crons/nobody/resume"},
		"snoozeCron 200 snoozed":         {request: body},
		"snoozeCron 404 unknown":         {path: "/api/v1/crons/nobody/snooze", request: body},
		"releaseCron 200 released":       {request: body, moored: begun},
		"releaseCron 404 unknown":        {path: "/api/v1/crons/nobody/release", request: body},
		"listCronExecutions 200 page":    {query: one},
		"listCronExecutions 404 unknown": {path: "/api/v1/crons/nobody/executions", query: one},
		"listExecutions 200 page":        {query: "status=failed&since=2026-03-01T00:00:00Z"},
		"listExecutions 200 lines":       {query: "status=failed", headers: []string{"Accept", jsonLinesMIME}},
		"listExecutions 200 table":       {query: "status=failed&format=csv"},
		"listExecutions 400 parameter":   {query: "status=well"},
		"readExecution 200 execution":    {},
		"readExecution 404 unknown":      {path: "/api/v1/executions/1"},
		"releaseExecution 200 released":  {path: running, request: body, moored: begun},
		"releaseExecution 404 unknown":   {path: "/api/v1/executions/1/release", request: body},
		"releaseExecution 409 ended":     {request: body},
		"listMessages 200 page":          {query: one},
		"listMessages 404 unknown":       {path: "/api/v1/executions/1/messages", query: one},
		"listEvents 200 page":            {query: one},
		"listRejected 200 page":          {query: one},
		"listMaintenance 200 page":       {query: "limit=2"},
		"addMaintenance 201 added":       {request: body},
		"addMaintenance 422 wrong":       {request: `{"ends_at":"2026-02-28T00:00:00Z","reason":""}`},
		"removeMaintenance 200 removed":  {},
		"removeMaintenance 404 unknown":  {path: "/api/v1/maintenance/9"},
		"listApplications 200 page":      {query: "limit=2"},
	}
	for op, scope := range administrationScopes() {
		all[op+" 401 key"] = scenario{key: "none"}
		all[op+" 403 "+string(scope)] = scenario{key: map[apikey.Scope]string{apikey.Read: "shop ping", apikey.Admin: "shop read"}[scope]}
	}
	return all
}

// administrationScopes are the scopes that the calls want.
func administrationScopes() map[string]apikey.Scope {
	scopes := map[string]apikey.Scope{}
	for _, op := range []string{
		"listCrons", "readCron", "listCronExecutions", "listExecutions", "readExecution", "listMessages", "listEvents", "listRejected",
		"listMaintenance", "listApplications",
	} {
		scopes[op] = apikey.Read
	}
	for _, op := range []string{
		"createCron", "changeCron", "deleteCron", "pauseCron", "resumeCron", "snoozeCron", "releaseCron", "releaseExecution",
		"addMaintenance", "removeMaintenance",
	} {
		scopes[op] = apikey.Admin
	}
	return scopes
}

// withOwnSync turns to Ferryman's own application.
func withOwnSync(h *harbour) {
	if _, err := h.ledger.Register(h.t.Context(), "warehouses", ledger.Settings{Name: "Warehouses"}); err != nil {
		h.t.Fatal(err)
	}
	h.key = h.newKey(apikey.Application{Name: apikey.BuiltIn}, apikey.Admin)
}
