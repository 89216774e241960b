package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
	"ferryman/internal/testwait"
)

// doQuietly makes a call that may fail and gives its status, 0 without one.
func doQuietly(method, url string) int {
	req, err := http.NewRequest(method, url, strings.NewReader(""))
	if err != nil {
		return 0
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestTwoNodes(t *testing.T) {
	t.Parallel()
	u, d, book := newUpstream(t), postgresDatabase(t), postgresDatabase(t)
	env := append(u.env(), "INTERVAL_SCHEDULER_SECONDS=1", "WAREHOUSE_DATABASE_URL="+d.url, "FERRYMAN_STORE_URL="+book.url)
	var nodes [2]*node
	started := make(chan struct{})
	for i := range nodes { // together, on an empty store
		go func() {
			defer func() { started <- struct{}{} }()
			nodes[i] = serve(t, t.TempDir(), env)
		}()
	}
	<-started
	<-started
	if t.Failed() {
		t.FailNow()
	}
	for _, n := range nodes {
		if !strings.Contains(n.logged(), "the same FERRYMAN_SECRET") {
			t.Error("nodes with secrets of their own are not warned of")
		}
	}
	scheduled := func() int {
		return count(book.ledger(t), func(r run) bool { return r.trigger == "schedule" && r.status == "success" })
	}
	testwait.Until(t, "five scheduled runs", func() bool { return scheduled() >= 5 })

	// No tick ran twice: there are at most as many runs as seconds.
	var ticks, runs int
	if err := book.QueryRowContext(t.Context(), `
		SELECT (max(started_at) - min(started_at)) / 1000000 + 2, count(*) FROM executions`).Scan(&ticks, &runs); err != nil {
		t.Fatal(err)
	}
	if runs > ticks {
		t.Errorf("%d runs for %d ticks", runs, ticks)
	}

	// The node that runs a sync dies; the other takes it over.
	release := u.hold(t, theWarehouses)
	u.awaitHeld(t, theWarehouses)
	var holder string
	if err := book.QueryRowContext(t.Context(), "SELECT holder FROM executions WHERE ended_at IS NULL").Scan(&holder); err != nil {
		t.Fatal(err)
	}
	victim, survivor := nodes[0], nodes[1]
	if strings.Contains(holder, fmt.Sprintf("-%d-", survivor.cmd.Process.Pid)) {
		victim, survivor = survivor, victim
	}
	killed := time.Now()
	victim.kill()
	release()
	testwait.Until(t, "the run is taken over", func() bool {
		return count(book.ledger(t), func(r run) bool { return r.attempt == 2 }) == 1
	})
	var again int64
	if err := book.QueryRowContext(t.Context(), "SELECT started_at FROM executions WHERE attempt = 2").Scan(&again); err != nil {
		t.Fatal(err)
	}
	if took := time.UnixMicro(again).Sub(killed); took > 5*time.Second {
		t.Errorf("it took %v to take over", took)
	}
	before := scheduled()
	testwait.Until(t, "the survivor goes on", func() bool { return scheduled() > before+1 })
	survivor.mustSync(6)
	if n := count(book.ledger(t), func(r run) bool { return r.reason == "interrupted" }); n != 1 {
		t.Errorf("%d runs were cut off", n)
	}
	var events int // nobody is woken for what goes on elsewhere
	if err := book.QueryRowContext(t.Context(), "SELECT count(*) FROM events").Scan(&events); err != nil || events != 0 {
		t.Errorf("%d events were made, %v", events, err)
	}
	for _, r := range book.ledger(t) {
		if r.status == "failed" && r.reason != "interrupted" {
			t.Errorf("untrue: %+v", r)
		}
	}
}

// Without its database the server says so, and goes on when it is back.
func TestStoreConnectionsBreak(t *testing.T) {
	t.Parallel()
	u, d, book := newUpstream(t), postgresDatabase(t), postgresDatabase(t)
	n := serve(t, t.TempDir(), append(u.env(), "INTERVAL_SCHEDULER_SECONDS=1", "WAREHOUSE_DATABASE_URL="+d.url, "FERRYMAN_STORE_URL="+book.url))
	n.mustSync(6)
	for range 3 {
		book.column(t, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		d.column(t, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		testwait.Until(t, "a sync after the break", func() bool { return doQuietly("PATCH", n.url+"/api/syncall") == http.StatusOK })
	}
}

// A node that hangs loses its place, and another does its work.
func TestHungNode(t *testing.T) {
	t.Parallel()
	u, d, book := newUpstream(t), postgresDatabase(t), postgresDatabase(t)
	env := append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url, "FERRYMAN_STORE_URL="+book.url)
	release := u.hold(t, me)
	hung := serve(t, t.TempDir(), env)
	u.awaitHeld(t, me)
	if err := hung.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	serve(t, t.TempDir(), env)
	release()
	testwait.Until(t, "the other takes over", func() bool {
		return count(book.ledger(t), func(r run) bool { return r.attempt == 2 && r.status == "success" }) == 1
	})
	d.mustHave(t, usersOf, "momoko.quay")
	if err := hung.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	hung.mustSync(6) // it has found its place again
	if runs := book.ledger(t); runs[0].reason != "interrupted" {
		t.Errorf("%+v", runs)
	}
}

// A node that is drained finishes what it has begun, and leaves the rest to others.
func TestADrainedNode(t *testing.T) {
	t.Parallel()
	u, d, book := newUpstream(t), postgresDatabase(t), postgresDatabase(t)
	env := append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url, "FERRYMAN_STORE_URL="+book.url)
	release := u.hold(t, theWarehouses)
	drained := serve(t, t.TempDir(), env)
	u.awaitHeld(t, theWarehouses)
	other := serve(t, t.TempDir(), env)
	var name string
	if err := book.QueryRowContext(t.Context(), "SELECT holder FROM executions WHERE ended_at IS NULL").Scan(&name); err != nil {
		t.Fatal(err)
	}
	cli := func(args ...string) string {
		return ferryman(t, t.TempDir(), []string{"FERRYMAN_STORE_URL=" + book.url}, args...)
	}
	if got := cli("node", "drain", name); got != name+" is draining" {
		t.Errorf("got %q", got)
	}
	testwait.Until(t, "load balancers are told", func() bool {
		status, _ := do(t, "GET", drained.url+"/readyz", "")
		return status == http.StatusServiceUnavailable
	})
	if list := cli("node", "list"); !strings.Contains(list, "draining") || !strings.Contains(list, "working") {
		t.Errorf("the nodes are\n%s", list)
	}
	release()
	if got := cli("node", "drain", name, "--wait", "30s"); got != name+" is drained" {
		t.Errorf("got %q", got)
	}
	for _, r := range book.ledger(t) {
		if r.status != "success" || r.attempt != 1 {
			t.Errorf("the run that was under way: %+v", r)
		}
	}
	drained.mustSync(6) // it still answers, and the other works
	var by string
	if err := book.QueryRowContext(t.Context(), "SELECT holder FROM executions ORDER BY id DESC LIMIT 1").Scan(&by); err != nil {
		t.Fatal(err)
	}
	if by == name || !strings.Contains(by, fmt.Sprintf("-%d-", other.cmd.Process.Pid)) {
		t.Errorf("%s ran it, and %s is drained", by, name)
	}
	if code := other.stop(); code != 0 {
		t.Errorf("the other ends with %d", code)
	}
	cli("node", "resume", name)
	testwait.Until(t, "it is ready again", func() bool { return doQuietly("GET", drained.url+"/readyz") == http.StatusOK })
	drained.mustSync(6)
	if code := drained.stop(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	if list := cli("node", "list"); strings.Contains(list, name) {
		t.Errorf("a node that has ended is listed:\n%s", list)
	}
}

// Two releases run side by side on one store: the older one goes on while the newer
// one brings a table along, and starts again on its schema.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	u, d, book := newUpstream(t), postgresDatabase(t), postgresDatabase(t)
	env := append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url, "FERRYMAN_STORE_URL="+book.url)
	first, second := serve(t, t.TempDir(), env), serve(t, t.TempDir(), env)
	first.awaitFirst()

	newer := newerBinary(t, "CREATE TABLE next_release (id BIGINT PRIMARY KEY);\nALTER TABLE nodes ADD COLUMN next_release TEXT;\n")
	if code := first.stop(); code != 0 {
		t.Errorf("the first ends with %d", code)
	}
	upgraded := serveBinary(t, newer, t.TempDir(), env)
	book.mustHave(t, "SELECT count(*) FROM next_release", "0")
	for range 3 {
		second.mustSync(6)
		upgraded.mustSync(6)
	}
	second.kill()
	again := serve(t, t.TempDir(), env) // rolled back, or restarted before its turn
	again.mustSync(6)
	upgraded.mustSync(6)
	for _, r := range book.ledger(t) {
		if r.status != "success" {
			t.Errorf("%+v", r)
		}
	}
}

// newerBinary builds the program as its next release may be: with one more migration.
func newerBinary(t *testing.T, migration string) (file string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sql := filepath.Join(dir, "next.sql")
	replace := map[string]string{}
	for _, dialect := range []string{"sqlite", "postgres"} {
		folder := filepath.Join(root, "internal", "db", "migrations", dialect)
		there, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(folder, fmt.Sprintf("%04d_next.sql", len(there)+1))] = sql
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{sql: migration, filepath.Join(dir, "overlay.json"): string(overlay)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(dir, "ferryman-next")
	if err := program.Build(file, "-overlay", filepath.Join(dir, "overlay.json")); err != nil {
		t.Fatal(err)
	}
	return file
}
