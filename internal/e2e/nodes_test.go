package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

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
			nodes[i] = serve(t, t.TempDir(), env)
			started <- struct{}{}
		}()
	}
	<-started
	<-started
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
	if took := time.Since(killed); took > 5*time.Second {
		t.Errorf("it took %v to take over", took)
	}
	before := scheduled()
	testwait.Until(t, "the survivor goes on", func() bool { return scheduled() > before+1 })
	survivor.mustSync(6)
	if n := count(book.ledger(t), func(r run) bool { return r.reason == "interrupted" }); n != 1 {
		t.Errorf("%d runs were cut off", n)
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
