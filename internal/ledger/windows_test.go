package ledger_test

import (
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

func TestWindowsByWhenTheyAre(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx, shop, bakery := ledger.New(d), t.Context(), addApp(t, d, "shop"), addApp(t, d, "bakery")
		one, two := create(t, l, shop, "one", nil), create(t, l, shop, "two", nil)
		now := c.now()
		at := func(hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }
		add := func(w ledger.Window, from, until int) {
			t.Helper()
			w.StartsAt, w.EndsAt, w.Reason = at(from), at(until), string(rune('a'+from))
			if _, err := l.AddMaintenance(ctx, w); err != nil {
				t.Fatal(err)
			}
		}
		add(ledger.Window{}, 6, 9)               // g
		add(ledger.Window{AppID: bakery}, 1, 3)  // b
		add(ledger.Window{CronID: one.ID}, 2, 4) // c
		add(ledger.Window{CronID: two.ID}, 3, 5) // d
		add(ledger.Window{AppID: shop}, 0, 100)  // a
		add(ledger.Window{AppID: shop}, 4, 5)    // e
		names := func(all []ledger.Window) (s string) {
			for _, w := range all {
				s += w.Reason
			}
			return s
		}
		for _, one := range []struct {
			f    ledger.WindowFilter
			want string
		}{
			{ledger.WindowFilter{}, "abcdeg"},
			{ledger.WindowFilter{App: shop}, "acdeg"},
			{ledger.WindowFilter{App: bakery}, "bg"},
			{ledger.WindowFilter{Crons: []int64{one.ID}}, "abceg"},
			{ledger.WindowFilter{Since: at(4)}, "adeg"},
			{ledger.WindowFilter{Since: at(3), Until: at(4)}, "acd"},
			{ledger.WindowFilter{Over: at(9)}, "gedcb"},
		} {
			one.f.Limit = 10
			if got, err := l.Windows(ctx, one.f); err != nil || names(got) != one.want {
				t.Errorf("%+v gives %s, %v; want %s", one.f, names(got), err, one.want)
			}
			var paged []ledger.Window
			for one.f.Limit = 2; ; {
				page, err := l.Windows(ctx, one.f)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				paged = append(paged, page...)
				one.f.After = one.f.Next(page[len(page)-1])
			}
			if names(paged) != one.want {
				t.Errorf("%+v gives %s by pages, want %s", one.f, names(paged), one.want)
			}
		}
		for _, after := range []string{"x", "1", "1/x", "x/1"} {
			if _, err := l.Windows(ctx, ledger.WindowFilter{After: after, Limit: 1}); fault.KindOf(err) != fault.Invalid {
				t.Errorf("after %q: %v", after, err)
			}
		}
		all, err := l.Maintenance(ctx, 0, true, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if first, err := l.Windows(ctx, ledger.WindowFilter{Since: at(8), Until: at(9), App: bakery, Limit: 10}); err != nil || !slices.Equal(first, all) {
			t.Errorf("%+v, %v", first, err)
		}
	})
}
