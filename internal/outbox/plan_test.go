package outbox_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// PostgreSQL keeps the plan of a statement that it has run a few times. What it
// planned for a small table must not read all of it once it is large.
func TestPlansForASmallTableDoForALargeOne(t *testing.T) {
	const large = 100_000
	url := testdb.Postgres(t)
	watcher := dbtest.Open(t, url, db.Options{})
	for _, table := range []string{"deliveries", "attempts"} {
		writeSQL(t, watcher, "ALTER TABLE "+table+" SET (autovacuum_enabled = FALSE)") // it would have it plan anew
	}
	d, err := db.Open(t.Context(), url+"&pool_max_conns=4&application_name=planned", db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	o := outbox.New(d, outbox.Options{})
	o.SetBeat(20 * time.Millisecond)
	side := &otherSide{answer: func(_ context.Context, d outbox.Delivery) outbox.Outcome {
		if d.Attempt == 1 && d.Payload == "no" {
			return outbox.Outcome{Verdict: outbox.Rejected, Code: "no"}
		}
		return outbox.Outcome{Verdict: outbox.Accepted}
	}}
	o.Set("telegram", outbox.Config{Channel: side})
	o.Set("viber", outbox.Config{Channel: side, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1000, Per: time.Second} }})
	stop := running(t, o, time.Second)

	doEverything(t, d, o, 1)
	writeSQL(t, watcher, "ANALYZE deliveries, attempts")
	doEverything(t, d, o, 7)
	writeSQL(t, watcher, `INSERT INTO deliveries (state, topic, channel, recipient, payload, dedupe, due_at, created_at, ended_at)
		SELECT 3, 0, 'telegram', 'old' || i, 'text', decode(md5(CAST(i AS TEXT)), 'hex'), 1, 1, 1 FROM generate_series(1, CAST($1 AS BIGINT)) AS i`, large)
	writeSQL(t, watcher, "INSERT INTO attempts (delivery_id, n, at, outcome) SELECT 1000000 + i, 1, 1, 'sent' FROM generate_series(1, CAST($1 AS BIGINT)) AS i", large)
	doEverything(t, d, o, 2)
	stop()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the server has counted all", func() bool {
		return countSQL(t, watcher, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'planned'") == 0
	})
	if n := countSQL(t, watcher, `SELECT CAST(sum(seq_tup_read + idx_tup_fetch) AS BIGINT) FROM pg_stat_user_tables
		WHERE schemaname = current_schema() AND relname IN ('deliveries', 'attempts')`); n == 0 || n > large {
		t.Errorf("%d rows were read", n)
	}
}

// doEverything has deliveries go through all that can happen to one.
func doEverything(t *testing.T, d *db.DB, o *outbox.Outbox, times int) {
	t.Helper()
	for range times {
		late, soon := d.Now().Add(time.Hour), d.Now().Add(30*time.Millisecond)
		made := d.Now().UnixMicro()
		var items []outbox.Item
		for i := range 40 {
			item := letterTo(fmt.Sprint("r", made, i), "yes")
			item.Channel = []string{"telegram", "viber"}[i%2]
			switch {
			case i == 0:
				item.StartAt, item.ExpiresAt = &soon, &soon
			case i < 4:
				item.StartAt = &late
			case i%3 == 0:
				item.OrderKey = fmt.Sprint("k", i%2)
			case i%5 == 0:
				item.Payload = "no"
			}
			items = append(items, item)
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		o.Wake()
		for i, id := range ids[4:] {
			want := outbox.Sent
			if items[4+i].Payload == "no" {
				want = outbox.Failed
			}
			awaitState(t, o, want, id)
			attemptsOf(t, o, id)
		}
		awaitState(t, o, outbox.Expired, ids[0])
		for _, err := range []error{o.Move(t.Context(), ids[1], &late), o.Cancel(t.Context(), ids[2])} {
			if err != nil {
				t.Fatal(err)
			}
		}
		kill(t, d, ids[3])
		awaitState(t, o, outbox.Sent, ids[3])
		if _, err := o.List(t.Context(), outbox.Filter{After: ids[0], Limit: 10}); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Trouble(t.Context(), d.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n, err := o.Replay(t.Context(), outbox.Selection{From: ids[0], To: ids[39]}); err != nil || n == 0 {
			t.Fatalf("%d were replayed, %v", n, err)
		}
		awaitState(t, o, outbox.Sent, ids[4:]...)
	}
}
