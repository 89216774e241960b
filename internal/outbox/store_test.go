package outbox_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// storeClock is a clock that tests move.
type storeClock struct{ us atomic.Int64 }

func newStoreClock() *storeClock {
	c := &storeClock{}
	c.us.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *storeClock) now() time.Time      { return time.UnixMicro(c.us.Load()).UTC() }
func (c *storeClock) add(d time.Duration) { c.us.Add(d.Microseconds()) }
func (c *storeClock) options() db.Options { return db.Options{Clock: c.now, Synchronous: "NORMAL"} }

// letterTo is an item that is unique by its recipient and text.
func letterTo(recipient, text string) outbox.Item {
	sum := sha256.Sum256([]byte(text))
	return outbox.Item{Channel: "telegram", Recipient: recipient, Payload: text, Dedupe: sum[:16]}
}

// lettersTo are n items to a recipient.
func lettersTo(recipient string, n int) []outbox.Item {
	items := make([]outbox.Item, n)
	for i := range items {
		items[i] = letterTo(recipient, fmt.Sprintf("text %d", i))
	}
	return items
}

// added is what Add gave.
type added struct {
	ids   []int64
	taken []int
}

func tryAdd(ctx context.Context, d *db.DB, o *outbox.Outbox, ifTaken outbox.IfTaken, items ...outbox.Item) (a added, err error) {
	err = d.Tx(ctx, func(tx *db.Tx) (err error) {
		a.ids, a.taken, err = o.Add(ctx, tx, items, ifTaken)
		return err
	})
	return a, err
}

func addItems(tb testing.TB, d *db.DB, o *outbox.Outbox, ifTaken outbox.IfTaken, items ...outbox.Item) added {
	tb.Helper()
	a, err := tryAdd(tb.Context(), d, o, ifTaken, items...)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func writeSQL(tb testing.TB, d *db.DB, query string, args ...any) {
	tb.Helper()
	err := d.Tx(tb.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(tb.Context(), query, args...)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func countSQL(tb testing.TB, d *db.DB, query string, args ...any) (n int64) {
	tb.Helper()
	if err := d.QueryRow(tb.Context(), query, args...).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// become gives a delivery a state, as its dispatcher does.
func become(tb testing.TB, d *db.DB, id int64, s outbox.State) {
	tb.Helper()
	var ended any
	if s >= outbox.Sent {
		ended = d.Now().UnixMicro()
	}
	attempts := "attempts + 1"
	if s == outbox.Waiting || s == outbox.Behind {
		attempts = "attempts"
	}
	writeSQL(tb, d, fmt.Sprintf("UPDATE deliveries SET state = %d, ended_at = $1, attempts = %s WHERE id = $2", s, attempts), ended, id)
}

func get(tb testing.TB, o *outbox.Outbox, id int64) outbox.Row {
	tb.Helper()
	r, err := o.Get(tb.Context(), id)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
