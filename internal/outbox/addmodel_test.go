package outbox_test

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

// TestAddIsAsItsModel adds lists from few recipients, channels, texts and order
// keys, so that much is taken, and compares with maps.
func TestAddIsAsItsModel(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o, world, last := outbox.New(d, outbox.Options{}), 0, int64(0)
		rapid.Check(t, func(r *rapid.T) {
			world++ // recipients and channels of its own
			taken, waiting := map[string]bool{}, map[string]bool{}
			for range rapid.IntRange(1, 4).Draw(r, "lists") {
				var items []outbox.Item
				var keys []string
				for range rapid.IntRange(0, 8).Draw(r, "items") {
					it := letterTo(fmt.Sprintf("%d/%s", world, rapid.SampledFrom([]string{"a", "b", "é"}).Draw(r, "recipient")),
						rapid.SampledFrom([]string{"x", "y"}).Draw(r, "text"))
					it.Channel = fmt.Sprintf("%d/%d", world, rapid.IntRange(0, 1).Draw(r, "channel"))
					it.OrderKey = rapid.SampledFrom([]string{"", "", "k", "l"}).Draw(r, "key")
					keys = append(keys, fmt.Sprintf("%s|%s|%s", it.Recipient, it.Channel, it.Payload))
					if rapid.IntRange(0, 9).Draw(r, "may come again") == 0 {
						it.Dedupe, keys[len(keys)-1] = nil, ""
					}
					items = append(items, it)
				}
				ifTaken := rapid.SampledFrom([]outbox.IfTaken{outbox.Refuse, outbox.Skip}).Draw(r, "if taken")

				want, fresh := added{ids: make([]int64, len(items))}, map[string]bool{}
				for i, key := range keys {
					if key != "" && (taken[key] || fresh[key]) {
						want.taken = append(want.taken, i)
					}
					fresh[key] = true
				}
				var behind []bool
				if ifTaken == outbox.Skip || want.taken == nil {
					next := 0
					for i, key := range keys {
						if next < len(want.taken) && want.taken[next] == i {
							next++
							continue
						}
						last++
						want.ids[i], taken[key] = last, true
						order := items[i].Channel + "|" + items[i].OrderKey
						behind = append(behind, items[i].OrderKey != "" && waiting[order])
						waiting[order] = true
					}
				}
				got, err := tryAdd(t.Context(), d, o, ifTaken, items...)
				if err != nil {
					r.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					r.Fatalf("added %v, want %v", got, want)
				}
				for _, id := range got.ids {
					if id == 0 {
						continue
					}
					row, err := o.Get(t.Context(), id)
					if err != nil {
						r.Fatal(err)
					}
					if (row.State == outbox.Behind) != behind[0] {
						r.Fatalf("delivery %d is %d, behind another: %t", id, row.State, behind[0])
					}
					behind = behind[1:]
				}
			}
		})
	})
}
