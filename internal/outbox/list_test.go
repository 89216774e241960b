package outbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

// TestListIsTheSameByEachIndex compares pages with what a loop over all rows finds.
func TestListIsTheSameByEachIndex(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o, ctx := outbox.New(d, outbox.Options{}), t.Context()
		var items []outbox.Item
		for i := range 300 {
			items = append(items, outbox.Item{Topic: outbox.Topic(i * i % 3), Channel: fmt.Sprint("c", i%4), Recipient: fmt.Sprint("r", i%7)})
		}
		addItems(t, d, o, outbox.Refuse, items...)
		writeSQL(t, d, "UPDATE deliveries SET state = (id * 5 + id / 7) % 7")
		all := make([]outbox.Row, 0, 300)
		for id := range int64(300) {
			all = append(all, get(t, o, id+1))
		}
		tried := 0
		for _, topics := range [][]outbox.Topic{nil, {outbox.Alert}, {outbox.Contact, outbox.Message}} {
			for _, states := range [][]outbox.State{nil, {outbox.Failed}, {outbox.Waiting, outbox.Behind}, {outbox.Sent, outbox.Failed, outbox.Expired}} {
				for _, channel := range []string{"", "c2", "c9"} {
					for _, recipient := range []string{"", "r3", "r9"} {
						f := outbox.Filter{Topics: topics, States: states, Channel: channel, Recipient: recipient, Limit: 7}
						var want, got []int64
						for _, r := range all {
							if (topics == nil || slices.Contains(topics, r.Topic)) && (states == nil || slices.Contains(states, r.State)) &&
								(channel == "" || r.Channel == channel) && (recipient == "" || r.Recipient == recipient) {
								want = append(want, r.ID)
							}
						}
						for {
							page, err := o.List(ctx, f)
							if err != nil {
								t.Fatal(err)
							}
							for _, r := range page {
								if r != all[r.ID-1] {
									t.Fatalf("%+v is listed as %+v", all[r.ID-1], r)
								}
								got, f.After = append(got, r.ID), r.ID
							}
							if len(page) < f.Limit {
								break
							}
						}
						tried++
						if !slices.Equal(got, want) {
							t.Errorf("%+v: %v, want %v", f, got, want)
						}
						f.After, f.Newest = 0, true
						var back []int64
						for {
							page, err := o.List(ctx, f)
							if err != nil {
								t.Fatal(err)
							}
							for _, r := range page {
								back, f.Before = append(back, r.ID), r.ID
							}
							if f.Newest = false; len(page) < f.Limit {
								break
							}
						}
						if slices.Reverse(back); !slices.Equal(back, want) {
							t.Errorf("%+v, back: %v, want %v", f, back, want)
						}
						f.After, f.Before = 100, 200
						page, err := o.List(ctx, f)
						if err != nil {
							t.Fatal(err)
						}
						between := slices.DeleteFunc(slices.Clone(want), func(id int64) bool { return id <= 100 || id >= 200 })
						slices.Reverse(between)
						for i, r := range page {
							if i >= len(between) || r.ID != between[i] {
								t.Errorf("%+v: %d at %d, want %v", f, r.ID, i, between)
							}
						}
						if len(page) != min(len(between), f.Limit) {
							t.Errorf("%+v: %d of %d", f, len(page), len(between))
						}
					}
				}
			}
		}
		if tried != 108 {
			t.Errorf("%d filters were tried", tried)
		}
	})
}

func TestListIsBounded(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		addItems(t, d, o, outbox.Refuse, lettersTo("1", 1200)...)
		for limit, want := range map[int]int{0: 100, 1: 1, 1001: 1000, -1: 100} {
			if page, err := o.List(t.Context(), outbox.Filter{Limit: limit}); err != nil || len(page) != want {
				t.Errorf("limit %d gives %d, %v", limit, len(page), err)
			}
		}
		writeSQL(t, d, `INSERT INTO attempts (delivery_id, n, at, took, outcome, status, code, detail)
			SELECT 7, id, id, CASE id WHEN 1200 THEN NULL ELSE 5 END, 'retry', 500, 'c', 'd' FROM deliveries`)
		got, err := o.Attempts(t.Context(), 7)
		if err != nil || len(got) != 1000 || got[0].N != 201 {
			t.Fatalf("%d attempts, %v", len(got), err)
		}
		want := outbox.Attempt{N: 1199, At: time.UnixMicro(1199).UTC(), Took: 5 * time.Microsecond, Verdict: outbox.Retry, Status: 500, Code: "c", Detail: "d"}
		if got[998] != want {
			t.Errorf("attempt %+v, want %+v", got[998], want)
		}
		if got[999].Took != 0 {
			t.Errorf("the last one took %s", got[999].Took)
		}
		if none, err := o.Attempts(t.Context(), 8); err != nil || len(none) != 0 {
			t.Errorf("%v, %v", none, err)
		}
	})
}
