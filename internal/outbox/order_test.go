package outbox_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// inOrder are n items of a channel with an order key.
func inOrder(channel, key string, n int) []outbox.Item {
	items := make([]outbox.Item, n)
	for i := range items {
		items[i] = outbox.Item{Channel: channel, Recipient: key, Payload: fmt.Sprint(i), OrderKey: key}
	}
	return items
}

func states(tb testing.TB, o *outbox.Outbox, ids ...int64) []outbox.State {
	tb.Helper()
	all := make([]outbox.State, len(ids))
	for i, id := range ids {
		all[i] = get(tb, o, id).State
	}
	return all
}

func wantStates(tb testing.TB, o *outbox.Outbox, ids []int64, want ...outbox.State) {
	tb.Helper()
	if got := states(tb, o, ids...); !slices.Equal(got, want) {
		tb.Errorf("states %d, want %d", got, want)
	}
}

func TestOrderKeepsLaterOnesBehind(t *testing.T) {
	const waiting, sending, behind, sent, failed, cancelled = outbox.Waiting, outbox.Sending, outbox.Behind, outbox.Sent, outbox.Failed, outbox.Cancelled
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		items := slices.Concat(inOrder("a", "k", 2), inOrder("b", "k", 1), inOrder("a", "l", 1), inOrder("a", "k", 1), []outbox.Item{{Channel: "a", Recipient: "k"}})
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		wantStates(t, o, ids, waiting, behind, waiting, waiting, behind, waiting)
		ids = append(ids, addItems(t, d, o, outbox.Refuse, inOrder("a", "k", 1)...).ids...)
		wantStates(t, o, ids, waiting, behind, waiting, waiting, behind, waiting, behind)

		for _, step := range []struct {
			do   func() error
			want []outbox.State
		}{
			{func() error { become(t, d, ids[0], sending); return nil }, []outbox.State{sending, behind, behind, behind}},
			{func() error { return settled(t, d) }, []outbox.State{sending, behind, behind, behind}},
			{func() error { become(t, d, ids[0], failed); return settled(t, d) }, []outbox.State{failed, waiting, behind, behind}},
			{func() error { return settled(t, d) }, []outbox.State{failed, waiting, behind, behind}},
			{func() error { return o.Cancel(t.Context(), ids[4]) }, []outbox.State{failed, waiting, cancelled, behind}},
			{func() error { return o.Cancel(t.Context(), ids[1]) }, []outbox.State{failed, cancelled, cancelled, waiting}},
			{func() error { return o.Revive(t.Context(), ids[0]) }, []outbox.State{behind, cancelled, cancelled, waiting}},
			{func() error { become(t, d, ids[6], sent); return settled(t, d) }, []outbox.State{waiting, cancelled, cancelled, sent}},
			{func() error {
				become(t, d, ids[0], failed)
				_, err := o.Replay(t.Context(), outbox.Selection{All: true})
				return err
			}, []outbox.State{waiting, cancelled, cancelled, sent}},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			wantStates(t, o, []int64{ids[0], ids[1], ids[4], ids[6]}, step.want...)
		}
		wantStates(t, o, []int64{ids[2], ids[3], ids[5]}, waiting, waiting, waiting)
	})
}

// settled looks after the key k of channel a as a dispatcher does.
func settled(tb testing.TB, d *db.DB) error {
	tb.Helper()
	_, err := outbox.Settle(tb.Context(), d, "a", "k")
	return err
}

// TestOrderForgetsNone adds to a few keys and settles what waits, both at the same
// time and on several nodes: in the end all are settled, each after those before it.
func TestOrderForgetsNone(t *testing.T) {
	severalOn(t, func(t *testing.T, stores []*db.DB) {
		const each, keys = 15, 3
		var over atomic.Bool
		defer over.Store(true)
		var adders, settlers sync.WaitGroup
		for a := range 4 {
			adders.Go(func() {
				d := stores[a%len(stores)]
				o := outbox.New(d, outbox.Options{})
				for i := range each {
					items := inOrder("c", fmt.Sprint((a+i)%keys), 1)
					items = append(items, inOrder("c", fmt.Sprint((a+i+1)%keys), 1)...)
					if _, err := tryAdd(t.Context(), d, o, outbox.Refuse, items...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i, d := range stores {
			settlers.Go(func() {
				o := outbox.New(d, outbox.Options{})
				for !over.Load() {
					rows, err := o.List(t.Context(), outbox.Filter{States: []outbox.State{outbox.Waiting}})
					if err != nil {
						t.Error(err)
						return
					}
					for _, r := range rows {
						if int(r.ID)%len(stores) != i {
							continue
						}
						if n := countSQL(t, d, "SELECT count(*) FROM deliveries WHERE order_key = $1 AND state = 2 AND id < $2", r.OrderKey, r.ID); n != 0 {
							t.Errorf("%d waits, and %d before it", r.ID, n)
						}
						if err := outbox.Send(t.Context(), d, r.ID, "c", r.OrderKey); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		adders.Wait()
		unsettled := "SELECT count(*) FROM deliveries WHERE state <> 3"
		testwait.Until(t, "nothing waits", func() bool { return countSQL(t, stores[0], unsettled+" AND state <> 2") == 0 })
		over.Store(true)
		settlers.Wait()
		if n := countSQL(t, stores[0], unsettled); n != 0 {
			t.Errorf("%d are behind nobody", n)
		}
		if n := countSQL(t, stores[0], "SELECT count(*) FROM deliveries"); n != 4*each*2 {
			t.Errorf("%d rows", n)
		}
	})
}

// Transactions that add by several calls, each in an order of its own, do not stand
// against each other if they lock all their keys first.
func TestAddingBySeveralCalls(t *testing.T) {
	severalOn(t, func(t *testing.T, stores []*db.DB) {
		keys := []string{"a", "b", "c", "d", "e", "f"}
		var adders sync.WaitGroup
		for a := range 4 {
			adders.Go(func() {
				d := stores[a%len(stores)]
				o := outbox.New(d, outbox.Options{})
				for i := range 20 {
					err := d.Tx(t.Context(), func(tx *db.Tx) error {
						if err := o.LockOrder(t.Context(), tx, "c", keys); err != nil {
							return err
						}
						for k := range keys {
							key := keys[(k*(1+4*(a%2))+i)%len(keys)] // up or down
							if _, _, err := o.Add(t.Context(), tx, inOrder("c", key, 1), outbox.Refuse); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		adders.Wait()
		if n := countSQL(t, stores[0], "SELECT count(*) FROM deliveries WHERE state = 0"); n != int64(len(keys)) {
			t.Errorf("%d wait", n)
		}
		if n := countSQL(t, stores[0], "SELECT count(*) FROM deliveries"); n != 4*20*int64(len(keys)) {
			t.Errorf("%d rows", n)
		}
	})
}
