package browser

import "time"

// aCron is how the record names the cron that deeds are done to.
const aCron = "cron ${id} shop/nightly"

// cronDeeds are done to a cron, and to syncs.
var cronDeeds = []deed{
	{name: "run now", posts: "crons/{id}/run", at: "${own}", do: presses("form[action$='/run']"), record: "cron.run", target: "ferryman/warehouses"},
	{name: "run a sync", posts: "syncs/{slug}/run", at: "/ui/syncs/warehouses", do: presses("form[action$='/run']"), record: "cron.run", target: "ferryman/warehouses"},
	{name: "pause until", posts: "crons/{id}/pause", at: "${cron}", do: func(c *scene) {
		form := c.opened("/pause")
		c.fill(form+" input[name=until]", time.Now().AddDate(1, 0, 0).Format("2006-01-02T15:04"))
		c.follow(form + " button[value=date]")
	}, said: "paused", record: "cron.pause", target: aCron},
	{name: "resume", posts: "crons/{id}/resume", at: "${cron}", do: presses("form[action$='/resume']"), record: "cron.resume", target: aCron},
	{name: "mute", posts: "crons/{id}/mute", at: "${cron}", do: func(c *scene) {
		c.follow(c.opened("/snooze") + " button[formaction$='/mute']")
	}, said: "muted", record: "cron.mute", target: aCron},
	{name: "unmute", posts: "crons/{id}/unmute", at: "${cron}", do: func(c *scene) {
		c.follow(c.opened("/snooze") + " button[formaction$='/unmute']")
	}, record: "cron.unmute", target: aCron},
	{name: "snooze", posts: "crons/{id}/snooze", at: "${cron}", do: func(c *scene) {
		c.follow(c.opened("/snooze") + " button[value='1d']")
	}, said: "snoozed", record: "cron.snooze", target: aCron},
	{name: "undo", posts: "crons/{id}/snooze", at: "${cron}", do: func(c *scene) {
		c.follow(c.opened("/snooze") + " button[value='1h']")
		c.follow(".flash button")
	}, said: "snoozed", record: "cron.snooze", target: aCron},
	{name: "release a run", posts: "runs/{id}/release", do: func(c *scene) {
		run := c.first("/ui/runs?status=running&app=shop", "td a[href*='/runs/']")
		c.remember("run", number(run))
		c.visit(run)
		c.follow(c.opened("/release") + " button")
		c.await("the run is cancelled", "document.querySelector('.lead .cancelled')")
	}, record: "execution.release", target: "execution ${run}"},
	{name: "release all", posts: "crons/{id}/release", do: func(c *scene) {
		c.site.start(c.told("${key}"), "nightly")
		c.visit(c.told("${cron}"))
		c.follow(c.opened("/release") + " button")
	}, record: "cron.release", target: aCron},
	{name: "edit", posts: "crons/{id}/edit", at: "${cron}/edit", do: func(c *scene) {
		c.fill("input[name=grace]", "17m")
		c.follow("form.cronform button.primary")
	}, said: "missed if 17 m", record: "cron.edit", target: aCron},
	{name: "create", posts: "crons/new", at: "/ui/crons/new", do: func(c *scene) {
		c.fill("select[name=app]", "shop")
		c.fill("input[name=slug]", "weekly")
		c.fill("input[name=schedule]", "@weekly")
		c.follow("form.cronform button.primary")
	}, said: "weekly", record: "cron.create", target: "shop/weekly"},
	{name: "delete", posts: "crons/{id}/delete", do: func(c *scene) {
		c.visit(c.first("/ui/crons?search=weekly", "#crons a.name"))
		c.follow(c.opened("/delete") + " button")
	}, record: "cron.delete", target: "shop/weekly"},
}
