package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// ran has a cron run and end so.
func (s *site) ran(c ledger.Cron, kind ledger.MessageType, message string) int64 {
	s.t.Helper()
	e := s.begin(c)
	s.ends(e, ledger.Report{Success: kind != ledger.Error, Type: kind, Message: message, Took: 1500 * time.Millisecond})
	return e.ID
}

// cronsNoted gives the actions on crons that are on record.
func (s *site) cronsNoted() []string {
	s.t.Helper()
	return slices.DeleteFunc(s.noted(), func(entry string) bool { return !strings.HasPrefix(entry, "cron.") })
}

func cronAddress(c ledger.Cron) string { return fmt.Sprintf("%scrons/%d", Root, c.ID) }

func TestCrons(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d)
		s.shows(s.page(Root+"crons"), "No cron yet", "ferryman app add shop", s.url+"/api/nightly-import/start?create=1")

		good := s.cron("shop", "good", func(s *ledger.Settings) {
			s.Name, s.Schedule, s.Zone = "<b>Good\u202e</b>", "30 3 * * MON-FRI", "Europe/Berlin"
		})
		bad := s.cron("bank", "bad", func(s *ledger.Settings) { s.Muted = true })
		first := s.ran(good, ledger.Succeeded, "")
		last := s.ran(good, ledger.Warning, "")
		s.ran(bad, ledger.Succeeded, "")
		failed := s.ran(bad, ledger.Error, "no money")
		s.cron("shop", "never")

		page := s.page(Root + "crons")
		s.shows(page,
			"&lt;b&gt;Good⟨U&#43;202E⟩&lt;/b&gt;", "!<b>Good", "shop/good", "at 03:30 on weekdays", "Europe/Berlin",
			fmt.Sprintf(`<a class="bars" href=%q><svg`, cronAddress(good)), `aria-label="Last runs of bad: 1 ok; 1 failed"`, ": 1 ok; 1 ok, with warnings\"",
			"muted", "50 %", "100 %", `data-failing="1"`, `data-live="{&#34;ledger&#34;`)
		s.shows(s.page(cronAddress(good)+"/strip"), "Last runs of &lt;b&gt;Good⟨U+202E⟩&lt;/b&gt;", "!<b>Good",
			fmt.Sprintf(`href="/ui/runs/%d"`, first), fmt.Sprintf(`href="/ui/runs/%d"`, last), "ok, with warnings, ")
		s.shows(s.page(cronAddress(bad)+"/strip"), fmt.Sprintf(`href="/ui/runs/%d"`, failed), "<title>failed, ")
		s.shows(s.page(cronAddress(good)+"/menu?back=/ui/crons%3Fapp%3Dshop"), `action="`+cronAddress(good)+`/pause"`, "until tomorrow 8:00", `type="datetime-local"`, "Snooze 1 h",
			"Mute", cronAddress(good)+"/edit", `name="back" value="/ui/crons?app=shop"`, "!Release", "!<html")
		s.shows(s.page(cronAddress(bad)+"/menu?back=//evil.example"), "Unmute", `name="back" value="/ui/"`, "!evil")
		if order := positions(page, "bank/bad", "shop/good", "shop/never"); order != "012" {
			t.Errorf("what fails does not stand first, nor what is new last: %s", order)
		}
		for query, want := range map[string][]string{
			"?state=failing":               {"bank/bad", "!shop/good", "!shop/never"},
			"?state=ok&state=new":          {"!bank/bad", "shop/good", "shop/never"},
			"?app=shop":                    {"!bank/bad", "shop/good", "shop/never"},
			"?search=GOO":                  {"!bank/bad", "shop/good", "!shop/never"},
			"?search=%25":                  {"No cron is like that"},
			"?kind=sync":                   {"No cron is like that", "Show all"},
			"?kind=external&state=failing": {"bank/bad", "!shop/good", "/ui/crons?kind=external&amp;state=ok"},
			"?app=shop&search=e":           {"!bank/bad", "!shop/good", "shop/never", "/ui/crons?app=shop&amp;search=e&amp;state=new", `value="e"`},
		} {
			s.shows(s.page(Root+"crons"+query), want...)
		}
		for query, want := range map[string]int{
			"?state=odd": http.StatusBadRequest, "?kind=odd": http.StatusBadRequest, "?after=odd": http.StatusBadRequest, "?after=99/a/b": http.StatusBadRequest,
			"?app=none": http.StatusNotFound, "?search=%ff": http.StatusBadRequest, "?search=" + strings.Repeat("x", 101): http.StatusBadRequest,
			"?after=0/%00/b": http.StatusBadRequest,
		} {
			if status, page := s.get(Root + "crons" + query); status != want {
				t.Errorf("%s: %d %s", query, status, page)
			}
		}
	})
}

// positions says in which order some texts stand in a page.
func positions(page string, texts ...string) string {
	order := ""
	at := 0
	for i, text := range texts {
		found := strings.Index(page, text)
		if found >= at {
			order += fmt.Sprint(i)
			at = found
		}
	}
	return order
}

func TestCronsPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 2*cronsShown + 1 {
		s.cron("shop", fmt.Sprintf("job-%03d", i))
	}
	page := s.page(Root + "crons?app=shop")
	seen, pages := 0, 0
	for {
		pages++
		rows := strings.Count(page, "<tr data-href")
		if rows == 0 || !strings.Contains(page, fmt.Sprintf("shop/job-%03d", seen)) {
			t.Fatalf("page %d has %d rows", pages, rows)
		}
		seen += rows
		_, rest, more := strings.Cut(page, `<p class="more"><a href="`)
		if !more {
			break
		}
		link, _, _ := strings.Cut(rest, `"`)
		page = s.page(strings.ReplaceAll(link, "&amp;", "&"))
		s.shows(page, "← First page")
	}
	if seen != 2*cronsShown+1 || pages != 3 {
		t.Errorf("%d crons on %d pages", seen, pages)
	}
}

// A full page is the one that people look at all day.
func TestCronsAreSmall(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range cronsShown {
		s.cron("shop", fmt.Sprintf("a-job-with-a-name-%03d", i))
	}
	for i, status := range []string{"success", "failed", "timed_out", "cancelled", "missed", "skipped", "success"} {
		s.write(`INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at, ended_at)
			SELECT c.id, c.application_id, $1, 'http', 'host', $2, $2 + (c.id * 7919 + n.i * 104729) % 3000000000
			FROM crons c, (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3) AS n WHERE c.kind = 'external'`, status, db.Time{Time: time.Now().Add(time.Duration(i-10) * time.Hour)})
	}
	page := s.page(Root + "crons")
	if n := strings.Count(page, `class="bars"`); n != cronsShown || len(page) > 105_000 {
		t.Errorf("with %d strips it has %d bytes", n, len(page))
	}
}

func TestCronsOfOthersAreNotSeen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	own, other := s.cron("shop", "own"), s.cron("bank", "other")
	s.ran(other, ledger.Error, "secret of the bank")
	s.signIn("shop", apikey.Admin)
	s.shows(s.page(Root+"crons"), "shop/own", "!bank", "!other", "!own syncs", "!Application <")
	for _, path := range []string{cronAddress(other), cronAddress(other) + "/edit", cronAddress(other) + "/strip", cronAddress(other) + "/menu", Root + "crons?app=bank", Root + "crons/999999", Root + "crons/other"} {
		if status, page := s.get(path); status != http.StatusNotFound || strings.Contains(page, "secret") {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
	for _, action := range []string{"pause", "resume", "mute", "unmute", "snooze", "release", "delete", "edit"} {
		s.post(cronAddress(own), cronAddress(other)+"/"+action, "for", "1h")
	}
	is, err := s.ledger.Cron(t.Context(), 0, ledger.Ref{ID: other.ID})
	if err != nil || !is.UpdatedAt.Equal(other.UpdatedAt) {
		t.Errorf("it was changed: %+v %v", is, err)
	}
	if noted := s.cronsNoted(); len(noted) != 0 {
		t.Errorf("on record: %q", noted)
	}
	s.shows(s.page(cronAddress(own)), "shop", `action="`+cronAddress(own)+`/delete"`)
}
