package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/schedule"
)

// model is how a cron must stand, worked out one expected start at a time.
type model struct {
	every    time.Duration // 0: an expression
	plan     schedule.Schedule
	grace    time.Duration
	limit    int
	expected time.Time
	running  []int64
	missed   []string
	events   []string
	late     bool
	failing  bool
}

func (m *model) next(t time.Time) time.Time { return m.plan.Next(t) }

// watch notes what is missed by now.
func (m *model) watch(now time.Time) {
	n, latest := 0, time.Time{}
	for !m.expected.Add(m.grace).After(now) {
		n++
		latest, m.expected = m.expected, m.next(m.expected)
	}
	if n == 0 || m.full() {
		return
	}
	m.missed = append(m.missed, fmt.Sprintf("%d %s", n, latest.Format(time.DateTime)))
	if !m.late {
		m.late = true
		m.events = append(m.events, "missed")
	}
}

func (m *model) full() bool { return m.limit > 0 && len(m.running) >= m.limit }

func (m *model) start(now time.Time) (admitted bool) {
	m.watch(now)
	early := min(m.grace, m.next(m.expected).Sub(m.expected)/10)
	from := now
	if m.every == 0 && !now.Before(m.expected.Add(-early)) && m.expected.After(now) {
		from = m.expected
	}
	m.expected = m.next(from)
	if m.late {
		m.late = false
		m.events = append(m.events, "recovered missed")
	}
	return !m.full()
}

func (m *model) end(success bool) {
	switch {
	case success && m.failing:
		m.events = append(m.events, "recovered failing")
	case !success && !m.failing:
		m.events = append(m.events, "failing")
	}
	m.failing = !success
}

// told are the events of a cron.
func told(t testing.TB, d *db.DB, cron int64) []string {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT trim(kind || ' ' || subject) FROM events WHERE cron_id = $1 ORDER BY id", cron)
	if err != nil {
		t.Fatal(err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (event string, err error) {
		err = r.Scan(&event)
		return event, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever happens in whatever order, each missed start is recorded once, and
// nothing recovers that was not in trouble.
func TestTheWatchKeepsToTheModel(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		apps := 0
		rapid.Check(t, func(r *rapid.T) {
			apps++
			app, l := addApp(t, d, fmt.Sprintf("app-%d", apps)), ledger.New(d)
			spec := rapid.SampledFrom([]string{"every 10m", "every 7s", "*/10 * * * *", "15 2 * * *", "0 9-17 * * MON-FRI"}).Draw(r, "schedule")
			m := &model{
				grace: time.Duration(rapid.SampledFrom([]int{0, 1, 60, 1000}).Draw(r, "grace")) * time.Second,
				limit: rapid.IntRange(0, 2).Draw(r, "limit"),
			}
			plan, err := schedule.Parse(spec, "Europe/Berlin")
			if err != nil {
				r.Fatal(err)
			}
			m.plan = plan
			m.every, _ = plan.Interval()
			cron := create(t, l, app, "job", func(s *ledger.Settings) {
				s.Schedule, s.Zone, s.Grace, s.MaxRunning = spec, "Europe/Berlin", m.grace, int64(m.limit)
			})
			m.expected = m.next(c.now())
			r.Repeat(map[string]func(*rapid.T){
				"time passes": func(r *rapid.T) {
					most := rapid.SampledFrom([]int{2, 60, 1200, 36_000, 90_000}).Draw(r, "at most")
					c.add(time.Duration(rapid.IntRange(1, most*1000).Draw(r, "ms")) * time.Millisecond)
				},
				"it is due exactly": func(*rapid.T) {
					if at := m.expected.Add(m.grace); at.After(c.now()) {
						c.set(at)
					}
				},
				"the clock goes back": func(r *rapid.T) {
					c.add(-time.Duration(rapid.IntRange(1, 5000).Draw(r, "ms")) * time.Millisecond)
				},
				"look": func(*rapid.T) {
					sweep(t, l)
					m.watch(c.now())
				},
				"restart": func(*rapid.T) { l = ledger.New(d) },
				"start": func(r *rapid.T) {
					e, _, err := l.Start(t.Context(), ledger.Start{App: app, Cron: bySlug("job"), Trigger: ledger.HTTP})
					if admitted := m.start(c.now()); admitted != (err == nil) {
						r.Fatalf("admitted: %v, want %v", err, admitted)
					}
					if err == nil {
						m.running = append(m.running, e.ID)
					}
				},
				"end": func(r *rapid.T) {
					if len(m.running) == 0 {
						r.Skip()
					}
					i := rapid.IntRange(0, len(m.running)-1).Draw(r, "which")
					success := rapid.Bool().Draw(r, "success")
					report(t, l, app, m.running[i], success)
					m.running = slices.Delete(m.running, i, i+1)
					m.end(success)
				},
				"": func(r *rapid.T) {
					if got := missed(t, d, cron.ID); !slices.Equal(got, m.missed) {
						r.Fatalf("missed %q, want %q", got, m.missed)
					}
					if got := told(t, d, cron.ID); !slices.Equal(got, m.events) {
						r.Fatalf("events %q, want %q", got, m.events)
					}
					if got := cronOf(t, l, cron.ID); !got.ExpectedAt.Equal(m.expected) || !got.LateAt.Equal(m.expected.Add(m.grace)) || got.MissedSince.IsZero() == m.late {
						r.Fatalf("stands as %+v, want %+v", got, m)
					}
				},
			})
			exec(t, d, "UPDATE crons SET expected_at = NULL, late_at = NULL WHERE id = $1", cron.ID)
		})
	})
}
