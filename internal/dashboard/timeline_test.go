package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// did adds an execution of a cron that began a while ago and took some time; none
// is one that still runs.
func (s *site) did(c ledger.Cron, status ledger.Status, ago, took time.Duration) (id int64) {
	s.t.Helper()
	began := s.db.Now().Add(-ago)
	var end time.Time
	if status != ledger.Running {
		end = began.Add(took)
	}
	err := s.db.Tx(s.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(s.t.Context(), `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, scheduled_for, started_at, ended_at)
			VALUES ($1, $2, $3, 'http', '', $4, $4, $5) RETURNING id`, c.ID, c.AppID, string(status), db.Time{Time: began}, db.Time{Time: end}).Scan(&id)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// unkind is a text that a name may be, and kind how it stands in a page.
const (
	unkind = "<script>alert(1)</script>\"'&\u202eevil"
	kind   = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;⟨U&#43;202E⟩evil"
)

func timelineAddress(pairs ...string) string {
	return with(params.Query{}, "timeline", pairs...)
}

func TestTimeline(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		s.shows(s.page(Root+"timeline"), "Nothing to show yet")
		c := s.cron("shop", "nightly", func(set *ledger.Settings) { set.Name, set.Schedule = unkind, "every 2h" })
		other := s.cron("bakery", "bread")
		before := s.did(c, ledger.Success, 40*time.Hour, time.Hour)
		long := s.did(c, ledger.Success, 30*time.Hour, 10*time.Hour) // it goes on into the day that is shown
		failed := s.did(c, ledger.Failed, 5*time.Hour, time.Hour)
		missed := s.did(c, ledger.Missed, 3*time.Hour, 0)
		refused := s.did(c, ledger.Skipped, 2*time.Hour, 0)
		runs := s.did(c, ledger.Running, time.Hour, 0)
		run := func(id int64) string { return fmt.Sprintf(`<a href="/ui/runs/%d"`, id) }
		_, err := s.ledger.AddMaintenance(t.Context(), ledger.Window{AppID: c.AppID, EndsAt: s.db.Now().Add(time.Hour), Reason: unkind})
		if err != nil {
			t.Fatal(err)
		}

		page := s.page(Root + "timeline")
		s.shows(page, kind, "!<script>alert", run(failed), run(long), "!"+run(before), run(missed), run(refused), run(runs),
			"1 ok, 1 failed, 1 running, 1 missed, 1 refused", `href="#tl-missed"`, `href="#tl-refused"`, `class="bar failed"`, "running-bar",
			`class="tick"`, `<rect class="band"`, `class="now"`, "<h2>shop</h2>", "<h2>bakery</h2>", "Show as table", "expected next",
			`role="group" data-arrows`, fmt.Sprintf(`data-href="/ui/crons/%d"`, c.ID), `data-live="{&#34;ledger&#34;`)
		if order := positions(page, "<h2>bakery</h2>", "<h2>shop</h2>"); order != "01" {
			t.Errorf("applications are not in order: %s", order)
		}
		// Of two lanes one has what overlaps.
		if !strings.Contains(page, `y="8"`) || strings.Contains(page, `y="24"`) {
			t.Error("runs that do not overlap are not in one lane")
		}
		s.did(c, ledger.Success, 50*time.Minute, time.Minute)
		s.shows(s.page(Root+"timeline"), `y="24"`)
		s.shows(s.page(timelineAddress("order", "trouble")), "!<h2>shop", "<span>shop</span>", run(failed))
		s.shows(s.page(timelineAddress("app", "bakery")), "bread", "!"+run(failed))
		s.shows(s.page(timelineAddress("search", "NIGHT")), run(failed), fmt.Sprintf("!crons/%d", other.ID))
		s.shows(s.page(timelineAddress("search", "none")), "No cron is called like that")
		earlier := s.db.Now().Add(-34 * time.Hour).Format(time.RFC3339)
		s.shows(s.page(timelineAddress("until", earlier)), run(before), "!"+run(failed), "!"+`class="now"`, ">Now</a>", "!data-live")
		s.shows(s.page(timelineAddress("range", "1h", "until", s.db.Now().Add(48*time.Hour).Format(time.RFC3339))), `class="tick"`, "!<a href=\"/ui/runs/", "!"+`class="now"`)

		s.signIn("bakery", apikey.Read)
		s.shows(s.page(Root+"timeline"), "bread", "!shop", "!"+run(failed), "!alert(1)", `!name="app"`)
		for _, query := range []string{"app=shop", "range=2h", "until=yesterday", "order=odd", "after=x", "after=shop%2F..", "range=1h&range=6h", "order=trouble&after=shop/nightly"} {
			if status, page := s.get(Root + "timeline?" + query); status != http.StatusBadRequest && status != http.StatusNotFound {
				t.Errorf("%s: %d %s", query, status, page)
			}
		}
	})
}

// Of many runs a row shows hours, and each leads to a closer look.
func TestManyRunsStandTogether(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		c := s.cron("shop", "often", func(set *ledger.Settings) { set.Schedule = "every 1m" })
		hour := s.db.Now().Truncate(time.Hour).Add(-2 * time.Hour)
		err := s.db.Tx(t.Context(), func(tx *db.Tx) error {
			for i := range timelineRuns + 10 {
				at := hour.Add(time.Duration(i) * time.Second)
				status := ledger.Success
				if i == 7 {
					status = ledger.Failed
				}
				if _, err := tx.Exec(t.Context(), `INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at)
					VALUES ($1, $2, $3, 'http', '', $4, $5)`, c.ID, c.AppID, string(status), db.Time{Time: at}, db.Time{Time: at.Add(time.Second)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		page := s.page(timelineAddress("range", "6h"))
		s.shows(page, fmt.Sprintf(": %d ok, 1 failed</title>", timelineRuns+9), `class="bar failed"`, "in all", `<rect class="steady"`, "!/ui/runs/")
		closer := timelineAddress("range", "1h", "app", "shop", "search", "often", "until", hour.Add(time.Hour).Format(time.RFC3339))
		s.shows(page, `href="`+strings.ReplaceAll(closer, "&", "&amp;")+`"`)
		page = s.page(closer) // closer than an hour it is not
		s.shows(page, fmt.Sprintf(`<a href="/ui/crons/%d"`, c.ID), "!/ui/runs/")
		if shapes := strings.Count(s.page(timelineAddress("range", "30d")), "<rect class=\"bar"); shapes > 200 {
			t.Errorf("%d shapes", shapes)
		}
	})
}

// What still runs is drawn although what has ended stands together.
func TestWhatRunsAmongManyRuns(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		c := s.cron("shop", "often", func(set *ledger.Settings) { set.Schedule = "every 1m" })
		for i := range timelineRuns + 1 {
			s.did(c, ledger.Success, 2*time.Hour+time.Duration(i)*time.Second, time.Second)
		}
		before, now := s.did(c, ledger.Running, 30*time.Hour, 0), s.did(c, ledger.Running, time.Hour, 0)
		run := func(id int64) string { return fmt.Sprintf(`<a href="/ui/runs/%d"`, id) }
		s.shows(s.page(timelineAddress("range", "6h")), run(before), run(now), "running-bar", `class="bar ok"`,
			fmt.Sprintf("%d ok, 2 running", timelineRuns+1), `<rect class="steady"`)
		earlier := timelineAddress("range", "6h", "until", s.db.Now().Add(-90*time.Minute).Format(time.RFC3339))
		s.shows(s.page(earlier), run(before), "!"+run(now)) // it had not begun
	})
}

func TestTimelineByPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range timelineCrons + 5 {
		s.cron("shop", fmt.Sprintf("job-%02d", i))
	}
	for _, order := range []string{"name", "trouble"} {
		page := s.page(timelineAddress("order", order, "range", "7d"))
		if rows := strings.Count(page, `<li class="track"`); rows != timelineCrons {
			t.Errorf("%d rows by %s", rows, order)
		}
		s.shows(page, ">job-24<", "!>job-25<", "!First crons")
		next := strings.Split(strings.Split(page, `">More crons`)[0], `href="`)
		page = s.page(strings.ReplaceAll(next[len(next)-1], "&amp;", "&"))
		if rows := strings.Count(page, `<li class="track"`); rows != 5 {
			t.Errorf("%d rows on the second page by %s", rows, order)
		}
		s.shows(page, ">job-29<", "!>job-24<", "First crons", "!More crons", "range=7d")
	}
}

// Going back and forth leads through all time, and then along with now.
func TestTimelineBackAndForth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	day := timelineRanges()[2]
	a := timelineAsked{timelineRange: day, until: day.edge(now), since: day.edge(now).Add(-day.length), moving: true}
	if got := a.earlier(); got != "2026-05-31T15:00:00Z" {
		t.Errorf("earlier is %s", got)
	}
	for until, want := range map[time.Time]string{
		now.Add(-48 * time.Hour): "2026-05-31T12:00:00Z true", now.Add(-time.Hour): " true", now.Add(4 * time.Hour): "2026-06-02T16:00:00Z true",
		now.Add(366 * 24 * time.Hour): "2027-06-03T12:00:00Z false",
	} {
		a := timelineAsked{timelineRange: day, until: until}
		if next, ok := a.later(now); fmt.Sprintf("%s %v", next, ok) != want {
			t.Errorf("after %v comes %s %v, want %s", until, next, ok, want)
		}
	}
	if next, ok := a.later(now); next != "2026-06-02T15:00:00Z" || !ok {
		t.Errorf("after now comes %s %v", next, ok)
	}
}

// The axis is in the viewer's zone.
func TestTimelineInTheViewersZone(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) {
		o.Now = func() time.Time { return time.Date(2026, 10, 25, 2, 0, 0, 0, time.UTC) }
	})
	s.cron("shop", "nightly")
	page := Root + "timeline?range=6h"
	s.shows(s.page(page), ">02:00<", "!the clocks go", "Sat 24 Oct 20:45 to Sun 25 Oct 02:45 (UTC)")
	s.post(page, Root+"preferences", "zone", "Europe/Berlin", "theme", "")
	s.shows(s.page(page), "the clocks go from 03:00 to 02:00", "Sat 24 Oct 22:45 to Sun 25 Oct 03:45 (Europe/Berlin)", ">25 Oct<")
}
