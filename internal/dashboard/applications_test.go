package dashboard

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
)

func TestApplicationsAreListed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.shows(s.page(Root+"applications"), "Add the first application", "Ferryman's own")
	for i := range applicationsOnPage + 5 {
		if _, err := s.keys.AddApplication(t.Context(), fmt.Sprintf("app-%03d", i)); err != nil {
			t.Fatal(err)
		}
	}
	s.cron("shop", "nightly")
	page := s.page(Root + "applications")
	s.shows(page, "app-000", "!<strong>shop", "!Add the first", `rel="next"`)
	if got := strings.Count(page, "<tr data-href"); got != applicationsOnPage {
		t.Errorf("%d on the page", got)
	}
	s.shows(s.page(Root+"applications?after=app-098"), "!<strong>app-098", "<strong>app-099", "shop", "!rel=\"next\"")
	s.shows(s.page(Root+"applications?search=SHO"), "shop", "!<strong>app-0")
	s.shows(s.page(Root+"applications?search=%3Cb%3E"), "No application has a name like that", "!<b>")
	if status, page := s.get(Root + "applications?search=a&search=b"); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, page)
	}
}

func TestApplicationIsAdded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, page := s.post(Root+"applications", Root+"applications", "name", " shop ")
	s.shows(page, "The application shop is there.", "It has no live key: its calls are refused.")
	_, page = s.post(Root+"applications", Root+"applications", "name", "shop")
	s.shows(page, "There is an application of this name already.", `role="alert"`)
	_, page = s.post(Root+"applications", Root+"applications", "name", "The Shop")
	s.shows(page, "This is no name for an application.")
	if noted := s.noted(); len(noted) != 1 || noted[0] != "app.add app shop" {
		t.Errorf("noted %q", noted)
	}
	if status, page := s.get(Root + "applications/nobody"); status != http.StatusNotFound {
		t.Errorf("%d %s", status, page)
	}
}

var keyText = regexp.MustCompile(`<code id="key">(fm_[^<]*)</code>`)

func TestKeyIsShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn(apikey.BuiltIn, apikey.Admin)
	if _, err := s.keys.AddApplication(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	at := Root + "applications/shop"
	status, page := s.post(at, at, "scope", "ping", "for", "90d")
	shown := keyText.FindStringSubmatch(page)
	if status != http.StatusOK || shown == nil {
		t.Fatalf("%d %s", status, page)
	}
	key := html.UnescapeString(shown[1])
	who, err := s.keys.Authenticate(t.Context(), key)
	if err != nil || who.App != "shop" || who.Scope != apikey.Ping {
		t.Fatalf("%+v, %v", who, err)
	}
	s.shows(page, "shown this once", `data-copy="key"`)
	page = s.page(at)
	s.shows(page, "fm_"+who.Prefix+"…", "!"+key, "live", "never")
	entries, err := s.audit.List(t.Context(), 0, 10)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	if e := entries[0]; e.Action != "key.create" || e.Target != "app shop" || !strings.Contains(e.Detail, "scope ping, key fm_"+who.Prefix+", until ") || strings.Contains(fmt.Sprint(e), key) {
		t.Errorf("noted %+v", e)
	}
	for _, wrong := range [][]string{{"scope", "root"}, {"scope", "ping", "for", "later"}, {"scope", "ping", "until", "soon"}, {"scope", "ping", "until", "2020-01-01"}} {
		_, page := s.post(at, at, wrong...)
		s.shows(page, `role="alert"`, "!shown this once")
	}

	_, page = s.post(at, Root+"applications/ferryman/keys/"+who.Prefix+"/revoke")
	s.shows(page, "There is no key of this prefix.") // it is not ferryman's
	_, page = s.post(at, at+"/keys/"+who.Prefix+"/revoke")
	s.shows(page, "is revoked", "It has no live key")
	keys, err := s.keys.List(t.Context(), "shop")
	if err != nil || len(keys) != 1 || keys[0].RevokedAt.IsZero() {
		t.Errorf("%+v, %v", keys, err)
	}
	s.shows(s.page(at+"?ended=1"), "fm_"+who.Prefix+"…", "revoked")
	if noted := s.noted(); noted[0] != "key.revoke key fm_"+who.Prefix {
		t.Errorf("noted %q", noted)
	}
}

func valuesOf(t *testing.T, text string) url.Values {
	t.Helper()
	form, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

func TestKeyEnds(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("east", 2*60*60)
	now := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	for form, want := range map[string]time.Time{
		"": {}, "for=30d": now.AddDate(0, 0, 30), "for=365d": now.AddDate(0, 0, 365),
		"for=30d&until=2026-05-31": time.Date(2026, 5, 31, 22, 0, 0, 0, time.UTC),
	} {
		got, err := keyEnd(valuesOf(t, form), now, zone)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", form, got, err)
		}
	}
}

func TestApplicationIsRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin(s.cron("shop", "hourly"))
	at := Root + "applications/shop"
	s.shows(s.page(at), "its live keys (1), its crons (1)", "also of those that run now")
	_, page := s.post(at, at+"/remove")
	s.shows(page, "The application shop was removed", "!>shop<")
	s.shows(s.page(Root+"crons"), "!hourly")
	_, page = s.post(Root+"applications", Root+"applications/ferryman/remove")
	s.shows(page, "Ferryman&#39;s own application cannot be removed.")
	if noted := s.noted(); len(noted) != 1 || noted[0] != "app.remove app shop" {
		t.Errorf("noted %q", noted)
	}
}

func TestApplicationsAreForOperators(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn("shop", apikey.Admin)
	for _, path := range []string{"applications", "applications/shop", "settings", "record", "syncs", "syncs/warehouses"} {
		if status, page := s.get(Root + path); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
	if status, page := s.post(Root+"sign-in", Root+"applications/ferryman", "scope", "admin"); status != http.StatusForbidden {
		t.Errorf("%d %s", status, page)
	}
	s.signIn(apikey.BuiltIn, apikey.Read)
	s.shows(s.page(Root+"applications/shop"), "fm_", "!New key", "!Revoke<", "!Remove")
	s.shows(s.page(Root+"applications"), "!New application")
}
