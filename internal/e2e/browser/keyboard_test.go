package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := full(t)
	b := newTab(t, s.URL)
	b.visit("/ui/")
	b.goes("gc", "/ui/crons")
	b.press("/")
	b.await("the search has the focus", "document.activeElement.type === 'search'")
	b.press("job 3")
	b.goes(kb.Enter, "/ui/crons?")
	b.press("jj")
	b.await("the second row is marked", "document.querySelectorAll('tr[data-href]')[1].classList.contains('here')")
	b.press("k")
	b.await("the first row is marked", "document.querySelector('tr[data-href]').classList.contains('here')")
	at := eval[string](b, "document.querySelector('tr[data-href]').dataset.href")
	b.goes(kb.Enter, at)
	b.goes("gr", "/ui/runs")
	b.press("jj") // the first is the only run of its cron
	b.goes(kb.Enter, eval[string](b, "document.querySelectorAll('tr[data-href]')[1].dataset.href"))
	here := eval[string](b, "location.pathname")
	b.goes("[", eval[string](b, "document.querySelector('a[rel=prev]').getAttribute('href')"))
	b.goes("]", here)
	b.press("?")
	b.await("the sheet is open", "document.querySelector('#sheet').open")
	b.press(kb.Escape)
	b.await("the sheet is closed", "!document.querySelector('#sheet').open")
	for keys, path := range map[string]string{"gt": "/ui/timeline", "gs": "/ui/syncs", "gx": "/ui/outbox", "go": "/ui/"} {
		b.goes(keys, path)
	}
}

// goes presses keys and waits for the page that they lead to.
func (b *tab) goes(keys, path string) {
	b.t.Helper()
	b.press(keys)
	there := "(location.pathname + location.search).startsWith('" + path + "')"
	if path == "/ui/" { // as all begin
		there = "location.pathname === '/ui/'"
	}
	b.await(keys+" leads to "+path, there+" && document.readyState === 'complete'")
}

// TestTabReachesEverything walks through pages with the Tab key: all that can be
// clicked has its turn, and shows that it has the focus.
func TestTabReachesEverything(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	b := newTab(t, s.URL)
	b.each(t, places, func(t *testing.T, p place) {
		b.at(p)
		total := eval[int](b, `(() => {
				window.wanted = new Set([...document.querySelectorAll('a[href], button, summary, input:not([type=hidden]), select, textarea')].filter(e => !e.disabled && e.checkVisibility({visibilityProperty: true})));
				window.unseen = [];
				document.addEventListener('focusin', e => {
					wanted.delete(e.target);
					const style = getComputedStyle(e.target);
					if (style.outlineStyle === 'none' && e.target !== document.body) unseen.push(e.target.outerHTML.slice(0, 100));
				});
				document.activeElement?.blur();
				return wanted.size;
			})()`)
		b.press(strings.Repeat(kb.Tab, total+30)) // dates have several parts
		if left := eval[[]string](b, "[...wanted].map(e => e.outerHTML.slice(0, 200))"); len(left) > 0 {
			t.Errorf("Tab does not reach %d of %d: %s", len(left), total, strings.Join(left, "\n"))
		}
		if unseen := eval[[]string](b, "unseen"); len(unseen) > 0 {
			t.Errorf("the focus does not show on %s", strings.Join(unseen, "\n"))
		}
	})
}
