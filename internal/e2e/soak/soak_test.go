package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// TestSoak keeps two nodes on PostgreSQL and one on SQLite under a steady load, and
// looks at them every ten seconds.
func TestSoak(t *testing.T) {
	d, judged := length()
	p, centre := newPeople(t), newCentre(t)
	witnesses := []*witness{
		newWitness(open(t, "postgres", 2, p.url, centre, d)),
		newWitness(open(t, "sqlite", 1, p.url, centre, d)),
	}
	// Nothing new begins after the soak's time; what is under way is finished.
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var load sync.WaitGroup
	for _, w := range witnesses {
		load.Go(func() { w.reports(ctx, t.Context()) })
		load.Go(func() { w.messages(ctx, t.Context()) })
		load.Go(func() { w.looks(ctx) })
		load.Go(func() { w.ages(ctx, t, d) })
	}
	begun := time.Now()
	var seen samples
	sample := func() {
		seen.begin(time.Since(begun))
		for _, w := range witnesses {
			seen.look(t, w)
		}
		seen.note("messages", "lateness, 99 %", "ms", bound{whole: 1000}, float64(p.lateness().Microseconds())/1000)
	}
	each(ctx, min(10*time.Second, d/4), func(int) { sample() })
	load.Wait()

	for _, w := range witnesses {
		w.settle(t, p)
		w.check(t, p, d)
	}
	if alerts := p.alerts; alerts == 0 {
		t.Error("nobody was told of the runs that failed")
	}
	if len(p.twice) > 0 {
		t.Errorf("%d messages came twice, such as %s", len(p.twice), p.twice[0])
	}
	if judged {
		seen.judge(t, d)
	}
	if *report != "" {
		seen.write(t, *report, d, witnesses, p)
	}
	for _, w := range witnesses {
		for _, n := range w.s.nodes {
			if code := n.Stop(); code != 0 {
				t.Errorf("a node of %s ends with %d", w.s.name, code)
			}
			if strings.Contains(n.Logged(), "level=ERROR") {
				t.Errorf("a node of %s logs errors:\n%s", w.s.name, n.Logged())
			}
		}
	}
}

// settle waits until what was accepted has come.
func (w *witness) settle(t *testing.T, p *people) {
	t.Helper()
	testwait.Until(t, "all messages come", func() bool { return p.distinct(w.s.name) >= w.accepted })
	testwait.Until(t, "it is noted that they came", func() bool {
		return w.s.number(t, "SELECT count(*) FROM deliveries WHERE state <> 3") == 0
	})
}

// check compares what the store has with what was acknowledged.
func (w *witness) check(t *testing.T, p *people, d time.Duration) {
	t.Helper()
	name := w.s.name
	if w.failed > 0 {
		t.Errorf("%s: %d of %d calls did not go well:\n%s", name, w.failed, w.calls, strings.Join(w.failures, "\n"))
	}
	if w.accepted == 0 || len(w.ended) == 0 {
		t.Fatalf("%s: %d messages and %d executions: there was no load", name, w.accepted, len(w.ended))
	}
	if n := p.distinct(name); n != w.accepted {
		t.Errorf("%s: %d messages came, %d were accepted", name, n, w.accepted)
	}
	if n := w.s.number(t, "SELECT count(*) FROM deliveries WHERE topic = 0"); int(n) != w.accepted {
		t.Errorf("%s: the store has %v messages, %d were accepted", name, n, w.accepted)
	}
	if n := w.s.number(t, `SELECT sum(h.n) FROM execution_hours h JOIN crons c ON c.id = h.cron_id WHERE c.slug LIKE 'job-%'`); int(n) != len(w.ended) {
		t.Errorf("%s: the store has counted %v executions, %d ends were acknowledged", name, n, len(w.ended))
	}
	w.checkExecutions(t, d)
	w.checkSyncs(t, d)
}

// checkExecutions finds the newest executions of each cron, and no others than were
// acknowledged.
func (w *witness) checkExecutions(t *testing.T, d time.Duration) {
	t.Helper()
	rows, err := w.s.db.QueryContext(t.Context(), `SELECT e.id, e.status, e.message_count FROM executions e JOIN crons c ON c.id = e.cron_id WHERE c.slug LIKE 'job-%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	kept := map[int64]bool{}
	for rows.Next() {
		var id, messages int64
		var status string
		if err := rows.Scan(&id, &status, &messages); err != nil {
			t.Fatal(err)
		}
		end, acknowledged := w.ended[id]
		want := map[bool]string{true: "success", false: "failed"}[end.well]
		// Its end has a message, too.
		if kept[id] = true; !acknowledged || status != want || messages != 3 {
			t.Errorf("%s: execution %d is %s with %d messages; acknowledged: %v, as %s", w.s.name, id, status, messages, acknowledged, want)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	byCron := map[string][]int64{}
	for id, end := range w.ended {
		byCron[end.cron] = append(byCron[end.cron], id)
	}
	for cron, ids := range byCron {
		slices.Sort(ids)
		for _, id := range ids[max(0, len(ids)-keepRuns(d)):] {
			if !kept[id] {
				t.Errorf("%s: execution %d of %s is lost", w.s.name, id, cron)
			}
		}
	}
}

// checkSyncs finds one run of each sync a minute.
func (w *witness) checkSyncs(t *testing.T, d time.Duration) {
	t.Helper()
	for _, slug := range []string{"warehouses", "contacts-sales"} {
		of := fmt.Sprintf("SELECT coalesce(sum(h.n), 0) FROM execution_hours h JOIN crons c ON c.id = h.cron_id WHERE c.slug = '%s'", slug)
		if n := w.s.number(t, of+" AND h.status <> 'success'"); n != 0 {
			t.Errorf("%s: %v runs of %s failed", w.s.name, n, slug)
		}
		if n, want := w.s.number(t, of), d.Minutes(); n < want-1 || n > want+2 {
			t.Errorf("%s: %v runs of %s in %v", w.s.name, n, slug, d)
		}
	}
}
