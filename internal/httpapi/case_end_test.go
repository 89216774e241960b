package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"ferryman/internal/ledger"
)

func endTwice(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	path := fmt.Sprintf("/api/%d/end", id)
	begun := h.stamp()
	h.clock.add(61_250 * time.Millisecond)
	first := h.call("POST", path, `{"success":true,"type":"warning","message":"two rows were odd","exit_code":0,"duration_ms":61250}`)
	message := int64(h.get(first, "message_id").(float64))
	h.want(first, http.StatusOK, fmt.Sprintf(
		`{"id":%d,"status":"success","success":true,"started_at":"%s","ended_at":"%s","duration_ms":61250,"message_id":%d,"replayed":false}`,
		id, begun, h.stamp(), message))
	h.clock.add(time.Second)
	h.want(h.call("POST", path, `{"success":true,"type":"success","message":"again"}`), http.StatusOK,
		strings.Replace(first.text, `"replayed":false`, `"replayed":true`, 1))
	h.wantProblem(h.call("POST", path, `{"success":false,"type":"error"}`), http.StatusConflict, "already_ended")
	said, err := h.ledger.Messages(h.t.Context(), id, 0, 10)
	if err != nil || len(said) != 1 || said[0].ID != message || said[0].Text != "two rows were odd" {
		h.t.Errorf("messages %+v, %v", said, err)
	}

	// The first of many wins, whatever it says.
	id = h.started("nightly")
	answers := make([]answer, 32)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i], _ = h.try("POST", fmt.Sprintf("/api/%d/end", id), fmt.Sprintf(`{"success":%v,"type":"info","message":"me"}`, i%2 == 0), "X-API-KEY", h.key)
		})
	}
	wg.Wait()
	e, err := h.ledger.Execution(h.t.Context(), 0, id)
	if err != nil || e.Messages != 1 {
		h.t.Fatalf("%d messages, %v", e.Messages, err)
	}
	firsts := 0
	for i, a := range answers {
		won := (i%2 == 0) == e.ReportedSuccess
		if won != (a.StatusCode == http.StatusOK) || !won && a.StatusCode != http.StatusConflict {
			h.t.Errorf("success %v: %d %s", i%2 == 0, a.StatusCode, a.text)
		}
		if strings.Contains(a.text, `"replayed":false`) {
			firsts++
		}
	}
	if firsts != 1 {
		h.t.Errorf("%d were the first", firsts)
	}
}

func endAfterDeadline(h *harbour) {
	cron := h.newCron("nightly", onlyOne, oneMinute)
	id := h.started("nightly")
	h.clock.add(time.Minute + time.Second)
	if h.get(h.call("GET", "/api/nightly/can-start", ""), "can_start") != true {
		h.t.Error("an execution past its deadline holds its place")
	}
	next := h.started("nightly")
	if n := h.count(cron, ledger.TimedOut); n != 1 {
		h.t.Errorf("%d timed out", n)
	}
	h.clock.add(time.Second)
	a := h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"success":true,"type":"success"}`)
	if h.want(a, http.StatusOK, ""); h.get(a, "status") != "success" || h.get(a, "duration_ms") != float64(62_000) {
		h.t.Error(a.text)
	}
	e, err := h.ledger.Execution(h.t.Context(), 0, id)
	if err != nil || !e.Overdue || e.Status != ledger.Success {
		h.t.Errorf("%+v, %v", e, err)
	}
	var resolved int
	err = h.store.QueryRow(h.t.Context(), "SELECT count(*) FROM events WHERE cron_id = $1 AND kind = 'recovered' AND subject = 'overdue'", cron.ID).Scan(&resolved)
	if err != nil || resolved != 1 {
		h.t.Errorf("%d recoveries, %v", resolved, err)
	}
	h.want(h.call("POST", fmt.Sprintf("/api/%d/end", next), `{"success":true,"type":"success"}`), http.StatusOK, "")
}

// wrongValues sends every wrong value, and some that are right.
func wrongValues(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	wrong := func(path, body string, want ...string) {
		h.t.Helper()
		var got []string
		for _, f := range h.wantProblem(h.call("POST", path, body), http.StatusUnprocessableEntity, "invalid_values").Errors {
			got = append(got, f.Pointer+" "+f.Code)
			if f.Detail == "" {
				h.t.Errorf("%s: no detail for %s", body, f.Pointer)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			h.t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	end, message := fmt.Sprintf("/api/%d/end", id), fmt.Sprintf("/api/%d/message", id)

	wrong(end, `{}`, "/success required", "/type required")
	for _, v := range []string{`"true"`, `1`, `0`, `null`, `[]`, `{"a":[1]}`, `""`} {
		wrong(end, `{"type":"info","success":`+v+`}`, "/success type")
	}
	for v, code := range map[string]string{
		`"Error"`: "enum", `"fatal"`: "enum", `""`: "enum", `" info"`: "enum", `3`: "type", `null`: "type", `["info"]`: "type", `true`: "type",
	} {
		wrong(end, `{"success":true,"type":`+v+`}`, "/type "+code)
		wrong(message, `{"message":"x","type":`+v+`}`, "/type "+code)
		wrong(message, `[{"message":"x","type":"info"},{"message":"x","type":`+v+`}]`, "/1/type "+code)
	}
	wrong(end, `{"success":1,"type":"x","message":7,"exit_code":"0","duration_ms":-1}`,
		"/success type", "/type enum", "/message type", "/exit_code type", "/duration_ms range")
	wrong(end, `{"success":true,"type":"info","exit_code":1.5,"duration_ms":"1"}`, "/exit_code type", "/duration_ms type")
	wrong(end, `{"success":true,"type":"info","exit_code":99999999999,"duration_ms":1e300}`, "/exit_code range", "/duration_ms range")

	wrong(message, `{}`, "/message required", "/type required")
	for v, code := range map[string]string{`null`: "type", `""`: "blank", `" \n\t　"`: "blank", `5`: "type", `{}`: "type"} {
		wrong(message, `{"type":"info","message":`+v+`}`, "/message "+code)
	}
	for v, code := range map[string]string{
		`"yesterday"`: "format", `5`: "type", `"2026-03-01T12:00:00"`: "format", `"1969-12-31T23:59:59Z"`: "range", `"9999-01-01T00:00:00Z"`: "range",
	} {
		wrong(message, `{"type":"info","message":"x","at":`+v+`}`, "/at "+code)
		wrong("/api/nightly/start", `{"scheduled_for":`+v+`}`, "/scheduled_for "+code)
	}
	h.want(h.call("POST", message, `[]`), http.StatusOK, `{"ids":[]}`) // a heartbeat
	wrong("/api/nightly/start", `{"started_at":"`+h.clock.now().Add(-time.Hour).Format(time.RFC3339)+`"}`, "/rid required")
	ahead := h.clock.now().Add(time.Minute).Format(time.RFC3339)
	if a := h.call("POST", "/api/nightly/start", `{"rid":"ahead","started_at":"`+ahead+`"}`); h.get(a, "started_at") != h.stamp() {
		h.t.Errorf("by a clock that is ahead: %s", a.text)
	}
	for _, far := range []time.Duration{time.Hour, -32 * 24 * time.Hour} { // to come, and too long ago
		at := h.clock.now().Add(far).Format(time.RFC3339)
		wrong("/api/nightly/start", `{"rid":"r","started_at":"`+at+`"}`, "/started_at range")
	}
	wrong(message, `[`+strings.Repeat(`{"message":"x","type":"info"},`, ledger.MaxMessages)+`{}]`, " length")
	wrong(message, `[1,{},"x"]`, "/0 type", "/1/message required", "/1/type required", "/2 type")
	if p := h.wantProblem(h.call("POST", message, "["+strings.Repeat("{},", 600)+"{}]"), 422, "invalid_values"); len(p.Errors) != maxWrong {
		h.t.Errorf("%d errors are told", len(p.Errors))
	}
	for _, rid := range []string{`""`, `"a b"`, `"` + strings.Repeat("x", 101) + `"`, `"n\u00e9"`, `7`} {
		a := h.call("POST", "/api/nightly/start", `{"rid":`+rid+`}`)
		if p := h.wantProblem(a, http.StatusUnprocessableEntity, "invalid_values"); p.Errors[0].Pointer != "/rid" {
			h.t.Errorf("%s: %v", rid, p.Errors)
		}
	}
	wrong("/api/nightly/start", `{"host":"`+strings.Repeat("é", 256)+`"}`, "/host max_length")
	a := h.call("GET", "/api/nightly/start?scheduled_for=now&rid=+", "")
	if p := h.wantProblem(a, http.StatusUnprocessableEntity, "invalid_values"); len(p.Errors) != 2 {
		h.t.Errorf("errors %v", p.Errors)
	}
	h.wantProblem(h.call("GET", "/api/nightly/start?create=maybe", ""), http.StatusBadRequest, "invalid_parameter")
	if e, err := h.ledger.Execution(h.t.Context(), 0, id); err != nil || e.Messages != 0 || e.Status != ledger.Running {
		h.t.Errorf("%+v, %v", e, err)
	}

	h.want(h.call("POST", message, `{"type":"info","message":"x","at":"2026-03-01T13:59:59.5+02:00","unknown":{"a":[]}}`), http.StatusOK, "")
	h.want(h.call("POST", "/api/nightly/start", `{"rid":null,"host":null,"scheduled_for":null,"x":1}`), http.StatusOK, "")
	h.want(h.call("POST", "/api/nightly/start", `{"host":"`+strings.Repeat("é", 255)+`"}`), http.StatusOK, "")
	// An empty message of an end is none; of names that come twice the last counts.
	for _, none := range []string{`""`, `null`, `"  "`} {
		id := h.started("nightly")
		a := h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"success":false,"success":true,"type":"info","duration_ms":12.5,"exit_code":null,"message":`+none+`}`)
		if h.get(a, "message_id") != nil || h.get(a, "success") != true || h.get(a, "duration_ms") != float64(12) {
			h.t.Error(a.text)
		}
	}
}
