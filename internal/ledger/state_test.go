package ledger_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

func TestTroubleComesFirst(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, shop, bank := ledger.New(d), addApp(t, d, "shop"), addApp(t, d, "bank")
		now, soon := db.Time{Time: c.now()}, db.Time{Time: c.now().Add(time.Hour)}
		ago := db.Time{Time: c.now().Add(-time.Second)}
		// The slugs are in the order of the alphabet, and so in none of the states.
		for slug, how := range map[string]string{
			"a-ok": "last_execution_id = 1", "b-new": "slug = slug", "c-inactive": "active = FALSE", "d-paused": "paused_until = $3",
			"e-failing": "failing_since = $2", "f-missed": "missed_since = $2", "g-overdue": "overdue_since = $2", "h-late": "expected_at = $4",
		} {
			for _, app := range []int64{shop, bank} {
				cron := create(t, l, app, slug, nil)
				exec(t, d, "UPDATE crons SET "+how+" WHERE id = $1 AND CAST($2 AS BIGINT) < CAST($3 AS BIGINT) AND CAST($4 AS BIGINT) < $3", cron.ID, now, soon, ago)
			}
		}
		create(t, l, shop, "i-running", nil)
		startOf(t, l, shop, "i-running")
		gone := create(t, l, shop, "j-gone", nil)
		exec(t, d, "UPDATE crons SET deleted_at = $2, failing_since = $2 WHERE id = $1", gone.ID, now)
		kept := create(t, l, bank, "k-maintained", nil)
		exec(t, d, "INSERT INTO maintenance_windows (application_id, cron_id, starts_at, ends_at, reason, created_at) VALUES ($1, $2, $3, $4, '', 0)", bank, kept.ID, now, soon)

		for name, tc := range map[string]struct {
			f    ledger.CronFilter
			want string
		}{
			"all": {ledger.CronFilter{}, `bank/e-failing shop/e-failing bank/f-missed shop/f-missed bank/g-overdue shop/g-overdue bank/h-late shop/h-late
				shop/i-running bank/a-ok shop/a-ok bank/b-new shop/b-new bank/k-maintained bank/d-paused shop/d-paused bank/c-inactive shop/c-inactive`},
			"an application's": {ledger.CronFilter{App: shop}, `shop/e-failing shop/f-missed shop/g-overdue shop/h-late shop/i-running shop/a-ok shop/b-new
				shop/d-paused shop/c-inactive`},
			"some": {
				ledger.CronFilter{States: []ledger.State{ledger.StateMissed, ledger.StatePaused, ledger.StateFailing}, Search: "I"},
				"bank/e-failing shop/e-failing bank/f-missed shop/f-missed",
			},
		} {
			for _, limit := range []int{1, 2, 3, 100} {
				tc.f.TroubleFirst, tc.f.Limit = true, limit
				if got, want := slugs(t, l, tc.f), strings.Fields(tc.want); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, %d at a time: %v, want %v", name, limit, got, want)
				}
			}
		}
		counts, err := l.StateCounts(t.Context(), 0)
		want := map[ledger.State]int64{
			ledger.StateOK: 2, ledger.StateNew: 2, ledger.StateInactive: 2, ledger.StatePaused: 2, ledger.StateFailing: 2, ledger.StateMissed: 2,
			ledger.StateOverdue: 2, ledger.StateLate: 2, ledger.StateRunning: 1, ledger.StateMaintenance: 1,
		}
		if err != nil || !maps.Equal(counts, want) {
			t.Errorf("counted %v, %v, want %v", counts, err, want)
		}
		if counts, err = l.StateCounts(t.Context(), bank); err != nil || counts[ledger.StateOK] != 1 || counts[ledger.StateRunning] != 0 {
			t.Errorf("counted of an application %v, %v", counts, err)
		}
	})
}

// A cron is in maintenance while a window is open for it, for its application or for
// all, however many there are for others.
func TestMaintenanceIsAState(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, shop, bank := ledger.New(d), addApp(t, d, "shop"), addApp(t, d, "bank")
		one := create(t, l, shop, "one", nil)
		create(t, l, shop, "two", nil)
		create(t, l, bank, "one", nil)
		create(t, l, bank, "two", nil)
		exec(t, d, `INSERT INTO maintenance_windows (application_id, cron_id, starts_at, ends_at, reason, created_at)
			SELECT c.application_id, c.id, $1 + n * 7200000000, $1 + n * 7200000000 + 3600000000, '', 0 FROM crons c, `+numbered(300), db.Time{Time: c.now().Add(-201 * time.Hour)})
		for want, w := range map[string]ledger.Window{
			"":                                    {StartsAt: c.now().Add(time.Hour), EndsAt: c.now().Add(2 * time.Hour)}, // it opens later
			"shop/one":                            {CronID: one.ID},
			"shop/one shop/two":                   {AppID: shop},
			"bank/one bank/two":                   {AppID: bank},
			"bank/one bank/two shop/one shop/two": {},
		} {
			w.Reason = "moving"
			if w.EndsAt.IsZero() {
				w.EndsAt = c.now().Add(time.Minute)
			}
			added, err := l.AddMaintenance(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			f := ledger.CronFilter{States: []ledger.State{ledger.StateMaintenance}, Limit: 3}
			if got := strings.Join(slugs(t, l, f), " "); got != want {
				t.Errorf("in maintenance are %q, want %q", got, want)
			}
			for app, name := range map[int64]string{0: "/", shop: "shop/", bank: "bank/"} {
				counts, err := l.StateCounts(t.Context(), app)
				if n := int64(strings.Count(want, name)); err != nil || counts[ledger.StateMaintenance] != n {
					t.Errorf("with %+v, of application %d are %v, %v", w, app, counts, err)
				}
			}
			status, err := l.CronStatus(t.Context(), shop, bySlug("one"))
			if in := strings.Contains(want, "shop/one"); err != nil || in != (status.State == ledger.StateMaintenance) {
				t.Errorf("with %+v it is %s, %v", w, status.State, err)
			}
			if _, err := l.RemoveMaintenance(t.Context(), 0, added.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestUpcoming(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, shop, bank := ledger.New(d), addApp(t, d, "shop"), addApp(t, d, "bank")
		for i, spec := range []string{"every 3h", "every 1h", "", "every 2h", "every 30h"} {
			for _, app := range []int64{shop, bank} {
				create(t, l, app, fmt.Sprintf("job-%d", i), func(s *ledger.Settings) { s.Schedule = spec })
			}
		}
		if _, err := l.Pause(t.Context(), bank, bySlug("job-1"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Pause(t.Context(), bank, bySlug("job-3"), c.now().Add(5*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Delete(t.Context(), bank, bySlug("job-4")); err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour + time.Second)
		got := func(app int64, until time.Duration, limit int) (all []string) {
			crons, err := l.Upcoming(t.Context(), app, c.now().Add(until), limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, cron := range crons {
				all = append(all, cron.App+"/"+cron.Slug)
			}
			return all
		}
		for want, all := range map[string][]string{
			"[shop/job-1 shop/job-3 shop/job-0 bank/job-0 bank/job-3]": got(0, 24*time.Hour, 10),
			"[shop/job-1 shop/job-3]":                                  got(0, 24*time.Hour, 2),
			"[bank/job-0]":                                             got(bank, 3*time.Hour, 10),
			"[shop/job-1 shop/job-3 shop/job-0 shop/job-4]":            got(shop, 48*time.Hour, 10),
		} {
			if fmt.Sprint(all) != want {
				t.Errorf("%v, want %s", all, want)
			}
		}
	})
}
