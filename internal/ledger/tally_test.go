package ledger_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// counted is what the executions of the store come to: by application or cron, and
// by hour.
type counted map[[2]int64]ledger.Tally

// recount counts the executions that are there, one by one.
func recount(t testing.TB, d *db.DB) (crons, apps counted) {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT cron_id, application_id, status, started_at, ended_at FROM executions WHERE ended_at IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	crons, apps = counted{}, counted{}
	_, err = db.Collect(rows, func(r *db.Rows) (struct{}, error) {
		var cron, app int64
		var status ledger.Status
		var started, ended time.Time
		err := r.Scan(&cron, &app, &status, db.ScanTime(&started), db.ScanTime(&ended))
		var one ledger.Tally
		switch status {
		case ledger.Success:
			one = ledger.Tally{Success: 1, Took: max(ended.Sub(started), 0)}
		case ledger.Failed:
			one = ledger.Tally{Failed: 1, Took: max(ended.Sub(started), 0)}
		case ledger.TimedOut:
			one = ledger.Tally{TimedOut: 1}
		case ledger.Cancelled, ledger.Superseded:
			one = ledger.Tally{Cancelled: 1}
		case ledger.Missed:
			one = ledger.Tally{Missed: 1}
		case ledger.Skipped:
			one = ledger.Tally{Skipped: 1}
		default:
			t.Errorf("%s has an end", status)
		}
		hour := ended.Truncate(time.Hour).Unix()
		crons[[2]int64{cron, hour}] = sum(crons[[2]int64{cron, hour}], one)
		apps[[2]int64{app, hour}] = sum(apps[[2]int64{app, hour}], one)
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return crons, apps
}

func sum(a, b ledger.Tally) ledger.Tally {
	return ledger.Tally{
		Success: a.Success + b.Success, Failed: a.Failed + b.Failed, TimedOut: a.TimedOut + b.TimedOut, Cancelled: a.Cancelled + b.Cancelled,
		Missed: a.Missed + b.Missed, Skipped: a.Skipped + b.Skipped, Took: a.Took + b.Took,
	}
}

// of gives what is counted of one cron or application, by hour.
func (c counted) of(id int64) map[int64]ledger.Tally {
	hours := map[int64]ledger.Tally{}
	for key, tally := range c {
		if key[0] == id {
			hours[key[1]] = tally
		}
	}
	return hours
}

func hours(t testing.TB, l *ledger.Ledger, f ledger.HourFilter) map[int64]ledger.Tally {
	t.Helper()
	all, err := l.Hours(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]ledger.Tally{}
	for i, h := range all {
		if i > 0 && !all[i-1].At.Before(h.At) {
			t.Errorf("%s comes after %s", h.At, all[i-1].At)
		}
		got[h.At.Unix()] = h.Tally
	}
	return got
}

// miscounted compares what is kept of crons and their applications with a recount.
func miscounted(t testing.TB, d *db.DB, l *ledger.Ledger, crons []ledger.Cron) (wrong []string) {
	t.Helper()
	byCron, byApp := recount(t, d)
	differ := func(what string, got, want map[int64]ledger.Tally) {
		if !maps.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s: %+v, want %+v", what, got, want))
		}
	}
	var ids []int64
	want := map[int64]ledger.Tally{}
	for _, c := range crons {
		ids = append(ids, c.ID)
		differ("hours of cron "+c.Slug, hours(t, l, ledger.HourFilter{Cron: c.ID}), byCron.of(c.ID))
		differ("hours of the application", hours(t, l, ledger.HourFilter{App: c.AppID}), byApp.of(c.AppID))
		for _, tally := range byCron.of(c.ID) {
			want[c.ID] = sum(want[c.ID], tally)
		}
	}
	tallies, err := l.Tallies(t.Context(), ids, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	differ("tallies", tallies, want)
	return wrong
}

// Whatever happens, on whichever node, the hours are what a recount comes to.
func TestHoursAreARecount(t *testing.T) {
	c := newClock()
	dbtest.URLs(t, func(t *testing.T, url string) {
		d := dbtest.Open(t, url, c.options())
		nodes := []*ledger.Ledger{ledger.New(d), ledger.New(dbtest.Open(t, url, c.options()))}
		apps := 0
		rapid.Check(t, func(r *rapid.T) {
			apps++
			app := addApp(t, d, fmt.Sprintf("app-%d", apps))
			crons := []ledger.Cron{
				create(t, nodes[0], app, "one", func(s *ledger.Settings) { s.Overlap, s.MaxRuntime, s.Schedule = ledger.Forbid, time.Hour, "every 50m" }),
				create(t, nodes[0], app, "replaced", func(s *ledger.Settings) { s.Overlap = ledger.Replace }),
				create(t, nodes[0], app, "silent", func(s *ledger.Settings) { s.Heartbeat, s.MaxRunning = 10*time.Minute, 2 }),
			}
			var begun []int64
			node := func(r *rapid.T) *ledger.Ledger { return nodes[rapid.IntRange(0, 1).Draw(r, "node")] }
			some := func(r *rapid.T) int64 {
				if len(begun) == 0 {
					r.Skip()
				}
				return begun[rapid.IntRange(max(0, len(begun)-5), len(begun)-1).Draw(r, "which")]
			}
			ago := func(r *rapid.T) time.Time {
				return c.now().Add(-time.Duration(rapid.IntRange(0, 200).Draw(r, "minutes ago")) * time.Minute)
			}
			fine := func(err error) {
				if kind := fault.KindOf(err); err != nil && kind != fault.Conflict && kind != fault.Inactive {
					r.Fatal(err)
				}
			}
			start := func(r *rapid.T, s ledger.Start) {
				s.App, s.Trigger = app, ledger.HTTP
				s.Cron.Slug = rapid.SampledFrom([]string{"one", "replaced", "silent"}).Draw(r, "cron")
				e, _, err := node(r).Start(t.Context(), s)
				if fine(err); err == nil {
					begun = append(begun, e.ID)
				}
			}
			end := func(r *rapid.T, report ledger.Report) {
				report.Success = rapid.Bool().Draw(r, "success")
				report.Type = ledger.Info
				_, err := node(r).Report(t.Context(), app, some(r), report)
				fine(err)
			}
			r.Repeat(map[string]func(*rapid.T){
				"time passes":          func(r *rapid.T) { c.add(time.Duration(rapid.IntRange(1, 5000).Draw(r, "seconds")) * time.Second) },
				"start":                func(r *rapid.T) { start(r, ledger.Start{}) },
				"report a start":       func(r *rapid.T) { start(r, ledger.Start{Began: ago(r)}) },
				"report an end":        func(r *rapid.T) { end(r, ledger.Report{}) },
				"report an end of ago": func(r *rapid.T) { end(r, ledger.Report{EndedAt: ago(r)}) },
				"release": func(r *rapid.T) {
					_, err := node(r).Release(t.Context(), app, some(r), "by hand")
					fine(err)
				},
				"look": func(r *rapid.T) { sweep(t, node(r)) },
				"": func(r *rapid.T) {
					if wrong := miscounted(t, d, node(r), crons); wrong != nil {
						r.Fatal(wrong)
					}
				},
			})
			for _, cron := range crons { // the others shall not be swept along
				exec(t, d, "UPDATE crons SET expected_at = NULL, late_at = NULL WHERE id = $1", cron.ID)
				exec(t, d, "UPDATE executions SET status = 'cancelled', ended_at = started_at WHERE cron_id = $1 AND ended_at IS NULL", cron.ID)
			}
		})
	})
}

// Two nodes end executions of the same crons at the same time, each way there is.
func TestHoursAreARecountUnderConcurrency(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		d := dbtest.Open(t, url, db.Options{Synchronous: "NORMAL"})
		nodes := []*ledger.Ledger{ledger.New(d), ledger.New(dbtest.Open(t, url, db.Options{Synchronous: "NORMAL"}))}
		app := addApp(t, d, "shop")
		crons := []ledger.Cron{
			create(t, nodes[0], app, "forbid", func(s *ledger.Settings) { s.Overlap = ledger.Forbid }),
			create(t, nodes[0], app, "replace", func(s *ledger.Settings) { s.Overlap = ledger.Replace }),
			create(t, nodes[0], app, "allow", func(s *ledger.Settings) { s.EachFailure = true }),
		}
		var wg sync.WaitGroup
		for worker := range 12 {
			l, slug := nodes[worker%2], crons[worker%len(crons)].Slug
			wg.Go(func() {
				for i := range 15 {
					e, _, err := l.Start(t.Context(), ledger.Start{App: app, Cron: bySlug(slug), Trigger: ledger.HTTP})
					if errors.Is(err, ledger.ErrRunning) {
						continue
					}
					if err == nil && (worker+i)%5 == 0 {
						_, err = nodes[i%2].Release(t.Context(), app, e.ID, "by hand")
					}
					if err == nil || errors.Is(err, ledger.ErrEnded) {
						_, err = nodes[(worker+i)%2].Report(t.Context(), app, e.ID, ledger.Report{Success: i%3 > 0, Type: ledger.Info})
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if wrong := miscounted(t, d, nodes[0], crons); wrong != nil {
			t.Error(wrong)
		}
	})
}

func TestHoursOfASpan(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, shop, bank := ledger.New(d), addApp(t, d, "shop"), addApp(t, d, "bank")
		noon := c.now()
		ids := map[int64]int64{}
		for _, app := range []int64{shop, bank} {
			ids[app] = create(t, l, app, "job", nil).ID
		}
		for range 4 { // at 12:00, 12:30, 13:00 and 13:30, half an hour each
			for app := range ids {
				id := startOf(t, l, app, "job").ID
				c.add(time.Second)
				report(t, l, app, id, app == shop)
				c.add(-time.Second)
			}
			c.add(30 * time.Minute)
		}
		well := ledger.Tally{Success: 2, Took: 2 * time.Second}
		both := ledger.Tally{Success: 2, Failed: 2, Took: 4 * time.Second}
		for name, tc := range map[string]struct {
			f    ledger.HourFilter
			want []ledger.Hour
		}{
			"all":                        {ledger.HourFilter{}, []ledger.Hour{{At: noon, Tally: both}, {At: noon.Add(time.Hour), Tally: both}}},
			"an application's":           {ledger.HourFilter{App: shop}, []ledger.Hour{{At: noon, Tally: well}, {At: noon.Add(time.Hour), Tally: well}}},
			"a cron's":                   {ledger.HourFilter{Cron: ids[shop]}, []ledger.Hour{{At: noon, Tally: well}, {At: noon.Add(time.Hour), Tally: well}}},
			"another application's cron": {ledger.HourFilter{App: bank, Cron: ids[shop]}, nil},
			"from within an hour":        {ledger.HourFilter{Since: noon.Add(90 * time.Minute)}, []ledger.Hour{{At: noon.Add(time.Hour), Tally: both}}},
			"until the next hour":        {ledger.HourFilter{Until: noon.Add(time.Hour)}, []ledger.Hour{{At: noon, Tally: both}}},
			"later":                      {ledger.HourFilter{Since: noon.Add(2 * time.Hour)}, nil},
		} {
			if got, err := l.Hours(t.Context(), tc.f); err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, tc.want)
			}
		}
		tallies, err := l.Tallies(t.Context(), []int64{ids[shop], 77}, noon.Add(time.Hour))
		if err != nil || !maps.Equal(tallies, map[int64]ledger.Tally{ids[shop]: well}) {
			t.Errorf("tallies %+v, %v", tallies, err)
		}
		if none, err := l.Tallies(t.Context(), nil, noon); err != nil || len(none) != 0 {
			t.Errorf("tallies of none: %+v, %v", none, err)
		}
	})
}

// Tallies outlive executions, and go after 90 days. What happens to an execution
// of that time afterwards is nobody's matter.
func TestTalliesAreKept(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron, err := l.Create(t.Context(), app, "job", ledger.Settings{Active: true, KeepRuns: 1})
		if err != nil {
			t.Fatal(err)
		}
		released := startOf(t, l, app, "job")
		if _, err := l.Release(t.Context(), app, released.ID, "by hand"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c.add(time.Hour)
			report(t, l, app, startOf(t, l, app, "job").ID, true)
		}
		of, all := ledger.HourFilter{Cron: cron.ID}, ledger.HourFilter{}
		exec(t, d, "UPDATE crons SET keep_runs = 10 WHERE id = $1", cron.ID) // the released one stays
		exec(t, d, "DELETE FROM executions WHERE id > $1", released.ID)
		if n, m := len(hours(t, l, of)), len(hours(t, l, all)); n != 4 || m != 4 {
			t.Errorf("%d hours and %d in all, after the executions", n, m)
		}
		c.add(90*24*time.Hour - 2*time.Hour)
		prune(t, l)
		if n, m := len(hours(t, l, of)), len(hours(t, l, all)); n != 3 || m != 3 {
			t.Errorf("%d hours and %d in all, after 90 days", n, m)
		}
		report(t, l, app, released.ID, true)
		if got := hours(t, l, of); len(got) != 4 {
			t.Errorf("after a late report: %+v", got)
		}
		prune(t, l)
		c.add(2 * 90 * 24 * time.Hour)
		prune(t, l)
		var rows int
		err = d.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM execution_hours) + (SELECT count(*) FROM application_hours WHERE at > 0)").Scan(&rows)
		if err != nil || rows != 0 {
			t.Errorf("%d rows are left, %v", rows, err)
		}
	})
}

func TestTalliesGoWithTheirCron(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron := create(t, l, app, "job", nil)
		report(t, l, app, startOf(t, l, app, "job").ID, true)
		if _, err := l.Delete(t.Context(), app, bySlug("job")); err != nil {
			t.Fatal(err)
		}
		prune(t, l)
		if n, m := len(hours(t, l, ledger.HourFilter{Cron: cron.ID})), len(hours(t, l, ledger.HourFilter{App: app})); n != 0 || m != 1 {
			t.Errorf("%d hours of the cron, %d of the application", n, m)
		}
	})
}
