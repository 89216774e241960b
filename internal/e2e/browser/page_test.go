package browser

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// place is a page of the dashboard.
type place struct {
	name string
	path string
	link string // if not "", the page is where the first such link of path leads
	more string // if not "", the rest of its path behind that
	some bool   // it is there only if there is something
	acts bool   // it is for those who may act
	anon bool   // it is for those who are not signed in
}

// places are all pages.
var places = []place{
	{name: "overview", path: "/ui/"},
	{name: "crons", path: "/ui/crons"},
	{name: "cron", path: "/ui/crons", link: "#crons a.name", some: true},
	{name: "edit", path: "/ui/crons", link: "#crons a.name", more: "/edit", some: true, acts: true},
	{name: "new cron", path: "/ui/crons/new", acts: true},
	{name: "timeline", path: "/ui/timeline"},
	{name: "runs", path: "/ui/runs"},
	{name: "run", path: "/ui/runs", link: "td a[href*='/runs/']", some: true},
	{name: "syncs", path: "/ui/syncs"},
	{name: "sync", path: "/ui/syncs/warehouses"},
	{name: "outbox", path: "/ui/outbox"},
	{name: "delivery", path: "/ui/outbox", link: "#deliveries td a[href*='/outbox/']", some: true},
	{name: "channels", path: "/ui/channels"},
	{name: "channel", path: "/ui/channels/telegram"},
	{name: "nodes", path: "/ui/nodes"},
	{name: "rejected", path: "/ui/rejected"},
	{name: "maintenance", path: "/ui/maintenance"},
	{name: "applications", path: "/ui/applications"},
	{name: "application", path: "/ui/applications/ferryman"},
	{name: "settings", path: "/ui/settings"},
	{name: "record", path: "/ui/record"},
	{name: "sign-in", path: "/ui/sign-in", anon: true},
}

// each does something with each of some places, in the same tab.
func (b *tab) each(t *testing.T, some []place, do func(t *testing.T, p place)) {
	t.Helper()
	for _, p := range some {
		t.Run(p.name, func(t *testing.T) {
			b.t = t
			do(t, p)
			for _, problem := range b.taken() {
				t.Error(problem)
			}
		})
	}
	b.t = t
}

// at opens a place.
func (b *tab) at(p place) {
	b.t.Helper()
	b.visit(p.path)
	if p.link != "" {
		b.visit(eval[string](b, fmt.Sprintf("document.querySelector(%q).getAttribute('href')", p.link)) + p.more)
	}
	b.await(p.name+" is complete", "document.readyState === 'complete' && document.querySelector('h1')")
}

// again opens the page anew.
func (b *tab) again() {
	b.t.Helper()
	b.visit(eval[string](b, "location.pathname + location.search"))
}

// fits checks that nothing is wider than the window.
func (b *tab) fits(where string) {
	b.t.Helper()
	const wide = `(() => {
		const most = innerWidth, page = document.scrollingElement;
		if (page.scrollWidth <= most) return '';
		const all = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > most + .5 && !e.closest('.unseen, .skip'));
		return page.scrollWidth + ' of ' + most + ' px: ' + all.slice(0, 5).map(e => e.tagName + '#' + e.id + '.' + e.getAttribute('class') + ' ' + e.textContent.trim().slice(0, 60)).join('; ');
	})()`
	if found := eval[string](b, wide); found != "" {
		b.t.Errorf("%s scrolls sideways: %s", where, found)
	}
}

//go:embed testdata/axe-core/axe.min.js
var axe string

// violation is what axe-core finds.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// thin takes out of lists and drawings what is like others in all that axe-core looks
// at: two of each kind stay. Of a hundred rows it would find the same a hundred times,
// and that takes most of these tests' time.
func (b *tab) thin() {
	b.t.Helper()
	eval[bool](b, `(() => {
		const says = ['class', 'role', 'type', 'fill', 'stroke', 'opacity', 'tabindex', 'scope', 'colspan'];
		const kind = (e, top) => (e === top ? '' : kind(e.parentNode, top) + ' > ') + e.tagName + [...e.attributes]
			.map(a => a.name + (says.includes(a.name) || a.name.startsWith('data-label') ? '=' + a.value : a.value ? '' : '=')).sort()
			+ ([...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim()) ? 'text' : '');
		for (const list of document.querySelectorAll('main tbody, main ul, main ol, main dl, main svg, main svg g')) {
			const seen = new Map();
			for (const item of [...list.children]) {
				const kinds = new Set([item, ...item.querySelectorAll('*')].map(e => kind(e, item)));
				if ([...kinds].every(k => (seen.get(k) ?? 0) >= 2)) item.remove();
				else for (const k of kinds) seen.set(k, (seen.get(k) ?? 0) + 1);
			}
		}
		return true;
	})()`)
}

// accessible has axe-core look at the page: all of its rules, or those that are
// named. Faults that it calls serious or critical fail the test.
func (b *tab) accessible(where string, rules ...string) {
	b.t.Helper()
	if !eval[bool](b, "typeof axe === 'object'") {
		must(b, "load axe-core", chromedp.Evaluate[chromedp.Void](axe))
	}
	only, err := json.Marshal(rules)
	if err != nil {
		b.t.Fatal(err)
	}
	found := eval[[]violation](b, fmt.Sprintf(`axe.run(document, Object.assign({resultTypes: ['violations']}, %s && {runOnly: %s}))
		.then(r => r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => ({html: n.html, failureSummary: n.failureSummary}))})))`,
		only, only))
	for _, v := range found {
		if v.Impact != "serious" && v.Impact != "critical" {
			continue
		}
		var at []string
		for i, n := range v.Nodes {
			if i == 3 {
				break
			}
			at = append(at, n.HTML+": "+n.FailureSummary)
		}
		b.t.Errorf("%s: %s (%s, %s) at %d places, such as\n%s", where, v.Help, v.ID, v.Impact, len(v.Nodes), strings.Join(at, "\n"))
	}
}
