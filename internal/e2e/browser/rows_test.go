package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestRowsOfCrons asks for what a row of the list does not hold: the runs of its
// strip, by the mouse and by keys, and its menu.
func TestRowsOfCrons(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	b := newTab(t, s.URL)
	const list, bar = "/ui/crons?app=shop", "#crons svg[data-arrows] a[href*='/runs/']"
	b.visit(list)
	if label := eval[string](b, "document.querySelector('#crons a.bars svg').getAttribute('aria-label')"); !strings.Contains(label, "Nightly import: 1 ok") {
		t.Errorf("the strip is called %q", label)
	}
	at := eval[[]float64](b, "(box => [box.left + box.width - 2, box.top + box.height / 2])(document.querySelector('#crons a.bars').getBoundingClientRect())")
	must(b, "point at the strip", chromedp.MouseEvent(chromedp.MouseMoved, at[0], at[1]))
	b.await("its bars are links", "document.querySelector(\""+bar+"\")")
	b.follow(bar)
	b.awaitText("h1", "Nightly import")

	b.visit(list)
	eval[bool](b, "(document.querySelector('#crons a.bars').focus(), true)")
	b.press(kb.ArrowLeft)
	b.await("its newest bar has the focus", "document.activeElement.matches(\""+bar+"\")")
	b.goes(kb.Enter, "/ui/runs/")

	b.visit(list)
	b.click("#crons details.menu > summary")
	b.follow("#crons form[action$='/snooze'] button[value='1h']")
	b.await("the list is there again, and says so", "location.pathname + location.search === '"+list+"' && document.querySelector('#crons').innerText.includes('snoozed until')")
}
