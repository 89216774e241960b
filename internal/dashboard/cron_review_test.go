package dashboard

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
)

// What people cancelled is no part of what the success rate is of, and is said apart.
func TestRateIsOfWhatEndedByItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "job")
	for _, status := range []ledger.Status{ledger.Success, ledger.Cancelled, ledger.Cancelled} {
		s.did(c, status, time.Hour, time.Minute)
	}
	s.shows(s.page(cronAddress(c)), "100 % ended well of 1 run, 2 cancelled")
}

// Links of the list keep what was asked for, but for the page.
func TestLinksOfTheListOfCrons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cron("shop", "job")
	s.shows(s.page(Root+"crons?search=jo&state=new&state=ok&kind=external&app=shop"),
		`href="/ui/crons?app=shop&amp;kind=external&amp;search=jo"`, `href="/ui/crons?app=shop&amp;kind=external&amp;search=jo&amp;state=new"`,
		`href="/ui/crons?app=shop&amp;search=jo&amp;state=new&amp;state=ok"`, "all kinds", "own syncs", `<th scope="col">State`)
}

// A form of a sync that is refused still says which sync it is of.
func TestRefusedFormOfASyncHasItsName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, err := s.ledger.Register(t.Context(), "warehouses", ledger.Settings{Name: "Warehouses", Schedule: "every 10m"})
	if err != nil {
		t.Fatal(err)
	}
	form := cronAddress(c) + "/edit"
	status, page := s.post(form, form, "grace", "soon")
	if status != http.StatusUnprocessableEntity {
		t.Errorf("%d", status)
	}
	s.shows(page, "<h1>Edit Warehouses</h1>", "ferryman/warehouses", `value="soon"`)
}

// Nobody adds a cron to the first application of the list by leaving it as it is.
func TestNewCronAsksForTheApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.key("shop", apikey.Ping)
	form := Root + "crons/new"
	page := s.page(form)
	if strings.Index(page, `<option value="">choose one`) > strings.Index(page, "<option>ferryman") {
		t.Error("an application is chosen already")
	}
	_, page = s.post(form, form, "slug", "job", "app", "")
	s.shows(page, "is none of the applications")
}

// To pause what is switched off does not have it go on afterwards, and says so; a
// time of another year says which.
func TestWhatIsSaidOfAPause(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Now = func() time.Time { return time.Now().UTC() } })
	c := s.cron("shop", "job")
	far := time.Now().UTC().AddDate(2, 0, 0)
	_, page := s.post(cronAddress(c), cronAddress(c)+"/pause", "for", "date", "until", far.Format(localMinute))
	s.shows(page, "job is paused until "+far.Format("2 Jan 2006 15:04")+" (UTC)")
	s.post(cronAddress(c), cronAddress(c)+"/pause", "for", "resumed")
	_, page = s.post(cronAddress(c), cronAddress(c)+"/pause", "for", "1h")
	s.shows(page, "job stays switched off until somebody resumes it", "!job is paused until")
}

// The table of the timeline has what the drawing has: no maintenance of others, and
// what was missed where it was expected.
func TestTableOfTheTimeline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	shop, bank := s.cron("shop", "job"), s.cron("bank", "other")
	for _, c := range []ledger.Cron{shop, bank} {
		if _, err := s.ledger.AddMaintenance(t.Context(), ledger.Window{AppID: c.AppID, EndsAt: s.db.Now().Add(time.Hour), Reason: "moving " + c.Slug}); err != nil {
			t.Fatal(err)
		}
	}
	s.shows(s.page(timelineAddress("app", "shop")), "moving job", "!moving other")
	s.shows(s.page(timelineAddress("search", "job")), "moving job", "!moving other")

	noticed := time.Date(2026, 3, 1, 10, 16, 0, 0, time.UTC)
	e := ledger.Execution{Status: ledger.Missed, ScheduledFor: noticed.Add(-16 * time.Minute), StartedAt: noticed, EndedAt: noticed}
	if got := entryOf(&e, &shop); !got.At.Equal(e.ScheduledFor) || !got.Until.IsZero() {
		t.Errorf("%+v", got)
	}
}
