package outbox_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/jobs"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

func TestPruneKeepsWhatIsToBeKept(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, now := outbox.New(d, outbox.Options{Keep: 10 * 24 * time.Hour}), c.now()
		old, young := now.Add(-10*24*time.Hour-time.Microsecond).UnixMicro(), now.Add(-10*24*time.Hour).UnixMicro()
		// Of each topic and state, one that is old and one that is not, each with an old
		// and a young attempt.
		for topic := outbox.Message; topic <= outbox.Contact; topic++ {
			for s := outbox.Waiting; s <= outbox.Expired; s++ {
				ids := addItems(t, d, o, outbox.Refuse, outbox.Item{Topic: topic, Channel: "c"}, outbox.Item{Topic: topic, Channel: "c"}).ids
				for i, at := range []int64{old, young} {
					become(t, d, ids[i], s)
					writeSQL(t, d, "UPDATE deliveries SET ended_at = $1 WHERE id = $2 AND state > 2", at, ids[i])
					writeSQL(t, d, "INSERT INTO attempts (delivery_id, n, at, outcome) VALUES ($1, 1, $2, 'retry'), ($1, 2, $3, 'sent')", ids[i], old, young)
				}
			}
		}
		for i, at := range []int64{now.Add(-25 * time.Hour).UnixMicro(), now.Add(-23 * time.Hour).UnixMicro()} {
			writeSQL(t, d, "INSERT INTO idempotency_keys (key_hash, request_hash, answer, created_at) VALUES ($1, $1, $1, $2)", []byte{byte(i)}, at)
		}
		writeSQL(t, d, "INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ('c', 'rested', $1), ('c', 'b', $2)",
			now.Add(-2*time.Hour).UnixMicro(), now.Add(-time.Minute).UnixMicro())

		left := func() string {
			return fmt.Sprint(
				countSQL(t, d, "SELECT count(*) FROM deliveries"), countSQL(t, d, "SELECT count(*) FROM deliveries WHERE topic = 1"),
				countSQL(t, d, "SELECT count(*) FROM deliveries WHERE topic = 2"),
				countSQL(t, d, "SELECT count(*) FROM attempts WHERE n = 1"), countSQL(t, d, "SELECT count(*) FROM attempts WHERE n = 2"),
				countSQL(t, d, "SELECT count(*) FROM idempotency_keys"), countSQL(t, d, "SELECT count(*) FROM recipient_rates"))
		}
		// 4 alerts and 4 contacts go, and all but the 18 old attempts of what is not settled.
		for i, want := range []struct {
			n    int64
			left string
		}{{24 + 8 + 1 + 1, "34 10 10 18 42 1 1"}, {0, "34 10 10 18 42 1 1"}} {
			n, err := o.Prune(t.Context())
			if err != nil || n != want.n || left() != want.left {
				t.Errorf("call %d: %d were deleted, %v; left are %s, want %+v", i, n, err, left(), want)
			}
		}
		c.add(24 * time.Hour)
		defer c.add(-24 * time.Hour)
		// Also the attempts of the alerts and contacts that are gone.
		if n, err := o.Prune(t.Context()); err != nil || n != 24+8+1+1 {
			t.Errorf("a day later: %d were deleted, %v", n, err)
		}
	})
}

func TestPruneOfMany(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		items := make([]outbox.Item, 1700)
		for i := range items {
			items[i] = outbox.Item{Topic: outbox.Alert, Channel: "c"}
		}
		addItems(t, d, o, outbox.Refuse, items...)
		writeSQL(t, d, "UPDATE deliveries SET state = 3, ended_at = 1")
		if n, err := o.Prune(t.Context()); err != nil || n != 1700 {
			t.Errorf("%d were deleted, %v", n, err)
		}
	})
}

func TestPruneOnTheEngine(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		writeSQL(t, d, "INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ('c', 'r', 1)")
		engine, err := jobs.New(d, jobs.Options{Node: "test"})
		if err != nil {
			t.Fatal(err)
		}
		o.PruneOn(engine)
		if err := engine.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = engine.Stop(context.WithoutCancel(t.Context())) })
		testwait.Until(t, "it is pruned", func() bool { return countSQL(t, d, "SELECT count(*) FROM recipient_rates") == 0 })
	}, jobs.Migrate)
}
