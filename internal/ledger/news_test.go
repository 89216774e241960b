package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// takeNews takes what is to be told, and undoes that if fail is not nil.
func takeNews(t testing.TB, d *db.DB, l *ledger.Ledger, limit int, fail error) (all []string) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		all = nil
		news, err := l.TakeNews(t.Context(), tx, limit)
		for _, n := range news {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("%s/%s %s %s", n.App, n.Slug, n.Kind, n.Subject), " "))
		}
		return errors.Join(err, fail)
	})
	if !errors.Is(err, fail) {
		t.Fatal(err)
	}
	return all
}

func wantNews(t testing.TB, l *ledger.Ledger, want bool) {
	t.Helper()
	if some, err := l.HasNews(t.Context()); err != nil || some != want {
		t.Errorf("there is news: %v, %v; want %v", some, err, want)
	}
}

func TestNewsIsTakenOnceAndInOrder(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		wantNews(t, l, false)
		cron := create(t, l, app, "job", func(s *ledger.Settings) {
			s.Schedule, s.Grace, s.Zone, s.EachSuccess = "every 10m", time.Minute, "Europe/Vienna", true
		})
		c.set(cron.LateAt.Add(25 * time.Minute))
		sweep(t, l)
		report(t, l, app, startOf(t, l, app, "job").ID, true)
		wantNews(t, l, true)
		want := []string{"shop/job missed", "shop/job recovered missed", "shop/job succeeded"}
		undone := errors.New("undone")
		if got := takeNews(t, d, l, 10, undone); !slices.Equal(got, want) {
			t.Errorf("took %q", got)
		}
		if got := takeNews(t, d, l, 2, nil); !slices.Equal(got, want[:2]) {
			t.Errorf("after an undone transaction %q", got)
		}
		if got := takeNews(t, d, l, 2, nil); !slices.Equal(got, want[2:]) {
			t.Errorf("then %q", got)
		}
		wantNews(t, l, false)
		if got := takeNews(t, d, l, 2, nil); got != nil {
			t.Errorf("in the end %q", got)
		}
	})
}

func TestNewsHoldsWhatItTakesToTellOfIt(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		cron := create(t, l, app, "job", func(s *ledger.Settings) { s.Schedule, s.Grace, s.Zone = "every 10m", time.Minute, "Europe/Vienna" })
		c.set(cron.LateAt.Add(25 * time.Minute))
		sweep(t, l)
		listed, err := l.Events(t.Context(), ledger.EventFilter{Limit: 1})
		if err != nil || len(listed) != 1 {
			t.Fatal(listed, err)
		}
		var news []ledger.News
		err = d.Tx(t.Context(), func(tx *db.Tx) (err error) {
			news, err = l.TakeNews(t.Context(), tx, 10)
			return err
		})
		want := ledger.News{ListedEvent: listed[0], Zone: "Europe/Vienna", Repeats: 3}
		if err != nil || len(news) != 1 || news[0] != want {
			t.Errorf("%+v, %v; want %+v", news, err, want)
		}
	})
}

// What is suppressed is no news, and what is told after all is. The end of a
// trouble is news exactly if the trouble was.
func TestSuppressedEventsAreNoNews(t *testing.T) {
	c := newClock()
	noon := c.now()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		c.set(noon)
		l, app, ctx := ledger.New(d), addApp(t, d, "shop"), t.Context()
		fail := func(slug string) {
			t.Helper()
			report(t, l, app, startOf(t, l, app, slug).ID, false)
		}
		create(t, l, app, "muted", func(s *ledger.Settings) { s.Muted = true })
		create(t, l, app, "snoozed", nil)
		create(t, l, app, "over", nil)
		for _, slug := range []string{"snoozed", "over"} {
			if _, err := l.Snooze(ctx, app, bySlug(slug), c.now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		fail("muted")
		fail("snoozed")
		fail("over")
		report(t, l, app, startOf(t, l, app, "over").ID, true)
		sweep(t, l)
		wantNews(t, l, false)
		c.add(time.Hour)
		sweep(t, l)
		if got := takeNews(t, d, l, 10, nil); !slices.Equal(got, []string{"shop/snoozed failing"}) {
			t.Errorf("after the snooze %q", got)
		}
		report(t, l, app, startOf(t, l, app, "snoozed").ID, true)
		report(t, l, app, startOf(t, l, app, "muted").ID, true)
		if got := takeNews(t, d, l, 10, nil); !slices.Equal(got, []string{"shop/snoozed recovered failing"}) {
			t.Errorf("then %q", got)
		}
	})
}

// While one takes news, nobody else gets any: it might be told first what came
// later.
func TestOneTakesNewsAtATime(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, app := ledger.New(d), addApp(t, d, "shop")
		for _, slug := range []string{"a", "b"} {
			create(t, l, app, slug, nil)
			report(t, l, app, startOf(t, l, app, slug).ID, false)
		}
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			if news, err := l.TakeNews(t.Context(), tx, 1); err != nil || len(news) != 1 {
				t.Errorf("took %v, %v", news, err)
			}
			meanwhile, cancel := context.WithCancel(t.Context())
			defer cancel()
			if d.Dialect() == db.SQLite { // one writer: another does not even begin
				meanwhile, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
			}
			err := d.Tx(meanwhile, func(other *db.Tx) error {
				if news, err := l.TakeNews(t.Context(), other, 1); err != nil || news != nil {
					t.Errorf("meanwhile another took %v, %v", news, err)
				}
				return nil
			})
			if d.Dialect() == db.SQLite && errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := takeNews(t, d, l, 10, nil); !slices.Equal(got, []string{"shop/b failing"}) {
			t.Errorf("afterwards %q", got)
		}
	})
}
