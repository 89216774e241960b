package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// tell runs a command to its end and gives what it prints.
func tell(t *testing.T, state string, env []string, args ...string) string {
	t.Helper()
	out, err := command(t, state, env, args...).Output()
	if err != nil {
		t.Fatalf("ferryman %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// report makes a call with a key; the status is 0 if there is no answer.
func report(ctx context.Context, url, key, body string) (int, map[string]any) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("X-API-KEY", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	var answer map[string]any
	if json.Unmarshal(text, &answer) != nil {
		return 0, nil
	}
	return res.StatusCode, answer
}

// acknowledged is what a job was told before the server was killed.
type acknowledged struct {
	rid            string
	id             float64 // 0: nothing
	messages, ends int
}

// TestKilledUnderReports kills the server while jobs report, and looks for all
// that it had acknowledged.
func TestKilledUnderReports(t *testing.T) {
	t.Parallel()
	for name, newStore := range map[string]func(t *testing.T, state string) database{
		"sqlite": func(t *testing.T, state string) database {
			path := filepath.Join(state, "ferryman.db")
			return open(t, "sqlite://"+path, "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
		},
		"postgres": func(t *testing.T, _ string) database { return postgresDatabase(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			book := newStore(t, state)
			env := []string{manual, "FERRYMAN_STORE_URL=" + book.url, "FERRYMAN_KEY_RATE=0"}
			n := serve(t, state, env)
			tell(t, state, env, "app", "add", "shop")
			key := tell(t, state, env, "key", "create", "--app", "shop")

			var all []*acknowledged
			for round := range 3 {
				all = append(all, reportUntilKilled(t, n, key, round)...)
				n = serve(t, state, env)
			}
			starts := 0
			for _, a := range all {
				if a.id == 0 {
					continue
				}
				starts++
				status, answer := report(t.Context(), n.url+"/api/load/start", key, `{"rid":"`+a.rid+`"}`)
				if status != http.StatusOK || answer["replayed"] != true || answer["id"] != a.id {
					t.Errorf("the start of %v is %d %v", a.id, status, answer)
				}
				var messages, ends int
				err := book.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT
					(SELECT count(*) FROM messages WHERE execution_id = %.0f), (SELECT count(reported_at) FROM executions WHERE id = %.0f)`, a.id, a.id)).Scan(&messages, &ends)
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
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
	defer cancel()
	var wg sync.WaitGroup
	var starts atomic.Int64
	told := make([][]*acknowledged, jobs)
	for job := range jobs {
		wg.Go(func() {
			for i := 0; ; i++ {
				a := &acknowledged{rid: fmt.Sprintf("%d.%d.%d", round, job, i)}
				told[job] = append(told[job], a)
				status, answer := report(ctx, n.url+"/api/load/start?create=1", key, `{"rid":"`+a.rid+`"}`)
				if status != http.StatusOK {
					return
				}
				a.id, _ = answer["id"].(float64)
				starts.Add(1)
				if status, _ := report(ctx, fmt.Sprintf("%s/api/%.0f/message", n.url, a.id), key, `{"message":"half","type":"info"}`); status != http.StatusOK {
					return
				}
				a.messages++
				if status, _ := report(ctx, fmt.Sprintf("%s/api/%.0f/end", n.url, a.id), key, `{"success":true,"type":"success","message":"all"}`); status != http.StatusOK {
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
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
	defer cancel()
	refused := command(t, state, env, "serve", "--listen", "0.0.0.0:0")
	time.AfterFunc(testwait.Limit, func() { _ = refused.Process.Kill() })
	out, err := refused.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "ferryman key create") {
		t.Fatalf("%v %s", err, out)
	}
	admin := tell(t, state, env, "key", "create", "--app", "ferryman", "--scope", "admin")
	tell(t, state, env, "app", "add", "shop")
	ping := tell(t, state, env, "key", "create", "--app", "shop")

	n := serve(t, state, env, "--listen", "0.0.0.0:0")
	for _, c := range []struct {
		method, path, key string
		status            int
	}{
		{"GET", "/healthz", "", 200}, {"GET", "/docs", "", 200}, {"GET", "/", "", 401}, {"GET", "/api/synlast", "", 401}, {"GET", "/metrics", "", 401},
		{"GET", "/api/synlast", admin, 200}, {"GET", "/api/synlast", ping, 403}, {"PATCH", "/api/syncast", "", 401}, {"PATCH", "/api/syncast", ping, 403},
		{"PATCH", "/api/syncast", admin, 200}, {"POST", "/api/job/start?create=1", ping, 200}, {"POST", "/api/job/start", "", 401},
	} {
		req, err := http.NewRequestWithContext(ctx, c.method, n.url+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if c.key != "" {
			req.Header.Set("X-API-KEY", c.key)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.status)
		}
	}
	tell(t, state, env, "key", "revoke", ping[:11])
	testwait.Until(t, "a revoked key is refused", func() bool {
		status, _ := report(ctx, n.url+"/api/job/start", ping, "")
		return status == http.StatusUnauthorized
	})
	if code := n.stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
}
