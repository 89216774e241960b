package outbox_test

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

func TestReplaySelects(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, ctx := outbox.New(d, outbox.Options{}), t.Context()
		gone := c.now()
		items := make([]outbox.Item, 10)
		for i := range items {
			items[i] = outbox.Item{Channel: []string{"b", "a"}[i%2], Recipient: "r"}
		}
		items[9].ExpiresAt = &gone
		addItems(t, d, o, outbox.Refuse, items...)
		for _, tc := range []struct {
			name string
			s    outbox.Selection
			want []int64
		}{
			{"all", outbox.Selection{All: true}, []int64{1, 2, 3, 4, 5, 6, 7, 8}},
			{"ids", outbox.Selection{IDs: []int64{7, 2, 10, 9, 99, 7}}, []int64{2, 7}},
			{"range", outbox.Selection{From: 3, To: 5}, []int64{3, 4, 5}},
			{"from", outbox.Selection{From: 7}, []int64{7, 8}},
			{"to", outbox.Selection{To: 2}, []int64{1, 2}},
			{"channel", outbox.Selection{Channel: "a"}, []int64{2, 4, 6, 8}},
			{"code", outbox.Selection{Code: "http_500"}, []int64{3, 4}},
			{"code alone", outbox.Selection{Code: "http_50"}, []int64{5}},
			{"since", outbox.Selection{Since: time.UnixMicro(5).UTC()}, []int64{5, 6, 7, 8}},
			{"several", outbox.Selection{Channel: "b", From: 2, To: 7, Since: time.UnixMicro(5).UTC()}, []int64{5, 7}},
			{"none", outbox.Selection{Channel: "z"}, nil},
		} {
			writeSQL(t, d, `UPDATE deliveries SET state = CASE id WHEN 9 THEN 3 ELSE 4 END, ended_at = id,
				last_error = CASE id WHEN 3 THEN 'http_500: no' WHEN 4 THEN 'http_500' WHEN 5 THEN 'http_50: no' ELSE 'other: http_500:' END`)
			n, err := o.Replay(ctx, tc.s)
			if err != nil || n != int64(len(tc.want)) {
				t.Errorf("%s: %d were replayed, %v", tc.name, n, err)
			}
			rows, err := o.List(ctx, outbox.Filter{States: []outbox.State{outbox.Waiting}})
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range rows {
				got = append(got, r.ID)
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("%s: %v were replayed, want %v", tc.name, got, tc.want)
			}
		}
		if _, err := o.Replay(ctx, outbox.Selection{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("nothing selected: %v", err)
		}
	})
}

func TestReplayOfMany(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		const n = 1050
		items := make([]outbox.Item, n)
		for i := range items {
			items[i] = outbox.Item{Channel: []string{"a", "b", "c"}[i%3], Recipient: "r", OrderKey: fmt.Sprint(i % 1000)}
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		for name, s := range map[string]outbox.Selection{"all": {All: true}, "ids": {IDs: ids}} {
			writeSQL(t, d, "UPDATE deliveries SET state = 4")
			if got, err := o.Replay(t.Context(), s); err != nil || got != n {
				t.Errorf("%s: %d were replayed, %v", name, got, err)
			}
			// 3,000 pairs of channel and key; each of these has one of its own.
			if got := countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 0"); got != n {
				t.Errorf("%s: %d wait", name, got)
			}
		}
	})
}
