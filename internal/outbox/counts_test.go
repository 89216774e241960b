package outbox_test

import (
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestCounts(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		if got, err := o.Counts(t.Context()); err != nil || got != (outbox.Counts{}) {
			t.Errorf("of none: %+v, %v", got, err)
		}
		var items []outbox.Item
		for i := range 60 {
			items = append(items, outbox.Item{Topic: outbox.Topic(i % 3), Channel: "c"})
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		from := 0
		for state, n := range map[outbox.State]int{
			outbox.Behind: 3, outbox.Sending: 4, outbox.Sent: 5, outbox.Failed: 6, outbox.Cancelled: 7, outbox.Expired: 8,
		} {
			for _, id := range ids[from:][:n] {
				become(t, d, id, state)
			}
			from += n
		}
		want := outbox.Counts{Waiting: 60 - 33 + 3, Sending: 4, Failed: 6}
		if got, err := o.Counts(t.Context()); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
}

func TestCountsHaveABound(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		writeSQL(t, d, `WITH RECURSIVE many (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < CAST($1 AS BIGINT))
			INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at) SELECT 0, 0, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, '', '', 1, 1 FROM many`,
			outbox.MostCounted+10)
		if got, err := o.Counts(t.Context()); err != nil || got.Waiting != outbox.MostCounted {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := o.DueHistogram(t.Context(), "", []time.Duration{0, time.Hour}); err != nil || !slices.Equal(got, []int64{outbox.MostCounted, 0}) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestDueHistogram(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		in := func(channel string, after time.Duration) outbox.Item {
			at := c.now().Add(after)
			return outbox.Item{Channel: channel, StartAt: &at}
		}
		ids := addItems(t, d, o, outbox.Refuse,
			in("a", 0), in("a", time.Minute), in("a", time.Minute+1000), in("a", time.Hour), in("a", 25*time.Hour), in("b", 2*time.Minute),
			in("c", 0), outbox.Item{Channel: "a", OrderKey: "k"}, outbox.Item{Channel: "a", OrderKey: "k"}).ids
		writeSQL(t, d, "UPDATE deliveries SET due_at = $1 WHERE id = $2", c.now().Add(-time.Hour).UnixMicro(), ids[0])
		become(t, d, ids[6], outbox.Sent)
		edges := []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour}
		for channel, want := range map[string][]int64{
			"a": {2, 1, 2, 0}, "b": {0, 0, 1, 0}, "c": {0, 0, 0, 0}, "": {2, 1, 3, 0},
		} {
			if got, err := o.DueHistogram(t.Context(), channel, edges); err != nil || !slices.Equal(got, want) {
				t.Errorf("%q: %v, %v, want %v", channel, got, err, want)
			}
		}
		if got, err := o.DueHistogram(t.Context(), "a", nil); err != nil || len(got) != 0 {
			t.Errorf("without edges: %v, %v", got, err)
		}
	})
}

func TestPulse(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, ctx := outbox.New(d, outbox.Options{}), t.Context()
		pulse := func() string {
			t.Helper()
			p, err := o.Pulse(ctx)
			if err != nil || len(p) != 16 {
				t.Fatalf("%q, %v", p, err)
			}
			return p
		}
		seen := []string{pulse()}
		var ids []int64
		later := c.now().Add(time.Hour)
		for _, step := range []struct {
			what string
			do   func() error
		}{
			{"added", func() error {
				ids = addItems(t, d, o, outbox.Refuse, lettersTo("anna", 2)...).ids
				return nil
			}},
			{"moved", func() error { return o.Move(ctx, ids[0], &later) }},
			{"moved again", func() error { return o.Move(ctx, ids[0], &later) }},
			{"cancelled", func() error { return o.Cancel(ctx, ids[0]) }},
			{"paused", func() error { return o.Pause(ctx, "telegram", "holidays") }},
			{"resumed", func() error { return o.Resume(ctx, "telegram") }},
			{"sent", func() error {
				side := outbox.New(d, outbox.Options{})
				side.Set("telegram", outbox.Config{Channel: always(outbox.Outcome{Verdict: outbox.Rejected, Code: "no"})})
				stop := running(t, side, time.Second)
				awaitState(t, side, outbox.Failed, ids[1])
				stop()
				return nil
			}},
			{"revived", func() error { return o.Revive(ctx, ids[1]) }},
			{"replayed", func() error {
				become(t, d, ids[1], outbox.Failed) //nolint:contextcheck // a test's
				_, err := o.Replay(ctx, outbox.Selection{All: true})
				return err
			}},
		} {
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			now := pulse()
			if slices.Contains(seen, now) && step.what != "resumed" {
				t.Errorf("after one was %s it is as before", step.what)
			}
			if now == seen[len(seen)-1] {
				t.Errorf("after one was %s it is the same", step.what)
			}
			if again := pulse(); again != now {
				t.Errorf("after one was %s it is %s, and then %s", step.what, now, again)
			}
			seen = append(seen, now)
		}
	})
}
