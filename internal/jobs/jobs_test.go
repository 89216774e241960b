package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/jobs"
	"ferryman/internal/testwait"
)

const queue = "work"

type greet struct {
	Name string `json:"name" river:"unique"`
	Note string `json:"note"`
}

func (greet) Kind() string { return "greet" }

func run(t *testing.T, test func(t *testing.T, d *db.DB)) {
	dbtest.Run(t, db.Options{}, test, jobs.Migrate)
}

func newEngine(t *testing.T, d *db.DB, node string, handler func(context.Context, jobs.Job[greet]) error) *jobs.Engine {
	t.Helper()
	e, err := jobs.New(d, jobs.Options{Node: node, Grace: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	jobs.Handle(e, handler)
	e.Queue(queue, 2)
	return e
}

func start(t *testing.T, e *jobs.Engine) {
	t.Helper()
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, e) })
}

func stop(t *testing.T, e *jobs.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testwait.Limit)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func enqueue(t *testing.T, d *db.DB, e *jobs.Engine, args jobs.Args) (added bool) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) (err error) {
		added, err = e.Enqueue(t.Context(), tx, queue, args)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestJobRunsOnceItsTransactionCommits(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		got := make(chan string, 10)
		e := newEngine(t, d, "n1", func(_ context.Context, j jobs.Job[greet]) error {
			got <- j.Args.Name
			return nil
		})
		start(t, e)
		undo := errors.New("undo")
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			if _, err := e.Enqueue(t.Context(), tx, queue, greet{Name: "never"}); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		enqueue(t, d, e, greet{Name: "Ada"})
		if name := testwait.Receive(t, got); name != "Ada" {
			t.Errorf("ran %s", name)
		}
	})
}

func TestEqualJobsAreOne(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		begun, goOn := make(chan string, 10), make(chan struct{})
		e := newEngine(t, d, "n1", func(_ context.Context, j jobs.Job[greet]) error {
			begun <- j.Args.Note
			<-goOn
			return nil
		})
		if !enqueue(t, d, e, greet{"Ada", "first"}) || enqueue(t, d, e, greet{"Ada", "second"}) {
			t.Error("a waiting job did not stand for its equal")
		}
		start(t, e)
		if note := testwait.Receive(t, begun); note != "first" {
			t.Errorf("ran %s", note)
		}
		if enqueue(t, d, e, greet{"Ada", "third"}) {
			t.Error("a running job did not stand for its equal")
		}
		if !enqueue(t, d, e, greet{"Grace", "other"}) {
			t.Error("a different job was taken for equal")
		}
		testwait.Receive(t, begun)
		close(goOn)
		testwait.Until(t, "the engine gets there", func() bool { return enqueue(t, d, e, greet{"Ada", "fourth"}) })
		if note := testwait.Receive(t, begun); note != "fourth" {
			t.Errorf("ran %s", note)
		}
	})
}

func TestLaterComesAgain(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		runs := make(chan int, 10)
		n := 0
		e := newEngine(t, d, "n1", func(context.Context, jobs.Job[greet]) error {
			n++
			runs <- n
			if n < 3 {
				return jobs.Later(10 * time.Millisecond)
			}
			return nil
		})
		start(t, e)
		enqueue(t, d, e, greet{Name: "Ada"})
		for want := 1; want <= 3; want++ {
			if got := testwait.Receive(t, runs); got != want {
				t.Fatalf("run %d, want %d", got, want)
			}
		}
	})
}

func TestCompleteIsPartOfTheHandlersTransaction(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		done := make(chan error, 1)
		e := newEngine(t, d, "n1", func(ctx context.Context, j jobs.Job[greet]) error {
			err := d.Tx(ctx, func(tx *db.Tx) error { return j.Complete(ctx, tx) })
			done <- err
			<-ctx.Done() // the process "dies" here: the job must count as done
			return ctx.Err()
		})
		start(t, e)
		enqueue(t, d, e, greet{Name: "Ada"})
		if err := testwait.Receive(t, done); err != nil {
			t.Fatal(err)
		}
		var state string
		if err := d.QueryRow(t.Context(), "SELECT state FROM river_job").Scan(&state); err != nil || state != "completed" {
			t.Errorf("job is %s, %v", state, err)
		}
	})
}

func TestStopHandsBackWhatDoesNotFinish(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		begun := make(chan string, 10)
		handler := func(ctx context.Context, _ jobs.Job[greet]) error {
			begun <- "first"
			<-ctx.Done()
			return ctx.Err()
		}
		first := newEngine(t, d, "n1", handler)
		start(t, first)
		enqueue(t, d, first, greet{Name: "Ada"})
		testwait.Receive(t, begun)
		stop(t, first)

		second := newEngine(t, d, "n2", func(context.Context, jobs.Job[greet]) error {
			begun <- "second"
			return nil
		})
		start(t, second)
		if by := testwait.Receive(t, begun); by != "second" {
			t.Errorf("ran by %s", by)
		}
	})
}

func TestWorkOfADeadNodeGoesOn(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		begun := make(chan struct{}, 1)
		e := newEngine(t, d, "n2", func(context.Context, jobs.Job[greet]) error {
			begun <- struct{}{}
			return nil
		})
		enqueue(t, d, e, greet{Name: "Ada"})
		attemptedBy := `'["n1"]'`
		if d.Dialect() == db.Postgres {
			attemptedBy = "ARRAY['n1']"
		}
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE river_job SET state = 'running', attempt = 1, attempted_by = "+attemptedBy)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		start(t, e)
		testwait.Receive(t, begun)
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("it took %v to take over", took)
		}
	})
}

func TestWorkOfALivingNodeIsLeftAlone(t *testing.T) {
	d := postgres(t)
	begun, goOn := make(chan string, 10), make(chan struct{})
	handler := func(node string) func(context.Context, jobs.Job[greet]) error {
		return func(context.Context, jobs.Job[greet]) error {
			begun <- node
			<-goOn
			return nil
		}
	}
	first, second := newEngine(t, d, "n1", handler("n1")), newEngine(t, d, "n2", handler("n2"))
	start(t, first)
	enqueue(t, d, first, greet{Name: "Ada"})
	testwait.Receive(t, begun)
	start(t, second)
	// The second node looks four times a second and takes over after one and a half:
	// three seconds of looking are more than a mistake would need.
	select {
	case node := <-begun:
		t.Errorf("%s took over a living node's job", node)
	case <-time.After(3 * time.Second):
	}
	close(goOn)
}

// A node whose connection breaks is back among the others, goes on with what is still
// its own, and ends what others have taken meanwhile.
func TestANodeRejoinsWhenItsConnectionBreaks(t *testing.T) {
	for name, taken := range map[string]string{
		"by another": "attempted_by = ARRAY['n2']",
		"by itself":  "attempt = attempt + 1", // it was handed back, and fetched here once more
	} {
		t.Run(name, func(t *testing.T) { rejoins(t, taken) })
	}
}

func rejoins(t *testing.T, taken string) {
	t.Helper()
	d := postgres(t)
	type end struct {
		name  string
		cause error
	}
	begun, over, ended := make(chan string, 2), make(chan struct{}), make(chan end, 2)
	e := newEngine(t, d, "n1", func(ctx context.Context, j jobs.Job[greet]) error {
		begun <- j.Args.Name
		select {
		case <-ctx.Done():
		case <-over:
		}
		ended <- end{j.Args.Name, context.Cause(ctx)}
		return nil
	})
	start(t, e)
	for _, name := range []string{"Ada", "Bob"} {
		enqueue(t, d, e, greet{Name: name})
		testwait.Receive(t, begun)
	}
	holder := func() int { return holderOf(t, d, "n1") }
	before := holder()
	if before == 0 {
		t.Fatal("the node holds no lock")
	}
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE river_job SET "+taken+" WHERE args->>'name' = 'Bob'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.QueryRow(t.Context(), "SELECT pg_terminate_backend($1)", before).Scan(new(bool)); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the engine gets there", func() bool { now := holder(); return now != 0 && now != before })
	if got := testwait.Receive(t, ended); got.name != "Bob" || !errors.Is(got.cause, jobs.ErrLost) {
		t.Errorf("%s ended by %v", got.name, got.cause)
	}
	close(over)
	if got := testwait.Receive(t, ended); got.name != "Ada" || got.cause != nil {
		t.Errorf("%s ended by %v", got.name, got.cause)
	}
}

// holderOf is the session that holds a node's lock.
func holderOf(t *testing.T, d *db.DB, node string) (pid int) {
	t.Helper()
	_ = d.QueryRow(t.Context(), `SELECT pid FROM pg_locks WHERE locktype = 'advisory'
		AND ((classid::bigint << 32) | objid::bigint) = hashtextextended('ferryman.node:' || $1, 0)`, node).Scan(&pid)
	return pid
}

// A node that cannot hand back what a dead one left shows that it lives all the same.
func TestHandingBackKeepsNoNodeSilent(t *testing.T) {
	d := postgres(t)
	begun := make(chan struct{}, 1)
	e := newEngine(t, d, "n2", func(context.Context, jobs.Job[greet]) error {
		begun <- struct{}{}
		return nil
	})
	enqueue(t, d, e, greet{Name: "Ada"})
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE river_job SET state = 'running', attempt = 1, attempted_by = ARRAY['n1']")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 0; SELECT id FROM river_job FOR UPDATE")
		if err != nil {
			return err
		}
		start(t, e)
		holder := holderOf(t, d, "n2")
		// How often it looked while it stood in line, each time that it did.
		looks := map[time.Time]map[time.Time]bool{}
		testwait.Until(t, "it looks while it stands in line", func() bool {
			var queued, looked time.Time
			err := d.QueryRow(t.Context(), `SELECT q.query_start, l.query_start FROM pg_stat_activity q, pg_stat_activity l
				WHERE q.datname = current_database() AND q.wait_event_type = 'Lock' AND l.pid = $1 ORDER BY q.query_start DESC LIMIT 1`, holder).Scan(&queued, &looked)
			if err != nil {
				return false
			}
			if looks[queued] == nil {
				looks[queued] = map[time.Time]bool{}
			}
			looks[queued][looked] = true
			return len(looks[queued]) >= 4
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	testwait.Receive(t, begun)
}

func TestNodeNamesAreUnique(t *testing.T) {
	d := postgres(t)
	nothing := func(context.Context, jobs.Job[greet]) error { return nil }
	start(t, newEngine(t, d, "n1", nothing))
	if err := newEngine(t, d, "n1", nothing).Start(t.Context()); err == nil {
		t.Error("two nodes of one name started")
	}
}

func TestATickFiresOnceHoweverManyNodes(t *testing.T) {
	d := postgres(t)
	var mu sync.Mutex
	fired := map[time.Time]int{}
	for i := range 3 {
		e := newEngine(t, d, fmt.Sprintf("n%d", i), func(context.Context, jobs.Job[greet]) error { return nil })
		e.Every(jobs.Schedule{Name: "often", Every: 50 * time.Millisecond, CatchUp: jobs.All,
			Fire: func(_ context.Context, _ *db.Tx, tick time.Time) error {
				mu.Lock()
				defer mu.Unlock()
				fired[tick]++
				return nil
			}})
		start(t, e)
	}
	testwait.Until(t, "the engine gets there", func() bool { mu.Lock(); defer mu.Unlock(); return len(fired) >= 30 })
	mu.Lock()
	defer mu.Unlock()
	for tick, n := range fired {
		if n != 1 {
			t.Errorf("the tick of %v fired %d times", tick, n)
		}
	}
}

func TestScheduleSurvivesAndFailedFireIsDueAgain(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		fired := make(chan time.Time, 100)
		fail := true
		schedule := jobs.Schedule{Name: "daily", Every: 24 * time.Hour, CatchUp: jobs.Once,
			Fire: func(_ context.Context, _ *db.Tx, tick time.Time) error {
				fired <- tick
				if fail {
					fail = false
					return errors.New("boom")
				}
				return nil
			}}
		nothing := func(context.Context, jobs.Job[greet]) error { return nil }
		e := newEngine(t, d, "n1", nothing)
		e.Every(schedule)
		start(t, e)
		first, again := testwait.Receive(t, fired), testwait.Receive(t, fired)
		if !first.Equal(again) {
			t.Errorf("fired for %v, then for %v", first, again)
		}
		next := func() (at db.Time) {
			if err := d.QueryRow(t.Context(), "SELECT next_run_at FROM schedules WHERE name = 'daily'").Scan(&at); err != nil {
				t.Fatal(err)
			}
			return at
		}
		testwait.Until(t, "the engine gets there", func() bool { return next().Equal(first.Add(24 * time.Hour)) })
		stop(t, e)

		schedule.Every = time.Hour
		e = newEngine(t, d, "n2", nothing)
		e.Every(schedule)
		before := d.Now()
		start(t, e)
		if at := next(); at.After(d.Now().Add(time.Hour)) || at.Before(before.Add(time.Hour)) {
			t.Errorf("after the interval became an hour, the next tick is at %v", at)
		}
	})
}

func TestSQLiteStoreIsServedByOneProcess(t *testing.T) {
	url := "sqlite://" + t.TempDir() + "/store.db"
	nothing := func(context.Context, jobs.Job[greet]) error { return nil }
	start(t, newEngine(t, dbtest.Open(t, url, db.Options{}, jobs.Migrate), "n1", nothing))
	err := newEngine(t, dbtest.Open(t, url, db.Options{}, jobs.Migrate), "n2", nothing).Start(t.Context())
	if !errors.Is(err, db.ErrServed) {
		t.Errorf("second engine: %v", err)
	}
}

func TestANewerEngineSchemaIsRefused(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO river_migration (line, version) VALUES ('main', 9000)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := jobs.Migrate(t.Context(), d); fault.CodeOf(err) != "schema_newer" {
			t.Errorf("migrate: %v", err)
		}
	})
}

func TestCompletingAJobThatOthersTookOverFails(t *testing.T) {
	for name, theft := range map[string]string{
		"handed back":   "UPDATE river_job SET state = 'available'",
		"fetched again": "UPDATE river_job SET attempt = attempt + 1",
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, d *db.DB) {
				done := make(chan error, 10)
				e := newEngine(t, d, "n1", func(ctx context.Context, j jobs.Job[greet]) error {
					err := d.Tx(ctx, func(tx *db.Tx) error {
						if _, err := tx.Exec(ctx, theft); err != nil {
							return err
						}
						return j.Complete(ctx, tx)
					})
					done <- err
					return nil
				})
				start(t, e)
				enqueue(t, d, e, greet{Name: "Ada"})
				if err := testwait.Receive(t, done); !errors.Is(err, jobs.ErrLost) {
					t.Errorf("completed: %v", err)
				}
			})
		})
	}
}
