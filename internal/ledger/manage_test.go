package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// addApp adds an application.
func addApp(t testing.TB, d *db.DB, name string) (id int64) {
	t.Helper()
	exec(t, d, "INSERT INTO applications (name, created_at) VALUES ($1, 0)", name)
	if err := d.QueryRow(t.Context(), "SELECT id FROM applications WHERE name = $1", name).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func exec(t testing.TB, d *db.DB, query string, args ...any) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// create adds a cron with the default settings, changed.
func create(t testing.TB, l *ledger.Ledger, app int64, slug string, change func(*ledger.Settings)) ledger.Cron {
	t.Helper()
	s := ledger.DefaultSettings()
	if change != nil {
		change(&s)
	}
	cron, err := l.Create(t.Context(), app, slug, s)
	if err != nil {
		t.Fatal(err)
	}
	return cron
}

func bySlug(slug string) ledger.Ref { return ledger.Ref{Slug: slug} }

// pointers are the values that an error says are wrong.
func pointers(err error) []string {
	var all []string
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.Unprocessable {
		for _, field := range f.Fields {
			all = append(all, field.Pointer)
		}
	}
	return all
}

func TestCreateAndRead(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		s := ledger.Settings{
			Name: " Nightly\u00a0import ", Active: true, Schedule: "30  3 * * mon-fri", Zone: "Europe/Berlin", Grace: 5 * time.Minute,
			MaxRunning: 3, Overlap: ledger.Replace, MaxRuntime: time.Hour, Heartbeat: time.Minute, FailAfter: 2, RecoverAfter: 3,
			EachFailure: true, EachSuccess: true, Muted: true, KeepRuns: 7, KeepFor: 48 * time.Hour,
		}
		made, err := l.Create(t.Context(), app, "nightly", s)
		if err != nil {
			t.Fatal(err)
		}
		read, err := l.Cron(t.Context(), app, bySlug("nightly"))
		if err != nil || read != made {
			t.Errorf("read %+v, %v\nmade %+v", read, err, made)
		}
		s.Name, s.Schedule = "Nightly\u00a0import", "30 3 * * MON-FRI"
		if made.Settings != s || made.Kind != ledger.External || made.App != "shop" {
			t.Errorf("settings %+v, want %+v", made.Settings, s)
		}
		// 2026-03-01 is a Sunday, and Berlin is an hour ahead.
		if want := time.Date(2026, 3, 2, 2, 30, 0, 0, time.UTC); !made.ExpectedAt.Equal(want) || !made.LateAt.Equal(want.Add(5*time.Minute)) {
			t.Errorf("expected at %v, late at %v", made.ExpectedAt, made.LateAt)
		}
		bare, err := l.Create(t.Context(), app, "bare", ledger.Settings{Active: true})
		want := ledger.DefaultSettings()
		want.Name, want.Grace = "bare", 0
		if err != nil || bare.Settings != want || !bare.ExpectedAt.IsZero() {
			t.Errorf("bare %+v, %v", bare.Settings, err)
		}
		if _, err := l.Create(t.Context(), app, "bare", s); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("a slug twice: %v", err)
		}
		if _, err := l.Create(t.Context(), addApp(t, d, "other"), "bare", s); err != nil {
			t.Errorf("a slug of another application: %v", err)
		}
		if _, err := l.Create(t.Context(), 99, "bare", s); !errors.Is(err, ledger.ErrNoApplication) {
			t.Errorf("an unknown application: %v", err)
		}
	})
}

func TestWrongSettingsAreToldAllAtOnce(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		all := ledger.Settings{
			Name: strings.Repeat("ä", 201), Schedule: "61 * * * *", Zone: "Berlin", Grace: 8 * 24 * time.Hour, MaxRunning: 1001, Overlap: "wait",
			MaxRuntime: time.Millisecond, Heartbeat: 25 * time.Hour, FailAfter: -1, RecoverAfter: 1001, KeepRuns: 10_000_001, KeepFor: time.Minute,
		}
		_, err := l.Create(t.Context(), app, "123", all)
		want := []string{
			"/slug", "/name", "/timezone", "/schedule", "/overlap", "/max_running", "/grace_seconds", "/max_runtime_seconds",
			"/heartbeat_seconds", "/fail_after", "/recover_after", "/keep_runs", "/keep_for_seconds",
		}
		if got := pointers(err); !slices.Equal(got, want) {
			t.Errorf("wrong are %v, want %v", got, want)
		}
		f, _ := errors.AsType[*fault.Error](err)
		for i, hint := range map[int]string{0: "digits alone are an id", 2: "Europe/Berlin", 3: "minute"} {
			if detail := f.Fields[i].Detail; !strings.Contains(detail, hint) {
				t.Errorf("%s: %q does not say %q", f.Fields[i].Pointer, detail, hint)
			}
		}
		for _, one := range []struct {
			pointer string
			change  func(*ledger.Settings)
		}{
			{"/name", func(s *ledger.Settings) { s.Name = "two\nlines" }},
			{"/grace_seconds", func(s *ledger.Settings) { s.Grace = -time.Second }},
			{"/grace_seconds", func(s *ledger.Settings) { s.Grace = 1500 * time.Millisecond }},
			{"/max_running", func(s *ledger.Settings) { s.MaxRunning = -1 }},
			{"/keep_for_seconds", func(s *ledger.Settings) { s.KeepFor = 40_000 * 24 * time.Hour }},
			{"/schedule", func(s *ledger.Settings) { s.Schedule = "every 0s" }},
		} {
			s := ledger.DefaultSettings()
			one.change(&s)
			if _, err := l.Create(t.Context(), app, "one", s); !slices.Equal(pointers(err), []string{one.pointer}) {
				t.Errorf("%v, want %s", err, one.pointer)
			}
		}
		for _, slug := range []string{"", "-x", "Big", "a b", "é", strings.Repeat("a", 101), "1_2"} {
			if _, err := l.Create(t.Context(), app, slug, ledger.DefaultSettings()); !slices.Equal(pointers(err), []string{"/slug"}) {
				t.Errorf("slug %q: %v", slug, err)
			}
		}
	})
}

func TestAnApplicationHasABoundedNumberOfCrons(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		exec(t, d, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
			INSERT INTO crons (application_id, slug, kind, name, created_at, updated_at) SELECT CAST($1 AS BIGINT), 'c' || i, 'external', '', 0, 0 FROM n`, app)
		last := create(t, l, app, "last", nil)
		if _, err := l.Create(t.Context(), app, "over", ledger.DefaultSettings()); fault.CodeOf(err) != "too_many_crons" {
			t.Errorf("one too many: %v", err)
		}
		if _, err := l.Create(t.Context(), app, "last", ledger.DefaultSettings()); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("one that is there: %v", err)
		}
		if _, err := l.Delete(t.Context(), app, ledger.Ref{ID: last.ID}); err != nil {
			t.Fatal(err)
		}
		create(t, l, app, "over", nil)
	})
}

func TestRename(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		one, two := create(t, l, app, "one", nil), create(t, l, app, "two", nil)
		rename := func(ref ledger.Ref, to string) error {
			_, err := l.Change(ctx, app, ref, func(slug *string, _ *ledger.Settings) { *slug = to })
			return err
		}
		who := func(slug string) int64 {
			c, err := l.Cron(ctx, app, bySlug(slug))
			if err != nil && !errors.Is(err, ledger.ErrNoCron) {
				t.Fatal(err)
			}
			return c.ID
		}
		check := func(want map[string]int64) {
			t.Helper()
			for slug, id := range want {
				if got := who(slug); got != id {
					t.Errorf("%s is cron %d, want %d", slug, got, id)
				}
			}
		}
		if err := rename(bySlug("one"), "two"); !errors.Is(err, ledger.ErrExists) {
			t.Fatal(err)
		}
		if err := rename(bySlug("one"), "1"); !slices.Equal(pointers(err), []string{"/slug"}) {
			t.Fatal(err)
		}
		if err := rename(bySlug("one"), "first"); err != nil {
			t.Fatal(err)
		}
		check(map[string]int64{"one": one.ID, "first": one.ID, "two": two.ID})
		if err := rename(bySlug("one"), "one"); err != nil { // found by its alias, which it takes back
			t.Fatal(err)
		}
		check(map[string]int64{"one": one.ID, "first": one.ID})
		if err := rename(bySlug("two"), "first"); err != nil { // an alias loses
			t.Fatal(err)
		}
		check(map[string]int64{"one": one.ID, "first": two.ID, "two": two.ID})
		three := create(t, l, app, "two", nil)
		check(map[string]int64{"two": three.ID})
		if _, err := l.Delete(ctx, app, bySlug("first")); err != nil {
			t.Fatal(err)
		}
		check(map[string]int64{"first": 0, "two": three.ID})
		if _, err := l.Change(ctx, addApp(t, d, "other"), ledger.Ref{ID: one.ID}, func(*string, *ledger.Settings) {}); !errors.Is(err, ledger.ErrNoCron) {
			t.Errorf("another application's cron: %v", err)
		}
	})
}

// Two crons that swap their slugs, and others that want them, never end up with one slug.
func TestRenamesAtTheSameTime(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		var refs []ledger.Ref
		for i := range 4 {
			refs = append(refs, ledger.Ref{ID: create(t, l, app, fmt.Sprintf("c%d", i), nil).ID})
		}
		var all sync.WaitGroup
		for i, ref := range refs {
			all.Go(func() {
				for n := range 20 {
					to := fmt.Sprintf("s%d", (i+n)%3)
					_, err := l.Change(t.Context(), app, ref, func(slug *string, _ *ledger.Settings) { *slug = to })
					if err != nil && !errors.Is(err, ledger.ErrExists) {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		var n int64
		if err := d.QueryRow(t.Context(), "SELECT count(DISTINCT slug) FROM crons WHERE application_id = $1", app).Scan(&n); err != nil || n != 4 {
			t.Error(n, err)
		}
	})
}

func TestChangesMoveWhatIsExpected(t *testing.T) {
	c := newClock() // 2026-03-01 12:00 UTC
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		ref := bySlug("job")
		create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = "0 * * * *" })
		at := func(hour, minute int) time.Time {
			return c.now().Truncate(24 * time.Hour).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
		}
		steps := []struct {
			name           string
			do             func() (ledger.Cron, error)
			expected, late time.Time
		}{
			{"grace", func() (ledger.Cron, error) {
				return l.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Grace = 10 * time.Minute })
			}, at(13, 0), at(13, 10)},
			{"schedule", func() (ledger.Cron, error) {
				return l.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Schedule = "30 * * * *" })
			}, at(12, 30), at(12, 40)},
			{"name", func() (ledger.Cron, error) {
				return l.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Name = "Job" })
			}, at(12, 30), at(12, 40)},
			{"pause until", func() (ledger.Cron, error) { return l.Pause(ctx, app, ref, at(15, 0)) }, at(15, 30), at(15, 40)},
			{"resume", func() (ledger.Cron, error) { return l.Resume(ctx, app, ref) }, at(12, 30), at(12, 40)},
			{"pause", func() (ledger.Cron, error) { return l.Pause(ctx, app, ref, time.Time{}) }, time.Time{}, time.Time{}},
			{"interval", func() (ledger.Cron, error) {
				return l.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Schedule = "every 2h" })
			}, time.Time{}, time.Time{}},
			{"resume", func() (ledger.Cron, error) { return l.Resume(ctx, app, ref) }, at(14, 0), at(14, 10)},
			{"zone", func() (ledger.Cron, error) {
				return l.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Schedule, s.Zone = "0 14 * * *", "Europe/Berlin" })
			}, at(13, 0), at(13, 10)},
			{"none", func() (ledger.Cron, error) {
				return l.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Schedule = "" })
			}, time.Time{}, time.Time{}},
		}
		for _, step := range steps {
			given, err := step.do()
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if !given.ExpectedAt.Equal(step.expected) || !given.LateAt.Equal(step.late) {
				t.Errorf("%s: expected at %v, late at %v", step.name, given.ExpectedAt, given.LateAt)
			}
			if read, err := l.Cron(ctx, app, ref); err != nil || read != given {
				t.Errorf("%s: gives %+v and stores %+v, %v", step.name, given, read, err)
			}
		}
		for _, until := range []time.Time{c.now(), c.now().AddDate(11, 0, 0)} {
			if _, err := l.Pause(ctx, app, ref, until); !slices.Equal(pointers(err), []string{"/until"}) {
				t.Errorf("pause until %v: %v", until, err)
			}
			if _, err := l.Snooze(ctx, app, ref, until); !slices.Equal(pointers(err), []string{"/until"}) {
				t.Errorf("snooze until %v: %v", until, err)
			}
		}
	})
}

func startOf(t testing.TB, l *ledger.Ledger, app int64, slug string) ledger.Execution {
	t.Helper()
	e, _, err := l.Start(t.Context(), ledger.Start{App: app, Cron: bySlug(slug), Trigger: ledger.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func report(t testing.TB, l *ledger.Ledger, app, id int64, success bool) {
	t.Helper()
	if _, err := l.Report(t.Context(), app, id, ledger.Report{Success: success, Type: ledger.Info}); err != nil {
		t.Fatal(err)
	}
}

func events(t testing.TB, l *ledger.Ledger, app int64) (all []string) {
	t.Helper()
	listed, err := l.Events(t.Context(), ledger.EventFilter{App: app, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(listed) {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s", e.Kind, e.Subject), " "))
	}
	return all
}

// waking are the events that are to be told after all, and when.
func waking(t testing.TB, d *db.DB) map[string]int64 {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT kind, suppressed_until FROM events WHERE suppressed_until IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	_, err = db.Collect(rows, func(r *db.Rows) (_ struct{}, err error) {
		var kind string
		var until int64
		err = r.Scan(&kind, &until)
		all[kind] = until
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUnmuteAndSnoozeTellWhatStands(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		mute := func(on bool) {
			if _, err := l.Change(ctx, app, bySlug("job"), func(_ *string, s *ledger.Settings) { s.Muted = on }); err != nil {
				t.Fatal(err)
			}
		}
		create(t, l, app, "job", func(s *ledger.Settings) { s.Muted = true })
		report(t, l, app, startOf(t, l, app, "job").ID, false)
		mute(true)
		if got := waking(t, d); len(got) != 0 {
			t.Errorf("while it is muted, %v wake", got)
		}
		mute(false)
		if got := waking(t, d); len(got) != 1 || got["failing"] != c.now().UnixMicro() {
			t.Errorf("%v wake, want failing", got)
		}
		exec(t, d, "DELETE FROM events")
		mute(true)
		report(t, l, app, startOf(t, l, app, "job").ID, true) // the trouble is over
		mute(false)
		if got := waking(t, d); len(got) != 0 {
			t.Errorf("after the trouble, %v wake", got)
		}

		hour := c.now().Add(time.Hour)
		if _, err := l.Snooze(ctx, app, bySlug("job"), hour); err != nil {
			t.Fatal(err)
		}
		report(t, l, app, startOf(t, l, app, "job").ID, false)
		if got := waking(t, d); got["failing"] != hour.UnixMicro() {
			t.Errorf("snoozed: %v", got)
		}
		if _, err := l.Snooze(ctx, app, bySlug("job"), hour.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := waking(t, d); got["failing"] != hour.Add(time.Hour).UnixMicro() {
			t.Errorf("snoozed for longer: %v", got)
		}
		if woken, err := l.Snooze(ctx, app, bySlug("job"), time.Time{}); err != nil || !woken.SnoozedUntil.IsZero() {
			t.Fatal(woken, err)
		}
		if got := waking(t, d); got["failing"] != c.now().UnixMicro() {
			t.Errorf("snoozed no longer: %v", got)
		}
	})
}

func TestTroublesEndWithTheirCause(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule = "every 1h" })
		exec(t, d, "UPDATE crons SET missed_since = $1, overdue_since = $1 WHERE id = $2", db.Time{Time: c.now()}, cron.ID)
		changed, err := l.Change(ctx, app, bySlug("job"), func(_ *string, s *ledger.Settings) { s.Schedule = "" })
		if err != nil || !changed.MissedSince.IsZero() || changed.OverdueSince.IsZero() {
			t.Error(changed, err)
		}
		running := startOf(t, l, app, "job")
		gone, err := l.Delete(ctx, app, bySlug("job"))
		if err != nil || gone.DeletedAt.IsZero() {
			t.Fatal(gone, err)
		}
		if got, want := events(t, l, app), []string{"recovered missed", "recovered overdue"}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		if _, err := l.Delete(ctx, app, ledger.Ref{ID: cron.ID}); !errors.Is(err, ledger.ErrNoCron) {
			t.Errorf("deleted twice: %v", err)
		}
		if _, _, err := l.Start(ctx, ledger.Start{App: app, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP}); !errors.Is(err, ledger.ErrNoCron) {
			t.Errorf("start after deletion: %v", err)
		}
		report(t, l, app, running.ID, true)
		if e, err := l.Listed(ctx, app, running.ID); err != nil || e.Status != ledger.Success || e.Slug != "job" || e.App != "shop" {
			t.Error(e, err)
		}
		create(t, l, app, "job", nil) // the slug is free
	})
}

func TestALimitCountsWhatRunsAlready(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		create(t, l, app, "job", nil)
		limit := func(n int64) {
			if _, err := l.Change(ctx, app, bySlug("job"), func(_ *string, s *ledger.Settings) { s.MaxRunning = n }); err != nil {
				t.Fatal(err)
			}
		}
		try := func() error {
			_, _, err := l.Start(ctx, ledger.Start{App: app, Cron: bySlug("job"), Trigger: ledger.HTTP})
			return err
		}
		first, second := startOf(t, l, app, "job"), startOf(t, l, app, "job")
		limit(2)
		if err := try(); !errors.Is(err, ledger.ErrRunning) {
			t.Fatalf("a third of two: %v", err)
		}
		limit(3)
		third := startOf(t, l, app, "job")
		report(t, l, app, first.ID, true)
		limit(2) // the second and the third hold what there is
		if err := try(); !errors.Is(err, ledger.ErrRunning) {
			t.Fatalf("a fourth of two: %v", err)
		}
		report(t, l, app, third.ID, true)
		if err := try(); err != nil {
			t.Fatal(err)
		}
		if n, err := l.ReleaseAll(ctx, app, bySlug("job"), "by hand"); n != 2 || err != nil {
			t.Errorf("released %d, %v", n, err)
		}
		if e, err := l.Execution(ctx, app, second.ID); err != nil || e.Status != ledger.Cancelled || e.Reason != ledger.ReasonReleased || e.Detail != "by hand" {
			t.Error(e, err)
		}
		if n, err := l.ReleaseAll(ctx, app, bySlug("job"), ""); n != 0 || err != nil {
			t.Errorf("released %d again, %v", n, err)
		}
	})
}

// A limit that is lower than what runs lets nobody in until less runs, or replaces
// as many as are too many.
func TestALoweredLimitIsKept(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx, app := ledger.New(d), t.Context(), addApp(t, d, "shop")
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.MaxRunning = 4 })
		change := func(edit func(*ledger.Settings)) {
			if _, err := l.Change(ctx, app, bySlug("job"), func(_ *string, s *ledger.Settings) { edit(s) }); err != nil {
				t.Fatal(err)
			}
		}
		first := startOf(t, l, app, "job")
		for range 3 {
			startOf(t, l, app, "job")
		}
		change(func(s *ledger.Settings) { s.MaxRunning = 2 })
		report(t, l, app, first.ID, true)
		if _, _, err := l.Start(ctx, ledger.Start{App: app, Cron: bySlug("job"), Trigger: ledger.HTTP}); !errors.Is(err, ledger.ErrRunning) {
			t.Errorf("a fourth of two: %v", err)
		}
		if r, err := l.Readiness(ctx, app, bySlug("job")); err != nil || r.Reason != ledger.AtLimit || r.Running != 3 {
			t.Errorf("%d run, %q, %v", r.Running, r.Reason, err)
		}
		change(func(s *ledger.Settings) { s.Overlap = ledger.Replace })
		startOf(t, l, app, "job")
		if got := kept(t, d, cron.ID); got != "2 running, 1 skipped, 1 success, 2 superseded" {
			t.Error(got)
		}
	})
}

func TestOwnSyncsAreWatchedAsPeopleWishAndRunAsConfigured(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		cron := register(t, l, "warehouses", ledger.Settings{MaxRunning: 1, MaxRuntime: time.Minute, Schedule: "every 10m"})
		ref := ledger.Ref{ID: cron.ID}
		for name, edit := range map[string]func(*string, *ledger.Settings){
			"slug":        func(slug *string, _ *ledger.Settings) { *slug = "other" },
			"name":        func(_ *string, s *ledger.Settings) { s.Name = "other" },
			"schedule":    func(_ *string, s *ledger.Settings) { s.Schedule = "" },
			"zone":        func(_ *string, s *ledger.Settings) { s.Zone = "Europe/Berlin" },
			"max_running": func(_ *string, s *ledger.Settings) { s.MaxRunning = 2 },
			"overlap":     func(_ *string, s *ledger.Settings) { s.Overlap = ledger.Replace },
			"max_runtime": func(_ *string, s *ledger.Settings) { s.MaxRuntime = 0 },
			"heartbeat":   func(_ *string, s *ledger.Settings) { s.Heartbeat = time.Minute },
		} {
			if _, err := l.Change(ctx, 0, ref, edit); !errors.Is(err, ledger.ErrOwn) || fault.KindOf(err) != fault.Conflict {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := l.Delete(ctx, 0, ref); !errors.Is(err, ledger.ErrOwn) {
			t.Errorf("delete: %v", err)
		}
		changed, err := l.Change(ctx, 0, ref, func(_ *string, s *ledger.Settings) {
			s.Grace, s.FailAfter, s.RecoverAfter, s.EachFailure, s.EachSuccess, s.Muted, s.KeepRuns, s.KeepFor = time.Hour, 3, 2, true, true, true, 5, time.Hour
		})
		if err != nil || changed.FailAfter != 3 || changed.KeepRuns != 5 || !changed.LateAt.Equal(changed.ExpectedAt.Add(time.Hour)) {
			t.Error(changed, err)
		}
		if _, err := l.Change(ctx, 0, ref, func(_ *string, s *ledger.Settings) { s.FailAfter = -1 }); !slices.Equal(pointers(err), []string{"/fail_after"}) {
			t.Error(err)
		}
		for _, do := range []func() (ledger.Cron, error){
			func() (ledger.Cron, error) { return l.Pause(ctx, 0, ref, time.Time{}) },
			func() (ledger.Cron, error) { return l.Resume(ctx, 0, ref) },
			func() (ledger.Cron, error) { return l.Snooze(ctx, 0, ref, d.Now().Add(time.Hour)) },
		} {
			if _, err := do(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Changes of a cron wait for each other: none is lost.
func TestChangesAtTheSameTime(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		create(t, l, app, "job", nil)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5 {
					_, err := l.Change(context.WithoutCancel(t.Context()), app, bySlug("job"), func(_ *string, s *ledger.Settings) { s.FailAfter++ })
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if cron, err := l.Cron(t.Context(), app, bySlug("job")); err != nil || cron.FailAfter != 41 {
			t.Error(cron.FailAfter, err)
		}
	})
}
