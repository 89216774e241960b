package browser

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ferryman/internal/e2e/program"
)

// manual has a server sync on demand only, beyond the sync of a new store.
const manual = "INTERVAL_SCHEDULER_SECONDS=86400"

// site is a running server with its store in a folder of its own.
type site struct {
	*program.Server
	t       testing.TB
	state   string
	sandbox bool
	shop    bool // whose crons are reported; only in the sandbox
}

// plain starts a server that has nobody to send messages to, on what fill put into
// its store.
func plain(t testing.TB, fill func(*seeds)) *site {
	t.Helper()
	s := &site{t: t, state: t.TempDir()}
	if fill != nil {
		sow(t, filepath.Join(s.state, "ferryman.db"), fill)
	}
	s.serve()
	return s
}

// full starts a server that has more of everything than a list holds. Its store is
// filled once for all tests.
func full(t testing.TB) *site {
	t.Helper()
	store.once.Do(func() {
		path := filepath.Join(t.TempDir(), "ferryman.db")
		sow(t, path, many)
		store.text, store.err = os.ReadFile(path)
	})
	if store.err != nil || store.text == nil {
		t.Fatalf("there is no full store: %v", store.err)
	}
	s := &site{t: t, state: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.state, "ferryman.db"), store.text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.serve()
	return s
}

// store is a full store as a file.
var store struct {
	once sync.Once
	text []byte
	err  error
}

// sandboxed starts a server with simulators and nothing that reports by itself.
func sandboxed(t testing.TB, fill func(*seeds)) *site {
	t.Helper()
	s := &site{t: t, state: t.TempDir(), sandbox: true}
	if fill != nil {
		sow(t, filepath.Join(s.state, "sandbox", "ferryman.db"), fill)
	}
	s.serve()
	return s
}

// serve starts the server, with further arguments.
func (s *site) serve(args ...string) {
	s.t.Helper()
	if s.sandbox {
		args = append(args, "--sandbox", "--sandbox-listen", "127.0.0.1:0")
		if !s.shop {
			args = append(args, "--sandbox-quiet")
		}
	}
	s.Server = program.Serve(s.t, binary, s.state, []string{manual}, args...)
}

// ferryman runs a command on the server's store and gives what it writes.
func (s *site) ferryman(args ...string) string {
	s.t.Helper()
	if s.sandbox {
		args = append(args, "--sandbox")
	}
	out, problems, err := program.Run(s.t, program.Command(s.t, binary, s.state, []string{manual}, args...))
	if err != nil {
		s.t.Fatalf("ferryman %s: %v\n%s", strings.Join(args, " "), err, problems)
	}
	return strings.TrimSpace(out)
}

// call makes a call of the API and decodes its answer into out, unless that is nil.
func (s *site) call(key, method, path, body string, out any) {
	s.t.Helper()
	answer := fetch(s.t, key, method, s.URL+path, body)
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		s.t.Fatalf("%s %s: %s: %v", method, path, answer, err)
	}
}

// fetch makes a call that has to go well, and gives its answer.
func fetch(t testing.TB, key, method, url, body string) []byte {
	t.Helper()
	var headers []string
	if key != "" {
		headers = []string{"X-API-KEY", key}
	}
	return []byte(program.MustDo(t, method, url, body, headers...))
}

// start reports a start and gives the execution's id.
func (s *site) start(key, cron string) string {
	s.t.Helper()
	var answer struct{ ID json.Number }
	s.call(key, http.MethodPost, "/api/"+cron+"/start", `{"host":"web-1"}`, &answer)
	return answer.ID.String()
}

// say reports a message of an execution.
func (s *site) say(key, id, kind, text string) {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"type": kind, "message": text})
	if err != nil {
		s.t.Fatal(err)
	}
	s.call(key, http.MethodPost, "/api/"+id+"/message", string(body), nil)
}

// end reports that an execution ended.
func (s *site) end(key, id string, well bool) {
	s.t.Helper()
	body := `{"type":"success","success":true,"message":"all done"}`
	if !well {
		body = `{"type":"error","success":false,"message":"it broke","exit_code":3}`
	}
	s.call(key, http.MethodPost, "/api/"+id+"/end", body, nil)
}
