package dashboard

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// is gives a cron as it stands.
func (s *site) is(c ledger.Cron) ledger.Cron {
	s.t.Helper()
	now, err := s.ledger.Cron(s.t.Context(), 0, ledger.Ref{ID: c.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	return now
}

var undoForm = regexp.MustCompile(`(?s)<div class="flash.*?<form method="post" action="([^"]*)">(.*?)</form>`)

// undo sends the form that takes the last action back.
func (s *site) undo(page string) {
	s.t.Helper()
	form := undoForm.FindStringSubmatch(page)
	if form == nil {
		s.t.Fatalf("nothing to undo on %s", page)
	}
	values := url.Values{}
	for _, field := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form[2], -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	answer, err := s.client.PostForm(s.url+form[1], values)
	if err != nil {
		s.t.Fatal(err)
	}
	if status, page := s.read(answer); status != http.StatusOK {
		s.t.Fatalf("%d %s", status, page)
	}
}

func TestCronActions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "job", func(s *ledger.Settings) { s.Schedule = "every 1h" })
	at := cronAddress(c)
	do := func(action string, fields ...string) string {
		t.Helper()
		status, page := s.post(at, at+"/"+action, fields...)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", action, status, page)
		}
		return page
	}
	about := func(want time.Duration, got time.Time) {
		t.Helper()
		if off := time.Until(got) - want; off < -time.Minute || off > time.Minute {
			t.Errorf("until %v, and not in %v", got, want)
		}
	}

	page := do("pause", "for", "1h")
	s.shows(page, "job is paused until")
	about(time.Hour, s.is(c).PausedUntil)
	s.undo(page)
	if now := s.is(c); !now.PausedUntil.IsZero() {
		t.Errorf("it is still paused: %+v", now)
	}
	do("pause", "for", "1h")
	do("pause", "for", "resumed")
	if s.is(c).Active {
		t.Error("it is active")
	}
	page = do("resume")
	if !s.is(c).Active {
		t.Error("it is not active")
	}
	s.undo(page)
	if s.is(c).Active {
		t.Error("it is active after all")
	}
	do("resume")

	page = do("mute")
	if !s.is(c).Muted {
		t.Error("it is not muted")
	}
	s.undo(page)
	if s.is(c).Muted {
		t.Error("it is muted")
	}
	page = do("snooze", "for", "1d")
	about(24*time.Hour, s.is(c).SnoozedUntil)
	s.undo(page)
	if until := s.is(c).SnoozedUntil; !until.IsZero() {
		t.Errorf("it is snoozed until %v", until)
	}
	s.shows(do("snooze", "for", "resumed"), "Alerts are snoozed until a time")

	running := s.begin(c)
	s.shows(do("release"), "one run was released")
	if e, err := s.ledger.Execution(t.Context(), 0, running.ID); err != nil || e.Status != ledger.Cancelled {
		t.Errorf("%+v %v", e, err)
	}
	s.shows(do("release"), "no run to release")
	s.shows(do("run"), "This cron is none that Ferryman runs itself")

	status, page := s.post(at, at+"/delete")
	s.shows(page, "job was deleted", "No cron is like that")
	if gone, _ := s.get(at); status != http.StatusOK || gone != http.StatusNotFound {
		t.Errorf("%d, and then %d", status, gone)
	}
	target := " cron 1 shop/job"
	want := []string{
		"cron.delete", "cron.release", "cron.release", "cron.snooze", "cron.snooze", "cron.unmute", "cron.mute", "cron.resume", "cron.pause", "cron.resume",
		"cron.pause", "cron.pause", "cron.resume", "cron.pause",
	}
	for i := range want {
		want[i] += target
	}
	if noted := s.noted(); !slices.Equal(noted, want) {
		t.Errorf("on record: %q", noted)
	}
}

// caster is syncs of which one cannot start.
type caster struct{ cast []string }

func (c *caster) Cast(_ context.Context, slug string) error {
	c.cast = append(c.cast, slug)
	if slug == "broken" {
		return &fault.Error{Kind: fault.NotFound, Code: "unknown_sync", Detail: "this server runs no sync of this name"}
	}
	return nil
}

func TestRunNow(t *testing.T) {
	t.Parallel()
	var syncs caster
	s := newSite(t, func(o *Options) { o.Syncs = &syncs })
	own, err := s.ledger.Register(t.Context(), "warehouses", ledger.Settings{Name: "Warehouse sync"})
	broken, err2 := s.ledger.Register(t.Context(), "broken", ledger.Settings{Name: "Broken"})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, c := range []ledger.Cron{own, broken} {
		s.shows(s.page(cronAddress(c)+"/menu?back=/ui/crons"), "Run now")
	}
	s.shows(s.page(cronAddress(s.cron("shop", "job"))+"/menu?back=/ui/crons"), "!Run now")
	_, page := s.post(cronAddress(own), cronAddress(own)+"/run")
	s.shows(page, "Warehouse sync was asked to run.")
	_, page = s.post(cronAddress(own), cronAddress(broken)+"/run")
	s.shows(page, "This server runs no sync of this name")
	if want := []string{"warehouses", "broken"}; !slices.Equal(syncs.cast, want) {
		t.Errorf("cast %q", syncs.cast)
	}
	if noted := s.noted(); len(noted) != 1 || noted[0] != "cron.run cron 1 ferryman/warehouses" {
		t.Errorf("on record: %q", noted)
	}
}

func TestPutOffUntil(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC) // clocks go forward next night
	for _, c := range []struct {
		form url.Values
		want string
	}{
		{url.Values{"for": {"1h"}}, "2026-03-28T23:30:00Z"},
		{url.Values{"for": {"1d"}}, "2026-03-29T22:30:00Z"},
		{url.Values{"for": {"tomorrow"}}, "2026-03-29T06:00:00Z"},
		{url.Values{"for": {"resumed"}}, "0001-01-01T00:00:00Z"},
		{url.Values{"for": {"date"}, "until": {"2026-03-29T08:00"}}, "2026-03-29T06:00:00Z"},
		{url.Values{"for": {"date"}, "until": {"2026-03-28T22:30:00.5Z"}}, "2026-03-28T22:30:00Z"},
		{url.Values{"for": {"date"}, "until": {"2026-03-28T23:00"}}, "until_past"},
		{url.Values{"for": {"date"}, "until": {""}}, "until_invalid"},
		{url.Values{"for": {"date"}, "until": {"2026-03-29T02:30"}}, "until_invalid"},            // the clocks skip it
		{url.Values{"for": {"date"}, "until": {"2026-10-25T02:30"}}, "2026-10-25T01:30:00Z"},     // the later of the two
		{url.Values{"for": {"date"}, "until": {"2026-10-25T00:30:00Z"}}, "2026-10-25T00:30:00Z"}, // as it was, to take something back
		{url.Values{"for": {"ever"}}, "for_invalid"},
		{url.Values{}, "for_invalid"},
	} {
		until, err := putOffUntil(c.form, now, berlin)
		got := until.UTC().Format(time.RFC3339)
		if err != nil {
			got = fault.CodeOf(err)
		}
		if got != c.want {
			t.Errorf("%v: %s, and not %s", c.form, got, c.want)
		}
	}
}

// What was released before the store gave out is on record.
func TestAReleaseThatFailsHalfWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "job", func(s *ledger.Settings) { s.MaxRunning = 150 })
	var last int64
	for range 130 {
		last = s.begin(c).ID
	}
	s.write(fmt.Sprintf("CREATE TRIGGER stuck BEFORE UPDATE ON executions WHEN NEW.id = %d BEGIN SELECT RAISE(ABORT, 'stuck'); END", last))
	at := cronAddress(c)
	status, page := s.post(at, at+"/release")
	if status < 500 {
		t.Errorf("status %d: %s", status, page)
	}
	entries, err := s.audit.List(t.Context(), 0, 1)
	if err != nil || len(entries) != 1 || entries[0].Action != "cron.release" || entries[0].Detail != "100 runs" {
		t.Errorf("on record: %+v, %v", entries, err)
	}
	s.write("DROP TRIGGER stuck")
	s.post(at, at+"/release")
	if entries, err = s.audit.List(t.Context(), 0, 1); err != nil || entries[0].Detail != "30 runs" {
		t.Errorf("the rest, on record: %+v, %v", entries, err)
	}
}
