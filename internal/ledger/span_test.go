package ledger_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// stay adds an execution of a cron that began and ended at these minutes of a
// clock; before it began: it runs.
func stay(t testing.TB, d *db.DB, cron ledger.Cron, status ledger.Status, began, ended int) {
	t.Helper()
	at := func(minute int) db.Time { return db.Time{Time: generated.Add(time.Duration(minute) * time.Minute)} }
	end := db.Time{}
	if status != ledger.Running {
		end = at(ended)
	}
	exec(t, d, `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at) VALUES ($1, $2, $3, 'http', '', $4, $5)`,
		cron.ID, cron.AppID, string(status), at(began), end)
}

// minutes says when executions began.
func minutes(all []ledger.Execution) (at []int) {
	for _, e := range all {
		at = append(at, int(e.StartedAt.Sub(generated).Minutes()))
	}
	return at
}

func TestStripsAreTheNewestOfEach(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		var ids []int64
		for i := range 30 {
			cron := create(t, l, app, fmt.Sprintf("job-%d", i), nil)
			ids = append(ids, cron.ID)
			for minute := range i {
				status := []ledger.Status{ledger.Success, ledger.Missed, ledger.Skipped, ledger.Running, ledger.Failed}[minute%5]
				stay(t, d, cron, status, minute, minute)
			}
		}
		got, err := l.Strips(t.Context(), ids[:20], 7)
		if err != nil || len(got) != 19 {
			t.Fatalf("%d strips, %v", len(got), err)
		}
		for i, id := range ids[:20] {
			var want []int
			for minute := max(i-7, 0); minute < i; minute++ {
				want = append(want, minute)
			}
			if !slices.Equal(minutes(got[id]), want) {
				t.Errorf("cron %d: %v, want %v", i, minutes(got[id]), want)
			}
		}
		if none, err := l.Strips(t.Context(), nil, 7); err != nil || len(none) != 0 {
			t.Errorf("of no crons: %v, %v", none, err)
		}
	})
}

// A span has what went on in it, by comparing each execution.
func TestASpanHasWhatWentOn(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l, rounds := ledger.New(d), 0
		rapid.Check(t, func(r *rapid.T) {
			rounds++
			app := addApp(t, d, fmt.Sprintf("app-%d", rounds))
			type run struct {
				cron         ledger.Cron
				began, ended int
			}
			crons := []ledger.Cron{create(t, l, app, "one", nil), create(t, l, app, "other", nil)}
			var runs []run // in the order in which they began, as ids are
			for range rapid.IntRange(0, 30).Draw(r, "runs") {
				at := run{cron: rapid.SampledFrom(crons).Draw(r, "cron"), began: rapid.IntRange(0, 300).Draw(r, "began")}
				at.ended = at.began + rapid.SampledFrom([]int{0, 1, 10, 200, -1}).Draw(r, "took")
				runs = append(runs, at)
			}
			slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.began, b.began) })
			exec(t, d, "DELETE FROM executions")
			for _, at := range runs {
				status := ledger.Success
				if at.ended < at.began {
					status = ledger.Running
				}
				stay(t, d, at.cron, status, at.began, at.ended)
			}
			since, until := rapid.IntRange(0, 300).Draw(r, "since"), rapid.IntRange(0, 310).Draw(r, "until")
			f := ledger.SpanFilter{
				App: app, Crons: []int64{crons[0].ID, crons[1].ID}, PerCron: rapid.IntRange(1, 20).Draw(r, "per cron"),
				Since: generated.Add(time.Duration(since) * time.Minute), Until: generated.Add(time.Duration(until) * time.Minute),
			}
			if rapid.Bool().Draw(r, "from the beginning") {
				since, f.Since = 0, time.Time{}
			}
			if rapid.Bool().Draw(r, "to the end") {
				until, f.Until = 1000, time.Time{}
			}
			got, err := l.Span(t.Context(), f)
			if err != nil {
				r.Fatal(err)
			}
			for _, cron := range crons {
				var want []int
				for _, at := range runs {
					if at.cron == cron && at.began < until && (at.ended < at.began || at.ended >= since) {
						want = append(want, at.began)
					}
				}
				want = want[max(len(want)-f.PerCron, 0):]
				if !slices.Equal(minutes(got[cron.ID]), want) {
					r.Fatalf("%d to %d: %v, want %v", since, until, minutes(got[cron.ID]), want)
				}
			}
			f.App++
			if others, err := l.Span(t.Context(), f); err != nil || len(others) != 0 {
				r.Fatalf("another application's: %v, %v", others, err)
			}
		})
	})
}

func TestNeighbours(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		one, other := create(t, l, app, "one", nil), create(t, l, app, "other", nil)
		for minute, status := range []ledger.Status{ledger.Failed, ledger.Success, ledger.Missed, ledger.Failed, ledger.Running} {
			stay(t, d, one, status, minute, minute)
			stay(t, d, other, ledger.Success, minute, minute)
		}
		strips, err := l.Strips(t.Context(), []int64{one.ID}, 10)
		if err != nil {
			t.Fatal(err)
		}
		e := strips[one.ID]
		for i, want := range []ledger.Neighbours{
			{Next: e[1].ID},
			{Previous: e[0].ID, Next: e[2].ID},
			{Previous: e[1].ID, Next: e[3].ID, LastSuccess: e[1].ID},
			{Previous: e[2].ID, Next: e[4].ID, LastSuccess: e[1].ID},
			{Previous: e[3].ID, LastSuccess: e[1].ID},
		} {
			if got, err := l.Neighbours(t.Context(), e[i].ID); err != nil || got != want {
				t.Errorf("of %d: %+v, %v, want %+v", i, got, err, want)
			}
		}
		if _, err := l.Neighbours(t.Context(), 7777); !errors.Is(err, ledger.ErrNoExecution) {
			t.Errorf("of none: %v", err)
		}
	})
}
