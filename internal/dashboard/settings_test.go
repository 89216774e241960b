package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
)

func TestSettingsAreShown(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) {
		o.Node = Node{Name: "node-1", Store: "postgres://ferryman:********@db/ferryman", KeepDays: 30}
		o.Settings = []Setting{
			{Section: "Server", Name: "FERRYMAN_LISTEN", Value: "127.0.0.1:8080", Source: "default", Default: "127.0.0.1:8080", Help: "address of the HTTP server"},
			{Section: "Own state", Name: "FERRYMAN_SECRET", Value: "********", Source: ".env line 3", Set: true, Help: "what keys are made with"},
			{Section: "Own state", Name: "FERRYMAN_STATE_DIR", Value: hostile, Source: "environment", Set: true},
		}
	})
	page := s.page(Root + "settings")
	s.shows(page, "1.2.3", "node-1", "postgres://ferryman:********@db/ferryman", "30 days after their delivery", "FERRYMAN_LISTEN", "address of the HTTP server",
		".env line 3", "the newest 10 000", harmless, "!<script>alert", "Nobody is: no key")
	if got := strings.Count(page, "<h3>"); got != 2 {
		t.Errorf("%d sections", got)
	}
	s.shows(s.page(Root+"settings?set=1"), "!FERRYMAN_LISTEN", "FERRYMAN_SECRET")
	if status, page := s.get(Root + "settings?set=maybe"); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, page)
	}
}

func TestSessionIsRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn("shop", apikey.Read)
	other := s.client
	s.signIn(apikey.BuiltIn, apikey.Admin)
	sessions, err := apikey.NewSessions(s.keys).List(t.Context())
	if err != nil || len(sessions) != 2 {
		t.Fatalf("%+v, %v", sessions, err)
	}
	mine, theirs := sessions[0], sessions[1]
	if mine.Identity.App != apikey.BuiltIn {
		mine, theirs = theirs, mine
	}
	s.shows(s.page(Root+"settings"), "fm_"+theirs.Identity.Prefix, "fm_"+mine.Identity.Prefix, ">you<", "Go-http-client")
	path := func(id int64) string { return fmt.Sprintf("%ssessions/%d/revoke", Root, id) }
	_, page := s.post(Root+"settings", path(theirs.ID))
	s.shows(page, "The session has ended.", "!fm_"+theirs.Identity.Prefix)
	_, page = s.post(Root+"settings", path(theirs.ID))
	s.shows(page, "There is no such session.")
	_, page = s.post(Root+"settings", path(mine.ID))
	s.shows(page, "You are signed out.", `name="key"`)
	s.client = other
	s.shows(s.page(Root), `name="key"`)
	if noted := s.noted(); noted[0] != fmt.Sprintf("session.revoke session %d", mine.ID) || noted[1] != fmt.Sprintf("session.revoke session %d", theirs.ID) {
		t.Errorf("noted %q", noted)
	}
}

func TestRecordIsShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.shows(s.page(Root+"record"), "Nobody has done anything yet")
	s.audit.Note(t.Context(), audit.Entry{Who: "cli root", Action: "app.add", Target: audit.Application("shop"), Detail: hostile, Remote: "192.0.2.7"})
	for i := range int64(recordOnPage) {
		s.audit.Note(t.Context(), audit.Entry{Who: audit.Key("abcd1234", "shop"), App: "shop", Action: "cron.pause", Target: audit.Cron(i+1, "shop", "nightly")})
	}
	page := s.page(Root + "record")
	s.shows(page, "key fm_abcd1234 (shop)", `<a href="/ui/crons/50">cron 50 shop/nightly</a>`, "!app.add", `rel="next"`)
	next := strings.Split(strings.Split(page, `" rel="next"`)[0], `<a href="`)
	s.shows(s.page(next[len(next)-1]), "app.add", "!>cron.pause<", `<a href="/ui/applications/shop">app shop</a>`, harmless, "!<script>alert", "First page", `!rel="next"`)
	s.shows(s.page(Root+"record?action=APP."), "app.add", "!>cron.pause<")
	s.shows(s.page(Root+"record?action=none"), "No action is like that")
	if status, page := s.get(Root + "record?before=x"); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, page)
	}
}

func TestTargetsLeadToTheirPages(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		audit.Cron(12, "shop", "a"): "crons/12", audit.Execution(9): "runs/9", audit.Delivery(7): "outbox/7", audit.Application("a/../b"): "applications/a%2F..%2Fb",
		audit.Channel("telegram"): "channels", audit.Maintenance(3): "maintenance", audit.Session(4): "settings#sessions",
		"cron javascript:alert(1)": "", "cron": "", "": "", "outbox": "", audit.KeyTarget("abcd1234"): "",
	} {
		if want != "" {
			want = Root + want
		}
		if got := recordLink(audit.Entry{Target: target}); got != want {
			t.Errorf("%q leads to %q, and not to %q", target, got, want)
		}
	}
	if got := recordLink(audit.Entry{Action: "cron.delete", Target: audit.Cron(12, "shop", "a")}); got != "" {
		t.Errorf("what was deleted leads to %q", got)
	}
	revoked := audit.Entry{Action: "key.revoke", Target: audit.KeyTarget("abcd1234"), Detail: audit.Application("shop")}
	if got := recordLink(revoked); got != Root+"applications/shop?ended=1" {
		t.Errorf("a key leads to %q", got)
	}
	if got := recordLink(audit.Entry{Action: "app.remove", Target: audit.Application("shop")}); got != "" {
		t.Errorf("what was removed leads to %q", got)
	}
}
