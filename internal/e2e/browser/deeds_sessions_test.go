package browser

import "strings"

// sessionDeeds are done by who has a key, before the eyes of another admin.
var sessionDeeds = []deed{
	{name: "sign in", posts: "sign-in", at: "/ui/sign-in", do: func(c *scene) {
		c.expect("401")
		c.fill("input[name=key]", c.told("${key}")[1:])
		c.follow("form[action='/ui/sign-in'] button")
		c.awaitText("body", "This key is not valid")
		c.fill("input[name=key]", c.told("${key}"))
		c.follow("form[action='/ui/sign-in'] button")
		c.await("somebody is signed in", "document.querySelector('.menu')")
	}, record: "session.begin"},
	{name: "sign out", posts: "sign-out", at: "/ui/sign-in", do: func(c *scene) {
		c.follow("form[action='/ui/sign-out'] button")
		c.awaitText("body", "You are signed out")
		c.visit("/ui/crons")
	}, said: "Sign in", record: "session.end"},
	{name: "be signed out", posts: "sessions/{id}/revoke", do: func(c *scene) {
		c.signIn(c.told("${key}"))
		c.visit("/ui/crons")
		c.awaitText("h1", "Crons")
		b := c.witness
		b.visit("/ui/settings")
		const others = "#sessions tr:not(:has(.badge)) form[action$='/revoke']"
		if n := b.count(others); n != 1 {
			b.t.Fatalf("%d sessions are there beside the own", n)
		}
		b.follow(b.opened(strings.TrimPrefix(eval[string](b, "document.querySelector(\""+others+"\").getAttribute('action')"), "/ui")) + " button")
		b.awaitText("body", "The session has ended")
		if n := b.count("#sessions tbody tr"); n != 1 {
			b.t.Errorf("%d sessions are left", n)
		}
		c.visit("/ui/crons")
	}, said: "Sign in", record: "session.revoke"},
}
