package outbox_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

// browsed gives the ids of all pages, and how many pages that were.
func browsed(t *testing.T, o *outbox.Outbox, f outbox.Filter) (ids []int64, pages int) {
	t.Helper()
	for {
		page, next, err := o.Browse(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		pages++
		if next == 0 {
			return ids, pages
		}
		if next >= f.Before && f.Before != 0 {
			t.Fatalf("after %d comes %d", f.Before, next)
		}
		f.Before = next
	}
}

// TestBrowsingFindsAllThereIs compares what is browsed with what a loop over all
// rows finds. There are more than one search looks at, in waves of states.
func TestBrowsingFindsAllThereIs(t *testing.T) {
	const many = 25_000
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		// Few are of c1, and none lately; most go to r0.
		writeSQL(t, d, `WITH RECURSIVE many (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < CAST($1 AS BIGINT))
			INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at)
			SELECT CASE WHEN i % 50 = 7 THEN 4 WHEN i % 9 = 0 THEN 6 ELSE 3 END, CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END,
				CASE WHEN i < 5000 AND i % 100 = 3 THEN 'c1' ELSE 'c0' END, CASE WHEN i % 5 = 0 THEN 'r' || (i % 777) ELSE 'r0' END, '', i, i FROM many`, many)
		type one struct {
			state     outbox.State
			topic     outbox.Topic
			channel   string
			recipient string
		}
		rows := make([]one, many+1)
		for i := 1; i <= many; i++ {
			r := one{outbox.Sent, outbox.Message, "c0", "r0"}
			switch {
			case i%50 == 7:
				r.state = outbox.Failed
			case i%9 == 0:
				r.state = outbox.Expired
			}
			if i%10 == 0 {
				r.topic = outbox.Alert
			}
			if i < 5000 && i%100 == 3 {
				r.channel = "c1"
			}
			if i%5 == 0 {
				r.recipient = fmt.Sprint("r", i%777)
			}
			rows[i] = r
		}
		for _, f := range []outbox.Filter{
			{}, {States: []outbox.State{outbox.Failed}}, {Topics: []outbox.Topic{outbox.Alert}}, {Channel: "c1"}, {Channel: "none"},
			{Channel: "c0", States: []outbox.State{outbox.Failed}}, {Channel: "c0", States: []outbox.State{outbox.Failed}, Topics: []outbox.Topic{outbox.Alert}},
			{Channel: "c1", States: []outbox.State{outbox.Sent, outbox.Expired}}, {Channel: "c1", Topics: []outbox.Topic{outbox.Message}},
			{Recipient: "r5"}, {Recipient: "r0", States: []outbox.State{outbox.Failed}}, {Recipient: "r0", Channel: "c1"}, {Recipient: "nobody"},
		} {
			var want []int64
			for id := many; id > 0; id-- {
				r := rows[id]
				if (f.States == nil || slices.Contains(f.States, r.state)) && (f.Topics == nil || slices.Contains(f.Topics, r.topic)) &&
					(f.Channel == "" || f.Channel == r.channel) && (f.Recipient == "" || f.Recipient == r.recipient) {
					want = append(want, int64(id))
				}
			}
			f.Limit = 900
			got, pages := browsed(t, o, f)
			if !slices.Equal(got, want) {
				t.Errorf("%+v: %d on %d pages, want %d", f, len(got), pages, len(want))
			}
		}
	})
}

func TestAhead(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		item := func(channel, key string) outbox.Item { return outbox.Item{Channel: channel, OrderKey: key} }
		ids := addItems(t, d, o, outbox.Refuse, item("a", "k"), item("b", "k"), item("a", "k"), item("a", "k"), item("a", ""), item("a", "other")).ids
		ahead := func(id int64) [2]int64 {
			first, many, err := o.Ahead(t.Context(), get(t, o, id))
			if err != nil {
				t.Fatal(err)
			}
			return [2]int64{first, many}
		}
		for i, want := range map[int][2]int64{0: {0, 0}, 1: {0, 0}, 2: {ids[0], 1}, 3: {ids[0], 2}, 4: {0, 0}, 5: {0, 0}} {
			if got := ahead(ids[i]); got != want {
				t.Errorf("delivery %d: %v, want %v", i, got, want)
			}
		}
		become(t, d, ids[0], outbox.Behind) // whatever the states are, the first is the first
		become(t, d, ids[2], outbox.Sending)
		if got := ahead(ids[3]); got != [2]int64{ids[0], 2} {
			t.Errorf("behind two states: %v", got)
		}
		become(t, d, ids[2], outbox.Behind)
		become(t, d, ids[0], outbox.Sent)
		if got := ahead(ids[3]); got != [2]int64{ids[2], 1} {
			t.Errorf("after the first: %v", got)
		}
	})
}

func TestLoads(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		if got, err := o.Loads(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("of none: %v, %v", got, err)
		}
		late := c.now().Add(time.Hour)
		ids := addItems(t, d, o, outbox.Refuse,
			outbox.Item{Channel: "a"}, outbox.Item{Channel: "a", StartAt: &late}, outbox.Item{Channel: "a", OrderKey: "k"}, outbox.Item{Channel: "a", OrderKey: "k"},
			outbox.Item{Channel: "b"}, outbox.Item{Channel: "b"}, outbox.Item{Channel: "c"}, outbox.Item{Channel: "d"}).ids
		become(t, d, ids[4], outbox.Failed)
		become(t, d, ids[5], outbox.Failed)
		become(t, d, ids[6], outbox.Sending)
		become(t, d, ids[7], outbox.Sent)
		want := []outbox.Load{
			{Channel: "a", Due: []int64{2, 1}, Behind: 1}, {Channel: "b", Due: []int64{0, 0}, Failed: 2}, {Channel: "c", Due: []int64{0, 0}, Sending: 1},
		}
		if got, err := o.Loads(t.Context(), []time.Duration{0, 2 * time.Hour}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
}

func TestLastErrorsAndTotals(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		ids := addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "a"}, outbox.Item{Channel: "a"}, outbox.Item{Channel: "b"}, outbox.Item{Channel: "c"}).ids
		for i, attempt := range []struct {
			id      int64
			outcome string
		}{{ids[0], "retry"}, {ids[1], "failed"}, {ids[0], "sent"}, {ids[3], "sent"}} {
			writeSQL(t, d, "INSERT INTO attempts (delivery_id, n, at, outcome, code, detail) VALUES ($1, $2, $3, $4, 'code', $5)",
				attempt.id, i+1, i+1, attempt.outcome, fmt.Sprint("said ", i))
		}
		become(t, d, ids[2], outbox.Failed)
		writeSQL(t, d, "UPDATE deliveries SET last_error = 'gone' WHERE id = $1", ids[2])
		want := map[string]outbox.LastError{
			"a": {Delivery: ids[1], At: time.UnixMicro(2).UTC(), Text: "code: said 1"}, "b": {Delivery: ids[2], Text: "gone"},
		}
		if got, err := o.LastErrors(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		writeSQL(t, d, "INSERT INTO channel_totals (channel, sender_id, sent, failed) VALUES ('a', 1, 3, 1), ('a', 2, 4, 0), ('b', 1, 0, 2)")
		totals, err := o.Totals(t.Context())
		if err != nil || !reflect.DeepEqual(totals, map[string]outbox.Totals{"a": {Sent: 7, Failed: 1}, "b": {Failed: 2}}) {
			t.Errorf("%+v, %v", totals, err)
		}
	})
}
