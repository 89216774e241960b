package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/wms"
	"ferryman/internal/testwait"
)

// binary is the built program.
var binary string

func TestMain(m *testing.M) { os.Exit(program.Main(m, &binary)) }

// upstream is a simulated WMS API that lives longer than any server.
type upstream struct {
	*wms.Server
	url      string
	settings []string
}

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	api, url, env := program.Warehouses(t)
	return &upstream{api, url, env}
}

// env are the settings of a server that reads from u.
func (u *upstream) env() []string { return slices.Clone(u.settings) }

// hold makes requests to path wait until release.
func (u *upstream) hold(t testing.TB, path string) (release func()) {
	t.Helper()
	release, err := u.Hold(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return release
}

// awaitHeld returns once a request waits at path.
func (u *upstream) awaitHeld(t testing.TB, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
	defer cancel()
	if err := u.AwaitHeld(ctx, path, 1); err != nil {
		t.Fatal(err)
	}
}

// control calls the simulator's control API.
func (u *upstream) control(t testing.TB, method, path, body string) {
	t.Helper()
	status, answer := do(t, method, u.url+path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
}

const (
	me            = "/iam/users/me"
	theWarehouses = "/iam/users/{id}/warehouses"
)

// node is a running server.
type node struct {
	*program.Server
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	done <-chan struct{} // closed when the process has ended
}

// command makes the program ready to run, with no settings but env and a state
// folder.
func command(t testing.TB, state string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	return program.Command(t, binary, state, env, args...)
}

// serve starts a server and returns once it answers. Its state is in the given
// folder. What is still running at the test's end is killed.
func serve(t testing.TB, state string, env []string, args ...string) *node {
	t.Helper()
	return serveBinary(t, binary, state, env, args...)
}

// serveBinary does so with another build of the program.
func serveBinary(t testing.TB, binary, state string, env []string, args ...string) *node {
	t.Helper()
	s := program.Serve(t, binary, state, env, args...)
	return &node{Server: s, t: t, cmd: s.Cmd, url: s.URL, done: s.Done}
}

func (n *node) logged() string { return n.Logged() }

// kill ends the server as a power cut would.
func (n *node) kill() { n.Kill() }

// stop ends the server as a service manager would, and gives its exit code.
func (n *node) stop() int {
	n.t.Helper()
	return n.Stop()
}

// do makes an HTTP call and gives status and body.
func do(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	return program.Do(t, method, url, body)
}

// synced is what syncall and synlast tell of a run.
type synced struct {
	Data     json.RawMessage `json:"data"`
	Date     time.Time       `json:"date"`
	Response string          `json:"response"`
}

func (s synced) reason() string {
	var data struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(s.Data, &data) // a success is a text, and has no reason
	return data.Reason
}

func (n *node) syncall() (int, synced) {
	n.t.Helper()
	status, body := do(n.t, "PATCH", n.url+"/api/syncall", "")
	var s synced
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		n.t.Fatalf("syncall: %d %s", status, body)
	}
	return status, s
}

// mustSync syncs and expects the given number of users and warehouses.
func (n *node) mustSync(rows int) {
	n.t.Helper()
	status, s := n.syncall()
	want := fmt.Sprintf(`"全部ＯＫ、%dつ　入れちゃった！"`, rows)
	if status != http.StatusOK || s.Response != "ok" || string(s.Data) != want {
		n.t.Fatalf("syncall: %d %s %s, want %s", status, s.Response, s.Data, want)
	}
}

// awaitFirst waits for the sync that a new store begins with, so that it does
// not come later, between the steps of a test.
func (n *node) awaitFirst() {
	n.t.Helper()
	testwait.Until(n.t, "the first sync", func() bool {
		var last struct{ Data []synced }
		_, body := do(n.t, "GET", n.url+"/api/synlast", "")
		return json.Unmarshal([]byte(body), &last) == nil && len(last.Data) > 0
	})
}
