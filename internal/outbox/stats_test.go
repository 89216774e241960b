package outbox_test

import (
	"reflect"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestPauseAndStats(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, ctx, now := outbox.New(d, outbox.Options{}), t.Context(), c.now()
		later, past := now.Add(time.Hour), now.Add(-time.Minute)
		ids := addItems(t, d, o, outbox.Refuse,
			outbox.Item{Channel: "b", StartAt: &later}, outbox.Item{Channel: "b"}, outbox.Item{Channel: "b", OrderKey: "k"},
			outbox.Item{Channel: "b", OrderKey: "k"}, outbox.Item{Channel: "b"}, outbox.Item{Channel: "b"}, outbox.Item{Channel: "c", StartAt: &later}).ids
		become(t, d, ids[4], outbox.Failed)
		become(t, d, ids[5], outbox.Sending)
		writeSQL(t, d, "UPDATE deliveries SET due_at = $1 WHERE id = $2", past.UnixMicro(), ids[1])
		writeSQL(t, d, "INSERT INTO channel_totals (channel, sender_id, sent, failed, retried, uncertain, expired) VALUES ('b', 1, 1, 2, 3, 4, 5), ('b', 2, 10, 20, 30, 40, 50)")
		writeSQL(t, d, "INSERT INTO channels (name, configured, held_until) VALUES ('rests', TRUE, $1), ('rested', TRUE, $2)", later.UnixMicro(), past.UnixMicro())
		if err := o.Pause(ctx, "a", "holidays"); err != nil {
			t.Fatal(err)
		}
		want := []outbox.ChannelStats{
			{Name: "a", PausedBy: "person", PausedAt: now, PauseReason: "holidays"},
			{Name: "b", Waiting: 4, Due: 2, Sending: 1, Failed: 1, OldestDue: past, Totals: outbox.Totals{Sent: 11, Failed: 22, Retried: 33, Uncertain: 44, Expired: 55}},
			{Name: "c", Waiting: 1},
			{Name: "rested", Configured: true},
			{Name: "rests", Configured: true, HeldUntil: later},
		}
		check := func() {
			t.Helper()
			if got, err := o.Stats(ctx); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("stats %+v, %v, want %+v", got, err, want)
			}
		}
		check()
		c.add(time.Second)
		defer c.add(-time.Second)
		writeSQL(t, d, "UPDATE channels SET paused_by = 'fault', pause_reason = 'bad token', troubles = 3, held_until = $1 WHERE name = 'a'", later.UnixMicro())
		if err := o.Pause(ctx, "a", "no hurry"); err != nil {
			t.Fatal(err)
		}
		want[0].PausedAt, want[0].PauseReason, want[0].HeldUntil = now.Add(time.Second), "no hurry", later
		check()
		for _, name := range []string{"a", "rests", "unknown"} {
			if err := o.Resume(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		want[0], want[4].HeldUntil = outbox.ChannelStats{Name: "a"}, time.Time{}
		check()
		if n := countSQL(t, d, "SELECT count(*) FROM channels WHERE troubles <> 0"); n != 0 {
			t.Error("a channel that was resumed is in trouble")
		}
	})
}
