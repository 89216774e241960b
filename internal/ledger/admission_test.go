package ledger_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// Of 64 that start at once, as many are admitted as there are places, in every
// round, and each of the others is recorded.
func TestSixtyFourStartsAtOnce(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		for limit, rounds := range map[int64]int64{1: 100, 3: 5} {
			cron := create(t, l, 1, fmt.Sprintf("at-most-%d", limit), func(s *ledger.Settings) { s.MaxRunning = limit })
			const starts = 64
			for round := range rounds {
				var mu sync.Mutex
				var admitted []int64
				var wg sync.WaitGroup
				for range starts {
					wg.Go(func() {
						e, _, err := l.Start(ctx, ledger.Start{App: 1, Cron: ledger.Ref{Slug: cron.Slug}, Trigger: ledger.HTTP})
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == nil:
							admitted = append(admitted, e.ID)
						case !errors.Is(err, ledger.ErrRunning):
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if int64(len(admitted)) != limit {
					t.Fatalf("limit %d, round %d: %d admitted", limit, round, len(admitted))
				}
				for _, id := range admitted {
					if _, err := l.Report(ctx, 1, id, ledger.Report{Success: true, Type: ledger.Succeeded}); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := l.Cron(ctx, 1, ledger.Ref{ID: cron.ID})
			if err != nil || got.Runs != rounds*limit || got.Records != rounds*(starts-limit) {
				t.Errorf("limit %d: %d runs and %d refusals are kept, %v", limit, got.Runs, got.Records, err)
			}
		}
	})
}

// admission is a model of one cron's places, written from the rules alone.
type admission struct {
	limit     int64
	replace   bool
	deadline  time.Duration // 0: none
	heartbeat time.Duration
	running   []run // oldest first
	requests  map[string]int64
	ended     []int64 // not yet reported
}

type run struct {
	id           int64
	deadline     time.Time
	silentBefore time.Time
}

func (r run) lapsed(now time.Time) bool {
	return !r.deadline.IsZero() && r.deadline.Before(now) || !r.silentBefore.IsZero() && r.silentBefore.Before(now)
}

// Whatever is started, ended and kept silent about, in whatever order and time:
// never more run than may, and never is a start refused while there is a place.
func TestAdmissionIsNeitherOverNorUnder(t *testing.T) {
	c, ctx, checks := newClock(), t.Context(), 0
	d := dbtest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "ferryman.db"), db.Options{Clock: c.now, Synchronous: "NORMAL"})
	l := ledger.New(d)
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		m := admission{requests: map[string]int64{}}
		s := ledger.Settings{
			Active: true, MaxRunning: rapid.Int64Range(0, 3).Draw(rt, "max running"),
			Overlap:    rapid.SampledFrom([]ledger.Overlap{ledger.Allow, ledger.Forbid, ledger.Replace}).Draw(rt, "overlap"),
			MaxRuntime: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(rt, "max runtime"),
			Heartbeat:  rapid.SampledFrom([]time.Duration{0, 30 * time.Second}).Draw(rt, "heartbeat"),
		}
		cron, err := l.Create(ctx, 1, fmt.Sprintf("model-%d", checks), s)
		if err != nil {
			rt.Fatal(err)
		}
		m.limit, m.replace, m.deadline, m.heartbeat = s.MaxRunning, s.Overlap == ledger.Replace, s.MaxRuntime, s.Heartbeat
		if s.Overlap == ledger.Forbid || m.replace && m.limit == 0 {
			m.limit = 1
		}
		// Those that lapsed are ended when their place is wanted, or by the watcher,
		// which does not run here.
		dropLapsed := func() {
			var left []run
			for _, r := range m.running {
				if r.lapsed(c.now()) {
					m.ended = append(m.ended, r.id)
				} else {
					left = append(left, r)
				}
			}
			m.running = left
		}
		start := func(request string) {
			e, replayed, err := l.Start(ctx, ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP, Request: request})
			if id, known := m.requests[request]; known {
				if err != nil || !replayed || e.ID != id {
					rt.Fatalf("request %s again: %d, %v, %v, want %d", request, e.ID, replayed, err, id)
				}
				return
			}
			if m.limit > 0 && int64(len(m.running)) >= m.limit {
				dropLapsed()
			}
			full := m.limit > 0 && int64(len(m.running)) >= m.limit
			if full && m.replace {
				m.ended = append(m.ended, m.running[0].id)
				m.running = m.running[1:]
				full = false
			}
			if full {
				if !errors.Is(err, ledger.ErrRunning) {
					rt.Fatalf("%d of %d run, and the next start: %v", len(m.running), m.limit, err)
				}
				return
			}
			if err != nil || replayed {
				rt.Fatalf("%d of %d run, and the next start: %v, replayed %v", len(m.running), m.limit, err, replayed)
			}
			r := run{id: e.ID}
			if m.deadline > 0 {
				r.deadline = c.now().Add(m.deadline)
			}
			if m.heartbeat > 0 {
				r.silentBefore = c.now().Add(m.heartbeat)
			}
			m.running = append(m.running, r)
			if request != "" {
				m.requests[request] = e.ID
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"start":         func(*rapid.T) { start("") },
			"start request": func(rt *rapid.T) { start(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "request")) },
			"end": func(rt *rapid.T) {
				if len(m.running) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(m.running)-1).Draw(rt, "which")
				if _, err := l.Report(ctx, 1, m.running[i].id, ledger.Report{Success: rapid.Bool().Draw(rt, "success"), Type: ledger.Info}); err != nil {
					rt.Fatal(err)
				}
				m.running = append(m.running[:i:i], m.running[i+1:]...)
			},
			"end late": func(rt *rapid.T) {
				if len(m.ended) == 0 {
					rt.Skip()
				}
				r, err := l.Report(ctx, 1, m.ended[0], ledger.Report{Success: true, Type: ledger.Info})
				if err != nil || r.Replayed {
					rt.Fatalf("late end: %v, replayed %v", err, r.Replayed)
				}
				m.ended = m.ended[1:]
			},
			"say": func(rt *rapid.T) {
				if len(m.running) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(m.running)-1).Draw(rt, "which")
				if m.running[i].lapsed(c.now()) {
					rt.Skip()
				}
				if _, err := l.Say(ctx, 1, m.running[i].id, []ledger.Message{{Type: ledger.Info, Text: "alive"}}); err != nil {
					rt.Fatal(err)
				}
				if m.heartbeat > 0 {
					m.running[i].silentBefore = c.now().Add(m.heartbeat)
				}
			},
			"wait": func(rt *rapid.T) { c.add(time.Duration(rapid.IntRange(1, 50).Draw(rt, "seconds")) * time.Second) },
			"": func(rt *rapid.T) {
				var running int
				if err := d.QueryRow(ctx, "SELECT count(*) FROM executions WHERE ended_at IS NULL AND cron_id = $1", cron.ID).Scan(&running); err != nil {
					rt.Fatal(err)
				}
				if running != len(m.running) || m.limit > 0 && int64(running) > m.limit {
					rt.Fatalf("%d run, want %d of %d", running, len(m.running), m.limit)
				}
			},
		})
	})
}
