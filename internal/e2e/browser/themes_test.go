package browser

import (
	"context"
	"maps"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// papers are the backgrounds of the themes.
var papers = map[string]string{"light": "rgb(251, 250, 247)", "dark": "rgb(18, 23, 29)"}

// other is the other theme.
var other = map[string]string{"light": "dark", "dark": "light"}

// lighting is a way to have pages in a theme.
type lighting struct {
	set   func(b *tab, theme string)
	later bool // it counts for pages that are loaded from then on
}

// byPreference has the browser prefer the theme.
var byPreference = lighting{set: (*tab).prefers}

// byChoice has the browser prefer the other theme, and chooses this one, as the foot of
// pages does.
var byChoice = lighting{later: true, set: func(b *tab, theme string) {
	b.prefers(other[theme])
	must(b, "choose "+theme, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: "ferryman_theme", Value: theme, URL: b.base + "/ui/", Path: "/ui/"})
		return err
	}))
}}

// prefers has the browser prefer the theme light or dark, and no motion: nothing here
// looks at that.
func (b *tab) prefers(theme string) {
	b.t.Helper()
	must(b, "prefer "+theme, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}))
}

// is checks in which theme the page is.
func (b *tab) is(theme string) {
	b.t.Helper()
	if paper := eval[string](b, "getComputedStyle(document.body).backgroundColor"); paper != papers[theme] {
		b.t.Errorf("the page is %s, and should be %s", paper, theme)
	}
}

// TestThemesAreTheSame compares the theme that the browser prefers with the one that is
// chosen: all colours of pages are named, and each name has the same colour in both.
func TestThemesAreTheSame(t *testing.T) {
	t.Parallel()
	b := newTab(t, plain(t, nil).URL)
	all := map[string]map[string]string{}
	const colours = `(() => {
		const rules = [...document.styleSheets].flatMap(sheet => [...sheet.cssRules]), root = getComputedStyle(document.documentElement);
		const asked = rules.filter(rule => rule.conditionText?.includes('prefers-color-scheme')).flatMap(rule => [...rule.cssRules]);
		return Object.fromEntries([
			...asked.map(rule => ['where a preference counts', rule.selectorText]),
			...[...rules.find(rule => rule.selectorText === ':root').style].filter(name => name.startsWith('--')).map(name => [name, root.getPropertyValue(name)]),
		]);
	})()`
	for theme := range papers {
		byPreference.set(b, theme)
		b.visit("/ui/")
		b.is(theme)
		all[theme] = eval[map[string]string](b, colours)
	}
	for theme, preferred := range all {
		byChoice.set(b, theme)
		b.visit("/ui/")
		b.is(theme)
		if chosen := eval[map[string]string](b, colours); len(chosen) < 20 || !maps.Equal(chosen, preferred) {
			t.Errorf("%s is %v when it is preferred, and %v when it is chosen", theme, preferred, chosen)
		}
	}
}
