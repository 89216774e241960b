package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

// What keeps Ferryman from telling people, or from working, stands on the first page.
func TestOverviewTellsOfTrouble(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		s := siteOn(t, d, func(o *Options) { o.Node = Node{Name: "web-9-z", Shared: true} })
		const calm, nothing = `<p class="health">`, "Nothing does."
		now := time.Now()
		at := func(ago time.Duration) db.Time { return db.Time{Time: now.Add(-ago)} }
		s.write("INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ('web-9-z', 'v0', 'http://localhost:1', 2, $1), ('web-1-a', 'v0', 'http://localhost:1', 1, 1)", at(-time.Hour)) // it will not fall silent meanwhile
		s.shows(s.page(Root), "There are no crons yet.", calm, nothing, ">failed messages</span>", "!dead letters", `data-failing="0"`)

		s.write("INSERT INTO channels (name, configured, paused_by, paused_at, pause_reason) VALUES ('viber', TRUE, 'person', $1, 'holidays')", at(time.Hour))
		s.shows(s.page(Root), calm, "!"+nothing, "viber paused by a person", "holidays")

		if _, err := s.ledger.Create(t.Context(), 1, "nightly", ledger.Settings{Active: true}); err != nil {
			t.Fatal(err)
		}
		s.write("INSERT INTO nodes (name, version, url, started_at, seen_at) VALUES ('db-1-a', 'v0', 'http://localhost:2', 1, $1), ('db-2-b', 'v0', 'http://localhost:3', 1, $1)", at(time.Hour))
		s.write("INSERT INTO channels (name, configured, paused_by, paused_at, pause_reason) VALUES ('webhook/pager', TRUE, 'fault', $1, 'address_refused: 10.0.0.1')", at(time.Hour))
		ids := s.deliver(
			outbox.Item{Topic: outbox.Alert, Channel: "webhook/pager", Recipient: "pager", Payload: "{}"},
			outbox.Item{Topic: outbox.Message, Channel: "webhook/pager", Recipient: "pager", Payload: "{}"},
			outbox.Item{Topic: outbox.Alert, Channel: "telegram", Recipient: "1", Payload: "down"},
			outbox.Item{Topic: outbox.Message, Channel: "telegram", Recipient: "1", Payload: "a"},
			outbox.Item{Topic: outbox.Message, Channel: "telegram", Recipient: "1", Payload: "b"},
		)
		s.fails("401", ids[2:]...)
		page := s.page(Root)
		s.shows(page, "!"+nothing, `<p class="health bad">`, `data-failing="5"`,
			`1 alert not delivered, 2 nodes silent, webhook/pager paused by a fault, 2 messages failed. <span class="soft">1 new.</span>`,
			fmt.Sprintf(`href="/ui/outbox/%d"`, ids[2]), `href="/ui/outbox?state=failed&amp;topic=message#deliveries"`,
			`href="/ui/channels/webhook/pager"`, "1 alert waiting, and 1 other delivery; address_refused: 10.0.0.1",
			"node db-1-a silent", "node db-2-b silent", "!node web-1-a")
		if strings.Index(page, "alert not delivered</a>") > strings.Index(page, "node db-1-a") {
			t.Error("alerts are not first")
		}
		for _, path := range []string{"outbox?state=failed&topic=message", "channels/webhook/pager", "nodes"} {
			s.page(Root + path)
		}
		s.write("UPDATE deliveries SET ended_at = $1 WHERE state = 4", at(25*time.Hour))
		s.shows(s.page(Root), "!not delivered", "!messages failed.")

		s.signIn("shop", apikey.Admin)
		s.shows(s.page(Root), calm, "!silent", "!webhook/pager")
	})
}

// The sentence has room for some, and names each once.
func TestHealthNamesTroubleFirst(t *testing.T) {
	t.Parallel()
	silent := ailment{State: "silent", What: "node a silent"}
	for name, tc := range map[string]struct {
		counts   map[ledger.State]int64
		troubles []ailment
		want     string
	}{
		"nothing":  {nil, nil, "There are no crons yet.|"},
		"well":     {map[ledger.State]int64{ledger.StateOK: 2, ledger.StateRunning: 1}, nil, "2 ok, 1 running.|"},
		"late":     {map[ledger.State]int64{ledger.StateOK: 2, ledger.StateLate: 1}, nil, "1 late, 2 ok.|"},
		"failing":  {map[ledger.State]int64{ledger.StateOK: 2, ledger.StateFailing: 1, ledger.StateMissed: 2}, nil, "1 failing cron, 2 missed crons.|2 ok."},
		"a node":   {map[ledger.State]int64{ledger.StateOK: 2}, []ailment{silent}, "node a silent.|2 ok."},
		"no crons": {nil, []ailment{silent, silent, silent}, "3 nodes silent.|"},
		"mild":     {nil, []ailment{{State: "paused", What: "x", Mild: true}}, "There are no crons yet.|"},
		"many": {
			map[ledger.State]int64{ledger.StateFailing: 1},
			[]ailment{{What: "a"}, {What: "b"}, {What: "c"}, {What: "d"}, {What: "e"}, {What: "f"}, {What: "g"}}, "a, b, c, d, e, f, and 2 more.|",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := healthOf(tc.counts, tc.troubles)
			if got := h.Sentence + "|" + h.Rest; got != tc.want || h.Bad != (h.Failing > 0) {
				t.Errorf("got %q, bad %t, %d; want %q", got, h.Bad, h.Failing, tc.want)
			}
		})
	}
}
