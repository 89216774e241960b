package dashboard

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"ferryman/internal/outbox"
)

const (
	// troublesTold is how many the first page's sentence has.
	troublesTold = 6
	deadSpan     = 24 * time.Hour // of the dead letters that want attention
)

// ailment is what wants attention and is no cron: a node, a channel, deliveries.
type ailment struct {
	State  string // as marks have it
	What   string // in the words of the first page's sentence
	Link   string // where it is mended
	Since  time.Time
	Detail string
	Mild   bool // somebody wanted it so
}

// overviewTroubles looks for trouble that no cron tells of.
func (d *Dashboard) overviewTroubles(r *request, p *overviewPage) error {
	if !r.viewer.Operator() {
		return nil
	}
	nodes, err := d.o.Nodes.List(r.Context())
	if err != nil {
		return err
	}
	found, err := d.o.Outbox.Trouble(r.Context(), r.now.Add(-deadSpan))
	if err != nil {
		return err
	}
	var mild, dead []ailment
	for _, of := range found.Dead {
		if of.Topic == outbox.Alert {
			p.Troubles = append(p.Troubles, troubleOfDead(of))
		} else {
			dead = append(dead, troubleOfDead(of))
		}
	}
	var silent []ailment
	for _, n := range nodes {
		// The only node of a store in a file gives this page.
		if n.Trouble() && (d.o.Node.Shared || n.Name != d.o.Node.Name) {
			silent = append(silent, ailment{
				State: "silent", What: "node " + visible(n.Name) + " silent", Link: Root + "nodes", Since: n.SeenAt,
				Detail: "it ended without saying so, or hangs; others do its work",
			})
		}
	}
	p.Troubles = append(p.Troubles, fewer(silent, "nodes", Root+"nodes")...)
	var stopped []ailment
	for _, c := range found.Stopped {
		if t := troubleOfChannel(c); t.Mild {
			mild = append(mild, t)
		} else {
			stopped = append(stopped, t)
		}
	}
	p.Troubles = append(p.Troubles, fewer(stopped, "channels", Root+"channels")...)
	p.Troubles = append(p.Troubles, dead...)
	p.Troubles = append(p.Troubles, fewer(mild, "channels", Root+"channels")...)
	return nil
}

// fewer has the last line stand for all for which there is no room.
func fewer(all []ailment, of, link string) []ailment {
	if len(all) <= overviewRows {
		return all
	}
	last := all[overviewRows-1]
	last.What, last.Link, last.Detail = fmt.Sprintf("%d more %s", len(all)-overviewRows+1, of), link, ""
	return append(all[:overviewRows-1:overviewRows-1], last)
}

// troubleOfDead tells of dead letters, and leads to the one or to all of them.
func troubleOfDead(of outbox.Dead) ailment {
	word := map[outbox.Topic]string{outbox.Alert: "alert", outbox.Message: "message", outbox.Contact: "post"}[of.Topic]
	t := ailment{
		State: "dead", Since: of.Last, What: fmt.Sprintf("%s %s%s failed", troubleCount(of.N), word, plural(of.N)),
		Link:   Root + "outbox?state=failed&topic=" + topicWord(of.Topic) + "#deliveries",
		Detail: "look at the error, and replay",
	}
	if of.N == 1 {
		t.Link = fmt.Sprintf("%soutbox/%d", Root, of.ID)
	}
	if of.Topic == outbox.Alert {
		t.What = fmt.Sprintf("%s alert%s not delivered", troubleCount(of.N), plural(of.N))
		t.Detail = "somebody was to be told, and does not know"
	}
	return t
}

// troubleOfChannel says why a channel stands still, and what waits for it.
func troubleOfChannel(c outbox.Stopped) ailment {
	t := ailment{Mild: c.ByPerson(), Link: Root + "channels/" + (&url.URL{Path: c.Channel}).EscapedPath(), Since: c.Due}
	name := visible(c.Channel)
	switch {
	case c.ByPerson():
		t.State, t.What, t.Since = "paused", name+" paused by a person", c.PausedAt
	case c.PausedBy != "":
		t.State, t.What, t.Since = "stopped", name+" paused by a fault", c.PausedAt
	case !c.Configured:
		t.State, t.What = "unset", name+" not set up"
	default:
		t.State, t.What = "resting", name+" in trouble"
	}
	switch {
	case c.Alerts > 0:
		t.Detail = troubleCount(c.Alerts) + " alert" + plural(c.Alerts) + " waiting"
		if more := c.Waiting - c.Alerts; more > 0 {
			t.Detail += ", and " + troubleCount(more) + " other deliver" + plurals(more, "y", "ies")
		}
	case c.Waiting > 0:
		t.Detail = troubleCount(c.Waiting) + " deliver" + plurals(c.Waiting, "y", "ies") + " waiting"
	}
	if c.PauseReason != "" {
		t.Detail = join(t.Detail, c.PauseReason)
	}
	if t.Since.IsZero() {
		t.Since = c.Due
	}
	return t
}

// join joins what was said, as far as anything was.
func join(said, more string) string {
	if said == "" || more == "" {
		return cmp.Or(said, more)
	}
	return said + "; " + more
}

// troubleCount is a count of outbox.Trouble in words.
func troubleCount(n int64) string {
	return upTo{n, n >= outbox.TroubleCounted}.String()
}

func plural(n int64) string { return plurals(n, "", "s") }

func plurals(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
