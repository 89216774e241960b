package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

var generated = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// generate fills a store with n executions of 200 crons of four applications, ten
// seconds apart. Most succeeded; the newest hundred run; the crons of app-3 never
// succeed; few were started at a terminal.
func generate(t testing.TB, d *db.DB, n int) {
	t.Helper()
	for app := range 4 {
		addApp(t, d, fmt.Sprintf("app-%d", app))
	}
	exec(t, d, numbers+`INSERT INTO crons (application_id, slug, kind, name, created_at, updated_at)
		SELECT (SELECT id FROM applications WHERE name = 'app-' || (i % 4)), 'cron-' || i, 'external', 'Cron ' || i, 0, 0 FROM n`, 0, 200)
	const chunk = 100_000
	for from := 0; from < n; from += chunk {
		exec(t, d, numbers+`
			INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at, overdue)
			SELECT c.id, c.application_id, status, CASE WHEN i % 50000 = 7 THEN 'cli' ELSE 'http' END, 'host-' || (i % 50),
				started, CASE WHEN status <> 'running' THEN started + 1000000 * (i % 600) END, status = 'timed_out'
			FROM (
				SELECT i, CAST($3 AS BIGINT) + i * 10000000 AS started, CASE
					WHEN i > CAST($4 AS BIGINT) THEN 'running' WHEN i % 4 = 3 THEN 'failed' WHEN i % 100 = 2 THEN 'timed_out'
					WHEN i % 1000 = 4 THEN 'missed' WHEN i % 50 = 5 THEN 'failed' ELSE 'success' END AS status
				FROM n
			) AS made JOIN crons c ON c.slug = 'cron-' || (made.i * 7 % 200) ORDER BY i`, from, min(from+chunk, n), generated.UnixMicro(), n-101)
	}
	exec(t, d, "UPDATE crons SET runs = $1, last_execution_id = coalesce((SELECT max(id) FROM executions WHERE cron_id = crons.id), 0) WHERE kind = 'external'", n/200)
	if d.Dialect() == db.Postgres {
		exec(t, d, "ANALYZE")
	}
}

const numbers = "WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < CAST($2 AS BIGINT)) "

// everything reads all executions of a filter, page by page.
func everything(t *testing.T, l *ledger.Ledger, f ledger.ExecutionFilter) (all []ledger.ListedExecution, pages int) {
	t.Helper()
	for {
		page, next, err := l.Executions(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > f.Limit {
			t.Fatalf("a page of %d", len(page))
		}
		all = append(all, page...)
		pages++
		if next == 0 {
			return all, pages
		}
		if f.Before != 0 && next >= f.Before {
			t.Fatalf("the page before %d is followed by that before %d", f.Before, next)
		}
		f.Before = next
	}
}

// chosen tells what a filter means.
func chosen(f ledger.ExecutionFilter, e ledger.ListedExecution) bool {
	return (f.App == 0 || e.AppID == f.App) && (f.Cron == 0 || e.CronID == f.Cron) &&
		(len(f.Statuses) == 0 || slices.Contains(f.Statuses, e.Status)) &&
		(f.Since.IsZero() || !e.StartedAt.Before(f.Since)) && (f.Until.IsZero() || e.StartedAt.Before(f.Until)) &&
		(f.Host == "" || e.Holder == f.Host) && (f.Trigger == "" || e.Trigger == f.Trigger) && (!f.Overdue || e.Overdue) &&
		(f.Before == 0 || e.ID < f.Before)
}

func TestExecutionsAreThoseOfTheFilter(t *testing.T) {
	const n = 11_000
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		generate(t, d, n)
		all, pages := everything(t, l, ledger.ExecutionFilter{Limit: 1000})
		if len(all) != n || pages != n/1000 {
			t.Fatalf("%d executions on %d pages", len(all), pages)
		}
		if !slices.IsSortedFunc(all, func(a, b ledger.ListedExecution) int { return int(b.ID - a.ID) }) {
			t.Fatal("not the newest first")
		}
		random := rand.New(rand.NewPCG(1, 2))
		at := func() time.Time { return all[random.IntN(n)].StartedAt }
		sometimes := func(do func()) {
			if random.IntN(3) == 0 {
				do()
			}
		}
		statuses := []ledger.Status{
			ledger.Running, ledger.Success, ledger.Failed, ledger.TimedOut, ledger.Cancelled, ledger.Superseded, ledger.Missed, ledger.Skipped,
		}
		for range 15 {
			f, one := ledger.ExecutionFilter{Limit: 1 + random.IntN(1000)}, all[random.IntN(n)]
			sometimes(func() { f.App = one.AppID })
			sometimes(func() { f.Cron = one.CronID })
			sometimes(func() { f.Statuses = append(f.Statuses, statuses[random.IntN(len(statuses))], one.Status) })
			sometimes(func() { f.Since = at() })
			sometimes(func() { f.Until = at() })
			sometimes(func() { f.Host = one.Holder })
			sometimes(func() { f.Trigger = ledger.CLI })
			sometimes(func() { f.Overdue = true })
			sometimes(func() { f.Before = one.ID })
			var want []ledger.ListedExecution
			for _, e := range all {
				if chosen(f, e) {
					want = append(want, e)
				}
			}
			f.Limit = max(f.Limit, len(want)/5) // or it takes long
			got, _ := everything(t, l, f)
			if !slices.EqualFunc(got, want, func(a, b ledger.ListedExecution) bool { return a.ID == b.ID && a.Slug == b.Slug && a.App == b.App }) {
				t.Errorf("%+v gives %d executions, want %d", f, len(got), len(want))
			}
		}
		rare, pages := everything(t, l, ledger.ExecutionFilter{Trigger: ledger.CLI, Limit: 100})
		if len(rare) != 1 || pages != 2 {
			t.Errorf("%d executions on %d pages: a search shall stop after 10,000 and go on", len(rare), pages)
		}
		if _, _, err := l.Executions(t.Context(), ledger.ExecutionFilter{Statuses: []ledger.Status{"late"}, Limit: 1}); fault.KindOf(err) != fault.Invalid {
			t.Error(err)
		}
		if _, err := l.Listed(t.Context(), all[0].AppID+1, all[0].ID); !errors.Is(err, ledger.ErrNoExecution) {
			t.Errorf("another application's execution: %v", err)
		}
	})
}

func slugs(t *testing.T, l *ledger.Ledger, f ledger.CronFilter) (all []string) {
	t.Helper()
	for {
		page, err := l.Crons(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			all = append(all, c.App+"/"+c.Slug)
		}
		if len(page) < f.Limit {
			return all
		}
		f.After = f.Next(page[len(page)-1])
	}
}

func TestCronsAreThoseOfTheFilter(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		// The slugs' order is the same by whatever collation.
		b, a := addApp(t, d, "b"), addApp(t, d, "a")
		for i := range 5 {
			create(t, l, a, fmt.Sprintf("x%d", i), nil)
			create(t, l, b, fmt.Sprintf("y%d", i), func(s *ledger.Settings) { s.Name, s.Active = fmt.Sprintf("100%% Of_%d", i), i > 0 })
		}
		register(t, l, "sync", ledger.Settings{})
		for _, one := range []struct {
			filter ledger.CronFilter
			want   string
		}{
			{ledger.CronFilter{}, "a/x0 a/x1 a/x2 a/x3 a/x4 b/y0 b/y1 b/y2 b/y3 b/y4 ferryman/sync"},
			{ledger.CronFilter{App: b}, "b/y0 b/y1 b/y2 b/y3 b/y4"},
			{ledger.CronFilter{Kind: ledger.Sync}, "ferryman/sync"},
			{ledger.CronFilter{States: []ledger.State{ledger.StateInactive}}, "b/y0"},
			{ledger.CronFilter{App: a, States: []ledger.State{ledger.StateNew}}, "a/x0 a/x1 a/x2 a/x3 a/x4"},
			{ledger.CronFilter{Search: "X3"}, "a/x3"},
			{ledger.CronFilter{Search: "% of_2"}, "b/y2"},
			{ledger.CronFilter{Search: "0%4"}, ""},
			{ledger.CronFilter{Search: `\`}, ""},
		} {
			for _, limit := range []int{1, 2, 3, 100} {
				one.filter.Limit = limit
				if got := strings.Join(slugs(t, l, one.filter), " "); got != one.want {
					t.Errorf("%+v gives %s, want %s", one.filter, got, one.want)
				}
			}
		}
	})
}

func TestStateOfACron(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		now, hour := db.Time{Time: c.now()}, db.Time{Time: c.now().Add(time.Hour)}
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = "every 1h" })
		check := func(want ledger.State) ledger.CronStatus {
			t.Helper()
			s, err := l.CronStatus(t.Context(), app, bySlug("job"))
			if err != nil || s.State != want {
				t.Errorf("state %s, want %s, %v", s.State, want, err)
			}
			listed, err := l.Crons(t.Context(), ledger.CronFilter{States: []ledger.State{want}, Limit: 10})
			if err != nil || len(listed) != 1 || listed[0].ID != cron.ID {
				t.Errorf("listed as %s: %v, %v", want, listed, err)
			}
			return s
		}
		if s := check(ledger.StateNew); s.Last != nil || s.Running != 0 || !s.LastSuccess.IsZero() {
			t.Errorf("before the first run: %+v", s)
		}
		first := startOf(t, l, app, "job")
		if s := check(ledger.StateRunning); s.Last == nil || s.Last.ID != first.ID || s.Running != 1 {
			t.Errorf("in the first run: %+v", s)
		}
		c.add(time.Second)
		report(t, l, app, first.ID, true)
		ended := c.now()
		if s := check(ledger.StateOK); !s.LastSuccess.Equal(ended) {
			t.Errorf("after the first run: %+v", s)
		}
		second := startOf(t, l, app, "job")
		if s := check(ledger.StateRunning); !s.LastSuccess.Equal(ended) || s.Last.ID != second.ID {
			t.Errorf("in the second run: %+v", s)
		}
		exec(t, d, "UPDATE crons SET expected_at = $1 WHERE id = $2", now, cron.ID)
		check(ledger.StateLate)
		report(t, l, app, second.ID, false)
		if s := check(ledger.StateFailing); !s.LastSuccess.Equal(ended) {
			t.Errorf("after a failure: %+v", s)
		}
		exec(t, d, "UPDATE crons SET overdue_since = $1 WHERE id = $2", now, cron.ID)
		check(ledger.StateOverdue)
		exec(t, d, "UPDATE crons SET missed_since = $1 WHERE id = $2", now, cron.ID)
		check(ledger.StateMissed)
		exec(t, d, "INSERT INTO maintenance_windows (application_id, cron_id, starts_at, ends_at, reason, created_at) VALUES (NULL, NULL, $1, $2, '', $1)", now, hour)
		check(ledger.StateMaintenance)
		exec(t, d, "UPDATE crons SET paused_until = $1 WHERE id = $2", hour, cron.ID)
		check(ledger.StatePaused)
		exec(t, d, "UPDATE crons SET active = FALSE WHERE id = $1", cron.ID)
		check(ledger.StateInactive)
		if len(ledger.States()) != 10 {
			t.Error("a state is missing from the list, or from this test")
		}
		if _, err := l.CronStatus(t.Context(), app, bySlug("other")); !errors.Is(err, ledger.ErrNoCron) {
			t.Error(err)
		}
	})
}

func TestNamed(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx, a, b := ledger.New(d), t.Context(), addApp(t, d, "a"), addApp(t, d, "b")
		one, two := create(t, l, a, "job", nil), create(t, l, b, "job", nil)
		ids := func(slug string) (ids []int64) {
			found, err := l.Named(ctx, slug)
			if err != nil && !errors.Is(err, ledger.ErrNoCron) {
				t.Fatal(err)
			}
			for _, c := range found {
				ids = append(ids, c.ID)
			}
			return ids
		}
		if got := ids("job"); !slices.Equal(got, []int64{one.ID, two.ID}) {
			t.Error(got)
		}
		for _, app := range []int64{a, b} {
			if _, err := l.Change(ctx, app, bySlug("job"), func(slug *string, _ *ledger.Settings) { *slug = fmt.Sprintf("new-%d", app) }); err != nil {
				t.Fatal(err)
			}
		}
		if got := ids("job"); !slices.Equal(got, []int64{one.ID, two.ID}) {
			t.Errorf("by what they were called: %v", got)
		}
		three := create(t, l, a, "job", nil)
		if got := ids("job"); !slices.Equal(got, []int64{three.ID}) {
			t.Error(got)
		}
		if got := ids("none"); got != nil {
			t.Error(got)
		}
	})
}

func TestEventsArePaged(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx, a, b := ledger.New(d), t.Context(), addApp(t, d, "a"), addApp(t, d, "b")
		for _, app := range []int64{a, b} {
			create(t, l, app, "job", func(s *ledger.Settings) { s.EachSuccess = true })
			for range 3 {
				e := startOf(t, l, app, "job")
				report(t, l, app, e.ID, true)
			}
		}
		ids := func(f ledger.EventFilter) (ids []int64) {
			all, err := l.Events(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				ids = append(ids, e.ID)
				if e.Kind != ledger.EventSucceeded || e.Execution == 0 || e.Slug != "job" || (e.App == "a") != (e.AppID == a) || e.At.IsZero() {
					t.Errorf("event %+v", e)
				}
			}
			return ids
		}
		for _, one := range []struct {
			filter ledger.EventFilter
			want   []int64
		}{
			{ledger.EventFilter{Limit: 4}, []int64{6, 5, 4, 3}},
			{ledger.EventFilter{Limit: 4, Before: 3}, []int64{2, 1}},
			{ledger.EventFilter{Limit: 2, After: 3}, []int64{4, 5}},
			{ledger.EventFilter{Limit: 4, App: a}, []int64{3, 2, 1}},
			{ledger.EventFilter{Limit: 4, Cron: 2, Kind: ledger.EventSucceeded}, []int64{6, 5, 4}},
			{ledger.EventFilter{Limit: 4, Kind: ledger.EventMissed}, nil},
		} {
			if got := ids(one.filter); !slices.Equal(got, one.want) {
				t.Errorf("%+v gives %v, want %v", one.filter, got, one.want)
			}
		}
	})
}

func TestMessagesOfAType(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		create(t, l, app, "job", nil)
		e := startOf(t, l, app, "job")
		_, err := l.Say(ctx, app, e.ID, []ledger.Message{
			{Type: ledger.Info, Text: "one"}, {Type: ledger.Warning, Text: "two"}, {Type: ledger.Error, Text: "three"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range []struct {
			types []ledger.MessageType
			want  string
		}{
			{nil, "one two three"}, {[]ledger.MessageType{ledger.Info}, "one"},
			{[]ledger.MessageType{ledger.Error, ledger.Warning}, "two three"}, {[]ledger.MessageType{ledger.Succeeded}, ""},
		} {
			all, err := l.Messages(ctx, e.ID, 0, 10, one.types...)
			var texts []string
			for _, m := range all {
				texts = append(texts, m.Text)
			}
			if got := strings.Join(texts, " "); got != one.want || err != nil {
				t.Errorf("%v: %q, want %q, %v", one.types, got, one.want, err)
			}
		}
	})
}
