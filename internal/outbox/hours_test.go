package outbox_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestHours(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		first := c.now().Truncate(time.Hour)
		send := func(channel string, verdicts ...outbox.Verdict) { // by another sender each time
			t.Helper()
			o := outbox.New(d, outbox.Options{})
			side := &otherSide{answer: func(_ context.Context, d outbox.Delivery) outbox.Outcome {
				return outbox.Outcome{Verdict: outbox.Verdict(d.Payload), Code: "code"}
			}}
			o.Set(channel, outbox.Config{Channel: side, Backoff: oneMinute})
			var ids []int64
			for _, v := range verdicts {
				ids = append(ids, addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: channel, Recipient: "anna", Payload: string(v)}).ids...)
			}
			stop := running(t, o, time.Second)
			for _, id := range ids {
				awaitAttempt(t, o, id)
			}
			stop()
		}
		send("a", outbox.Accepted, outbox.Accepted, outbox.Rejected)
		send("a", outbox.Accepted)
		send("b", outbox.Retry)
		c.add(time.Hour)
		defer c.add(-time.Hour)
		writeSQL(t, d, "UPDATE deliveries SET state = 5 WHERE state = 0")
		send("a", outbox.Uncertain)

		o := outbox.New(d, outbox.Options{})
		want := []outbox.ChannelHour{
			{Channel: "a", At: first, Totals: outbox.Totals{Sent: 3, Failed: 1}},
			{Channel: "b", At: first, Totals: outbox.Totals{Retried: 1}},
			{Channel: "a", At: first.Add(time.Hour), Totals: outbox.Totals{Uncertain: 1}},
		}
		check := func(channel string, since time.Time, want ...outbox.ChannelHour) {
			t.Helper()
			got, err := o.Hours(t.Context(), channel, since)
			if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("hours of %q since %s: %+v, %v, want %+v", channel, since, got, err, want)
			}
		}
		check("", first, want...)
		check("a", first, want[0], want[2])
		check("", first.Add(time.Microsecond), want[2])
		check("c", first)

		// What is counted by the hour is what is counted in all.
		all, err := o.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, channel := range all {
			hours, err := o.Hours(t.Context(), channel.Name, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			var sum outbox.Totals
			for _, h := range hours {
				sum.Sent, sum.Failed, sum.Retried = sum.Sent+h.Sent, sum.Failed+h.Failed, sum.Retried+h.Retried
				sum.Uncertain, sum.Expired = sum.Uncertain+h.Uncertain, sum.Expired+h.Expired
			}
			if sum != channel.Totals {
				t.Errorf("%s: %+v by the hour, %+v in all", channel.Name, sum, channel.Totals)
			}
		}
	})
}

func TestHoursArePruned(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		old := c.now().Add(-90 * 24 * time.Hour)
		for _, at := range []time.Time{old.Add(-time.Hour), old} {
			writeSQL(t, d, "INSERT INTO channel_hours (at, channel, sender_id, sent, failed, retried, uncertain, expired) VALUES ($1, 'c', 1, 1, 0, 0, 0, 0)",
				at.UnixMicro())
		}
		if n, err := o.Prune(t.Context()); n != 1 || err != nil {
			t.Errorf("%d are deleted, %v", n, err)
		}
		if left, err := o.Hours(t.Context(), "", time.Time{}); err != nil || len(left) != 1 || !left[0].At.Equal(old) {
			t.Errorf("left are %+v, %v", left, err)
		}
	})
}
