package dialfire

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWebhookBringsWhatHappensFromItsStart(t *testing.T) {
	w := newWorld(t)
	w.populate(20, 3)
	old := w.order[7]
	w.pass(time.Minute)
	d := newTarget()
	s := w.source(t, Config{Mode: Webhook})
	start := w.clock()

	// The first cursor comes before anything can fail.
	w.failing(1<<40, anything, status(404))
	if d.mustSync(t, s); d.cursor == "" || len(d.batches) != 1 {
		t.Fatalf("%d batches, cursor %q", len(d.batches), d.cursor)
	}
	w.failing(0, anything, status(404))
	w.pass(time.Second)
	w.act(w.order[3], 0)
	w.act(old, 0)
	w.act(old, 0)
	w.pass(24 * time.Hour)
	d.mustSync(t, w.source(t, Config{Mode: Webhook}))
	rows := d.rows("transactions")
	if len(rows) != 3 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		if row[1].(string) < stamp(start) || len(row[2].(string)) != 32 || strings.Contains(row[3].(string), "$task_log") ||
			!strings.Contains(row[3].(string), row[0].(string)) || !strings.Contains(row[4].(string), "connections") {
			t.Errorf("row %q", row)
		}
	}
	if len(d.tables) != 1 || len(w.requests("inbound"))+len(w.requests("fields")) > 0 {
		t.Errorf("it has brought more: %v", d.tables)
	}
}

func TestWebhookFetchesNothingTwice(t *testing.T) {
	w := newWorld(t)
	w.populate(20, 0)
	w.pass(time.Minute)
	d := newTarget()
	s := w.source(t, Config{Mode: Webhook})
	d.mustSync(t, s)
	w.pass(time.Second)
	w.act(w.order[3], 0)
	w.pass(time.Minute)
	d.mustSync(t, s)
	w.requests("")
	for range 3 {
		w.pass(time.Minute)
		d.mustSync(t, s)
	}
	if got := w.requests("POST"); len(got) > 0 {
		t.Errorf("%d fetches", len(got))
	}
	// A change long after it was fired, which only the listing tells.
	w.mu.Lock()
	w.contacts[w.order[3]].log[len(w.contacts[w.order[3]].log)-1].result = "later"
	w.revise(w.order[3])
	w.mu.Unlock()
	w.pass(6 * time.Minute)
	d.mustSync(t, s)
	if rows := d.rows("transactions"); len(rows) != 1 || !strings.Contains(rows[0][4].(string), "later") {
		t.Errorf("%d rows: %.500q", len(rows), rows)
	}
}

func TestWebhookWithHistory(t *testing.T) {
	w := newWorld(t)
	id := w.add(2)
	w.pass(time.Hour)
	start := w.clock()
	w.pass(time.Hour)
	w.act(id, 0)
	w.pass(time.Minute)
	for history, want := range map[bool]int{false: 1, true: 3} {
		d := newTarget()
		d.mustSync(t, w.source(t, Config{Mode: Webhook, Start: start, History: history}))
		if n := len(d.rows("transactions")); n != want {
			t.Errorf("history %v: %d rows", history, n)
		}
	}
	// An earlier start than that of the cursor reads anew from there.
	d := newTarget()
	d.mustSync(t, w.source(t, Config{Mode: Webhook, Start: start}))
	d.mustSync(t, w.source(t, Config{Mode: Webhook, Start: start.Add(-2 * time.Hour)}))
	if n := len(d.rows("transactions")); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func TestWebhookFilter(t *testing.T) {
	for _, c := range []struct {
		filter Filter
		want   []string
		not    []string
	}{
		{Filter{}, nil, []string{"type=", "hi=", "tasks="}},
		{Filter{Kind: UpdatesOnly, Prefixes: []string{"fc_", "qc_"}}, []string{"type=update", "tasks=fc_%2Cqc_"}, []string{"hi="}},
		{Filter{Kind: HIUpdatesOnly}, []string{"type=update", "hi=true"}, []string{"tasks="}},
		{Filter{Prefixes: []string{"a,b"}}, nil, []string{"type=", "hi=", "tasks="}},
	} {
		w := newWorld(t)
		start := w.clock()
		w.populate(3, 0)
		w.pass(time.Minute)
		d := newTarget()
		d.mustSync(t, w.source(t, Config{Mode: Webhook, Start: start.Add(-time.Second), Filter: c.filter}))
		got := strings.Join(w.requests("transactions/"), "\n")
		for _, part := range append(slices.Clone(c.want), c.not...) {
			if strings.Contains(got, part) != slices.Contains(c.want, part) {
				t.Errorf("%+v: asked %s", c.filter, got)
			}
		}
		// A database hears of every contact.
		d = newTarget()
		d.mustSync(t, w.source(t, Config{Filter: c.filter, Holdings: d}))
		if got := strings.Join(w.requests("transactions/"), "\n"); strings.Contains(got, "type=") || strings.Contains(got, "tasks=") {
			t.Errorf("a database asks %s", got)
		}
	}
}

func TestWebhookTellsOfWhatCannotBeSent(t *testing.T) {
	w := newWorld(t)
	start := w.clock()
	w.populate(3, 0)
	w.answering(func(r *http.Request, ids []string) any {
		if r.Method != "POST" {
			return nil
		}
		return []any{map[string]any{"$id": ids[0], "$md5": "x", "$task_log": []any{map[string]any{"transactions": []any{map[string]any{"type": "update"}}}}}}
	})
	w.pass(time.Minute)
	d := newTarget()
	d.mustSync(t, w.source(t, Config{Mode: Webhook, Start: start}))
	if len(d.letters) == 0 || len(d.rows("transactions")) != 0 {
		t.Errorf("dead letters %v, rows %v", d.letters, d.rows("transactions"))
	}
}

func TestFiredBefore(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for fired, want := range map[string]bool{
		"2025-12-31T23:59:59.999Z": true, "2026-01-01T00:00:00.000Z": false, "2026-01-01T00:30:00+01:00": true, "2026-01-01T00:00:00Z": false,
		"": false, "yesterday": false,
	} {
		if got := firedBefore(fired, start); got != want {
			t.Errorf("%s: %v", fired, got)
		}
	}
}
