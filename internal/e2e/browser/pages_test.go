package browser

import (
	"strings"
	"testing"

	"ferryman/internal/apikey"
)

// TestPages opens each page with nothing, with one of everything and with more than
// a list holds: wide and narrow, light and dark.
func TestPages(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *site{
		"none": func(t testing.TB) *site { return plain(t, nil) },
		"one":  func(t testing.TB) *site { return sandboxed(t, one) },
		"many": full,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTab(t, start(t).URL)
			b.each(t, places, func(_ *testing.T, p place) {
				if !p.some || name != "none" {
					look(b, p)
				}
			})
		})
	}
}

// look checks of a page what holds of all.
func look(b *tab, p place) {
	b.t.Helper()
	b.prefers("light")
	b.size(1280)
	b.at(p)
	b.fits(p.name)
	b.accessible(p.name)
	b.prefers("dark")
	b.size(360)
	b.fits(p.name + " when narrow")
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
	look(b, place{name: "sign-in", path: "/ui/sign-in"})
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
		if want := b.count(`.menu a[href="`+p.path+`"]`) == 0 && p.name != "new cron"; forbidden != want {
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
