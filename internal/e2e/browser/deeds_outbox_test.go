package browser

import (
	"fmt"
	"strings"
	"time"

	"ferryman/internal/testwait"
)

// backlog is messages to act on: three that are due in two days, the deliveries 2 to 4,
// and four dead letters, 5 to 8.
func backlog(s *seeds) {
	one(s)
	later := s.now.Add(48 * time.Hour)
	for i := range 3 {
		item := message("telegram", fmt.Sprintf("55%d", i), fmt.Sprintf("later %d", i))
		item.StartAt = &later
		s.deliver(waiting, 0, "", item)
	}
	for i := range 4 {
		s.deliver(dead, time.Minute, "401: no", message("viber", fmt.Sprintf("v%d", i), fmt.Sprintf("lost %d", i)))
	}
}

// outboxDeeds are done to deliveries and channels.
var outboxDeeds = []deed{
	{name: "move", posts: "outbox/{id}/move", at: "/ui/outbox/2", do: func(c *scene) {
		c.fill("form[action$='/move'] input[name=at]", "2099-01-02T15:04")
		c.follow("form[action$='/move'] button")
	}, said: "2099", record: "delivery.move", target: "delivery 2"},
	{name: "cancel", posts: "outbox/{id}/cancel", at: "/ui/outbox/2", do: confirms("/cancel"), said: "cancelled", record: "delivery.cancel", target: "delivery 2"},
	{name: "send now", posts: "outbox/{id}/now", at: "/ui/outbox/3", do: confirms("/now"), record: "delivery.now", target: "delivery 3"},
	{name: "retry", posts: "outbox/{id}/retry", at: "/ui/outbox/5", do: presses("form[action$='/retry']"), said: "due again", record: "delivery.retry", target: "delivery 5"},
	{name: "replay", posts: "outbox/replay", at: "/ui/outbox", do: func(c *scene) {
		c.click("details:has(form[action$='/replay']:not(.rows)) > summary")
		c.follow("details[open] form[action$='/replay']:not(.rows) button.danger")
	}, record: "outbox.replay"},
	{name: "pause a channel", posts: "channels/pause", at: "/ui/channels", do: func(c *scene) {
		c.fill("form[action$='/pause']:has([value=whatsapp]) input[name=reason]", "moving")
		c.follow("form[action$='/pause']:has([value=whatsapp]) button")
	}, said: "moving", record: "channel.pause", target: "channel whatsapp"},
	{name: "resume a channel", posts: "channels/resume", at: "/ui/channels", do: presses("form[action$='/resume']:has([value=whatsapp])"), record: "channel.resume", target: "channel whatsapp"},
	{name: "test a channel", posts: "channels/test", at: "/ui/channels", do: func(c *scene) {
		c.fill("form[action$='/test']:has([value=telegram]) input[name=to]", "777")
		c.follow("form[action$='/test']:has([value=telegram]) button")
		c.arrives("recipient=777")
	}, record: "channel.test", target: "channel telegram"},
}

// arrives waits until a delivery like that is sent.
func (c *scene) arrives(query string) {
	c.t.Helper()
	testwait.Until(c.t, "it is sent: "+query, func() bool {
		c.visit("/ui/outbox?" + query)
		return c.count("#deliveries tbody .ok") == 1
	})
}

// pager is the channel of the webhook that deeds are done to.
const pager = "/ui/channels/webhook/pager"

// webhookDeeds are done to a webhook, from its beginning to its end.
var webhookDeeds = []deed{
	{name: "add", posts: "webhooks/new", at: "/ui/channels", do: func(c *scene) {
		c.click("details:has(form[action$='/webhooks/new']) > summary")
		c.fill("form[action$='/webhooks/new'] input[name=name]", "pager")
		c.fill("form[action$='/webhooks/new'] input[name=url]", c.told("${upstream}/hooks/pager"))
		c.follow("form[action$='/webhooks/new'] button.primary")
		c.secretOnce()
	}, said: "shown once", record: "webhook.add", target: "webhook pager"},
	{name: "edit", posts: "webhooks/{name}/edit", at: pager, do: func(c *scene) {
		c.fill("form[action$='/edit'] select[name=profile]", "seed")
		c.follow("form[action$='/edit'] button")
		c.awaitText("#channel .facts", "seed")
	}, said: "is changed", record: "webhook.edit", target: "webhook pager"},
	{name: "rotate", posts: "webhooks/{name}/rotate", at: pager, do: func(c *scene) {
		c.follow(c.opened("/rotate") + " button")
		c.secretOnce()
	}, said: "finish the rotation", record: "webhook.rotate", target: "webhook pager"},
	{name: "finish the rotation", posts: "webhooks/{name}/finish", at: pager, do: confirms("/finish"), said: "signs no more", record: "webhook.finish", target: "webhook pager"},
	{name: "test", posts: "channels/test", at: pager, do: func(c *scene) {
		c.follow("form[action$='/test'] button")
		c.arrives("channel=webhook/pager")
	}, record: "channel.test", target: "channel webhook/pager"},
	{name: "pause", posts: "channels/pause", at: pager, do: presses("form[action$='/pause']"), said: "by a person", record: "channel.pause", target: "channel webhook/pager"},
	{name: "resume", posts: "channels/resume", at: pager, do: presses("form[action$='/resume']"), record: "channel.resume", target: "channel webhook/pager"},
	{name: "remove", posts: "webhooks/{name}/remove", at: pager, do: func(c *scene) {
		c.follow(c.opened("/remove") + " button")
		c.await("the list says that it is removed", "[...document.querySelectorAll('#webhooks tbody tr')].some(e => /pager[^]*removed/.test(e.innerText))")
	}, said: "is removed", record: "webhook.remove", target: "webhook pager"},
}

// secretOnce checks that a new secret is shown, another than before.
func (c *scene) secretOnce() {
	c.t.Helper()
	secret := strings.TrimSpace(c.text("main pre code"))
	if !strings.HasPrefix(secret, "whsec_") || secret == c.known["secret"] {
		c.t.Errorf("the secret is %q", secret)
	}
	c.remember("secret", secret)
}
