package dashboard

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

const maintenanceAt = Root + "maintenance"

// windows gives all maintenance windows, in the order in which they were added.
func (s *site) windows() []ledger.Window {
	s.t.Helper()
	all, err := s.ledger.Maintenance(s.t.Context(), 0, true, 0, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestMaintenance(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		c := s.cron("shop", "nightly")
		s.cron("bakery", "bread")
		s.shows(s.page(maintenanceAt), "nobody is told of troubles", "None: troubles are told as they come.", "ferryman maintenance add --all")

		_, page := s.post(maintenanceAt, maintenanceAt, "app", "", "cron", "", "reason", "<b>moving</b>", "for", "1h")
		s.shows(page, "Maintenance of all applications from", "was added.", "&lt;b&gt;moving", "!<b>moving", "Open now", "1 h")
		_, page = s.post(maintenanceAt, maintenanceAt, "app", "shop", "cron", "", "reason", "two", "from", "2099-01-01T10:00", "until", "2099-01-01T12:00")
		s.shows(page, "all of shop", "1 Jan 2099 10:00:00", "2 h", "To come")
		_, page = s.post(maintenanceAt, maintenanceAt, "app", "", "cron", "nightly", "reason", "three", "until", time.Now().UTC().Add(24*time.Hour).Format("2006-01-02T15:04"), "from", "")
		s.shows(page, "shop/nightly", fmt.Sprintf(`href="/ui/crons/%d"`, c.ID))
		all := s.windows()
		if len(all) != 3 || all[0].AppID != 0 || all[1].App != "shop" || all[1].CronID != 0 || all[2].CronID != c.ID || all[0].EndsAt.Sub(all[0].StartsAt) > time.Hour {
			t.Fatalf("%+v", all)
		}
		if noted := s.noted(); len(noted) != 3 || noted[0] != fmt.Sprintf("maintenance.add maintenance %d", all[2].ID) {
			t.Errorf("noted %q", noted)
		}

		_, page = s.post(maintenanceAt, fmt.Sprintf("%s/%d/remove", maintenanceAt, all[1].ID))
		s.shows(page, "Maintenance of all of shop was removed.", "!two")
		if _, page = s.post(maintenanceAt, fmt.Sprintf("%s/%d/remove", maintenanceAt, all[1].ID)); !strings.Contains(page, "no such maintenance window") {
			t.Errorf("removed twice: %s", page)
		}
		if noted := s.noted(); len(noted) != 4 || noted[0] != fmt.Sprintf("maintenance.remove maintenance %d", all[1].ID) {
			t.Errorf("noted %q", noted)
		}
		s.shows(s.page(maintenanceAt+"?past=1"), "No window is over yet", "!moving")
	})
}

func TestWrongMaintenance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cron("shop", "nightly")
	s.cron("bakery", "nightly")
	s.post(maintenanceAt, Root+"preferences", "zone", "Europe/Berlin", "theme", "")
	for want, fields := range map[string][]string{
		"is missing":                             {"reason", "x"},
		"must say what":                          {"for", "1h", "reason", " "},
		"is no date":                             {"until", "tomorrow", "reason", "x"},
		"after the begin":                        {"from", "2030-01-01T10:00", "until", "2030-01-01T10:00", "reason", "x"},
		"in the future":                          {"from", "2020-01-01T10:00", "until", "2020-01-02T10:00", "reason", "x"},
		"none of the appl":                       {"app", "nowhere", "for", "1h", "reason", "x"},
		"none of the cron":                       {"cron", "../x", "for", "1h", "reason", "x"},
		"one of 2 applica":                       {"cron", "nightly", "for", "1h", "reason", "x"},
		"the clocks go from 02:00 to 03:00 then": {"from", "2027-03-28T02:30", "until", "2027-03-28T05:00", "reason", "<kept>"},
	} {
		status, page := s.post(maintenanceAt, maintenanceAt, fields...)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", fields, status)
		}
		s.shows(page, want, "No window was added", `aria-invalid="true"`)
		if strings.HasPrefix(want, "the clocks") {
			s.shows(page, `value="2027-03-28T02:30"`, `value="&lt;kept&gt;"`)
		}
	}
	if all := s.windows(); len(all) > 0 || len(s.noted()) > 0 {
		t.Errorf("%+v, noted %q", all, s.noted())
	}
	for _, query := range []string{"?past=perhaps", "?after=x", "?app=a&app=b"} {
		if status, page := s.get(maintenanceAt + query); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, status, page)
		}
	}
}

// Keys of an application may keep its own alerts back, and nobody else's.
func TestMaintenanceOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own, other := s.cron("shop", "nightly"), s.cron("bakery", "bread")
	for _, w := range []ledger.Window{{Reason: "of-all"}, {AppID: own.AppID, Reason: "of-shop"}, {AppID: other.AppID, Reason: "of-bakery"}} {
		w.EndsAt = time.Now().Add(time.Hour)
		if _, err := s.ledger.AddMaintenance(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	all := s.windows()
	remove := func(i int) string { return fmt.Sprintf("%s/%d/remove", maintenanceAt, all[i].ID) }
	s.signIn("shop", apikey.Admin)
	page := s.page(maintenanceAt)
	s.shows(page, "of-all", "of-shop", "!of-bakery", "!"+remove(0), remove(1), `Application <strong>shop</strong>`, `!name="app"`)
	for _, i := range []int{0, 2} {
		if _, page := s.post(maintenanceAt, remove(i)); !strings.Contains(page, "no such maintenance window") {
			t.Errorf("removed %s: %s", all[i].Reason, page)
		}
	}
	for _, fields := range [][]string{{"app", "bakery"}, {"app", "ferryman"}, {"cron", "bread"}, {"cron", fmt.Sprint(other.ID)}} {
		if status, page := s.post(maintenanceAt, maintenanceAt, append(fields, "reason", "x", "for", "1h")...); status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d %s", fields, status, page)
		}
	}
	if left := s.windows(); len(left) != 3 {
		t.Fatalf("%+v", left)
	}
	s.shows(second(s.post(maintenanceAt, maintenanceAt, "cron", "", "reason", "mine", "for", "1d")), "all of shop")
	if added := s.windows()[3]; added.AppID != own.AppID || added.Reason != "mine" {
		t.Errorf("%+v", added)
	}

	s.signIn("shop", apikey.Read)
	s.shows(s.page(maintenanceAt), "of-shop", "!Add a window", "!/remove")
	for _, path := range []string{maintenanceAt, remove(1)} {
		if status, page := s.post(maintenanceAt, path, "reason", "x", "for", "1h"); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
	if left := s.windows(); len(left) != 4 {
		t.Errorf("%+v", left)
	}
}

func second(_ int, page string) string { return page }

func TestMaintenanceByPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now()
	err := s.db.Tx(t.Context(), func(tx *db.Tx) error {
		for i := range 2 * (windowsOnPage + 5) {
			from := now.Add(time.Duration(i+1) * time.Hour)
			if i >= windowsOnPage+5 { // these are over
				from = now.Add(-time.Duration(i) * time.Hour)
			}
			if _, err := tx.Exec(t.Context(), "INSERT INTO maintenance_windows (starts_at, ends_at, reason, created_at) VALUES ($1, $2, $3, 0)",
				db.Time{Time: from}, db.Time{Time: from.Add(time.Minute)}, fmt.Sprintf("work %03d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	next := regexp.MustCompile(`href="([^"]*)" rel="next"`)
	for _, one := range []struct{ query, first, last string }{{"", "work 000", "work 054"}, {"?past=1", "work 055", "work 109"}} {
		page := s.page(maintenanceAt + one.query)
		s.shows(page, one.first, "!"+one.last)
		if rows := strings.Count(page, `data-label="For"`); rows != windowsOnPage {
			t.Errorf("%q has %d rows", one.query, rows)
		}
		link := next.FindStringSubmatch(page)
		if link == nil {
			t.Fatalf("no next page of %q", one.query)
		}
		page = s.page(strings.ReplaceAll(link[1], "&amp;", "&"))
		s.shows(page, "!"+one.first, one.last, "First page")
		if rows := strings.Count(page, `data-label="For"`); rows != 5 {
			t.Errorf("the second page of %q has %d rows", one.query, rows)
		}
	}
}
