package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
)

func TestCronPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "nightly", func(s *ledger.Settings) {
		s.Name, s.Schedule, s.Zone, s.MaxRuntime, s.FailAfter = "<b>\u202e", "30 3 * * *", "Europe/Berlin", time.Hour, 3
		s.Overlap, s.Heartbeat = ledger.Forbid, 5*time.Minute
	})
	page := s.page(cronAddress(c))
	s.shows(page, "It has never run.", "The first start is expected", "&lt;b&gt;⟨U&#43;202E⟩", "!<b>\u202e", "daily at 03:30", "30 3 * * *", "Europe/Berlin",
		"missed if 1 m late", "It has not run yet", "ferryman cron exec nightly --", s.url+"/api/nightly/start", `data-copy="snippet-curl"`,
		"a start beyond that is refused", "dead after 5 m of silence", "Nothing that anybody would be told of")
	if n := strings.Count(page[strings.Index(page, `id="fires"`):strings.Index(page, `id="runs"`)], "<li>"); n != cronFires {
		t.Errorf("%d starts are listed", n)
	}

	ok := s.ran(c, ledger.Succeeded, "")
	page = s.page(cronAddress(c))
	s.shows(page, "All is well.", "The last run started", "took 1.5 s", "not known before three ended well", fmt.Sprintf(`href="/ui/runs/%d"`, ok), "Show as table",
		"!95 of 100", "limit 1 h", "100 % ended well of 1 run")
	var last int64
	for range 3 {
		last = s.ran(c, ledger.Error, hostile)
	}
	page = s.page(cronAddress(c))
	s.shows(page, "Failing since", "3 failures in a row. The last said: "+harmless, "!"+hostile, "failing", "the last 3 executions failed", "25 % ended well")
	s.shows(s.page(cronAddress(c)+"?status=success"), fmt.Sprintf(`data-href="/ui/runs/%d"`, ok), fmt.Sprintf(`!data-href="/ui/runs/%d"`, last))

	running := s.begin(c)
	s.shows(s.page(cronAddress(c)), "Failing since", "1 of 1 that may", "running for", "Release all")
	s.ends(running, ledger.Report{Success: true, Type: ledger.Succeeded})
	again := s.begin(c)
	s.shows(s.page(cronAddress(c)), "Running for", "!It usually takes")
	s.ends(again, ledger.Report{Success: true, Type: ledger.Succeeded})
	for query, want := range map[string]int{
		"?status=odd": http.StatusBadRequest, "?before=x": http.StatusBadRequest, "?before=-1": http.StatusBadRequest, "?before=1": http.StatusOK,
	} {
		if status, page := s.get(cronAddress(c) + query); status != want {
			t.Errorf("%s: %d %s", query, status, page)
		}
	}
}

func TestCronRunsPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "often")
	for range cronRuns + 1 {
		s.ran(c, ledger.Succeeded, "")
	}
	page := s.page(cronAddress(c))
	if rows := strings.Count(page, "<tr data-href"); rows != cronRuns {
		t.Errorf("%d rows on the first page", rows)
	}
	_, rest, _ := strings.Cut(page, `<p class="more"><a href="`)
	link, _, _ := strings.Cut(rest, `"`)
	older := s.page(strings.TrimSuffix(link, "#runs"))
	if rows := strings.Count(older, "<tr data-href"); rows != 1 {
		t.Errorf("%d rows on the second page, %s", rows, link)
	}
	s.shows(older, "← Newest", `!class="more"`)
}

func TestStandingInWords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ref := func(c ledger.Cron) (int64, ledger.Ref) { return 0, ledger.Ref{ID: c.ID} }
	must := func(_ ledger.Cron, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := s.cron("shop", "job")
	app, id := ref(c)
	must(s.ledger.Pause(t.Context(), app, id, time.Now().Add(time.Hour)))
	s.shows(s.page(cronAddress(c)), "Paused until", "Resume")
	must(s.ledger.Pause(t.Context(), app, id, time.Time{}))
	s.shows(s.page(cronAddress(c)), "Switched off", "Resume")
	must(s.ledger.Resume(t.Context(), app, id))
	s.shows(s.page(cronAddress(c)), "It has never run.", "!Resume")

	own, err := s.ledger.Register(t.Context(), "warehouses", ledger.Settings{Name: "Warehouse sync", Schedule: "every 1m"})
	if err != nil {
		t.Fatal(err)
	}
	s.shows(s.page(cronAddress(own)), "Counted from the last start", "/api/v1/syncs/warehouses/run", "!/delete", "every minute")
}

func TestUnknownCron(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"1", "0", "x", "9007199254740993", "%00", "1e3"} {
		if status, page := s.get(Root + "crons/" + id); status != http.StatusNotFound || !strings.Contains(page, "There is no such cron") {
			t.Errorf("%s: %d %s", id, status, page)
		}
	}
}

// A key that may only look is offered nothing to act with, and cannot.
func TestCronWithAReadKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "job")
	s.ran(c, ledger.Succeeded, "")
	s.signIn(apikey.BuiltIn, apikey.Read)
	for _, path := range []string{Root + "crons", cronAddress(c)} {
		s.shows(s.page(path), "job", "!/pause", "!/edit", "!/delete", "!New cron", "!Alerts ▾")
	}
	for _, path := range []string{Root + "crons/new", cronAddress(c) + "/edit"} {
		if status, _ := s.get(path); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, a := range (&Dashboard{}).cronActions() {
		path := strings.ReplaceAll(a.pattern, "{id}", fmt.Sprint(c.ID))
		if status, page := s.post(cronAddress(c), path, "for", "1h"); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
	if noted := s.cronsNoted(); len(noted) != 0 {
		t.Errorf("on record: %q", noted)
	}
}
