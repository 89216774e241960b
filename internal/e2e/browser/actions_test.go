package browser

import (
	"regexp"
	"strings"
	"testing"
)

// TestActions does each action once, and looks for it in the record.
func TestActions(t *testing.T) {
	t.Parallel()
	s := sandboxed(t, backlog)
	key := s.ferryman("key", "create", "--app", "shop") // first: each deed is to be the newest in the record
	for name, do := range map[string]func(t *testing.T, c *scene){
		"crons": func(t *testing.T, c *scene) {
			c.remember("key", key)
			s.start(c.told("${key}"), "nightly")
			c.remember("cron", c.first("/ui/crons?app=shop", "#crons a.name"))
			c.remember("id", number(c.told("${cron}")))
			c.remember("own", c.first("/ui/crons?search=warehouses", "#crons a.name"))
			c.play(t, cronDeeds)
		},
		"outbox": func(t *testing.T, c *scene) {
			c.play(t, outboxDeeds)
			c.simulated()
			c.play(t, webhookDeeds)
		},
		"others": func(t *testing.T, c *scene) {
			c.play(t, operatorDeeds)
			c.simulated()
			c.play(t, contactDeeds)
			c.play(t, nodeDeeds)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do(t, newScene(t, s))
		})
	}
}

// number is the last part of a path.
func number(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// simulated remembers where the simulators are, by the page of a sync from there.
func (c *scene) simulated() {
	c.t.Helper()
	c.visit("/ui/syncs/warehouses")
	at := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(c.text("#standing"))
	if at == "" {
		c.t.Fatalf("nothing tells where the simulators are: %s", c.text("#standing"))
	}
	c.remember("upstream", "http://"+at)
}

// TestSessions signs in with a key that the pages made, and out again: the door that
// was open is closed then.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := plain(t, one)
	admin := newTab(t, s.URL)
	admin.visit("/ui/applications/ferryman")
	admin.fill("select[name=scope]", "admin")
	admin.follow("form.rows button.primary")
	key := strings.TrimSpace(admin.text("#key"))
	admin.visit("/ui/crons")
	if !strings.Contains(admin.text("h1"), "Sign in") {
		t.Fatalf("the door is still open: %s", admin.text("main"))
	}
	admin.signIn(key)
	c := newScene(t, s)
	c.witness, c.who = admin, "(ferryman)"
	c.remember("key", key)
	c.play(t, sessionDeeds)

	t.Run("who may only look", func(t *testing.T) {
		b := newTab(t, s.URL)
		b.signIn(s.ferryman("key", "create", "--app", "ferryman", "--scope", "read"))
		for _, p := range places {
			if p.acts || p.anon {
				continue
			}
			b.at(p)
			if n := b.count("main form[method=post]"); n != 0 {
				t.Errorf("%s offers %d actions to who may only look", p.name, n)
			}
		}
		b.expect("403")
		b.visit("/ui/jobs/")
		b.awaitText("main", "for keys of scope admin")
	})
	t.Run("the job engine's pages", func(t *testing.T) { admin.engine(t) })
}
