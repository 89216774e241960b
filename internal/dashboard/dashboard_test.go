package dashboard

import (
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ferryman/internal/alert"
	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
	"ferryman/internal/rejected"
)

// site is the pages on a store, and a browser without a script.
type site struct {
	t      testing.TB
	url    string
	client *http.Client

	db       *db.DB
	webhooks *endpoint.Webhooks

	ledger *ledger.Ledger
	outbox *outbox.Outbox
	keys   *apikey.Keys
	audit  *audit.Log
}

// newSite serves the pages of a new SQLite store that only this machine reaches.
func newSite(t testing.TB, change ...func(*Options)) *site {
	t.Helper()
	return siteOn(t, dbtest.Open(t, "sqlite://"+filepath.Join(t.TempDir(), "ferryman.db"), db.Options{}), change...)
}

// siteOn does so of a store that is there.
func siteOn(t testing.TB, d *db.DB, change ...func(*Options)) *site {
	t.Helper()
	keys, err := apikey.Open(t.Context(), d, []byte("a secret of thirty-two characters"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	log := slog.New(slog.DiscardHandler)
	refused := rejected.Open(d, log)
	t.Cleanup(refused.Close)
	s := &site{t: t, db: d, ledger: ledger.New(d), outbox: outbox.New(d, outbox.Options{}), keys: keys, audit: audit.New(d, log)}
	hooks, err := endpoint.Open(d, []byte("a secret of thirty-two characters"))
	if err != nil {
		t.Fatal(err)
	}
	s.webhooks = hooks
	o := Options{
		Alerts: alert.New(d, s.ledger, s.outbox), Webhooks: hooks,
		Log: log, Version: "1.2.3", Keys: keys, Sessions: apikey.NewSessions(keys), Audit: s.audit,
		Ledger: s.ledger, Outbox: s.outbox, Nodes: node.New(d, log), Rejected: refused, Secret: []byte("secret"), Loopback: true, Status: statusOf,
	}
	for _, c := range change {
		c(&o)
	}
	pages, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pages.Close)
	server := httptest.NewServer(pages)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.restart()
	return s
}

// statusOf is as the server has it, for the kinds that pages meet.
func statusOf(err error) int {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unprocessable:
		return http.StatusUnprocessableEntity
	case fault.Inactive:
		return http.StatusTeapot
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// restart is another browser: it has no cookies.
func (s *site) restart() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar, Timeout: 30 * time.Second}
}

// get gives a page, after all redirects.
func (s *site) get(path string) (status int, page string) {
	s.t.Helper()
	answer, err := s.client.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(answer)
}

func (s *site) read(answer *http.Response) (int, string) {
	s.t.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// page gives a page that is there, and fails the test otherwise.
func (s *site) page(path string) string {
	s.t.Helper()
	status, page := s.get(path)
	if status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, status, page)
	}
	return page
}

// shows checks that a page has each of some texts; those with an exclamation mark
// before them, that it has not.
func (s *site) shows(page string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		unwanted, not := strings.CutPrefix(text, "!")
		if not == strings.Contains(page, unwanted) {
			s.t.Errorf("the page has %q: %v\n%s", unwanted, !not, page)
		}
	}
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// post sends a form that a page holds, with the token of that page, and gives where
// it leads, after all redirects. The fields are name and value by turns.
func (s *site) post(from, path string, fields ...string) (status int, page string) {
	s.t.Helper()
	_, shown := s.get(from)
	token := csrfField.FindStringSubmatch(shown)
	if token == nil {
		s.t.Fatalf("no form on %s:\n%s", from, shown)
	}
	form := url.Values{"csrf": {html.UnescapeString(token[1])}, "back": {from}}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	answer, err := s.client.PostForm(s.url+path, form)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.read(answer)
}

// key makes a key of an application, which is added if need be.
func (s *site) key(app string, scope apikey.Scope) string {
	s.t.Helper()
	if app != apikey.BuiltIn {
		if _, err := s.keys.AddApplication(s.t.Context(), app); err != nil && fault.KindOf(err) != fault.Conflict {
			s.t.Fatal(err)
		}
	}
	_, key, err := s.keys.Create(s.t.Context(), app, scope, time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// signIn signs a browser in.
func (s *site) signIn(app string, scope apikey.Scope) {
	s.t.Helper()
	s.restart()
	key := s.key(app, scope)
	status, page := s.post(Root+"sign-in", Root+"sign-in", "key", key)
	if status != http.StatusOK || strings.Contains(page, `name="key"`) {
		s.t.Fatalf("not signed in: %d %s", status, page)
	}
}

// noted gives the actions that are on record, the newest first.
func (s *site) noted() (actions []string) {
	s.t.Helper()
	entries, err := s.audit.List(s.t.Context(), 0, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		actions = append(actions, e.Action+" "+e.Target)
	}
	return actions
}

func TestOpenOnlyWithoutKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.shows(s.page(Root), "No key to sign in with exists yet", "Overview")
	s.key("shop", apikey.Ping) // of use for reports only
	s.shows(s.page(Root), "No key to sign in with exists yet")
	s.key(apikey.BuiltIn, apikey.Read)
	s.shows(s.page(Root), "!No key to sign in with exists yet", `name="key"`)
}

func TestOpenOnlyOnLoopback(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Loopback = false })
	s.shows(s.page(Root), `name="key"`, "!Overview")
}

func TestForeignFormsDoNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, token := range []string{"", "made up"} {
		answer, err := s.client.PostForm(s.url+Root+"preferences", url.Values{"csrf": {token}, "zone": {"UTC"}})
		if err != nil {
			t.Fatal(err)
		}
		if status, page := s.read(answer); status != http.StatusForbidden {
			t.Errorf("%q: %d %s", token, status, page)
		}
	}
}

func TestLocalPathsOnly(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/ui/crons?state=failing": "/ui/crons?state=failing",
		"/ui/crons/7%2F8":         "/ui/crons/7%2F8",
		"":                        Root, "/": Root, "/api": Root, "//evil.example/ui/": Root, "https://evil.example/ui/": Root,
		"/ui/\\evil": Root, "/ui/a\r\nSet-Cookie: x": Root, "javascript:alert(1)": Root, "/ui/../api": Root,
	} {
		if got := localPath(path); got != want {
			t.Errorf("%q leads to %q, and not to %q", path, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", 300 * time.Microsecond: "< 1 ms", 320 * time.Millisecond: "320 ms", 4200 * time.Millisecond: "4.2 s",
		9949 * time.Millisecond: "9.9 s", 9950 * time.Millisecond: "10 s", 59499 * time.Millisecond: "59 s", 59500 * time.Millisecond: "1 m",
		64 * time.Second: "1 m 04 s", time.Hour - time.Millisecond: "1 h", 130 * time.Minute: "2 h 10 m",
		48*time.Hour - time.Second: "2 d", 76 * time.Hour: "3 d 4 h", 90 * 24 * time.Hour: "90 d", -time.Second: "−1.0 s",
	} {
		if got := took(d); got != want {
			t.Errorf("%v is %q, and not %q", d, got, want)
		}
	}
}

func TestHiddenCharactersAreShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain ünï 茶": "plain ünï 茶", "a\x00b\x1b[31m\x7f": "a␀b␛[31m␡", "a\nb\tc": "a\nb\tc",
		"\u202eevil\u2066": "⟨U+202E⟩evil⟨U+2066⟩", "\u200b": "⟨U+200B⟩", "bad\xff": "bad\uFFFD", "\u0085": "⟨U+0085⟩",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, and not %q", text, got, want)
		}
	}
}
