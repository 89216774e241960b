package browser

import (
	"strings"
	"testing"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/ledger"
)

// hostile is what others may send in place of names and texts: markup that would
// run, letters that turn round what stands beside them, controls, and no end.
const hostile = "\u202egnp.exe\u202c\x1b[31m\x07\u200b" +
	`<img src=x onerror=alert(1)><script>alert(2)</script>"'><svg onload=alert(3)>{{.}}</textarea></title></script><b class=injected>`

// poison is a store in which every text that comes from outside is hostile.
func poison(s *seeds) {
	long := hostile + strings.Repeat("x", 64<<10-len(hostile))
	app := s.application("shop")
	c := s.cron(app, "nightly", `<img src=x onerror=alert(1)>"'><b class=injected>`) // names have no controls
	s.run(c, ran{ago: time.Hour, took: time.Second, host: hostile, says: []string{hostile, long, "", "\n\n" + hostile}, end: hostile, bad: true})
	s.run(c, ran{ago: time.Minute, took: time.Second, host: strings.Repeat("w", 200), says: []string{long}, end: long, bad: true})
	s.running(c, hostile)
	item := message("telegram", hostile, long)
	item.OrderKey = hostile
	s.deliver(dead, time.Minute, hostile, item, message("webhook/"+strings.Repeat("w", 63), "x", hostile))
	s.deliver(waiting, 0, "", message("viber", strings.Repeat("9", 300), hostile))
	s.window(ledger.Window{StartsAt: s.now.Add(time.Hour), EndsAt: s.now.Add(2 * time.Hour), Reason: hostile})
	s.refuse("/api/"+hostile+"/start", hostile)
	s.audit.Note(s.t.Context(), audit.Entry{Who: "cli " + hostile, Action: "cron.pause", Target: audit.Cron(c.ID, "shop", hostile), Detail: hostile, Remote: hostile})
	s.must(s.outbox.Pause(s.t.Context(), "telegram", hostile))
}

// harmless checks that nothing of what is hostile became part of the page.
func (b *tab) harmless(where string) {
	b.t.Helper()
	if n := b.count("img[src=x], [onerror], [onload], .injected, script:not([src])"); n != 0 {
		b.t.Errorf("%s has %d elements that somebody else made", where, n)
	}
	const raw = `[...document.body.textContent + document.title].filter(c => /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(c)).map(c => c.codePointAt(0).toString(16)).join(' ')`
	if found := eval[string](b, raw); found != "" {
		b.t.Errorf("%s has characters that nobody sees: %s", where, found)
	}
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	s := plain(t, poison)
	shown := map[string]bool{"crons": true, "cron": true, "runs": true, "run": true, "overview": true, "delivery": true, "outbox": true, "rejected": true, "maintenance": true, "record": true, "channels": true, "timeline": true}
	b := newTab(t, s.URL)
	b.each(t, places, func(t *testing.T, p place) {
		switch p.name {
		case "cron":
			p.path += "?app=shop"
		case "run":
			p.path, p.link = b.first("/ui/crons?app=shop", "#crons a.name"), "#runs tr:nth-child(2) a[href*='/runs/']"
		}
		b.size(1280)
		b.at(p)
		b.harmless(p.name)
		b.fits(p.name)
		if shown[p.name] {
			b.accessible(p.name)
		}
		b.size(360)
		b.fits(p.name + " when narrow")
		if text := eval[string](b, "document.body.textContent"); shown[p.name] && !strings.Contains(text, "<img src=x onerror") {
			t.Errorf("%s does not show what it was told: %s", p.name, text)
		}
	})
	t.Run("search", func(t *testing.T) {
		b.t = t
		b.expect("404") // there is no such application
		for _, path := range []string{"/ui/crons?search=", "/ui/crons?app=", "/ui/outbox?recipient=", "/ui/record?action=", "/ui/applications?search=", "/ui/runs/1?q=", "/ui/timeline?search="} {
			b.visit("/ui/")
			eval[bool](b, "(location.assign('"+path+"' + encodeURIComponent(`<img src=x onerror=alert(1)>\"'><b class=injected>`)), true)")
			b.await("the answer of "+path, "location.search && document.readyState === 'complete' && document.querySelector('h1')")
			b.harmless(path)
		}
	})
}

// What the script puts on the page is text, too.
func TestHostileMessagesLive(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	key := s.ferryman("key", "create", "--app", "shop")
	id := s.start(key, "nightly")
	b := newTab(t, s.URL)
	b.visit("/ui/runs/" + id)
	s.say(key, id, "error", hostile)
	s.say(key, id, "info", hostile+strings.Repeat("x", 60<<10))
	b.await("both are there", "document.querySelectorAll('#messages li').length === 2")
	b.harmless("the run")
	b.size(360)
	b.fits("the run when narrow")
	if text := b.text("#messages"); !strings.Contains(text, "<script>alert(2)") {
		t.Errorf("the messages are %s", text)
	}
}
