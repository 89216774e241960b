package dashboard

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

// What an address asks for and a page does not know is an error, on all of them.
func TestUnknownParametersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin(s.cron("shop", "nightly"))
	s.deliver(outbox.Item{Channel: "telegram", Recipient: "anna"})
	path := strings.NewReplacer("{$}", "", "{id}", "1", "{name...}", "telegram", "{name}", "shop", "{slug}", "none")
	for _, p := range (&Dashboard{}).pages() {
		at := path.Replace(p.pattern)
		status, page := s.get(at + "?application=shop&%3Cb%3E=1")
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d", at, status)
		}
		s.shows(page, "The parameter &lt;b&gt; is not known here.", "!<b>")
		for _, name := range p.takes {
			s.shows(page, name)
		}
	}
	s.shows(s.page(Root+"crons"), "shop/nightly")
	_, page := s.get(Root + "crons?application=shop")
	s.shows(page, "The parameter application is not known here.", "The address of this page takes state, kind, app, search, after.")
}

var pageLinks = regexp.MustCompile(`(?:href|data-href)="([^"#]*\?[^"#]*)`)

// No page leads to an address that is refused.
func TestPagesKnowTheirLinks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range cronsShown + 1 {
		s.cron("shop", fmt.Sprintf("job-%02d", i))
	}
	often := s.cron("shop", "often")
	for range runsOnPage + 1 {
		s.ran(often, ledger.Error, "no")
	}
	followed, next := map[string]bool{}, []string{}
	for _, p := range (&Dashboard{}).pages() {
		if !strings.Contains(p.pattern, "{") {
			next = append(next, p.pattern)
		}
	}
	for len(next) > 0 && len(followed) < 300 {
		at := next[0]
		next = next[1:]
		if followed[at] {
			continue
		}
		followed[at] = true
		for _, link := range pageLinks.FindAllStringSubmatch(s.page(at), -1) {
			to, err := url.Parse(html.UnescapeString(link[1]))
			if err != nil {
				t.Fatal(err)
			}
			if to.Path == "" {
				t.Errorf("%s leads to %s, wherever it is shown", at, to)
				continue
			}
			next = append(next, to.String())
		}
	}
	if len(followed) < 40 {
		t.Errorf("only %d addresses were followed", len(followed))
	}
}

// The list of runs is narrowed to an application; its other links and its form keep
// that.
func TestRunsOfAnApplication(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ran(s.cron("shop", "nightly"), ledger.Error, "till is empty")
	s.ran(s.cron("bank", "hourly"), ledger.Error, "vault is empty")
	page := s.page(Root + "runs?app=shop")
	s.shows(page, "till is empty", "!vault is empty", `<option selected>shop</option>`, "/ui/runs?app=shop&amp;status=missed")
	s.shows(s.page(Root+"runs?app=bank&status=missed"), "No run matches", `name="status" value="missed"`)
	if status, _ := s.get(Root + "runs?app=none"); status != http.StatusNotFound {
		t.Errorf("an application that is none: %d", status)
	}
	s.signIn("shop", "read")
	s.shows(s.page(Root+"runs?app=shop"), "till is empty", `!name="app"`)
	if status, _ := s.get(Root + "runs?app=bank"); status != http.StatusNotFound {
		t.Errorf("an application that is another: %d", status)
	}
}

// Whatever is asked for of the crons, each filter keeps the others.
func TestFiltersOfCronsKeepEachOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ran(s.cron("shop", "nightly"), ledger.Error, "no")
	s.ran(s.cron("shop", "hourly"), ledger.Succeeded, "")
	page := s.page(Root + "crons?app=shop&kind=external&search=ly&state=failing")
	rest := "app=shop&amp;kind=external&amp;search=ly"
	s.shows(page, `href="/ui/crons?`+rest+`&amp;state=ok"`, `href="/ui/crons?`+rest+`"`, `href="/ui/crons?app=shop&amp;kind=sync&amp;search=ly&amp;state=failing"`,
		`<input type="hidden" name="state" value="failing">`, `<input type="hidden" name="kind" value="external">`, `value="ly"`, `<option selected>shop</option>`)
	s.shows(s.page(Root+"crons?state=failing&state=ok"), `<input type="hidden" name="state" value="failing"><input type="hidden" name="state" value="ok">`)
}
