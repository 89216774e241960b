package browser

import "strings"

// operatorDeeds are done to applications, keys and maintenance, and to the browser.
var operatorDeeds = []deed{
	{name: "add maintenance", posts: "maintenance", at: "/ui/maintenance", do: func(c *scene) {
		c.fill("input[name=reason]", "new disks")
		c.follow("form[action$='/maintenance'] button[value='4h']")
	}, said: "new disks", record: "maintenance.add"},
	{name: "remove maintenance", posts: "maintenance/{id}/remove", at: "/ui/maintenance", do: func(c *scene) {
		window := eval[string](c.tab, "document.querySelector('form[action$=\"/remove\"]').getAttribute('action')")
		c.remember("window", number(strings.TrimSuffix(window, "/remove")))
		c.follow(c.opened(window) + " button")
	}, record: "maintenance.remove", target: "maintenance ${window}"},
	{name: "add an application", posts: "applications", at: "/ui/applications", do: func(c *scene) {
		c.fill("input[name=name]", "till")
		c.follow("form[action$='/applications'] button.primary")
	}, said: "till", record: "app.add", target: "app till"},
	{name: "create a key", posts: "applications/{name}", at: "/ui/applications/till", do: presses("form.rows"), said: "fm_", record: "key.create", target: "app till"},
	{name: "revoke a key", posts: "applications/{name}/keys/{prefix}/revoke", at: "/ui/applications/till", do: confirms("/revoke"), record: "key.revoke"},
	{name: "remove an application", posts: "applications/{name}/remove", at: "/ui/applications/till", do: func(c *scene) {
		c.follow(c.opened("/remove") + " button")
		c.visit("/ui/applications")
		if strings.Contains(c.text("main"), "till") {
			c.t.Error("it is still there")
		}
	}, record: "app.remove", target: "app till"},
	{name: "choose a theme", posts: "preferences", at: "/ui/crons", do: func(c *scene) {
		c.fill("select[name=theme]", "dark")
		c.await("the page is dark", "document.documentElement.dataset.theme === 'dark' && location.pathname === '/ui/crons'")
	}},
}

// nodeDeeds are done to the server itself.
var nodeDeeds = []deed{
	{name: "drain a node", posts: "nodes/{name}/drain", at: "/ui/nodes", do: func(c *scene) {
		c.remember("node", strings.TrimSpace(c.text("#nodes tbody code")))
		c.follow(c.opened("/drain") + " button")
		c.await("it can be resumed", "document.querySelector('form[action$=\"/resume\"]')")
	}, said: "begins nothing more", record: "node.drain", target: "node ${node}"},
	{name: "resume a node", posts: "nodes/{name}/resume", at: "/ui/nodes", do: presses("form[action$='/resume']"), said: "is to work again", record: "node.resume", target: "node ${node}"},
}
