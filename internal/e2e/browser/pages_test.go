package browser

import (
	"strings"
	"testing"

	"ferryman/internal/apikey"
)

// TestPages opens each page with nothing, with one of everything and with more than
// a list holds: wide and narrow, light and dark, as the browser prefers it and as it
// was chosen against that.
func TestPages(t *testing.T) {
	t.Parallel()
	for name, as := range map[string]struct {
		start func(testing.TB) *site
		lit   lighting
	}{
		"none": {func(t testing.TB) *site { return plain(t, nil) }, byPreference},
		"one":  {func(t testing.TB) *site { return sandboxed(t, one) }, byChoice},
		"many": {full, byPreference},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action, seen, page := router(t, "actions"), map[string]bool{}, router(t, "pages")
			b := newTab(t, as.start(t).URL)
			b.each(t, places, func(t *testing.T, p place) {
				if p.some && name == "none" {
					return
				}
				look(b, p, as.lit)
				for _, path := range eval[[]string](b, `[...document.querySelectorAll("form[method=post], button[formaction]")].map(e => e.getAttribute("formaction") ?? e.getAttribute("action"))`) {
					if action(path) == "" {
						t.Errorf("a form leads to %s, where nothing is done", path)
					}
				}
				seen[page(eval[string](b, "location.pathname"))] = true
			})
			for _, pattern := range listed(t, "pages") {
				if name != "none" && !seen[pattern] {
					t.Errorf("no place is the page %s", pattern)
				}
			}
		})
	}
}

// look checks of a page what holds of all.
func look(b *tab, p place, lit lighting) {
	b.t.Helper()
	lit.set(b, "light")
	b.size(1280)
	b.at(p)
	b.is("light")
	b.fits(p.name)
	b.size(360)
	b.fits(p.name + " when narrow")
	b.size(1280)
	b.thin()
	b.accessible(p.name)
	lit.set(b, "dark")
	if lit.later {
		b.again()
		b.thin()
	}
	b.is("dark")
	b.size(360)
	b.accessible(p.name+" when narrow and dark", "color-contrast", "target-size", "scrollable-region-focusable")
	if n := b.count("h1"); n != 1 {
		b.t.Errorf("%s has %d headings of the first order", p.name, n)
	}
	if title := eval[string](b, "document.title"); !strings.HasSuffix(title, "Ferryman") {
		b.t.Errorf("%s is called %q", p.name, title)
	}
}

// TestPagesOfAnApplication opens the pages that keys of applications see, of one
// that has nothing yet: of operators' pages there is not even a link.
func TestPagesOfAnApplication(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	s.ferryman("app", "add", "fresh")
	key := s.ferryman("key", "create", "--app", "fresh", "--scope", string(apikey.Read))
	b := newTab(t, s.URL)
	look(b, place{name: "sign-in", path: "/ui/sign-in"}, byPreference)
	b.size(1280)
	b.signIn(key)
	if b.count(`.menu a[href="/ui/outbox"]`) != 0 {
		t.Error("the menu leads to the outbox")
	}
	b.expect("403")
	b.each(t, places, func(t *testing.T, p place) {
		if p.some || p.anon {
			return
		}
		b.visit(p.path)
		forbidden := strings.Contains(b.text("main"), "for keys of the application ferryman")
		if want := b.count(`.menu a[href="`+p.path+`"]`) == 0 && !p.acts; forbidden != want {
			t.Errorf("%s is forbidden: %v", p.name, forbidden)
		}
		b.fits(p.name)
		if text := b.text("main"); strings.Contains(text, "shop") || strings.Contains(text, "Nightly") {
			t.Errorf("%s shows what is another's: %s", p.name, text)
		}
	})
}

// signIn signs in with a key.
func (b *tab) signIn(key string) {
	b.t.Helper()
	b.visit("/ui/sign-in")
	b.fill("input[name=key]", key)
	b.follow("form[action='/ui/sign-in'] button")
	b.await("somebody is signed in", "document.querySelector('.menu')")
}
