package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/rejected"
	"ferryman/internal/testwait"
)

// harbourOn is a harbour on each database.
func harbourOn(t *testing.T, run func(*harbour)) {
	t.Helper()
	dbtest.URLs(t, func(t *testing.T, url string) {
		clock := &clock{}
		clock.set(time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC))
		run(moor(t, url, dbtest.Open(t, url, quick(clock)), clock))
	})
}

func TestCanStartGivesItsReason(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		cron := h.newCron("nightly-import", onlyOne)
		ask := func(reason, until string) {
			t.Helper()
			a := h.call("GET", "/api/nightly-import/can-start", "")
			can := reason == "null"
			if reason != "null" {
				reason = `"` + reason + `"`
			}
			if until != "" {
				until = `,"until":"` + until + `"`
			}
			running := h.get(a, "running")
			h.want(a, http.StatusOK, fmt.Sprintf(`{"can_start":%v,"active":%v,"reason":%s%s,"cron_id":%d,"slug":"nightly-import","running":%v,"max_running":1}`,
				can, reason != `"inactive"`, reason, until, cron.ID, running))

			strict := h.call("GET", "/api/nightly-import/can-start?strict=1", "")
			text := h.call("GET", "/api/nightly-import/can-start", "", "Accept", "text/plain")
			both := h.call("GET", "/api/nightly-import/can-start?strict=true", "", "Accept", "text/plain")
			if can {
				h.want(strict, http.StatusOK, a.text)
				h.want(text, http.StatusOK, "yes\n")
				h.want(both, http.StatusOK, "yes\n")
				return
			}
			h.wantProblem(strict, http.StatusConflict, strings.Trim(reason, `"`))
			h.want(text, http.StatusOK, "no\n")
			h.want(both, http.StatusConflict, "no\n")
		}
		ref, ctx := ledger.Ref{ID: cron.ID}, t.Context()
		ask("null", "")
		maintained(h)
		ask("maintenance", "2026-03-01T15:00:00.000Z")
		h.started("nightly-import") // which is advice
		ask("maintenance", "2026-03-01T15:00:00.000Z")
		h.clock.add(4 * time.Hour)
		ask("already_running", "")
		if _, err := h.ledger.Change(ctx, h.app.ID, ref, func(_ *string, s *ledger.Settings) { s.Overlap = ledger.Replace }); err != nil {
			t.Fatal(err)
		}
		ask("null", "") // it would take the other's place
		if _, err := h.ledger.Pause(ctx, h.app.ID, ref, h.clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		ask("paused", ledgerjson.Time(h.clock.now().Add(time.Hour)).String())
		if _, err := h.ledger.Pause(ctx, h.app.ID, ref, time.Time{}); err != nil {
			t.Fatal(err)
		}
		ask("inactive", "")
	})
}

func TestBareIDs(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		h.newCron("nightly")
		plain := func(path, body string) string {
			t.Helper()
			a := h.call("POST", path, body, "Accept", "text/plain")
			if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != textMIME || !strings.HasSuffix(a.text, "\n") {
				t.Fatalf("%d %s %s", a.StatusCode, a.Header.Get("Content-Type"), a.text)
			}
			return strings.TrimSuffix(a.text, "\n")
		}
		id := plain("/api/nightly/start", "")
		ids := strings.Split(plain("/api/"+id+"/message", `[{"message":"a","type":"info"},{"message":"b","type":"info"}]`), "\n")
		if len(ids) != 2 || ids[0] == ids[1] {
			t.Errorf("ids %q", ids)
		}
		if ended := plain("/api/"+id+"/end", `{"success":true,"type":"success"}`); ended != id {
			t.Errorf("%s is told as %s", id, ended)
		}
		// What goes wrong is told as everywhere.
		h.wantProblem(h.call("POST", "/api/nobody/start", "", "Accept", "text/plain"), http.StatusNotFound, "cron_unknown")
	})
}

func TestPrefersText(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/plain": true, "TEXT/plain; charset=utf-8": true, "text/*": true,
		"application/json, text/plain, */*": false, "text/plain, application/json;q=0.9": true, "text/plain;q=0.5, application/json": false,
		"text/plain;q=0": false, "text/html, */*": false, "text/plain;q=x": false, "text/plain, */*": true, ",;,": false,
	} {
		r := &http.Request{Header: http.Header{"Accept": {accept}}}
		if got := prefersText(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestCreateOnFirstUse(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		h.wantProblem(h.call("POST", "/api/new/start", ""), http.StatusNotFound, "cron_unknown")
		h.wantProblem(h.call("POST", "/api/4711/start?create=1", ""), http.StatusNotFound, "cron_unknown") // an id is no name
		h.wantProblem(h.call("POST", "/api/new/start?create=1", "", "X-API-KEY", h.newKey(h.app, apikey.Read)), http.StatusForbidden, "scope")
		var wg sync.WaitGroup
		crons := make([]string, 16)
		for i := range crons {
			wg.Go(func() {
				a, _ := h.try([]string{"GET", "POST"}[i%2], "/api/new/start?create=1", "", "X-API-KEY", h.key)
				_, crons[i], _ = strings.Cut(a.text, `"cron_id":`)
				if crons[i], _, _ = strings.Cut(crons[i], ","); crons[i] == "" {
					h.t.Errorf("%d %s", a.StatusCode, a.text)
				}
			})
		}
		wg.Wait()
		for _, id := range crons {
			if id == "" || id != crons[0] {
				h.t.Fatalf("crons %q", crons)
			}
		}
		h.want(h.call("POST", "/api/new/start", ""), http.StatusOK, "")
		other := h.newKey(h.newApp(), apikey.Ping)
		h.wantProblem(h.call("POST", "/api/new/start", "", "X-API-KEY", other), http.StatusNotFound, "cron_unknown")
	})
}

// TestRefusedReportsAreKept also shows that no key is.
func TestRefusedReportsAreKept(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		h.newCron("off", inactive)
		h.newCron("on")
		running := h.started("on")
		unknown := "fm_" + strings.Repeat("0", 40)
		for range 3 {
			h.call("POST", "/api/off/start?x="+h.key, "", "User-Agent", "curl")
		}
		h.call("POST", "/api/"+h.key+"/start", "")
		h.call("POST", "/api/on/start", `{"rid":""}`)
		h.call("POST", fmt.Sprintf("/api/%d/end", running), "{")
		h.call("GET", "/api/off/can-start?strict=1", "")
		h.call("GET", "/api/on/start", "", "X-API-KEY", unknown)
		h.call("GET", "/api/on/start", "", "X-API-KEY", "password")
		h.call("PUT", "/api/on/start", "")
		h.call("GET", "/api/users", "")
		h.call("GET", "/nowhere", "")
		var all []rejected.Entry
		testwait.Until(t, "refused calls are written", func() bool {
			all = nil
			entries, err := h.o.Rejected.List(t.Context(), 0, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			all = entries
			times := int64(0)
			for _, e := range all {
				times += e.Times
			}
			return times >= 7
		})
		prefix := h.key[3:11]
		times := map[string]int64{} // what is written in two goes stands there twice
		for _, e := range all {
			if strings.Contains(fmt.Sprint(e), h.key[11:]) || strings.Contains(fmt.Sprint(e), "password") {
				t.Errorf("a key is kept: %+v", e)
			}
			if e.Remote != "127.0.0.1" || !e.FirstAt.Equal(h.clock.now()) || !e.LastAt.Equal(h.clock.now()) {
				t.Errorf("%+v", e)
			}
			times[fmt.Sprint(e.AppID == h.app.ID, " ", e.Method, " ", e.Path, " ", e.Status, " ", e.Code, " ", e.KeyPrefix)] += e.Times
		}
		var got []string
		for one, n := range times {
			got = append(got, fmt.Sprint(n, " ", one))
		}
		for _, want := range []string{
			"3 true POST /api/off/start 418 cron_inactive " + prefix,
			"1 true POST /api/fm_" + prefix + "…/start 404 cron_unknown " + prefix,
			"1 true POST /api/on/start 422 invalid_values " + prefix,
			"1 false GET /api/on/start 401 unauthorized 00000000",
			"1 false GET /api/on/start 401 unauthorized ",
		} {
			if !strings.Contains(strings.Join(got, "\n")+"\n", want+"\n") {
				t.Errorf("%q is not among %q", want, got)
			}
		}
		if len(got) != 5 {
			t.Errorf("kept %q", got)
		}
	})
}

func TestGoodReportsAreLoggedQuietly(t *testing.T) {
	h := moorExample(t, nil)
	h.newCron("nightly")
	h.call("POST", "/api/nightly/start", "")
	h.call("POST", "/api/nobody/start", "")
	lines := h.logged("/api/{id}/start")
	if len(lines) != 2 || lines[0]["level"] != "DEBUG" || lines[1]["level"] != "INFO" {
		t.Errorf("logged %v", lines)
	}
	if strings.Contains(h.log.String(), h.key[11:]) {
		t.Error("the log has the key")
	}
}
