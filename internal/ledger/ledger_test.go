package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// clock is a clock that tests move.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time            { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) add(d time.Duration)       { c.micros.Add(d.Microseconds()) }
func (c *clock) options() db.Options       { return db.Options{Clock: c.now, Synchronous: "NORMAL"} }
func micros(d time.Duration) time.Duration { return d.Truncate(time.Microsecond) }

func register(t *testing.T, l *ledger.Ledger, slug string, s ledger.Settings) ledger.Cron {
	t.Helper()
	s.Name = "Nightly"
	got, err := l.Register(t.Context(), slug, s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func switchOff(t *testing.T, d *db.DB, id int64) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE crons SET active = FALSE WHERE id = $1", id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, d *db.DB, l *ledger.Ledger, id int64, o ledger.Outcome) error {
	t.Helper()
	return d.Tx(t.Context(), func(tx *db.Tx) error { return l.End(t.Context(), tx, id, o) })
}

func TestExecutionFromStartToEnd(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := register(t, l, "nightly", ledger.Settings{MaxRunning: 1, MaxRuntime: time.Hour})
		started := c.now()
		e, replayed, err := l.StartOwn(ctx, cron.ID, ledger.Start{Trigger: ledger.Schedule, Holder: "n1", Lease: time.Minute})
		if err != nil || replayed {
			t.Fatal(err, replayed)
		}
		if e.Status != ledger.Running || !e.StartedAt.Equal(started) || e.Trigger != ledger.Schedule || e.Holder != "n1" ||
			!e.EndedAt.IsZero() || !e.LeaseUntil.Equal(started.Add(time.Minute)) || !e.DeadlineAt.Equal(started.Add(time.Hour)) {
			t.Fatalf("started as %+v", e)
		}
		if _, err := l.Say(ctx, 0, e.ID, []ledger.Message{{Type: ledger.Info, Text: "half\x00way \xff"}}); err != nil {
			t.Fatal(err)
		}
		c.add(61 * time.Second)
		outcome := ledger.Outcome{
			Status: ledger.Success, Counts: ledger.Counts{Read: 6, Written: 5, Deleted: 1, Rejected: 2},
			Result: json.RawMessage(`{"batches":1}`), Messages: []ledger.Message{{Type: ledger.Succeeded, Text: "done"}},
		}
		if err := end(t, d, l, e.ID, outcome); err != nil {
			t.Fatal(err)
		}
		if err := end(t, d, l, e.ID, ledger.Outcome{Status: ledger.Failed}); !errors.Is(err, ledger.ErrEnded) {
			t.Fatalf("second end: %v", err)
		}
		got, err := l.Recent(ctx, cron.ID, 10)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if g := got[0]; g.Status != ledger.Success || g.EndedAt.Sub(g.StartedAt) != micros(61*time.Second) ||
			g.Counts != outcome.Counts || string(g.Result) != `{"batches":1}` || g.Reason != "" {
			t.Errorf("ended as %+v", g)
		}
		messages, err := l.Messages(ctx, e.ID, 0, 10)
		if err != nil || len(messages) != 2 || messages[0].Text != "half\ufffdway \ufffd" || messages[1].Text != "done" {
			t.Errorf("messages %+v, %v", messages, err)
		}
		if next, err := l.Messages(ctx, e.ID, messages[0].ID, 10); err != nil || len(next) != 1 || next[0].Type != ledger.Succeeded {
			t.Errorf("messages after the first: %+v, %v", next, err)
		}
	})
}

func TestStartRefuses(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		off := register(t, l, "off", ledger.Settings{MaxRunning: 1})
		switchOff(t, d, off.ID)
		for id, want := range map[int64]error{9000: ledger.ErrNoCron, off.ID: ledger.ErrInactive} {
			if _, _, err := l.StartOwn(ctx, id, ledger.Start{Trigger: ledger.CLI}); !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", id, err, want)
			}
		}
		if _, _, err := l.Start(ctx, ledger.Start{Cron: ledger.Ref{ID: off.ID}}); !errors.Is(err, ledger.ErrOwn) {
			t.Errorf("an application's start of a sync: %v", err)
		}
		if _, err := l.Execution(ctx, 0, 77); !errors.Is(err, ledger.ErrNoExecution) {
			t.Error(err)
		}
	})
}

// Never more than the limit, and never fewer when more want to run.
func TestAdmissionUnderConcurrency(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		for _, limit := range []int64{1, 3, 0} {
			slug := fmt.Sprintf("limit-%d", limit)
			cron := register(t, l, slug, ledger.Settings{MaxRunning: limit})
			for round := range 5 {
				admitted := startMany(t, l, cron.ID, 32)
				want := int(limit)
				if limit == 0 {
					want = 32
				}
				if len(admitted) != want {
					t.Fatalf("%s, round %d: %d admitted, want %d", slug, round, len(admitted), want)
				}
				for _, id := range admitted {
					if err := end(t, d, l, id, ledger.Outcome{Status: ledger.Success}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

func startMany(t *testing.T, l *ledger.Ledger, cron int64, n int) (admitted []int64) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			e, _, err := l.StartOwn(t.Context(), cron, ledger.Start{Trigger: ledger.HTTP, Holder: "n"})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				admitted = append(admitted, e.ID)
			} else if !errors.Is(err, ledger.ErrRunning) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return admitted
}

func TestLeaseRunsOut(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := register(t, l, "s", ledger.Settings{MaxRunning: 1})
		start := func(request string) (ledger.Execution, bool, error) {
			return l.StartOwn(ctx, cron.ID, ledger.Start{Resume: true, Trigger: ledger.HTTP, Holder: "n1", Request: request, Lease: 3 * time.Second})
		}
		first, _, err := start("r")
		if err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Second)
		if err := l.Renew(ctx, first.ID, 3*time.Second); err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Second)
		if _, _, err := start("other"); !errors.Is(err, ledger.ErrRunning) {
			t.Fatalf("admitted beside a living holder: %v", err)
		}
		if e, replayed, err := start("r"); err != nil || !replayed || e.ID != first.ID {
			t.Fatalf("request asked again while it runs: %+v, %v, %v", e, replayed, err)
		}
		c.add(2 * time.Second)
		second, replayed, err := start("r")
		if err != nil || replayed || second.ID == first.ID || second.Attempt != 2 {
			t.Fatalf("request of a dead holder: %+v, %v, %v", second, replayed, err)
		}
		if err := l.Renew(ctx, first.ID, time.Second); !errors.Is(err, ledger.ErrEnded) {
			t.Fatalf("renewed after it was taken over: %v", err)
		}
		dead, err := l.Execution(ctx, 0, first.ID)
		if err != nil || dead.Status != ledger.Failed || !dead.CutOff() || dead.Detail != "its holder n1 stopped answering" {
			t.Errorf("dead execution: %+v, %v", dead, err)
		}
		if err := end(t, d, l, second.ID, ledger.Outcome{Status: ledger.Failed, Reason: "timeout"}); err != nil {
			t.Fatal(err)
		}
		if e, replayed, err := start("r"); err != nil || !replayed || e.ID != second.ID {
			t.Errorf("request asked again after its end: %+v, %v, %v", e, replayed, err)
		}
		byRequest, err := l.ByRequest(ctx, first.CronID, "r")
		if err != nil || byRequest.ID != second.ID {
			t.Errorf("by request: %+v, %v", byRequest, err)
		}
	})
}

func TestLastAdmittedHoldsAdmissionBack(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := register(t, l, "s", ledger.Settings{MaxRunning: 1})
		admitted := make(chan ledger.Execution, 1)
		err := d.Tx(ctx, func(tx *db.Tx) error {
			last, err := l.LastAdmitted(ctx, tx, cron.ID)
			if err != nil || last != 0 {
				return fmt.Errorf("last admitted %d, %w", last, err)
			}
			go func() {
				e, _, err := l.StartOwn(context.WithoutCancel(ctx), cron.ID, ledger.Start{Trigger: ledger.HTTP, Holder: "n"})
				if err != nil {
					t.Error(err)
				}
				admitted <- e
			}()
			select {
			case e := <-admitted:
				return fmt.Errorf("execution %d was admitted meanwhile", e.ID)
			case <-time.After(50 * time.Millisecond):
				return nil
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		e := <-admitted
		if got, err := l.Cron(ctx, 0, ledger.Ref{ID: cron.ID}); err != nil || got.LastExecution != e.ID {
			t.Errorf("last admitted %d, want %d, %v", got.LastExecution, e.ID, err)
		}
	})
}

func TestWorkThatKillsItsHoldersIsGivenUp(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		cron := register(t, l, "s", ledger.Settings{MaxRunning: 1})
		begun := 0
		for range 20 {
			_, replayed, err := l.StartOwn(t.Context(), cron.ID, ledger.Start{Resume: true, Trigger: ledger.Schedule, Holder: "n", Request: "r", Lease: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if !replayed {
				begun++
			}
			c.add(2 * time.Second)
		}
		if begun != 10 {
			t.Errorf("begun %d times", begun)
		}
	})
}
