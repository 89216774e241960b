package browser

import (
	"strings"
	"testing"

	"ferryman/internal/testwait"
)

// A tab notices what pages must not do: else the tests here would see nothing.
func TestTabsNotice(t *testing.T) {
	t.Parallel()
	b := newTab(t, plain(t, nil).URL)
	for what, c := range map[string]struct{ script, said string }{
		"an inline style":      {"document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')", "Content Security Policy"},
		"an inline script":     {"document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))", "Content Security Policy"},
		"a request elsewhere":  {"document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:1/x.png'}))", "Content Security Policy"},
		"a page elsewhere":     {"setTimeout(() => location.assign('http://127.0.0.1:1/'))", "goes elsewhere"},
		"a missing file":       {"fetch('/ui/static/nothing.css')", "404"},
		"an error":             {"setTimeout(() => { throw new Error('oh') })", "a script fails"},
		"a word to developers": {"console.log('look')", "a script says"},
		"a dialog":             {"setTimeout(() => alert('hello'))", "a dialog opens: hello"},
	} {
		b.visit("/ui/")
		b.taken()
		eval[bool](b, "("+c.script+", true)")
		b.notices(what, c.said)
	}
	b.visit("/ui/")
	b.taken()
}

// notices waits until a problem is noted, and forgets it.
func (b *tab) notices(what, said string) {
	b.t.Helper()
	var all []string
	testwait.Until(b.t, "it notices "+what, func() bool {
		all = append(all, b.taken()...)
		return strings.Contains(strings.Join(all, "\n"), said)
	})
}
