package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// What is another's looks to the letter like what is not there.
func TestWhatIsAnothersIsUnknown(t *testing.T) {
	officeOn(t, func(o *office) {
		cron := o.newCron("job")
		run := o.started("job")
		w, err := o.ledger.AddMaintenance(t.Context(), ledger.Window{AppID: o.app.ID, EndsAt: o.clock.now().Add(time.Hour), Reason: "disks"})
		if err != nil {
			t.Fatal(err)
		}
		const nobody = int64(9_007_199_254_740_991)
		calls := func(app string, cron, run, window int64) [][3]string {
			var all [][3]string
			for _, c := range []struct{ calls, path, body string }{
				{"GET PATCH DELETE", fmt.Sprintf("/api/v1/crons/%d", cron), "{}"},
				{"GET", fmt.Sprintf("/api/v1/crons/%d?app=%s", cron, app), ""},
				{"POST", fmt.Sprintf("/api/v1/crons/%d/pause", cron), ""},
				{"POST", fmt.Sprintf("/api/v1/crons/%d/resume", cron), ""},
				{"POST", fmt.Sprintf("/api/v1/crons/%d/snooze", cron), `{"until":null}`},
				{"POST", fmt.Sprintf("/api/v1/crons/%d/release", cron), ""},
				{"GET", fmt.Sprintf("/api/v1/crons/%d/executions", cron), ""},
				{"GET", fmt.Sprintf("/api/v1/crons/%d/executions?format=csv", cron), ""},
				{"POST", "/api/v1/crons", `{"slug":"new","app":"` + app + `"}`},
				{"GET", fmt.Sprintf("/api/v1/executions?cron=%d", cron), ""},
				{"GET", "/api/v1/executions?app=" + app, ""},
				{"GET", fmt.Sprintf("/api/v1/executions/%d", run), ""},
				{"GET", fmt.Sprintf("/api/v1/executions/%d/messages", run), ""},
				{"GET", fmt.Sprintf("/api/v1/executions/%d/messages?format=jsonl", run), ""},
				{"POST", fmt.Sprintf("/api/v1/executions/%d/release", run), ""},
				{"GET", fmt.Sprintf("/api/v1/events?cron=%d", cron), ""},
				{"GET", "/api/v1/events?app=" + app, ""},
				{"GET", "/api/v1/rejected?app=" + app, ""},
				{"GET", "/api/v1/maintenance?app=" + app, ""},
				{"POST", "/api/v1/maintenance", fmt.Sprintf(`{"ends_at":"2026-03-02T00:00:00Z","reason":"disks","cron":"%d"}`, cron)},
				{"POST", "/api/v1/maintenance", `{"ends_at":"2026-03-02T00:00:00Z","reason":"disks","app":"` + app + `"}`},
				{"DELETE", fmt.Sprintf("/api/v1/maintenance/%d", window), ""},
			} {
				for method := range strings.FieldsSeq(c.calls) {
					all = append(all, [3]string{method, c.path, c.body})
				}
			}
			return all
		}
		theirs, unknown := calls(o.app.Name, cron.ID, run, w.ID), calls("nobody", nobody, nobody, nobody)
		for i, c := range theirs {
			there := o.do(c[0], c[1], c[2], "X-API-KEY", o.stranger, "X-Request-Id", "same")
			nowhere := o.do(unknown[i][0], unknown[i][1], unknown[i][2], "X-API-KEY", o.stranger, "X-Request-Id", "same")
			if there.StatusCode != http.StatusNotFound || there.text != nowhere.text {
				t.Errorf("%v: %d %s\nand unknown %s", c, there.StatusCode, there.text, nowhere.text)
			}
		}
		// Nothing came of any of that.
		if got, err := o.ledger.Execution(t.Context(), o.app.ID, run); err != nil || got.Status != ledger.Running {
			t.Errorf("%+v, %v", got, err)
		}
		if got := o.object(o.as(o.admin, "GET", "/api/v1/crons/job", ""), http.StatusOK); got["active"] != true {
			t.Errorf("%v", got)
		}
	})
}

func TestPathsOfTheAdministration(t *testing.T) {
	officeOn(t, func(o *office) {
		o.newCron("job")
		for _, path := range []string{
			"crons/%2e%2e", "crons/%2e%2e/executions", "crons/job/", "crons//job", "/crons", "crons/job%2Fexecutions", "crons/job/../job", "crons/./job",
			"crons/JOB", "crons/01", "crons/9007199254740992", "crons/%FF", "crons/" + strings.Repeat("n", 101), "executions/%00", "executions/+1",
			"executions/1/messages/", "maintenance/0", "maintenance/x", "Crons", "crons/job;x",
		} {
			for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE"} {
				a := o.as(o.operator, method, "/api/v1/"+path, "{}")
				if a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Location") != "" ||
					a.Header.Get("Content-Type") != problemMIME {
					t.Errorf("%s %s: %d %s %s", method, path, a.StatusCode, a.Header.Get("Location"), a.text)
				}
			}
		}
		if got := o.list(o.read, "/api/v1/crons", "slug"); !slices.Equal(got, []string{"job"}) {
			t.Errorf("there are %v", got)
		}
	})
}

// Who follows the events begins before the first.
func TestEventsAreFollowed(t *testing.T) {
	officeOn(t, func(o *office) {
		o.newCron("job", func(s *ledger.Settings) { s.EachSuccess = true })
		for range 3 {
			o.call("POST", fmt.Sprintf("/api/%d/end", o.started("job")), `{"success":true,"type":"success"}`)
		}
		oldestFirst := o.list(o.read, "/api/v1/events?limit=3", "id")
		slices.Reverse(oldestFirst)
		for _, query := range []string{"after=0&limit=2", "after=&limit=1", "limit=2&after=0&before=1"} {
			if got := o.list(o.read, "/api/v1/events?"+query, "id"); len(got) != 3 || !slices.Equal(got, oldestFirst) {
				t.Errorf("%s gives %v, want %v", query, got, oldestFirst)
			}
		}
		for _, query := range []string{"after=-1", "after=00", "after=x", "before=0"} {
			if a := o.as(o.read, "GET", "/api/v1/events?"+query, ""); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d %s", query, a.StatusCode, a.text)
			}
		}
	})
}

// A call of the administration ends in time, and says that it may be repeated.
func TestAdministrationIsOnTime(t *testing.T) {
	h := moorExample(t, func(o *Options) { o.AdminTime = time.Nanosecond })
	o := staff(h)
	for _, c := range [][3]string{
		{"GET", "/api/v1/crons"}, {"GET", "/api/v1/executions?format=csv"}, {"GET", "/api/v1/executions/1"}, {"GET", "/api/v1/applications"},
		{"POST", "/api/v1/crons", `{"slug":"job"}`}, {"DELETE", "/api/v1/crons/1"},
	} {
		a := o.as(o.admin, c[0], c[1], c[2])
		o.wantProblem(a, http.StatusServiceUnavailable, "store_unavailable")
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%v: no Retry-After", c)
		}
	}
}

// An export is given as much time for each of its parts.
func TestPartsOfAnExportAreOnTime(t *testing.T) {
	h := build(t, func(o *Options) { o.AdminTime = time.Nanosecond })
	_, err := h.further(t.Context(), func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// oneApplication does not list applications.
type oneApplication struct{ of Applications }

func (oneApplication) Applications(context.Context) ([]apikey.Application, error) {
	return nil, errors.New("all applications were asked for")
}

func (o oneApplication) Application(ctx context.Context, name string) (apikey.Application, error) {
	return o.of.Application(ctx, name)
}

// What an application's key may ask for costs no more the more others there are.
func TestOwnApplicationIsReadAlone(t *testing.T) {
	h := open(t)
	h.o.Apps = oneApplication{h.o.Apps}
	if a := h.do("GET", "/api/v1/applications", "", "X-API-KEY", "shop read"); a.StatusCode != http.StatusOK || strings.Count(a.text, `"name":"shop"`) != 1 {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if a := h.do("GET", "/api/v1/applications?after=shop", "", "X-API-KEY", "shop read"); a.text != `{"data":[],"next":null}` {
		t.Errorf("after the only one: %s", a.text)
	}
}

func TestFormThatIsAccepted(t *testing.T) {
	for accept, want := range map[string]string{
		"": jsonPage, "*/*": jsonPage, "text/html": jsonPage, "application/json": jsonPage, "text/csv": csvTable, "TEXT/CSV; header=present": csvTable,
		"application/x-ndjson": jsonLines, "application/jsonl, application/json;q=0.9": jsonLines, "text/csv;q=0.1, */*": jsonPage,
		"*/*, application/x-ndjson;q=0.5": jsonPage, "text/csv, */*;q=0.1": csvTable, "text/csv;q=0": jsonPage, "text/csv;q=x": jsonPage, ",;,": jsonPage,
	} {
		r := &http.Request{Header: http.Header{"Accept": {accept}}}
		if got := accepted(r); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

// However often a word is asked for, the store is asked for it once.
func TestWordsAreTakenOnce(t *testing.T) {
	q := params.Query{Values: map[string][]string{"type": {"info,error,info", "error"}}}
	got, err := params.Words(q, "type", ledger.Info, ledger.Warning, ledger.Error)
	if err != nil || !slices.Equal(got, []ledger.MessageType{ledger.Info, ledger.Error}) {
		t.Error(got, err)
	}
}
