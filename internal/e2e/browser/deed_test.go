package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ferryman/internal/testwait"
)

// deed is an action that is done on a page.
type deed struct {
	name   string
	posts  string       // the action's pattern
	at     string       // the page where it begins; "": where the deed before it ended
	do     func(*scene) // up to the page that it leads to
	said   string       // there
	record string       // as which it is written down; "": it is not
	target string       // to what; "": whatever it is
}

// scene is where deeds are done, one after the other. Their texts have in ${NAME} what
// an earlier one remembered.
type scene struct {
	*tab         // of who acts
	witness *tab // of who looks into the record
	site    *site
	who     string // acts, as the record has it
	known   map[string]string
}

// newScene is one of a server that is open to everybody.
func newScene(t testing.TB, s *site) *scene {
	t.Helper()
	b := newTab(t, s.URL)
	return &scene{tab: b, witness: b, site: s, who: "local", known: map[string]string{}}
}

func (c *scene) remember(name, value string) { c.known[name] = value }

// told is a text with what was remembered.
func (c *scene) told(text string) string {
	return os.Expand(text, func(name string) string {
		value, known := c.known[name]
		if !known {
			c.t.Errorf("nothing has remembered %s", name)
		}
		return value
	})
}

// play does deeds, each as a test of its own.
func (c *scene) play(t *testing.T, deeds []deed) {
	t.Helper()
	action := router(t, "actions")
	for _, d := range deeds {
		t.Run(d.name, func(t *testing.T) {
			c.t, c.witness.t = t, t
			if d.at != "" {
				c.visit(c.told(d.at))
			}
			d.do(c)
			if c.count(".flash.bad") != 0 {
				t.Fatalf("refused: %s", c.text(".flash"))
			}
			if d.said != "" {
				c.awaitText("body", d.said)
			}
			testwait.Until(t, "it posts "+d.posts, func() bool {
				is := func(path string) bool { return action(path) == d.posts }
				return c.hasPosted(is) || c.witness.hasPosted(is)
			})
			if d.record != "" {
				c.recorded(d)
			}
		})
	}
	c.t, c.witness.t = t, t
}

// recorded looks for a deed in the record.
func (c *scene) recorded(d deed) {
	c.t.Helper()
	c.witness.visit("/ui/record?action=" + d.record)
	row := c.witness.text("tbody tr")
	if !strings.Contains(row, d.record) || !strings.Contains(row, c.told(d.target)) || !strings.Contains(row, c.who) {
		c.t.Errorf("the record of %s is %q", d.name, row)
	}
}

// opened opens what asks before it acts, and gives the form in it as a selector.
func (b *tab) opened(action string) string {
	b.t.Helper()
	form := fmt.Sprintf("form[action$=%q]", action)
	b.click(fmt.Sprintf("details:has(%s) > summary", form))
	return "details[open] " + form
}

// first gives the address of the first link like that on a page.
func (b *tab) first(page, link string) string {
	b.t.Helper()
	b.visit(page)
	return eval[string](b, fmt.Sprintf("document.querySelector(%q).getAttribute('href')", link))
}

// presses gives a deed that presses the button of a form that does not ask.
func presses(form string) func(*scene) {
	return func(c *scene) { c.follow(form + " button") }
}

// confirms gives a deed that opens a form that asks, and answers it.
func confirms(action string) func(*scene) {
	return func(c *scene) { c.follow(c.opened(action) + " button") }
}
