package syncs_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// gate is a source that tests hold up: each read announces itself and waits for
// its outcome.
type gate struct {
	reads chan struct{}
	goOn  chan error
}

func newGate() *gate { return &gate{reads: make(chan struct{}, 100), goOn: make(chan error)} }

func (g *gate) Read(ctx context.Context, _ pipeline.Cursor) iter.Seq2[pipeline.Batch, error] {
	return func(yield func(pipeline.Batch, error) bool) {
		g.reads <- struct{}{}
		select {
		case err := <-g.goOn:
			table := &pipeline.Table{Name: "things"}
			yield(pipeline.Batch{Changes: []pipeline.Change{{Table: table, Rows: [][]any{{int64(1)}, {int64(2)}}}}}, err)
		case <-ctx.Done():
			yield(pipeline.Batch{}, fmt.Errorf("a driver's words: %w", ctx.Err()))
		}
	}
}

// counter is a sink that counts.
type counter struct{}

func (counter) Cursor(context.Context) (pipeline.Cursor, error) { return "", nil }

func (counter) Write(_ context.Context, b pipeline.Batch) (landed pipeline.Landed, _ error) {
	for _, c := range b.Changes {
		n := int64(len(c.Rows))
		landed = append(landed, pipeline.TableCount{Table: c.Table.Name, Read: n, Written: n - 1, Unchanged: 1})
	}
	return landed, nil
}

type node struct {
	*syncs.Syncer
	engine *jobs.Engine
	set    *syncs.Set
	ledger *ledger.Ledger
	ended  chan syncs.Run
}

// newNode makes a node of which the schedule does not disturb the tests: they
// wait for the tick that every new schedule starts with, or take it as the first
// run.
func newNode(t *testing.T, d *db.DB, name string, g *gate, maxRuntime time.Duration) *node {
	t.Helper()
	engine, err := jobs.New(d, jobs.Options{Node: name, Grace: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{engine: engine, ledger: ledger.New(d), ended: make(chan syncs.Run, 100)}
	n.set = syncs.NewSet(d, n.ledger, engine, syncs.Options{Ended: func(r syncs.Run) { n.ended <- r }})
	n.Syncer, err = n.set.Add(t.Context(), syncs.Sync{
		Slug: "things", Name: "Things", Every: 24 * time.Hour, MaxRuntime: maxRuntime, Source: g, Sink: counter{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// started gives a node at work, and the gate of its source.
func started(t *testing.T, d *db.DB) (*gate, *node) {
	t.Helper()
	g := newGate()
	n := newNode(t, d, "n1", g, time.Minute)
	n.start(t)
	return g, n
}

func (n *node) start(t *testing.T) {
	t.Helper()
	if err := n.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t) })
}

func (n *node) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	if err := n.engine.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, test func(t *testing.T, d *db.DB)) {
	dbtest.Run(t, db.Options{}, test, jobs.Migrate)
}

func (g *gate) pass(t *testing.T, err error) {
	t.Helper()
	select {
	case g.goOn <- err:
	case <-time.After(testwait.Limit):
		t.Fatal("nothing read in time")
	}
}

type called struct {
	run syncs.Run
	err error
}

func (n *node) call(t *testing.T) <-chan called {
	ch := make(chan called, 1)
	go func() {
		r, err := n.Call(t.Context())
		ch <- called{r, err}
	}()
	return ch
}

func TestScheduledAndCalledRunsAreInTheLedger(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		g.pass(t, nil) // a new schedule fires at once
		scheduled := testwait.Receive(t, n.ended)
		if !scheduled.OK() || scheduled.Trigger != "schedule" || scheduled.Report.Count("things").Read != 2 {
			t.Errorf("scheduled run %+v", scheduled)
		}
		ch := n.call(t)
		g.pass(t, &fault.Error{Kind: fault.Forbidden, Code: "no_entry", Detail: "the door is shut", Hint: "knock"})
		failed := testwait.Receive(t, ch)
		if failed.err != nil || failed.run.OK() || failed.run.Reason != "no_entry" || failed.run.Trigger != "http" {
			t.Errorf("failed run %+v, %v", failed.run, failed.err)
		}
		last, err := n.Last(t.Context(), 10)
		if err != nil || len(last) != 2 || last[0].Execution != scheduled.Execution || last[1].Execution != failed.run.Execution {
			t.Fatalf("last runs %+v, %v", last, err)
		}
		if last, err = n.Last(t.Context(), 1); err != nil || len(last) != 1 || last[0].Reason != "no_entry" {
			t.Errorf("last run %+v, %v", last, err)
		}
		e, err := n.ledger.Execution(t.Context(), 0, scheduled.Execution)
		if err != nil || e.Status != ledger.Success || e.Counts != (ledger.Counts{Read: 2, Written: 1}) {
			t.Errorf("ledger has %+v, %v", e, err)
		}
		messages, err := n.ledger.Messages(t.Context(), failed.run.Execution, 0, 10)
		if err != nil || len(messages) != 1 || messages[0].Type != ledger.Error || messages[0].Text != "the door is shut (knock)" {
			t.Errorf("messages %+v, %v", messages, err)
		}
	})
}

func TestRunsDoNotOverlapAndCastsCollapse(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		testwait.Receive(t, g.reads) // the first tick's run is under way
		for range 5 {
			if err := n.Cast(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		first, second := n.call(t), n.call(t)
		const runs = 4
		for left := runs; left > 0; left-- { // the tick, the casts, and the two calls
			select {
			case <-g.reads:
				t.Fatal("a run began while another was under way")
			default:
			}
			g.pass(t, nil)
			testwait.Receive(t, n.ended)
			if len(n.ended) > 0 {
				t.Fatal("two runs ended at a time")
			}
			if left > 1 {
				testwait.Receive(t, g.reads)
			}
		}
		a, b := testwait.Receive(t, first), testwait.Receive(t, second)
		if a.err != nil || b.err != nil || a.run.Execution == b.run.Execution {
			t.Errorf("callers got %+v and %+v", a, b)
		}
		last, err := n.Last(t.Context(), 10)
		if err != nil || len(last) != runs {
			t.Fatalf("%d runs, %v", len(last), err)
		}
		for i := 1; i < len(last); i++ {
			if last[i].StartedAt.Before(last[i-1].EndedAt) {
				t.Errorf("run %d overlaps the one before it", i)
			}
		}
	})
}

func TestStopHandsTheRunToTheNextStart(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g := newGate()
		first := newNode(t, d, "n1", g, time.Minute)
		first.start(t)
		testwait.Receive(t, g.reads)
		waiting := first.call(t)
		first.stop(t)
		first.set.Close()
		if c := testwait.Receive(t, waiting); fault.CodeOf(c.err) != "stopping" {
			t.Errorf("a caller at the stop got %+v, %v", c.run, c.err)
		}
		second := newNode(t, d, "n2", g, time.Minute)
		second.start(t)
		go func() {
			for {
				select {
				case g.goOn <- nil:
				case <-t.Context().Done():
					return
				}
			}
		}()
		// The caller's run may come first, and then answers the tick as well.
		testwait.Until(t, "all jobs are done", func() bool {
			var open int
			err := d.QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE state <> 'completed'").Scan(&open)
			return err == nil && open == 0
		})
		last, err := second.Last(t.Context(), 10)
		if err != nil || len(last) < 2 || last[0].Reason != ledger.ReasonHandedBack {
			t.Fatalf("%+v, %v", last, err)
		}
		byTrigger := map[string]int{}
		for _, r := range last[1:] {
			if !r.OK() {
				t.Errorf("ledger tells %+v", r)
			}
			byTrigger[r.Trigger]++
		}
		if byTrigger["http"] != 1 || byTrigger["schedule"] > 1 {
			t.Errorf("after the stop ran %v", byTrigger)
		}
	})
}

func TestStopHandsBackToAnotherAttempt(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g := newGate()
		first := newNode(t, d, "n1", g, time.Minute)
		first.start(t)
		testwait.Receive(t, g.reads)
		first.stop(t)
		second := newNode(t, d, "n2", g, time.Minute)
		second.start(t)
		g.pass(t, nil)
		r := testwait.Receive(t, second.ended)
		e, err := second.ledger.Execution(t.Context(), 0, r.Execution)
		if err != nil || e.Attempt != 2 || e.Holder != "n2" || e.Status != ledger.Success {
			t.Errorf("taken up as %+v, %v", e, err)
		}
	})
}

// A source may fail with an error that looks like a cancellation.
func TestACancelledCallWithinTheSourceIsAFailure(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		g.pass(t, nil)
		testwait.Receive(t, n.ended)
		ch := n.call(t)
		g.pass(t, fmt.Errorf("call: %w", context.Canceled))
		if c := testwait.Receive(t, ch); c.err != nil || c.run.Reason != "canceled" {
			t.Errorf("%+v, %v", c.run, c.err)
		}
	})
}

func TestARunThatTakesTooLongTimesOut(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g := newGate()
		n := newNode(t, d, "n1", g, 100*time.Millisecond)
		n.start(t)
		r := testwait.Receive(t, n.ended)
		e, err := n.ledger.Execution(t.Context(), 0, r.Execution)
		if err != nil || e.Status != ledger.TimedOut || e.Reason != "timeout" || e.Detail != "the sync took longer than it may" {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

func TestALostLeaseEndsTheRun(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		testwait.Receive(t, g.reads)
		// Another hand ends the execution, as a takeover would.
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE executions SET status = 'failed', reason = 'interrupted', ended_at = $1", db.Time{Time: tx.Now()})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		testwait.Receive(t, g.reads) // the run noticed, and its request has another attempt
		g.pass(t, nil)
		if r := testwait.Receive(t, n.ended); !r.OK() {
			t.Errorf("%+v", r)
		}
	})
}

// A renewal by a connection that was cut off without a word is never answered: another one
// comes in time.
func TestALeaseOutlivesASilentCut(t *testing.T) {
	url := testdb.Postgres(t)
	witness := dbtest.Open(t, url, db.Options{}, jobs.Migrate)
	line := dbtest.OpenLine(t, url)
	d := dbtest.Open(t, line.URL, db.Options{}, jobs.Migrate)
	set, g := syncs.NewSet(d, ledger.New(d), nil, syncs.Options{}), newGate()
	s, err := set.Add(t.Context(), syncs.Sync{Slug: "things", Name: "Things", Manual: true, MaxRuntime: time.Minute, Source: g, Sink: counter{}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan called, 1)
	go func() {
		r, err := s.RunNow(t.Context(), "here", nil, nil)
		ended <- called{r, err}
	}()
	testwait.Receive(t, g.reads)
	lease := func() (until db.Time) {
		if err := witness.QueryRow(t.Context(), "SELECT lease_until FROM executions").Scan(&until); err != nil {
			t.Fatal(err)
		}
		return until
	}
	first := lease()
	line.Forget()
	testwait.Until(t, "the lease is renewed after it would have ended", func() bool {
		return witness.Now().After(first.Time) && lease().After(witness.Now())
	})
	g.pass(t, nil)
	if c := testwait.Receive(t, ended); c.err != nil || !c.run.OK() {
		t.Errorf("%+v, %v", c.run, c.err)
	}
}

func switchOff(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE crons SET active = FALSE WHERE slug = 'things'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnInactiveCronDoesNotRun(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g := newGate()
		n := newNode(t, d, "n1", g, time.Minute)
		switchOff(t, d)
		n.start(t)
		if _, err := n.Call(t.Context()); !errors.Is(err, ledger.ErrInactive) {
			t.Errorf("call: %v", err)
		}
		if err := n.Cast(t.Context()); !errors.Is(err, ledger.ErrInactive) {
			t.Errorf("cast: %v", err)
		}
	})
}

func TestRunNowWaitsForItsTurn(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g := newGate()
		server := newNode(t, d, "n1", g, time.Minute)
		server.start(t)
		testwait.Receive(t, g.reads)

		l := ledger.New(d)
		set := syncs.NewSet(d, l, nil, syncs.Options{})
		cli, err := set.Add(t.Context(), syncs.Sync{Slug: "things", Name: "Things", MaxRuntime: time.Minute, Source: g, Sink: counter{}})
		if err != nil {
			t.Fatal(err)
		}
		waiting, done := make(chan struct{}), make(chan called, 1)
		go func() {
			r, err := cli.RunNow(t.Context(), "cli", func() { close(waiting) }, nil)
			done <- called{r, err}
		}()
		testwait.Receive(t, waiting)
		g.pass(t, nil)
		g.pass(t, nil)
		c := testwait.Receive(t, done)
		if c.err != nil || !c.run.OK() || c.run.Trigger != "cli" {
			t.Errorf("%+v, %v", c.run, c.err)
		}
	})
}

// broken is a source with a mistake.
type broken struct{}

func (broken) Read(context.Context, pipeline.Cursor) iter.Seq2[pipeline.Batch, error] {
	return func(func(pipeline.Batch, error) bool) { panic("a mistake") }
}

func TestAPanicFailsTheRunAndNothingElse(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/store.db", db.Options{}, jobs.Migrate)
	set := syncs.NewSet(d, ledger.New(d), nil, syncs.Options{})
	s, err := set.Add(t.Context(), syncs.Sync{Slug: "broken", Name: "Broken", Source: broken{}, Sink: counter{}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.RunNow(t.Context(), "cli", nil, nil)
	if err != nil || r.Reason != "internal" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAWaiterLearnsThatTheCronWasSwitchedOff(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		testwait.Receive(t, g.reads)
		waiting := n.call(t) // behind the first run
		switchOff(t, d)
		if c := testwait.Receive(t, waiting); !errors.Is(c.err, ledger.ErrInactive) {
			t.Errorf("%+v, %v", c.run, c.err)
		}
		g.pass(t, nil)
	})
}

func TestACallerWhoLeavesAtOnceHasAsked(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		g.pass(t, nil)
		testwait.Receive(t, n.ended)
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := n.Call(gone); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
		g.pass(t, nil)
		if r := testwait.Receive(t, n.ended); !r.OK() || r.Trigger != "http" {
			t.Errorf("%+v", r)
		}
	})
}

func TestTheSetKnowsAllItsSyncs(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		g, n := started(t, d)
		g.pass(t, nil) // the first tick
		<-n.ended
		if err := n.set.Cast(t.Context(), "nothing"); !errors.Is(err, syncs.ErrUnknown) {
			t.Errorf("a sync that is not: %v", err)
		}
		if err := n.set.Cast(t.Context(), "things"); err != nil {
			t.Fatal(err)
		}
		g.pass(t, nil)
		asked := <-n.ended
		last, err := n.set.Last(t.Context(), 1)
		if err != nil || len(last) != 1 || last[0].Execution != asked.Execution || last[0].Trigger != string(ledger.HTTP) {
			t.Errorf("last %+v, %v; want the execution %d", last, err, asked.Execution)
		}
	})
}

// refuser is a sink that rejects all rows.
type refuser struct{ counter }

func (refuser) Write(context.Context, pipeline.Batch) (pipeline.Landed, error) {
	return pipeline.Landed{{Table: "things", Read: 2, Rejected: 2}}, nil
}

// Whoever reads that rows were rejected is told where they are.
func TestRejectedRowsAreToldOfWhereTheyAre(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		set := syncs.NewSet(d, l, nil, syncs.Options{})
		for slug, letters := range map[string]string{"table": "", "elsewhere": "ferryman outbox list"} {
			g := newGate()
			sync, err := set.Add(t.Context(), syncs.Sync{Slug: slug, Name: slug, Manual: true, Source: g, Sink: refuser{}, Letters: letters})
			if err != nil {
				t.Fatal(err)
			}
			go func() { g.goOn <- nil }()
			r, err := sync.RunNow(t.Context(), "n1", nil, nil)
			if err != nil || !r.OK() {
				t.Fatal(r, err)
			}
			messages, err := l.Messages(t.Context(), r.Execution, 0, 10)
			want := "things: 2 read, 0 written, 0 unchanged, 0 deleted, 2 rejected: see " + cmp.Or(letters, "ferryman_dead_letters in the target")
			if err != nil || len(messages) != 1 || messages[0].Text != want {
				t.Errorf("told %+v, %v", messages, err)
			}
		}
		last, err := set.Last(t.Context(), 10)
		if err != nil || len(last) != 2 || last[0].Sync == last[1].Sync || last[0].Execution > last[1].Execution {
			t.Errorf("last %+v, %v", last, err)
		}
	})
}
