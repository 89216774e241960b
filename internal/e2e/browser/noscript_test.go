package browser

import (
	"fmt"
	"testing"
	"time"
)

// Without JavaScript every page can be read, and actions work.
func TestWithoutScripts(t *testing.T) {
	t.Parallel()
	s := sandboxed(t, one)
	b := newTab(t, s.URL)
	b.withoutScripts()
	b.size(360)
	b.each(t, places, func(t *testing.T, p place) {
		b.at(p)
		if n := eval[int](b, "document.querySelector('main').innerText.length"); n < 40 {
			t.Errorf("%s has but %d letters", p.name, n)
		}
		if n := b.count("#live:not([hidden]), #keys:not([hidden]), #follow:not([hidden])"); n != 0 {
			t.Errorf("%s offers %d things that need a script", p.name, n)
		}
		b.fits(p.name)
	})
	b.size(1280)
	t.Run("an action", func(t *testing.T) {
		b.t = t
		cron := b.first("/ui/crons?app=shop", "#crons a.name")
		b.visit(cron)
		form := b.opened("/pause")
		b.follow(form + " button[value='1h']")
		b.awaitText("#standing", "Paused until")
		b.follow("form[action$='/resume'] button")
		b.awaitText("#standing", "All is well")
	})
	t.Run("the theme", func(t *testing.T) {
		b.t = t
		b.prefers("light")
		b.visit("/ui/crons")
		for theme, paper := range map[string]string{"dark": "rgb(18, 23, 29)", "light": "rgb(251, 250, 247)"} {
			b.fill("select[name=theme]", theme)
			b.follow(".foot button")
			b.await("the page is "+theme, fmt.Sprintf("location.pathname === '/ui/crons' && getComputedStyle(document.body).backgroundColor === %q", paper))
		}
	})
}

// Times are those of the browser's zone, from the first page on.
func TestZoneOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	b := newTab(t, s.URL)
	b.zone("Asia/Tokyo")
	b.visit("/ui/maintenance")
	b.awaitText(".foot", "Times in Asia/Tokyo")
	at := eval[string](b, "document.querySelector('main time').getAttribute('datetime')")
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, offset := when.Zone(); offset != 9*60*60 {
		t.Errorf("a time is %s", at)
	}
	b.fill("select[name=zone]", "UTC")
	b.awaitText(".foot", "Times in UTC")
}
