package dashboard

import (
	"bufio"
	"context"
	"encoding/base64"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
)

// pagesOf gives the pages of a new site as they are inside.
func pagesOf(t *testing.T) (*site, *Dashboard) {
	t.Helper()
	var o Options
	s := newSite(t, func(given *Options) { o = *given })
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return s, d
}

func TestWhoIsNotSignedInLeavesNoRecord(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.key(apikey.BuiltIn, apikey.Admin)
	s.post(Root+"sign-in", Root+"sign-out")
	if noted := s.noted(); len(noted) != 0 {
		t.Errorf("noted %q", noted)
	}
}

func TestOpenToNobodyBehindAProxy(t *testing.T) {
	t.Parallel()
	for _, from := range []struct {
		host, header string
		direct       bool
	}{
		{"localhost:8080", "", true}, {"127.0.0.1:8080", "", true}, {"[::1]:8080", "", true}, {"ferryman.localhost", "", true}, {"LOCALHOST.", "", true},
		{"ferryman.example.com", "", false}, {"192.0.2.7:8080", "", false}, {"", "", false},
		{"localhost:8080", "X-Forwarded-For", false}, {"localhost:8080", "Forwarded", false}, {"127.0.0.1:8080", "X-Forwarded-Proto", false},
	} {
		_, d := pagesOf(t)
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, Root, http.NoBody)
		r.Host = from.host
		if from.header != "" {
			r.Header[from.header] = []string{"", "192.0.2.7"}
		}
		d.ServeHTTP(w, r)
		if open := w.Code == http.StatusOK; open != from.direct {
			t.Errorf("%+v: %d %s", from, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestHowManyTimesTheUsual(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]string{
		420 * time.Millisecond: "0.42×", time.Second: "1.0×", 2300 * time.Millisecond: "2.3×", 9949 * time.Millisecond: "9.9×",
		9960 * time.Millisecond: "10×", 2 * time.Minute: "120×", time.Hour: "3600×", 0: "0.00×",
	} {
		if got := times(took, time.Second); got != want {
			t.Errorf("%v is %q, and not %q", took, got, want)
		}
	}
}

var liveData = regexp.MustCompile(`data-live="([^"]*)"`)

func TestWhatChangesWhileAPageIsMadeIsAskedForAnew(t *testing.T) {
	t.Parallel()
	s, d := pagesOf(t)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, Root, http.NoBody)
	r.Host = "localhost"
	d.serve(page{Root, "", viewers, func(*request) (view, error) {
		s.cron("shop", "nightly") // after all that the page shows was read
		return view{template: "error", data: trouble{}, live: []string{"ledger"}}, nil
	}, nil})(w, r)
	told := liveData.FindStringSubmatch(w.Body.String())
	d.live.asked = time.Time{}
	if now := d.versionsOf(d.live.ask(t.Context()), []string{"ledger"}); told == nil || html.UnescapeString(told[1]) == now {
		t.Errorf("the page says %q, and what it does not show is %s", told, now)
	}
}

func TestWhoLeavesWhileItAsksSpoilsNothing(t *testing.T) {
	t.Parallel()
	l := newLive(slog.New(slog.DiscardHandler), map[string]func(context.Context) (string, error){
		"a": func(ctx context.Context) (string, error) { return "1", ctx.Err() },
	})
	gone, leave := context.WithCancel(t.Context())
	leave()
	l.ask(gone)
	if now := l.ask(t.Context()); now["a"] != "1" {
		t.Errorf("the versions are %v", now)
	}
}

func TestCloseWaitsForNoStore(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 1)
	l := newLive(slog.New(slog.DiscardHandler), map[string]func(context.Context) (string, error){
		"a": func(ctx context.Context) (string, error) {
			asked <- true
			<-ctx.Done()
			return "", ctx.Err()
		},
	})
	defer l.leave(l.join())
	<-asked
	l.close() // or the test never ends
	if l.join() == nil || len(l.clients) != 2 {
		t.Error("who comes later is let go by its own stream")
	}
}

func TestAStreamBeginsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client.Transport = &http.Transport{ResponseHeaderTimeout: 5 * time.Second}
	ask := func(last string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+Root+"live", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Last-Event-Id", last)
		answer, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		return answer
	}
	for lines := bufio.NewScanner(ask("").Body); lines.Scan(); {
		if id, found := strings.CutPrefix(lines.Text(), "id: "); found {
			ask(id) // it knows all that there is to say
			return
		}
	}
	t.Error("the stream says nothing")
}

func TestMessagesThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.begin(s.cron("shop", "nightly"))
	if err := s.db.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "DROP TABLE messages")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := s.client.Get(s.url + Root + "runs/" + strconv.FormatInt(e.ID, 10) + "/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	if status, page := s.read(answer); status != http.StatusInternalServerError || answer.Header.Get("Content-Disposition") != "" {
		t.Errorf("%d %v %s", status, answer.Header, page)
	}
}

// A tail that searches reads all messages: it does so only when there are new ones.
func TestATailLooksOnlyAtWhatIsNew(t *testing.T) {
	t.Parallel()
	s, d := pagesOf(t)
	e := s.begin(s.cron("shop", "nightly"))
	s.says(e, ledger.Info, "one")
	w := httptest.NewRecorder()
	r := &request{Request: httptest.NewRequest(http.MethodGet, Root, http.NoBody), zone: time.UTC}
	f, counted := ledger.MessageFilter{Limit: messagesOnPage}, int64(-1)
	look := func() string {
		w.Body.Reset()
		if _, err := d.tailOnce(r, d.newEvents(w), e.ID, &f, &counted); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	if text := look(); !strings.Contains(text, `"one"`) || counted != 1 {
		t.Errorf("%d: %q", counted, text)
	}
	f.After = 0 // what it would find if it looked
	if text := look(); text != "" {
		t.Errorf("nothing is new, and it sends %q", text)
	}
	s.says(e, ledger.Info, "two")
	if text := look(); !strings.Contains(text, `"two"`) {
		t.Errorf("it sends %q", text)
	}
}

func TestAFlashFitsIntoACookie(t *testing.T) {
	t.Parallel()
	d := &Dashboard{}
	for _, text := range []string{strings.Repeat("<", 10_000), strings.Repeat("茶", 10_000), strings.Repeat("a", 10_000)} {
		w := httptest.NewRecorder()
		d.putFlash(w, httptest.NewRequest(http.MethodGet, Root, http.NoBody), flash{Text: text})
		value := w.Result().Cookies()[0].Value
		text, _, _ := strings.Cut(value, ".")
		said, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(value) > maxCookie || len(said) < 500 {
			t.Errorf("%d bytes, %v: %s", len(value), err, said)
		}
	}
}

func TestAPageThatTheScriptAsksForTakesNoFlash(t *testing.T) {
	t.Parallel()
	d, w := &Dashboard{}, httptest.NewRecorder()
	d.putFlash(w, httptest.NewRequest(http.MethodGet, Root, http.NoBody), flash{Text: "done"})
	for mode, taken := range map[string]bool{"cors": false, "by itself": false, "navigate": true, "": true} {
		r := httptest.NewRequest(http.MethodGet, Root, http.NoBody)
		r.AddCookie(w.Result().Cookies()[0])
		if mode == "by itself" { // over plain HTTP a browser tells no mode
			r.Header.Set(refreshHeader, "1")
		} else {
			r.Header.Set("Sec-Fetch-Mode", mode)
		}
		page := httptest.NewRecorder()
		if f := d.takeFlash(page, r); (f != nil) != taken || (len(page.Result().Cookies()) > 0) != taken {
			t.Errorf("%q: %+v, %v", mode, f, page.Result().Cookies())
		}
	}
}

func TestAFlashThatIsNotOursSaysNothing(t *testing.T) {
	t.Parallel()
	d, other := &Dashboard{forms: []byte("one")}, &Dashboard{forms: []byte("another")}
	w := httptest.NewRecorder()
	other.putFlash(w, httptest.NewRequest(http.MethodGet, Root, http.NoBody), flash{Text: "done", Undo: &undo{Path: Root + "crons/1/pause"}})
	r := httptest.NewRequest(http.MethodGet, Root, http.NoBody)
	r.AddCookie(w.Result().Cookies()[0])
	if f := d.takeFlash(httptest.NewRecorder(), r); f != nil {
		t.Errorf("%+v", f)
	}
	if f := other.takeFlash(httptest.NewRecorder(), r); f == nil || f.Undo == nil {
		t.Errorf("%+v", f)
	}
}

// One key holds but a part of the streams, and what is left is free again.
func TestStreamsOfOneKeyAreBounded(t *testing.T) {
	t.Parallel()
	l := newLive(slog.New(slog.DiscardHandler), nil)
	var shut func()
	for range maxOfOne {
		var ok bool
		if shut, ok = l.open("one"); !ok {
			t.Fatal("no place")
		}
	}
	if _, ok := l.open("one"); ok {
		t.Error("more than its part")
	}
	if _, ok := l.open("another"); !ok {
		t.Error("another finds no place")
	}
	shut()
	if _, ok := l.open("one"); !ok {
		t.Error("no place although one was left")
	}
}

// A stream tells whoever sees one application nothing of what belongs to none, and
// no number that others' things have.
func TestVersionsTellNothing(t *testing.T) {
	t.Parallel()
	d := &Dashboard{forms: []byte("one")}
	text := d.versionsOf(map[string]string{"ledger": "17.4", "outbox": "99"}, viewer{AppID: 7, Scope: "read"}.topics([]string{"ledger", "outbox"}))
	if strings.Contains(text, "outbox") || strings.Contains(text, "17") && strings.Contains(text, "17.4") {
		t.Error(text)
	}
}
