package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

func TestMaintenanceWindows(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, shop, bakery := ledger.New(d), t.Context(), addApp(t, d, "shop"), addApp(t, d, "bakery")
		cron := create(t, l, shop, "job", nil)
		add := func(w ledger.Window) ledger.Window {
			t.Helper()
			w.Reason = " moving "
			added, err := l.AddMaintenance(ctx, w)
			if err != nil {
				t.Fatal(err)
			}
			return added
		}
		hour := c.now().Add(time.Hour)
		all := []ledger.Window{
			add(ledger.Window{EndsAt: hour}),
			add(ledger.Window{AppID: shop, EndsAt: hour}),
			add(ledger.Window{CronID: cron.ID, StartsAt: hour, EndsAt: hour.Add(time.Hour)}),
			add(ledger.Window{AppID: bakery, EndsAt: c.now().Add(time.Minute)}),
		}
		if w := all[2]; w.AppID != shop || w.App != "shop" || w.Cron != "job" || w.Reason != "moving" || !w.StartsAt.Equal(hour) {
			t.Errorf("added %+v", w)
		}
		c.add(2 * time.Minute)
		for _, one := range []struct {
			app   int64
			past  bool
			after int64
			limit int
			want  []ledger.Window
		}{
			{0, false, 0, 10, all[:3]},
			{0, true, 0, 10, all},
			{shop, true, 0, 10, all[:3]},
			{bakery, true, 0, 10, []ledger.Window{all[0], all[3]}},
			{0, true, all[0].ID, 2, all[1:3]},
		} {
			if got, err := l.Maintenance(ctx, one.app, one.past, one.after, one.limit); err != nil || !slices.Equal(got, one.want) {
				t.Errorf("%+v gives %+v, %v", one, got, err)
			}
		}
		if _, err := l.RemoveMaintenance(ctx, bakery, all[0].ID); !errors.Is(err, ledger.ErrNoWindow) {
			t.Errorf("another's window: %v", err)
		}
		if w, err := l.RemoveMaintenance(ctx, 0, all[0].ID); err != nil || w != all[0] {
			t.Errorf("removed %+v, %v", w, err)
		}
		if _, err := l.RemoveMaintenance(ctx, 0, all[0].ID); !errors.Is(err, ledger.ErrNoWindow) {
			t.Error(err)
		}
	})
}

func TestWrongMaintenanceWindows(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron := create(t, l, app, "job", nil)
		now := c.now()
		for want, w := range map[string]ledger.Window{
			"/ends_at /reason":  {},
			"/ends_at":          {StartsAt: now.Add(-time.Hour), EndsAt: now, Reason: "x"},
			"/starts_at":        {StartsAt: now.Add(36_601 * 24 * time.Hour), EndsAt: now.Add(36_602 * 24 * time.Hour), Reason: "x"},
			"/ends_at /reason ": {EndsAt: now.Add(366*24*time.Hour + 1000), Reason: strings.Repeat("ä", 201)},
			"/reason":           {EndsAt: now.Add(time.Hour), Reason: "two\nlines"},
		} {
			if _, err := l.AddMaintenance(t.Context(), w); !slices.Equal(pointers(err), strings.Fields(want)) {
				t.Errorf("%+v: %v, want %s", w, err, want)
			}
		}
		for want, w := range map[error]ledger.Window{
			ledger.ErrNoCron:        {AppID: app + 1, CronID: cron.ID},
			ledger.ErrNoApplication: {AppID: app + 1},
		} {
			w.EndsAt, w.Reason = now.Add(366*24*time.Hour), strings.Repeat("ä", 200)
			if _, err := l.AddMaintenance(t.Context(), w); !errors.Is(err, want) {
				t.Errorf("%+v: %v", w, err)
			}
		}
	})
}

// A window that is ended early lets go of what it kept, and of nothing else.
func TestMaintenanceThatEndsEarly(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, shop, bakery := ledger.New(d), t.Context(), addApp(t, d, "shop"), addApp(t, d, "bakery")
		told := map[string]int64{}
		for _, app := range []int64{shop, bakery} {
			for _, slug := range []string{"one", "two"} {
				create(t, l, app, slug, func(s *ledger.Settings) { s.Schedule = "every 1h" })
			}
		}
		one, err := l.Cron(ctx, shop, bySlug("one"))
		if err != nil {
			t.Fatal(err)
		}
		var windows []int64
		for _, w := range []ledger.Window{{}, {AppID: shop}, {CronID: one.ID}} {
			w.EndsAt, w.Reason = c.now().Add(100*time.Hour), "moving"
			added, err := l.AddMaintenance(ctx, w)
			if err != nil {
				t.Fatal(err)
			}
			windows = append(windows, added.ID)
		}
		c.add(62 * time.Minute)
		sweep(t, l)
		for i, want := range []map[string]int64{{"bakery": 2}, {"bakery": 2, "shop": 1}, {"bakery": 2, "shop": 2}} {
			if _, err := l.RemoveMaintenance(ctx, 0, windows[i]); err != nil {
				t.Fatal(err)
			}
			sweep(t, l)
			clear(told)
			all, err := l.Events(ctx, ledger.EventFilter{Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				if e.Suppressed == ledger.Told {
					told[e.App]++
				}
			}
			if told["bakery"] != want["bakery"] || told["shop"] != want["shop"] {
				t.Errorf("without %d windows told are %v, want %v", i+1, told, want)
			}
		}
	})
}
