package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// fourCalls are the calls of a cron and of an execution.
func fourCalls(cron, execution any) [][3]string {
	return [][3]string{
		{"GET", fmt.Sprintf("/api/%v/can-start", cron), ""},
		{"GET", fmt.Sprintf("/api/%v/start", cron), ""},
		{"POST", fmt.Sprintf("/api/%v/start", cron), ""},
		{"POST", fmt.Sprintf("/api/%v/end", execution), `{"success":true,"type":"success"}`},
		{"POST", fmt.Sprintf("/api/%v/message", execution), `{"message":"hello","type":"info"}`},
	}
}

func badKeys(h *harbour) {
	cron := h.newCron("nightly")
	running := h.started("nightly")
	revoked := h.newKey(h.app, apikey.Ping)
	if _, err := h.keys.Revoke(h.t.Context(), revoked); err != nil {
		h.t.Fatal(err)
	}
	_, expired, err := h.keys.Create(h.t.Context(), h.app.Name, apikey.Ping, h.clock.now().Add(time.Minute))
	if err != nil {
		h.t.Fatal(err)
	}
	h.clock.add(time.Minute)
	wrong := h.key[:len(h.key)-1] + map[bool]string{true: "1", false: "0"}[h.key[len(h.key)-1] != '1']
	fresh := moorAgain(h) // one that has not seen the revoked key alive
	var first string
	for name, headers := range map[string][]string{
		"missing":            nil,
		"empty":              {"X-API-KEY", ""},
		"wrong":              {"X-API-KEY", wrong},
		"unknown":            {"X-API-KEY", "fm_" + strings.Repeat("0", 40)},
		"revoked":            {"X-API-KEY", revoked},
		"expired":            {"X-API-KEY", expired},
		"twice":              {"X-API-KEY", h.key, "X-API-KEY", h.key},
		"twice in one":       {"X-API-KEY", h.key + ", " + h.key},
		"in another header":  {"Authorization", "ApiKey " + h.key},
		"with a space in it": {"X-API-KEY", "fm_ " + h.key[4:]},
	} {
		for _, c := range fourCalls("nightly", running) {
			a := fresh.do(c[0], c[1], c[2], append(headers, "X-Request-Id", "same")...)
			fresh.wantProblem(a, http.StatusUnauthorized, "unauthorized")
			if a.Header.Get("WWW-Authenticate") != `ApiKey realm="ferryman"` {
				h.t.Errorf("%s: challenge %q", name, a.Header.Get("WWW-Authenticate"))
			}
			if first == "" {
				first = a.text
			}
			if a.text != first {
				h.t.Errorf("%s %v: %s\nand before %s", name, c, a.text, first)
			}
		}
	}
	fresh = moorAgain(h) // wrong keys are counted
	for _, path := range []string{
		"/api/nightly/start?X-API-KEY=" + h.key, "/api/nightly/start?api_key=" + h.key, "/api/nightly/start?key=" + h.key,
		"/api/nobody/start", "/api/0/start", "/api/%2e%2e/start",
	} {
		fresh.wantProblem(fresh.do("GET", path, ""), http.StatusUnauthorized, "unauthorized")
	}
	for _, body := range []string{"{", strings.Repeat(" ", 2<<20)} {
		fresh.wantProblem(fresh.do("POST", "/api/nightly/end", body), http.StatusUnauthorized, "unauthorized")
	}
	if n := h.count(cron, ledger.Running); n != 1 {
		h.t.Errorf("%d executions run", n)
	}
}

// moorAgain is another server on the same store, with an application of its own
// and the keys of the first.
func moorAgain(h *harbour, change ...func(*Options)) *harbour {
	again := moor(h.t, h.url, h.store, h.clock, change...)
	again.app, again.key = h.app, h.key
	return again
}

func readOnlyKey(h *harbour) {
	cron := h.newCron("nightly")
	running := h.started("nightly")
	read, admin := h.newKey(h.app, apikey.Read), h.newKey(h.app, apikey.Admin)
	for _, c := range fourCalls("nightly", running) {
		a := h.call(c[0], c[1], c[2], "X-API-KEY", read)
		if strings.HasSuffix(c[1], "/can-start") {
			h.want(a, http.StatusOK, "")
			continue
		}
		h.wantProblem(a, http.StatusForbidden, "scope")
	}
	if n := h.count(cron, ledger.Running); n != 1 {
		h.t.Errorf("%d executions run", n)
	}
	for _, c := range fourCalls("nightly", running) {
		h.want(h.call(c[0], c[1], c[2], "X-API-KEY", admin), http.StatusOK, "")
	}
}

func ofAnotherApplication(h *harbour) {
	cron := h.newCron("nightly")
	running := h.started("nightly")
	stranger := h.newKey(h.newApp(), apikey.Ping)
	const nobody = int64(9_007_199_254_740_991)
	theirs, unknown := fourCalls(cron.ID, running), fourCalls(nobody, nobody)
	for i := range theirs {
		there := h.call(theirs[i][0], theirs[i][1], theirs[i][2], "X-API-KEY", stranger, "X-Request-Id", "same")
		nowhere := h.call(unknown[i][0], unknown[i][1], unknown[i][2], "X-API-KEY", stranger, "X-Request-Id", "same")
		if there.StatusCode != http.StatusNotFound || there.text != nowhere.text {
			h.t.Errorf("%v: %d %s\nand unknown %s", theirs[i], there.StatusCode, there.text, nowhere.text)
		}
	}
	h.wantProblem(h.call("POST", "/api/nightly/start", "", "X-API-KEY", stranger), http.StatusNotFound, "cron_unknown")
	if n := h.count(cron, ledger.Running); n != 1 {
		h.t.Errorf("%d executions run", n)
	}
}

func precedence(h *harbour) {
	h.newCron("off", inactive, onlyOne)
	h.newCron("busy", onlyOne)
	h.started("busy")
	for _, c := range []struct {
		path, key string
		status    int
	}{
		{"nobody", "", 401}, {"off", "", 401}, {"busy", "", 401},
		{"nobody", h.key, 404}, {"off", h.key, 418}, {"busy", h.key, 409},
	} {
		if a := h.do("POST", "/api/"+c.path+"/start", "", "X-API-KEY", c.key); a.StatusCode != c.status {
			h.t.Errorf("%s: %d %s", c.path, a.StatusCode, a.text)
		}
	}
	// What is wrong with the request itself goes before what is not there.
	long, files := strings.Repeat(" ", 2<<20), []string{"Content-Type", "multipart/form-data; boundary=x"}
	for _, c := range []struct {
		path, body string
		headers    []string
		status     int
	}{
		{"0/end", long, files, 413}, {"0/end", "{", files, 404}, {"1/end", "{", files, 415}, {"1/end", "{", nil, 400}, {"1/end", "{}", nil, 422},
		{"0/start", long, files, 413}, {"0/start", "{", files, 404}, {"nobody/start", "{", files, 415}, {"nobody/start", "{", nil, 400},
		{"nobody/start", `{"rid":1}`, nil, 422},
	} {
		if a := h.call("POST", "/api/"+c.path, c.body, c.headers...); a.StatusCode != c.status {
			h.t.Errorf("%s with %.10q and %v: %d %s", c.path, c.body, c.headers, a.StatusCode, a.text)
		}
	}
	// A cron that is busy and then switched off is inactive first.
	_, err := h.ledger.Pause(h.t.Context(), h.app.ID, ledger.Ref{Slug: "busy"}, time.Time{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.wantProblem(h.call("POST", "/api/busy/start", ""), http.StatusTeapot, "cron_inactive")
}

func rateOfKey(h *harbour) {
	h = moorAgain(h, func(o *Options) { o.KeyRate = 2 })
	h.newCron("nightly")
	for range 4 {
		h.want(h.call("GET", "/api/nightly/can-start", ""), http.StatusOK, "")
	}
	a := h.call("GET", "/api/nightly/can-start", "")
	h.wantProblem(a, http.StatusTooManyRequests, "key_rate")
	if a.Header.Get("Retry-After") != "1" {
		h.t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	h.want(h.call("GET", "/api/nightly/can-start", "", "X-API-KEY", h.newKey(h.app, apikey.Ping)), http.StatusOK, "")
}

// TestFloodOfWrongKeys shows that an address is told to slow down, and that a right
// key from there keeps working.
func TestFloodOfWrongKeys(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		c := &clock{}
		c.set(epoch)
		var now clock
		now.set(epoch)
		h := moor(t, url, dbtest.Open(t, url, quick(c)), c, func(o *Options) { o.Now = now.now })
		h.newCron("nightly")
		statuses := map[int]int{}
		for i := range wrongKeyBurst + 20 {
			a := h.do("GET", "/api/nightly/can-start", "", "X-API-KEY", fmt.Sprintf("wrong %d", i))
			statuses[a.StatusCode]++
			if a.StatusCode == http.StatusTooManyRequests && a.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
			}
			h.want(h.call("GET", "/api/nightly/can-start", ""), http.StatusOK, "")
		}
		if statuses[401] != wrongKeyBurst || statuses[429] != 20 {
			t.Errorf("statuses %v", statuses)
		}
		now.add(time.Second)
		h.wantProblem(h.do("GET", "/api/nightly/can-start", ""), http.StatusUnauthorized, "unauthorized")
	})
}
