package outbox_test

import (
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestBacklogIsWhatIsToBeSent(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		addItems(t, d, o, outbox.Refuse, lettersTo("r", 3)...)
		addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "other"})
		addItems(t, d, o, outbox.Refuse, inOrder("telegram", "k", 3)...) // one waits, two are behind it
		for s := outbox.Sent; s <= outbox.Expired; s++ {
			become(t, d, addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "telegram"}).ids[0], s)
		}
		for _, c := range []struct{ most, want int }{{100, 6}, {6, 6}, {5, 5}, {1, 1}} {
			if n, err := o.Backlog(t.Context(), "telegram", c.most); n != c.want || err != nil {
				t.Errorf("at most %d: %d, %v", c.most, n, err)
			}
		}
		if n, err := o.Backlog(t.Context(), "nobody", 100); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}
