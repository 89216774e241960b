package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// store opens the SQLite store in a state folder.
func store(t testing.TB, state string) database {
	t.Helper()
	return open(t, "", "sqlite", "file:"+filepath.Join(state, "ferryman.db")+"?_pragma=busy_timeout(10000)")
}

func TestKilledInMidSync(t *testing.T) {
	t.Parallel()
	target(t, func(t *testing.T, u *upstream, d database, env []string) {
		state := t.TempDir()
		release := u.hold(t, theWarehouses)
		n := serve(t, state, env)
		u.awaitHeld(t, theWarehouses) // the first tick's run is under way
		n.kill()
		if d.holds(t, "users") {
			t.Error("a part of the sync landed")
		}
		book := store(t, state)
		if runs := book.ledger(t); len(runs) != 1 || runs[0].status != "running" {
			t.Errorf("after the kill the ledger has %+v", runs)
		}
		release()

		begun := time.Now()
		serve(t, state, env)
		testwait.Until(t, "the run is taken up again", func() bool { return len(book.ledger(t)) == 2 })
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v to take it up", took)
		}
		testwait.Until(t, "the run ends", func() bool { return book.ledger(t)[1].status != "running" })
		runs := book.ledger(t)
		if runs[0].status != "failed" || runs[0].reason != "interrupted" {
			t.Errorf("cut off run: %+v", runs[0])
		}
		if runs[1].status != "success" || runs[1].request != runs[0].request || runs[1].attempt != 2 {
			t.Errorf("run again: %+v", runs[1])
		}
		d.mustHave(t, usersOf, "momoko.quay")
		d.mustHave(t, links, "1201", "1202", "1203", "1204", "1205")
	})
}

// In mid-transaction: the users are written, the warehouses' table is locked.
func TestKilledInMidTransaction(t *testing.T) {
	t.Parallel()
	lock := map[string]struct{ lock, unlock, waiting string }{
		"postgres": {
			"BEGIN; LOCK TABLE warehouses IN SHARE MODE", "ROLLBACK",
			"SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'warehouses' AND NOT l.granted",
		},
		"mariadb": {
			"LOCK TABLES warehouses READ", "UNLOCK TABLES",
			"SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table metadata lock'",
		},
	}
	for name, sql := range lock {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, d, state := newUpstream(t), databases[name](t), t.TempDir()
			env := append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url)
			n := serve(t, state, env)
			n.awaitFirst()
			u.control(t, "PATCH", "/_sandbox/users/711", `{"first_name":"Changed"}`)
			u.control(t, "PATCH", "/_sandbox/warehouses/1201", `{"name":"Changed"}`)

			conn, err := d.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.ExecContext(t.Context(), sql.lock); err != nil {
				t.Fatal(err)
			}
			if status, body := do(t, "PATCH", n.url+"/api/syncast", ""); status != 200 {
				t.Fatalf("syncast: %d %s", status, body)
			}
			testwait.Until(t, "the sync waits in its transaction", func() bool { return d.column(t, sql.waiting)[0] != "0" })
			n.kill()
			if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), sql.unlock); err != nil {
				t.Fatal(err)
			}
			// The server of the database notices that its client is gone.
			testwait.Until(t, "the transaction is gone", func() bool { return d.column(t, sql.waiting)[0] == "0" })
			d.mustHave(t, "SELECT first_name FROM users", "Momoko")

			serve(t, state, env)
			testwait.Until(t, "the changes land", func() bool { return d.column(t, "SELECT first_name FROM users")[0] == "Changed" })
			d.mustHave(t, "SELECT name FROM warehouses WHERE id = 1201", "Changed")
			book := store(t, state)
			testwait.Until(t, "the ledger is closed", func() bool {
				return count(book.ledger(t), func(r run) bool { return r.status == "running" }) == 0
			})
			if n := count(book.ledger(t), func(r run) bool { return r.reason == "interrupted" }); n != 1 {
				t.Errorf("%d runs were cut off: %+v", n, book.ledger(t))
			}
		})
	}
}

// Killed again and again at any instant while upstream changes.
func TestKilledAtAnyInstant(t *testing.T) {
	t.Parallel()
	const rounds = 12
	for name, fresh := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, d, state := newUpstream(t), fresh(t), t.TempDir()
			env := append(u.env(), "INTERVAL_SCHEDULER_SECONDS=1", "WAREHOUSE_DATABASE_URL="+d.url)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			chance := rand.New(rand.NewPCG(seed, 0))
			for i := range rounds {
				u.control(t, "PUT", "/_sandbox/load", fmt.Sprintf(`{"warehouses":%d}`, 100+chance.IntN(400)))
				n := serve(t, state, env)
				go func() { // keeps it busy; the kill cuts it off
					for range 3 {
						doQuietly("PATCH", n.url+"/api/syncall")
					}
				}()
				timer := time.NewTimer(time.Duration(chance.IntN(400)) * time.Millisecond)
				select {
				case <-timer.C:
				case <-n.done:
					t.Fatalf("round %d: the server ended by itself", i)
				}
				n.kill()
			}
			u.control(t, "PUT", "/_sandbox/load", `{"warehouses":7}`)
			n := serve(t, state, env)
			n.mustSync(8)
			if got := d.column(t, links); len(got) != 7 {
				t.Errorf("links at the end: %q", got)
			}
			book := store(t, state)
			var runs []run // at an instant at which none is under way
			testwait.Until(t, "the ledger is closed", func() bool {
				runs = book.ledger(t)
				return count(runs, func(r run) bool { return r.status == "running" }) == 0
			})
			for _, r := range runs {
				if r.status != "success" && r.reason != "interrupted" {
					t.Errorf("untrue: %+v", r)
				}
			}
		})
	}
}

func TestStopHandsBackInTime(t *testing.T) {
	t.Parallel()
	u, d, state := newUpstream(t), sqliteDatabase(t), t.TempDir()
	env := append(u.env(), manual, "FERRYMAN_STOP_GRACE_SECONDS=2", "WAREHOUSE_DATABASE_URL="+d.url)
	release := u.hold(t, me)
	n := serve(t, state, env)
	u.awaitHeld(t, me)
	begun := time.Now()
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the stop took %v", took)
	}
	book := store(t, state)
	if runs := book.ledger(t); len(runs) != 1 || runs[0].status != "cancelled" || runs[0].reason != "handed_back" {
		t.Errorf("after the stop: %+v", runs)
	}
	release()
	serve(t, state, env)
	testwait.Until(t, "the run is taken up again", func() bool {
		runs := book.ledger(t)
		return len(runs) == 2 && runs[1].status == "success"
	})
}

func TestStopLetsARunFinish(t *testing.T) {
	t.Parallel()
	u, d, state := newUpstream(t), sqliteDatabase(t), t.TempDir()
	release := u.hold(t, me)
	n := serve(t, state, append(u.env(), manual, "WAREHOUSE_DATABASE_URL="+d.url))
	u.awaitHeld(t, me)
	stopped := make(chan int, 1)
	go func() {
		defer close(stopped)
		stopped <- n.stop()
	}()
	testwait.Until(t, "the server drains", func() bool { return doQuietly("GET", n.url+"/readyz") != 200 })
	release()
	if code, ok := <-stopped; !ok || code != 0 {
		t.Errorf("exit code %d", code)
	}
	if runs := store(t, state).ledger(t); len(runs) != 1 || runs[0].status != "success" {
		t.Errorf("%+v", runs)
	}
}

// timeout(1) and service managers may send a signal twice.
func TestASignalThatComesTwiceIsOne(t *testing.T) {
	t.Parallel()
	u, d, state := newUpstream(t), sqliteDatabase(t), t.TempDir()
	u.hold(t, me)
	n := serve(t, state, append(u.env(), manual, "FERRYMAN_STOP_GRACE_SECONDS=2", "WAREHOUSE_DATABASE_URL="+d.url))
	u.awaitHeld(t, me)
	for range 3 {
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	<-n.done
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if runs := store(t, state).ledger(t); len(runs) != 1 || runs[0].reason != "handed_back" {
		t.Errorf("%+v", runs)
	}
}
