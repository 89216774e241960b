package dashboard

import (
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
)

func TestNodesAreShownAndDrained(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Node = Node{Name: "web-1"} })
	s.shows(s.page(Root+"nodes"), "No node has said yet", "A store in a file has one")
	err := s.db.Tx(t.Context(), func(tx *db.Tx) error {
		now := tx.Now()
		for name, seen := range map[string]time.Time{"web-1": now, "gone<b>": now.Add(-time.Hour)} {
			_, err := tx.Exec(t.Context(), "INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ($1, 'v0', 'http://localhost:1', 1, $2)", name, db.Time{Time: seen})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cron, err := s.ledger.Create(t.Context(), 1, "nightly", ledger.Settings{Active: true})
	if err != nil {
		t.Fatal(err)
	}
	for range runsOfNode + 1 {
		if _, _, err := s.ledger.Start(t.Context(), ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Holder: "web-1", Trigger: ledger.HTTP}); err != nil {
			t.Fatal(err)
		}
	}
	page := s.page(Root + "nodes")
	s.shows(page, "now: it made this page", "!within seconds", "this one", "another than here", "working", "silent", "gone&lt;b&gt;", "nightly", `runs?host=web-1&amp;status=running">more runs`)
	if n := strings.Count(page, "/drain\""); n != 1 {
		t.Errorf("%d nodes can be drained", n)
	}
	_, page = s.post(Root+"nodes", Root+"nodes/web-1/drain")
	s.shows(page, "begins nothing more", "draining", "nodes/web-1/resume")
	_, page = s.post(Root+"nodes", Root+"nodes/web-1/resume")
	s.shows(page, "is to work again", "working")
	_, page = s.post(Root+"nodes", Root+"nodes/none/drain")
	s.shows(page, "No node of this store has that name")
	if noted := s.noted(); len(noted) != 2 || noted[0] != "node.resume node web-1" || noted[1] != "node.drain node web-1" {
		t.Errorf("noted %q", noted)
	}
	s.write("INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ('db-1-a', 'v0', 'http://localhost:2', 1, 1), ('db-2-b', 'v0', 'http://localhost:2', 2, $1)", db.Time{Time: time.Now()})
	s.shows(s.page(Root+"nodes"), "replaced", "by <code>db-2-b</code>", "!by <code>db-1-a")
	s.signIn("shop", apikey.Admin)
	s.shows(s.page(Root), "!>Nodes<")
	if status, _ := s.get(Root + "nodes"); status != 403 {
		t.Errorf("a key of another application: %d", status)
	}
}
