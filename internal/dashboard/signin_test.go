package dashboard

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/forwarded"
)

// The command that makes a key is for the store that is served.
func TestSignInNamesTheStore(t *testing.T) {
	t.Parallel()
	for _, sandbox := range []bool{false, true} {
		s := newSite(t, func(o *Options) { o.Node.Sandbox = sandbox })
		s.key(apikey.BuiltIn, apikey.Admin)
		_, page, _ := strings.Cut(s.page(Root+"sign-in"), "No key at hand?")
		if got := strings.Contains(page, "--scope admin --sandbox</code>"); got != sandbox || !strings.Contains(page, "ferryman key create --app ferryman --scope admin") {
			t.Errorf("sandbox %v: %s", sandbox, page)
		}
	}
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key := s.key(apikey.BuiltIn, apikey.Admin)
	page := s.page(Root + "crons?state=failing")
	s.shows(page, `name="next" value="/ui/crons?state=failing"`, "!Overview")

	status, page := s.post(Root+"sign-in?next=/ui/crons", Root+"sign-in", "key", key, "next", "/ui/crons")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, page)
	}
	s.shows(page, "Overview", "!"+key)
	u, _ := url.Parse(s.url + Root)
	cookies := s.client.Jar.Cookies(u)
	if elsewhere := s.client.Jar.Cookies(&url.URL{Scheme: "http", Host: u.Host, Path: "/api/v1/crons"}); len(elsewhere) != 0 {
		t.Errorf("other calls get cookies: %v", elsewhere)
	}
	if noted := s.noted(); len(noted) != 1 || !strings.HasPrefix(noted[0], "session.begin session ") {
		t.Errorf("noted %q", noted)
	}

	s.post(Root+"sign-in", Root+"sign-out")
	s.shows(s.page(Root), `name="key"`)
	for _, c := range cookies { // a copy of the cookie is of no use either
		s.client.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: Root}})
	}
	s.shows(s.page(Root), `name="key"`)
}

func TestSessionsEndWithTheirKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn(apikey.BuiltIn, apikey.Admin)
	s.key(apikey.BuiltIn, apikey.Admin) // or the door would be open again
	s.shows(s.page(Root), "Overview")
	keys, err := s.keys.List(t.Context(), apikey.BuiltIn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.keys.Revoke(t.Context(), keys[0].Prefix); err != nil {
		t.Fatal(err)
	}
	s.shows(s.page(Root), `name="key"`, "!Overview")
}

func TestWrongKeysAreSlowedDown(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC() // stands still: each second would forgive one
	s := newSite(t, func(o *Options) { o.Now = func() time.Time { return now } })
	good := s.key(apikey.BuiltIn, apikey.Read)
	for range wrongKeyBurst {
		_, page := s.post(Root+"sign-in", Root+"sign-in", "key", "fm_wrong")
		s.shows(page, "This key is not valid.")
	}
	_, page := s.post(Root+"sign-in", Root+"sign-in", "key", "fm_wrong")
	s.shows(page, "Too many wrong keys")
	_, page = s.post(Root+"sign-in", Root+"sign-in", "key", good)
	s.shows(page, "Overview")
}

func TestKeysForReportsOpenNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.key(apikey.BuiltIn, apikey.Admin)
	_, page := s.post(Root+"sign-in", Root+"sign-in", "key", s.key("shop", apikey.Ping))
	s.shows(page, "may report and not look", "!Overview")
}

func TestReadKeysSeeAndDoNotAct(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn(apikey.BuiltIn, apikey.Read)
	for _, a := range (&Dashboard{}).actions() {
		if a.who == everybody {
			continue
		}
		path := strings.NewReplacer("{id}", "1", "{slug}", "x", "{name}", "x", "{prefix}", "x").Replace(a.pattern)
		if status, page := s.post(Root+"sign-in", path); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
}

func TestCookiesAreSecureBehindTLS(t *testing.T) {
	t.Parallel()
	r := &http.Request{Header: http.Header{}, RemoteAddr: "10.1.0.1:80"}
	if cookie(r, "x", "y", 1).Secure {
		t.Error("a browser without TLS would not send it")
	}
	r.Header.Set("X-Forwarded-Proto", "https")
	if cookie(r, "x", "y", 1).Secure {
		t.Error("anybody may say so")
	}
	trusted := forwarded.Proxies{netip.MustParsePrefix("10.1.0.0/16")}
	behind, direct := trusted.Take(r), &http.Request{TLS: &tls.ConnectionState{}}
	for _, r := range []*http.Request{behind, direct} {
		if c := cookie(r, "x", "y", 1); !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("%+v", c)
		}
	}
}
