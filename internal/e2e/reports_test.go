package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
	"ferryman/internal/testwait"
)

// acknowledged is what a job was told before the server was killed.
type acknowledged struct {
	rid            string
	id             int64 // 0: nothing
	messages, ends int
}

// TestKilledUnderReports kills the server while jobs report, and looks for all
// that it had acknowledged.
func TestKilledUnderReports(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			env, store := book(t, state)
			env = append(env, manual, "FERRYMAN_KEY_RATE=0")
			n := serve(t, state, env)
			ferryman(t, state, env, "app", "add", "shop")
			key := ferryman(t, state, env, "key", "create", "--app", "shop")

			var all []*acknowledged
			for round := range 3 {
				all = append(all, reportUntilKilled(t, n, key, round)...)
				n = serve(t, state, env)
			}
			r := newReporter(t, n.url, key)
			starts := 0
			for _, a := range all {
				if a.id == 0 {
					continue
				}
				starts++
				answer, err := r.post("/api/load/start", `{"rid":"`+a.rid+`"}`)
				if err != nil || answer != (reported{http.StatusOK, a.id, true}) {
					t.Errorf("the start of %v is %+v, %v", a.id, answer, err)
				}
				var messages, ends int
				err = store.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT
					(SELECT count(*) FROM messages WHERE execution_id = %d), (SELECT count(reported_at) FROM executions WHERE id = %d)`, a.id, a.id)).Scan(&messages, &ends)
				if err != nil || messages < a.messages || ends < a.ends {
					t.Errorf("of %+v are left %d messages and %d ends, %v", a, messages, ends, err)
				}
			}
			if starts < 30 {
				t.Errorf("only %d starts were acknowledged", starts)
			}
			t.Logf("%d starts were acknowledged", starts)
		})
	}
}

// reportUntilKilled lets eight jobs report in turn and kills the server in the
// middle of that.
func reportUntilKilled(t *testing.T, n *node, key string, round int) []*acknowledged {
	t.Helper()
	const jobs = 8
	var wg sync.WaitGroup
	var starts atomic.Int64
	told := make([][]*acknowledged, jobs)
	for job := range jobs {
		r := newReporter(t, n.url, key)
		taken := func(path, body string) (int64, bool) {
			answer, err := r.post(path, body)
			return answer.ID, err == nil && answer.status == http.StatusOK
		}
		wg.Go(func() {
			for i := 0; ; i++ {
				a := &acknowledged{rid: fmt.Sprintf("%d.%d.%d", round, job, i)}
				told[job] = append(told[job], a)
				id, ok := taken("/api/load/start?create=1", `{"rid":"`+a.rid+`"}`)
				if !ok {
					return
				}
				a.id = id
				starts.Add(1)
				if _, ok := taken(fmt.Sprintf("/api/%d/message", id), `{"message":"half","type":"info"}`); !ok {
					return
				}
				a.messages++
				if _, ok := taken(fmt.Sprintf("/api/%d/end", id), `{"success":true,"type":"success","message":"all"}`); !ok {
					return
				}
				a.messages++
				a.ends++
			}
		})
	}
	testwait.Until(t, "jobs report", func() bool { return starts.Load() >= 30 })
	n.kill()
	wg.Wait()
	var all []*acknowledged
	for _, some := range told {
		all = append(all, some...)
	}
	return all
}

// TestBeyondLoopbackWithKeys shows that a server serves the network only once it
// has keys, and then their holders.
func TestBeyondLoopbackWithKeys(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	env := []string{manual}
	refused := command(t, state, env, "serve", "--listen", "0.0.0.0:0")
	time.AfterFunc(testwait.Limit, func() { _ = refused.Process.Kill() })
	_, out, err := program.Run(t, refused)
	if err == nil || !strings.Contains(out, "ferryman key create") {
		t.Fatalf("%v %s", err, out)
	}
	admin := ferryman(t, state, env, "key", "create", "--app", "ferryman", "--scope", "admin")
	ferryman(t, state, env, "app", "add", "shop")
	ping := ferryman(t, state, env, "key", "create", "--app", "shop")

	n := serve(t, state, env, "--listen", "0.0.0.0:0")
	for _, c := range []struct {
		method, path, key string
		status            int
	}{
		{"GET", "/healthz", "", 200}, {"GET", "/docs", "", 200}, {"GET", "/ui/static/none.css", "", 404}, {"GET", "/api/synlast", "", 401}, {"GET", "/metrics", "", 401},
		{"GET", "/api/synlast", admin, 200}, {"GET", "/api/synlast", ping, 403}, {"PATCH", "/api/syncast", "", 401}, {"PATCH", "/api/syncast", ping, 403},
		{"PATCH", "/api/syncast", admin, 200}, {"POST", "/api/job/start?create=1", ping, 200}, {"POST", "/api/job/start", "", 401},
	} {
		var headers []string
		if c.key != "" {
			headers = []string{"X-API-KEY", c.key}
		}
		res, _ := ask(t, c.method, n.url+c.path, headers...)
		if res.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.status)
		}
	}
	if _, page := ask(t, "GET", n.url+"/"); !strings.Contains(page, `name="key"`) {
		t.Errorf("the first page asks for no key: %s", page)
	}
	ferryman(t, state, env, "key", "revoke", ping[:11])
	testwait.Until(t, "a revoked key is refused", func() bool {
		res, _ := ask(t, "POST", n.url+"/api/job/start", "X-API-KEY", ping)
		return res.StatusCode == http.StatusUnauthorized
	})
	if code := n.stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
	const warning = "keys cross the network unencrypted"
	if !strings.Contains(n.logged(), warning) {
		t.Errorf("nobody is warned:\n%s", n.logged())
	}
	behind := serve(t, state, append(env, "FERRYMAN_TRUSTED_PROXIES=127.0.0.1"), "--listen", "0.0.0.0:0")
	if strings.Contains(behind.logged(), warning) {
		t.Errorf("it warns behind a proxy:\n%s", behind.logged())
	}
}
