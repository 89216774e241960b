package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/ledger"
)

// What is misspelt in a body is told, and nothing is done.
func TestUnknownMembersAreRefused(t *testing.T) {
	officeOn(t, func(o *office) {
		cron := o.newCron("job")
		run := o.started("job")
		at := fmt.Sprintf("/api/v1/crons/%d", cron.ID)
		long := strings.Repeat("x", 200)
		for _, c := range []struct{ method, path, body, want string }{
			{"POST", "/api/v1/crons", `{"slug":"ab2","schedul":"30 3 * * *","max_runtime":"1h","grace":1,"zone":2}`,
				"/schedul schedule, /max_runtime max_runtime_seconds, /grace grace_seconds, /zone "},
			{"POST", "/api/v1/crons", `{"slug":"ab2","schedul":{"a":[1]},"Slug":1,"schedul":1}`, "/schedul schedule, /Slug slug"},
			{"PATCH", at, `{"mutd":true}`, "/mutd muted"},
			{"PATCH", at, `{"a/b~c\u0000":1,"` + long + `":1}`, "/a~1b~0c\ufffd , /" + long[:100] + "… "},
			{"POST", at + "/pause", `{"untl":"2026-03-02T00:00:00Z"}`, "/untl until"},
			{"POST", at + "/snooze", `{"until":null,"unti":null}`, "/unti until"},
			{"POST", at + "/release", `{"reasn":"it hangs"}`, "/reasn reason"},
			{"POST", fmt.Sprintf("/api/v1/executions/%d/release", run), `{"why":"it hangs"}`, "/why "},
			{"POST", "/api/v1/maintenance", `{"ends_at":"2026-03-02T00:00:00Z","reason":"disks","cron_id":1,"start_at":null}`, "/cron_id , /start_at starts_at"},
			{"POST", "/api/v1/outbox/channels/viber/pause", `{"reason":"x","untl":1}`, "/untl "},
			{"POST", "/api/v1/outbox/replay", `{"al":true,"all":true,"IDS":[1]}`, "/al all, /IDS ids"},
		} {
			var told []string
			for _, e := range o.wantProblem(o.as(o.operator, c.method, c.path, c.body), http.StatusUnprocessableEntity, "invalid_values").Errors {
				detail, found := strings.CutPrefix(e.Detail, "is not a member that the call takes")
				if !found || e.Code != "unknown" {
					t.Errorf("%s: %+v", c.body, e)
				}
				told = append(told, e.Pointer+" "+strings.TrimSuffix(strings.TrimPrefix(detail, "; did you mean "), "?"))
			}
			if got := strings.Join(told, ", "); got != c.want {
				t.Errorf("%s %s %.80s\n got %q\nwant %q", c.method, c.path, c.body, got, c.want)
			}
		}
		// Nothing came of any of that.
		if got := o.list(o.operator, "/api/v1/crons", "slug"); !slices.Equal(got, []string{"job"}) {
			t.Errorf("there are %v", got)
		}
		if got := o.list(o.operator, "/api/v1/maintenance", "id"); got != nil {
			t.Errorf("maintenance %v", got)
		}
		if e, err := o.ledger.Execution(t.Context(), o.app.ID, run); err != nil || e.Status != ledger.Running {
			t.Errorf("%+v, %v", e, err)
		}
		many := map[string]int{}
		for i := range 1000 {
			many[fmt.Sprintf("member-%d", i)] = i
		}
		body, err := json.Marshal(many)
		if err != nil {
			t.Fatal(err)
		}
		if p := o.wantProblem(o.as(o.operator, "PATCH", at, string(body)), http.StatusUnprocessableEntity, "invalid_values"); len(p.Errors) != maxWrong {
			t.Errorf("%d are told", len(p.Errors))
		}
	})
}

// A cron that was read can be sent back with a setting changed.
func TestAShownCronIsTakenBack(t *testing.T) {
	officeOn(t, func(o *office) {
		o.newCron("job")
		o.started("job")
		shown := o.object(o.as(o.read, "GET", "/api/v1/crons/job", ""), http.StatusOK)
		if shown["last_execution"] == nil {
			t.Fatal("the cron has no execution")
		}
		shown["name"] = "Job"
		body, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.object(o.as(o.admin, "PATCH", "/api/v1/crons/job", string(body)), http.StatusOK); got["name"] != "Job" {
			t.Errorf("%v", got)
		}
	})
}

// Applications report what they like beside what is asked for, as they always could.
func TestReportsIgnoreWhatTheyDoNotKnow(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		h.newCron("job")
		for _, c := range [][2]string{
			{"/api/job/start", `{"hst":"web-1"}`}, {"/api/%d/message", `{"message":"a","type":"info","messag":"b"}`},
			{"/api/%d/message", `[{"message":"a","type":"info","messag":"b"}]`}, {"/api/%d/end", `{"success":true,"type":"success","exitcode":1}`},
		} {
			path := c[0]
			if strings.Contains(path, "%d") {
				path = fmt.Sprintf(path, 1)
			}
			if a := h.call("POST", path, c[1]); a.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %d %s", path, c[1], a.StatusCode, a.text)
			}
		}
	})
}

// The calls of /api/v1 take the parameters that are described, and no others.
func TestUnknownParametersAreRefused(t *testing.T) {
	routes := map[string]route{}
	for _, rt := range open(t).routes {
		routes[rt.method+" "+rt.pattern] = rt
	}
	for path, item := range description(t).Paths.Map() {
		if !strings.HasPrefix(path, "/api/v1/") {
			continue
		}
		for method, op := range item.Operations() {
			var described []string
			for _, p := range op.Parameters {
				if p.Value.In == "query" {
					described = append(described, p.Value.Name)
				}
			}
			taken := parameters(routes[method+" "+path])
			slices.Sort(described)
			slices.Sort(taken)
			if !slices.Equal(described, taken) {
				t.Errorf("%s %s: described %v, taken %v", method, path, described, taken)
			}
		}
	}
	officeOn(t, func(o *office) {
		o.newCron("job")
		for path, want := range map[string]string{
			"GET crons?stat=failing":             `"stat" is not one of the call (did you mean state?)`,
			"GET crons/job?ap=shop":              `"ap" is not one of the call (did you mean app?)`,
			"GET crons/job/executions?cron=2":    `"cron" is not one`,
			"POST crons?app=x":                   `"app" is not one of the call (the call takes no parameters)`,
			"POST crons/job/pause?untl=x":        `"untl" is not one of the call (the call takes app)`,
			"GET executions/1/messages?typ=info": `"typ" is not one of the call (did you mean type?)`,
			"GET deliveries?states=sent":         `"states" is not one of the call (did you mean state?)`,
			"GET outbox?x":                       `"x" is not one`,
			"GET syncs?count=1":                  `"count" is not one of the call (the call takes limit)`,
			"POST syncs/warehouses/run?x=1":      `"x" is not one`,
			"DELETE crons/job?force=1":           `"force" is not one`,
		} {
			method, path, _ := strings.Cut(path, " ")
			p := o.wantProblem(o.as(o.operator, method, "/api/v1/"+path, ""), http.StatusBadRequest, "invalid_parameter")
			if got := p.Detail + " (" + p.Hint + ")"; !strings.HasPrefix(got, "the parameter "+want) {
				t.Errorf("%s: %s", path, got)
			}
		}
		if got := o.list(o.operator, "/api/v1/crons", "slug"); !slices.Equal(got, []string{"job"}) {
			t.Errorf("there are %v", got)
		}
	})
}

// Whoever is told that something is not there, or over, is told what to do.
func TestRefusalsHaveAHint(t *testing.T) {
	officeOn(t, func(o *office) {
		o.newCron("job")
		run := o.started("job")
		release := fmt.Sprintf("/api/v1/executions/%d/release", run)
		o.object(o.as(o.admin, "POST", release, ""), http.StatusOK)
		for _, c := range []struct {
			method, path string
			status       int
			code, hint   string
		}{
			{"GET", "/api/v1/crons/nobody", http.StatusNotFound, "cron_unknown", "GET /api/v1/crons lists them"},
			{"POST", "/api/nobody/start", http.StatusNotFound, "cron_unknown", "?create=1"},
			{"GET", "/api/v1/crons?app=nobody", http.StatusNotFound, "application_unknown", "GET /api/v1/applications"},
			{"POST", release, http.StatusConflict, "already_ended", "stands"},
		} {
			if p := o.wantProblem(o.as(o.admin, c.method, c.path, ""), c.status, c.code); !strings.Contains(p.Hint, c.hint) {
				t.Errorf("%s %s: the hint is %q", c.method, c.path, p.Hint)
			}
		}
	})
}
