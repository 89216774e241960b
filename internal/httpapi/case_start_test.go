package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

func inactiveCron(h *harbour) {
	cron := h.newCron("nightly")
	running := h.started("nightly")
	if _, err := h.ledger.Pause(h.t.Context(), h.app.ID, ledger.Ref{ID: cron.ID}, time.Time{}); err != nil {
		h.t.Fatal(err)
	}
	for _, ref := range []any{"nightly", cron.ID} {
		h.want(h.call("GET", fmt.Sprintf("/api/%v/can-start", ref), ""), http.StatusOK, fmt.Sprintf(
			`{"can_start":false,"active":false,"reason":"inactive","cron_id":%d,"slug":"nightly","running":1,"max_running":null}`, cron.ID))
		for _, method := range []string{"GET", "POST"} {
			h.wantProblem(h.call(method, fmt.Sprintf("/api/%v/start", ref), ""), http.StatusTeapot, "cron_inactive")
		}
	}
	h.want(h.call("POST", fmt.Sprintf("/api/%d/message", running), `{"message":"still here","type":"info"}`), http.StatusOK, "")
	h.want(h.call("POST", fmt.Sprintf("/api/%d/end", running), `{"success":true,"type":"success"}`), http.StatusOK, "")
	if n := h.count(cron, ledger.Running); n != 0 {
		h.t.Errorf("%d executions run", n)
	}
}

func repeatedStart(h *harbour) {
	cron := h.newCron("nightly")
	first := h.call("POST", "/api/nightly/start", `{"rid":"0190b2f4-7b2c-7c3e-9f00-0123456789ab","host":"web-1"}`)
	id := h.id(first)
	h.want(first, http.StatusOK, fmt.Sprintf(
		`{"id":%d,"cron_id":%d,"slug":"nightly","status":"running","started_at":"%s","deadline_at":null,"replayed":false}`, id, cron.ID, h.stamp()))
	again := strings.Replace(first.text, `"replayed":false`, `"replayed":true`, 1)
	h.clock.add(time.Second)
	repeat := func(want string) {
		const rid = "0190b2f4-7b2c-7c3e-9f00-0123456789ab"
		for _, a := range []answer{
			h.call("POST", "/api/nightly/start", `{"rid":"`+rid+`"}`),
			h.call("POST", "/api/nightly/start", "", "Idempotency-Key", rid),
			h.call("POST", "/api/nightly/start", `{"rid":"`+rid+`"}`, "Idempotency-Key", `"`+rid+`"`),
			h.call("GET", "/api/nightly/start?rid="+rid, ""),
			h.call("GET", fmt.Sprintf("/api/%d/start", cron.ID), "", "Idempotency-Key", rid),
		} {
			h.want(a, http.StatusOK, want)
		}
	}
	repeat(again)
	h.want(h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"success":false,"type":"error"}`), http.StatusOK, "")
	repeat(strings.Replace(again, `"running"`, `"failed"`, 1))
	if other := h.started("nightly"); other == id || h.count(cron, ledger.Running) != 1 {
		h.t.Errorf("without a request there is no new execution: %d", other)
	}
	// The same request of another cron is another.
	h.newCron("hourly")
	if h.get(h.call("POST", "/api/hourly/start", `{"rid":"0190b2f4-7b2c-7c3e-9f00-0123456789ab"}`), "replayed") != false {
		h.t.Error("requests of two crons are taken for one")
	}
	a := h.call("POST", "/api/nightly/start", `{"rid":"one"}`, "Idempotency-Key", "two")
	if p := h.wantProblem(a, http.StatusUnprocessableEntity, "invalid_values"); len(p.Errors) != 1 || p.Errors[0].Pointer != "/rid" {
		h.t.Errorf("errors %v", p.Errors)
	}
}

func onePlace(h *harbour) {
	cron := h.newCron("nightly", onlyOne)
	const callers = 64
	answers := make([]answer, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			answers[i], _ = h.try("POST", "/api/nightly/start", fmt.Sprintf(`{"host":"web-%d"}`, i), "X-API-KEY", h.key)
		})
	}
	wg.Wait()
	var holder string
	for i, a := range answers {
		if a.StatusCode == http.StatusOK {
			if holder != "" {
				h.t.Errorf("two were let in")
			}
			holder = fmt.Sprintf("execution %d on web-%d has been running since %s", h.id(a), i, h.clock.now().Format(time.RFC3339))
		}
	}
	for _, a := range answers {
		if a.StatusCode == http.StatusOK {
			continue
		}
		if !strings.Contains(a.text, `"already_running"`) || a.StatusCode != http.StatusConflict || !strings.Contains(a.text, holder) {
			h.t.Errorf("%d %s\nwithout %s", a.StatusCode, a.text, holder)
		}
	}
	if running, skipped := h.count(cron, ledger.Running), h.count(cron, ledger.Skipped); running != 1 || skipped != callers-1 {
		h.t.Errorf("%d run, %d were skipped", running, skipped)
	}
	h.want(h.call("GET", "/api/nightly/can-start", ""), http.StatusOK, fmt.Sprintf(
		`{"can_start":false,"active":true,"reason":"already_running","cron_id":%d,"slug":"nightly","running":1,"max_running":1}`, cron.ID))
}

func noLimit(h *harbour) {
	cron := h.newCron("nightly")
	first := h.started("nightly")
	h.clock.add(10 * time.Second)
	second := h.started("nightly")
	h.want(h.call("GET", "/api/nightly/can-start", ""), http.StatusOK, fmt.Sprintf(
		`{"can_start":true,"active":true,"reason":null,"cron_id":%d,"slug":"nightly","running":2,"max_running":null}`, cron.ID))
	h.clock.add(5 * time.Second)
	for id, took := range map[int64]float64{first: 15_000, second: 5_000} {
		if got := h.get(h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"success":true,"type":"success"}`), "duration_ms"); got != took {
			h.t.Errorf("%d took %v ms, not %v", id, got, took)
		}
	}
}

func renamedAndDeleted(h *harbour) {
	cron := h.newCron("nightly")
	ref := ledger.Ref{ID: cron.ID}
	_, err := h.ledger.Change(h.t.Context(), h.app.ID, ref, func(slug *string, _ *ledger.Settings) { *slug = "at-night" })
	if err != nil {
		h.t.Fatal(err)
	}
	var running int64
	for _, slug := range []string{"nightly", "at-night"} {
		a := h.call("POST", "/api/"+slug+"/start", "")
		running = h.id(a)
		if h.get(a, "slug") != "at-night" || h.get(a, "cron_id") != float64(cron.ID) {
			h.t.Errorf("by the slug %s: %s", slug, a.text)
		}
		h.want(h.call("GET", "/api/"+slug+"/can-start", ""), http.StatusOK, "")
	}
	if _, err := h.ledger.Delete(h.t.Context(), h.app.ID, ref); err != nil {
		h.t.Fatal(err)
	}
	for _, slug := range []any{"nightly", "at-night", cron.ID} {
		h.wantProblem(h.call("POST", fmt.Sprintf("/api/%v/start", slug), ""), http.StatusNotFound, "cron_unknown")
		h.wantProblem(h.call("GET", fmt.Sprintf("/api/%v/can-start", slug), ""), http.StatusNotFound, "cron_unknown")
	}
	h.want(h.call("POST", fmt.Sprintf("/api/%d/message", running), `{"message":"nearly done","type":"info"}`), http.StatusOK, "")
	h.want(h.call("POST", fmt.Sprintf("/api/%d/end", running), `{"success":true,"type":"success","message":"done"}`), http.StatusOK, "")
}

func storeInTrouble(h *harbour) {
	troubled := func(store *db.DB) *harbour {
		t := moorAgain(h, func(o *Options) { o.Ledger, o.CallTime = ledger.New(store), 200*time.Millisecond })
		t.call("GET", "/api/nobody/can-start", "") // its keys are known
		return t
	}
	wantTrouble := func(a answer) {
		h.t.Helper()
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.text, `"store_`) {
			h.t.Errorf("%d, Retry-After %q, %s", a.StatusCode, a.Header.Get("Retry-After"), a.text)
		}
	}
	cron := h.newCron("nightly")
	running := h.started("nightly")

	locked := troubled(h.store)
	release := h.lockStore()
	for _, c := range fourCalls("nightly", running)[1:] { // can-start writes nothing
		wantTrouble(locked.call(c[0], c[1], c[2]))
	}
	release()

	other, err := db.Open(h.t.Context(), h.url, db.Options{Clock: h.clock.now})
	if err != nil {
		h.t.Fatal(err)
	}
	down := troubled(other)
	if err := other.Close(); err != nil {
		h.t.Fatal(err)
	}
	for _, c := range fourCalls("nightly", running) {
		wantTrouble(down.call(c[0], c[1], c[2]))
	}
	for _, c := range fourCalls("nightly", running) {
		h.want(h.call(c[0], c[1], c[2]), http.StatusOK, "")
	}
	if n := h.count(cron, ledger.Skipped); n != 0 {
		h.t.Errorf("%d were skipped", n)
	}
}

// lockStore keeps everybody from writing until release is called.
func (h *harbour) lockStore() (release func()) {
	h.t.Helper()
	locked, free, done := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	other, err := db.Open(h.t.Context(), h.url, db.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	go func() {
		done <- other.Tx(context.WithoutCancel(h.t.Context()), func(tx *db.Tx) error {
			lock := "UPDATE marks SET value = value"
			if other.Dialect() == db.Postgres {
				lock = "SET LOCAL idle_in_transaction_session_timeout = '30s'; LOCK TABLE crons, executions, messages IN EXCLUSIVE MODE"
			}
			_, err := tx.Exec(h.t.Context(), lock)
			locked <- err
			<-free
			return nil
		})
	}()
	if err := <-locked; err != nil {
		h.t.Fatal(err)
	}
	return func() {
		h.t.Helper()
		close(free)
		if err := <-done; err != nil {
			h.t.Error(err)
		}
		_ = other.Close()
	}
}

func restartInMidRun(h *harbour) {
	h.newCron("nightly", oneMinute)
	first := h.call("POST", "/api/nightly/start", `{"rid":"before"}`)
	h.want(first, http.StatusOK, "")
	if want := ledgerjson.Time(h.clock.now().Add(time.Minute)).String(); h.get(first, "deadline_at") != want {
		h.t.Errorf("deadline %v, want %s", h.get(first, "deadline_at"), want)
	}
	h.clock.add(30 * time.Second)
	store, err := db.Open(h.t.Context(), h.url, db.Options{Clock: h.clock.now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = store.Close() })
	again := moor(h.t, h.url, store, h.clock)
	again.key = h.newKey(h.app, apikey.Ping)
	again.want(again.call("POST", "/api/nightly/start", `{"rid":"before"}`), http.StatusOK,
		strings.Replace(first.text, `"replayed":false`, `"replayed":true`, 1))
	again.want(again.call("POST", fmt.Sprintf("/api/%d/end", h.id(first)), `{"success":true,"type":"success"}`), http.StatusOK, "")
}
