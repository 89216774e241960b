package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// deed is an action that is done on a page.
type deed struct {
	name   string
	at     string        // the page
	do     func(b *tab)  // up to the page that it leads to
	said   string        // there
	record string        // as which it is written down
	target func() string // to what
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

// TestActions does each action once, and looks for it in the record.
func TestActions(t *testing.T) {
	t.Parallel()
	s := sandboxed(t, func(seeds *seeds) {
		one(seeds)
		later := seeds.now.Add(48 * time.Hour)
		for i := range 3 {
			item := message("telegram", fmt.Sprintf("55%d", i), fmt.Sprintf("later %d", i))
			item.StartAt = &later
			seeds.deliver(waiting, 0, "", item)
		}
		for i := range 4 {
			seeds.deliver(dead, time.Minute, "401: no", message("viber", fmt.Sprintf("v%d", i), fmt.Sprintf("lost %d", i)))
		}
	})
	key := s.ferryman("key", "create", "--app", "shop")
	s.start(key, "nightly")
	b := newTab(t, s.URL)
	cron := b.first("/ui/crons?app=shop", "#crons a.name")
	sync := b.first("/ui/crons?search=warehouses", "#crons a.name")
	var run, window string
	delivery := func(id int64) string { return fmt.Sprintf("/ui/outbox/%d", id) }
	number := func(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
	aboutCron := func() string { return "cron " + number(cron) + " shop/nightly" }
	for _, d := range []deed{
		{"run now", sync, func(b *tab) { b.follow("form[action$='/run'] button") }, "", "cron.run", func() string { return "cron " + number(sync) + " ferryman/warehouses" }},
		{"pause until", cron, func(b *tab) {
			form := b.opened("/pause")
			b.fill(form+" input[name=until]", time.Now().AddDate(1, 0, 0).Format("2006-01-02T15:04"))
			b.follow(form + " button[value=date]")
		}, "paused", "cron.pause", aboutCron},
		{"resume", cron, func(b *tab) { b.follow("form[action$='/resume'] button") }, "", "cron.resume", aboutCron},
		{"mute", cron, func(b *tab) { b.follow(b.opened("/snooze") + " button[formaction$='/mute']") }, "muted", "cron.mute", aboutCron},
		{"unmute", cron, func(b *tab) { b.follow(b.opened("/snooze") + " button[formaction$='/unmute']") }, "", "cron.unmute", aboutCron},
		{"snooze", cron, func(b *tab) { b.follow(b.opened("/snooze") + " button[value='1d']") }, "snoozed", "cron.snooze", aboutCron},
		{"release a run", "", func(b *tab) {
			run = b.first("/ui/runs?status=running", "td a[href*='/runs/']")
			b.visit(run)
			b.follow(b.opened("/release") + " button")
			b.await("the run is cancelled", "document.querySelector('.lead .cancelled')")
		}, "", "execution.release", func() string { return "execution " + number(run) }},
		{"release all", cron, func(b *tab) {
			s.start(key, "nightly")
			b.visit(cron)
			b.follow(b.opened("/release") + " button")
		}, "", "cron.release", aboutCron},
		{"edit", cron + "/edit", func(b *tab) {
			b.fill("input[name=grace]", "17m")
			b.follow("form.cronform button.primary")
		}, "missed if 17 m", "cron.edit", aboutCron},
		{"move a delivery", delivery(2), func(b *tab) {
			b.fill("form[action$='/move'] input[name=at]", "2099-01-02T15:04")
			b.follow("form[action$='/move'] button")
		}, "2099", "delivery.move", func() string { return "delivery 2" }},
		{"cancel a delivery", delivery(2), func(b *tab) { b.follow(b.opened("/cancel") + " button") }, "cancelled", "delivery.cancel", func() string { return "delivery 2" }},
		{"send now", delivery(3), func(b *tab) { b.follow(b.opened("/now") + " button") }, "", "delivery.now", func() string { return "delivery 3" }},
		{"retry", delivery(5), func(b *tab) { b.follow("form[action$='/retry'] button") }, "due again", "delivery.retry", func() string { return "delivery 5" }},
		{"replay", "/ui/outbox", func(b *tab) {
			form := "details[open] form[action$='/replay']:not(.rows)"
			b.click("details:has(form[action$='/replay']:not(.rows)) > summary")
			b.follow(form + " button.danger")
		}, "", "outbox.replay", nil},
		{"pause a channel", "/ui/channels", func(b *tab) {
			b.fill("form[action$='/pause']:has([value=whatsapp]) input[name=reason]", "moving")
			b.follow("form[action$='/pause']:has([value=whatsapp]) button")
		}, "moving", "channel.pause", func() string { return "channel whatsapp" }},
		{"resume a channel", "/ui/channels", func(b *tab) { b.follow("form[action$='/resume']:has([value=whatsapp]) button") }, "", "channel.resume", func() string { return "channel whatsapp" }},
		{"test a channel", "/ui/channels", func(b *tab) {
			b.fill("form[action$='/test']:has([value=telegram]) input[name=to]", "777")
			b.follow("form[action$='/test']:has([value=telegram]) button")
		}, "", "channel.test", func() string { return "channel telegram" }},
		{"add maintenance", "/ui/maintenance", func(b *tab) {
			b.fill("input[name=reason]", "new disks")
			b.follow("form[action$='/maintenance'] button[value='4h']")
		}, "new disks", "maintenance.add", nil},
		{"remove maintenance", "/ui/maintenance", func(b *tab) {
			window = eval[string](b, "document.querySelector('form[action$=\"/remove\"]').getAttribute('action')")
			b.follow(b.opened(window) + " button")
		}, "", "maintenance.remove", func() string { return "maintenance " + strings.Split(window, "/")[3] }},
		{"add an application", "/ui/applications", func(b *tab) {
			b.fill("input[name=name]", "till")
			b.follow("form[action$='/applications'] button.primary")
		}, "till", "app.add", func() string { return "app till" }},
		{"create a key", "/ui/applications/till", func(b *tab) {
			b.follow("form.rows button.primary")
		}, "fm_", "key.create", func() string { return "app till" }},
		{"revoke a key", "/ui/applications/till", func(b *tab) { b.follow(b.opened("/revoke") + " button") }, "", "key.revoke", nil},
	} {
		t.Run(d.name, func(t *testing.T) {
			b.t = t
			if d.at != "" {
				b.visit(d.at)
			}
			d.do(b)
			if b.count(".flash.bad") != 0 {
				t.Fatalf("refused: %s", b.text(".flash"))
			}
			if d.said != "" {
				b.awaitText("body", d.said)
			}
			b.recorded(d)
		})
	}
	b.t = t
	testwait.Until(t, "the test of the channel is sent", func() bool {
		b.visit("/ui/outbox?recipient=777")
		return b.count("#deliveries tbody .ok") == 1
	})
}

// recorded looks for an action in the record.
func (b *tab) recorded(d deed) {
	b.t.Helper()
	b.visit("/ui/record?action=" + d.record)
	row := b.text("tbody tr")
	if !strings.Contains(row, d.record) || d.target != nil && !strings.Contains(row, d.target()) || !strings.Contains(row, "local") {
		b.t.Errorf("the record of %s is %q", d.name, row)
	}
}

// TestSignIn signs in with a key that the pages made, and out again: the door
// that was open is closed then.
func TestSignIn(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	b := newTab(t, s.URL)
	b.visit("/ui/applications/ferryman")
	b.fill("select[name=scope]", "admin")
	b.follow("form.rows button.primary")
	key := strings.TrimSpace(b.text("#key"))
	b.visit("/ui/crons")
	if !strings.Contains(b.text("h1"), "Sign in") {
		t.Fatalf("the door is still open: %s", b.text("main"))
	}
	b.expect("401")
	b.fill("input[name=key]", key[:len(key)-1]+"0")
	b.follow("form[action='/ui/sign-in'] button")
	b.awaitText("body", "This key is not valid")
	b.fill("input[name=key]", key)
	b.follow("form[action='/ui/sign-in'] button")
	b.awaitText("h1", "Crons")
	b.visit("/ui/record?action=session.begin")
	b.awaitText("tbody tr", "(ferryman)")
	b.visit("/ui/sign-in")
	b.follow("form[action='/ui/sign-out'] button")
	b.awaitText("body", "You are signed out")
	b.visit("/ui/")
	b.awaitText("h1", "Sign in")

	reader := newTab(t, s.URL)
	reader.signIn(s.ferryman("key", "create", "--app", "ferryman", "--scope", "read"))
	reader.visit("/ui/record?action=session.end")
	reader.awaitText("tbody tr", "(ferryman)")
	for _, p := range places {
		if p.name == "new cron" || p.anon {
			continue
		}
		reader.at(p)
		if n := reader.count("main form[method=post]"); n != 0 {
			t.Errorf("%s offers %d actions to who may only look", p.name, n)
		}
	}
}
