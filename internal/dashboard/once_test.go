package dashboard

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/apikey"
	"ferryman/internal/endpoint"
)

var onceField = regexp.MustCompile(`name="once" value="([^"]+)"`)

// onceForm gives the form on a page that is taken but once, filled in.
func (s *site) onceForm(from string, fields ...string) url.Values {
	s.t.Helper()
	page := s.page(from)
	token, once := csrfField.FindStringSubmatch(page), onceField.FindStringSubmatch(page)
	if token == nil || once == nil {
		s.t.Fatalf("no such form on %s:\n%s", from, page)
	}
	form := url.Values{"csrf": {html.UnescapeString(token[1])}, "once": {html.UnescapeString(once[1])}, "back": {from}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return form
}

func (s *site) send(path string, form url.Values) (status int, page string) {
	s.t.Helper()
	answer, err := s.client.PostForm(s.url+path, form)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(answer)
}

// The page that shows a key, loaded anew, makes no other one: neither on the node that
// made it nor on another, which has but the browser's word.
func TestAKeyIsMadeOnceByAForm(t *testing.T) {
	t.Parallel()
	var o Options
	s := newSite(t, func(given *Options) { o = *given })
	s.signIn(apikey.BuiltIn, apikey.Admin)
	if _, err := s.keys.AddApplication(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	at := Root + "applications/shop"
	form := s.onceForm(at, "scope", "ping", "until", "2020-01-01")
	for range 2 { // refused, it says so again
		if status, page := s.send(at, form); status != http.StatusUnprocessableEntity || !strings.Contains(page, "expired already") {
			t.Fatalf("%d %s", status, page)
		}
	}
	form.Set("until", "")
	if _, page := s.send(at, form); !keyText.MatchString(page) {
		t.Fatal(page)
	}
	again := func(where string) {
		t.Helper()
		_, page := s.send(at, form)
		s.shows(page, "<h1>shop</h1>", "This key was made already and cannot be shown again.", "!shown this once")
		if keys, err := s.keys.List(t.Context(), "shop"); err != nil || len(keys) != 1 {
			t.Errorf("%s: %d keys, %v", where, len(keys), err)
		}
	}
	again("with the cookie")
	u, err := url.Parse(s.url + Root)
	if err != nil {
		t.Fatal(err)
	}
	cookies := s.client.Jar.Cookies(u)
	kept := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == spentCookie })
	if kept < 0 || strings.Contains(cookies[kept].Value, form.Get("once")) {
		t.Fatalf("the browser keeps %v", cookies)
	}
	s.client.Jar.SetCookies(u, []*http.Cookie{{Name: spentCookie, Value: "", Path: Root, MaxAge: -1}})
	again("without the cookie")

	s.client.Jar.SetCookies(u, []*http.Cookie{{Name: spentCookie, Value: cookies[kept].Value, Path: Root}})
	another, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(another.Close)
	server := httptest.NewServer(another)
	t.Cleanup(server.Close)
	s.url = server.URL
	again("on another node")

	if _, page := s.send(at, s.onceForm(at, "scope", "ping")); !keyText.MatchString(page) {
		t.Errorf("another form makes none: %s", page)
	}
}

// The same goes for the secrets of webhooks.
func TestASecretIsMadeOnceByAForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	add := s.onceForm(Root+"channels", "name", "pager", "url", "https://example.com/hook", "rate", "none", "signed", "1")
	_, page := s.send(Root+"webhooks/new", add)
	s.shows(page, "whsec_")
	_, page = s.send(Root+"webhooks/new", add)
	s.shows(page, "<h1>Channels</h1>", "This webhook was added already, and its secret cannot be shown again.", "!whsec_")

	at := Root + "channels/webhook/pager"
	rotate := s.onceForm(at)
	secret := func() endpoint.Secret {
		w, err := s.webhooks.Get(t.Context(), "pager")
		if err != nil {
			t.Fatal(err)
		}
		return w.Secret
	}
	_, page = s.send(Root+"webhooks/pager/rotate", rotate)
	s.shows(page, "whsec_")
	made := secret()
	_, page = s.send(Root+"webhooks/pager/rotate", rotate)
	s.shows(page, "<h1>webhook/pager</h1>", "This secret was made already and cannot be shown again.", "!whsec_")
	if secret() != made {
		t.Error("there is another secret")
	}
}

func TestSpentFormsAreBounded(t *testing.T) {
	t.Parallel()
	var s spent
	for i := range spentMost + 10 {
		if !s.take(fmt.Sprint(i)) {
			t.Fatalf("form %d was taken before", i)
		}
	}
	if len(s.forms) != spentMost || s.take(fmt.Sprint(spentMost+9)) || !s.take("0") {
		t.Errorf("%d forms are remembered", len(s.forms))
	}
	s.giveBack("0")
	s.giveBack("never taken")
	if !s.take("0") {
		t.Error("what did nothing is not taken again")
	}
}
