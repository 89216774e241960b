//go:build linux

package chaos

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"ferryman/internal/e2e/chaos/witness"
	"ferryman/internal/e2e/program"
)

// What the suite looks for it also sees: each thing that must not happen is made to
// happen here, past Ferryman.
func TestWhatIsLostIsSeen(t *testing.T) {
	t.Parallel()
	c := newCluster(t, chanceOf(t), newPostgres(t))
	stop := c.load(t)
	c.awaitWell()
	c.watchRows()
	c.await("runs have ended", func() bool { return c.reporter.Calls() > 100 })
	stop()

	// Messages that are due later never come.
	var due []int64
	for recipient, m := range c.sender.Taken() {
		if time.Until(m.Due) > time.Second {
			due = append(due, recipient)
		}
	}
	later := c.sabotage(c.store, "DELETE FROM deliveries WHERE state = 0 AND recipient::bigint = ANY ($1) RETURNING id", due)
	gone := time.Now().Add(witness.Ahead)
	c.await("all else is settled, and those are due", func() bool { return c.open() == 0 && len(c.unlike()) == 0 && time.Now().After(gone) })
	for _, n := range c.nodes {
		n.Kill()
	}
	c.patience = 200 * time.Millisecond
	sees := func(want int, text string) {
		t.Helper()
		n, all := 0, c.lost()
		for _, line := range all {
			if strings.Contains(line, text) {
				n++
			}
		}
		if n != want {
			t.Errorf("%d of %q are seen, want %d: %q", n, text, want, all)
		}
	}
	if later == 0 {
		t.Fatal("nothing is due later")
	}
	sees(later, "taken at")
	sees(later, "") // and nothing else
	c.store.SetMaxOpenConns(1)
	c.sabotage(c.store, "SET session_replication_role = replica") // no trigger is to mind
	for _, what := range []struct{ statement, seen string }{
		{"DELETE FROM messages WHERE id = (SELECT min(m.id) FROM messages m JOIN executions e ON e.id = m.execution_id JOIN crons c ON c.id = e.cron_id WHERE c.slug = 'load-3')", "messages of"},
		{"DELETE FROM executions WHERE id = (SELECT min(e.id) FROM executions e JOIN crons c ON c.id = e.cron_id WHERE c.slug = 'load-0')", "is lost"},
		{"UPDATE executions SET status = 'failed' WHERE id = (SELECT min(e.id) FROM executions e JOIN crons c ON c.id = e.cron_id WHERE c.slug = 'load-1' AND e.status = 'success')", "was reported as"},
		{"UPDATE executions SET request = (SELECT max(request) FROM executions WHERE request LIKE '%run.3.%') WHERE id = (SELECT min(e.id) FROM executions e JOIN crons c ON c.id = e.cron_id WHERE c.slug = 'load-2')", "begun twice"},
	} {
		c.sabotage(c.store, what.statement)
		sees(1, what.seen)
	}
	c.sabotage(c.target, "DELETE FROM users_warehouses WHERE warehouse_id = (SELECT min(warehouse_id) FROM users_warehouses)")
	sees(1, "linked: false")
	if n := c.stepsBack(); n != 0 {
		t.Errorf("%d rows went back by themselves", n)
	}
	c.sabotage(c.target, "UPDATE warehouses SET name = 'u' WHERE id = (SELECT max(id) FROM warehouses)")
	sees(1, `is "u"`)
	if n := c.stepsBack(); n != 1 {
		t.Errorf("%d rows are seen to go back", n)
	}

	// A message comes again: only a fault explains it, and only an attempt of whose
	// outcome nobody knew.
	begun := time.Now()
	program.MustDo(t, "POST", c.people+"/bot"+witness.TokenOf("node-a")+"/sendMessage", `{"chat_id":1}`)
	before, during := []outcome{{begun: begun.Add(-time.Hour), healed: begun.Add(-time.Hour)}}, []outcome{{begun: begun.Add(-time.Hour), healed: begun}}
	for _, rounds := range [][]outcome{nil, before, during} {
		if got := c.explain(rounds); len(got) != 1 {
			t.Errorf("came again without a reason: %q", got)
		}
	}
	c.sabotage(c.store, `INSERT INTO attempts (delivery_id, n, at, outcome) SELECT id, 9, created_at, 'uncertain' FROM deliveries WHERE recipient = '1'`)
	// It came after the one that the store counts as sent: only a node explains that,
	// which stood still and sent it then.
	list := c.receiver.Arrivals()[1]
	stood := []outcome{{node: "node-a", fault: fault{stops: true}, begun: begun.Add(-time.Hour), healed: begun}}
	if got := c.explain(stood); len(got) != 0 {
		t.Errorf("came again for no reason: %q", got)
	}
	stood[0].node = "node-b"
	for _, rounds := range [][]outcome{stood, during} {
		if got := c.explain(rounds); len(got) != 1 || !strings.Contains(got[0], "after it was taken over") {
			t.Errorf("came after it was taken over: %q", got)
		}
	}
	c.sabotage(c.store, "UPDATE deliveries SET reference = $1 WHERE recipient = '1'", strconv.FormatInt(list[len(list)-1].ID, 10))
	if got := c.explain(during); len(got) != 0 || during[0].duplicates != 1 {
		t.Errorf("%d came again, for no reason: %q", during[0].duplicates, got)
	}
}

func TestALateTakeoverIsSeen(t *testing.T) {
	t.Parallel()
	for _, o := range []takeover{{schedule: promised + 1}, {deliveries: promised + 1}, {never: []string{"the schedule"}, busy: true}} {
		if len(o.late()) != 1 {
			t.Errorf("%+v is in time", o)
		}
	}
	for _, o := range []takeover{{schedule: promised, deliveries: promised}, {schedule: 2 * promised, busy: true}} {
		if len(o.late()) != 0 {
			t.Errorf("%+v is late", o)
		}
	}
}
