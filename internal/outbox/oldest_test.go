package outbox_test

import (
	"maps"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestOldest(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		if got, err := o.Oldest(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("of none: %v, %v", got, err)
		}
		later := c.now().Add(time.Minute)
		ids := addItems(t, d, o, outbox.Refuse,
			outbox.Item{Channel: "a"}, outbox.Item{Channel: "a"}, outbox.Item{Channel: "b", StartAt: &later}, outbox.Item{Channel: "c"}).ids
		since := c.now().Add(-time.Hour)
		writeSQL(t, d, "UPDATE deliveries SET due_at = $1 WHERE id = $2", since.UnixMicro(), ids[1])
		become(t, d, ids[3], outbox.Failed)
		got, err := o.Oldest(t.Context())
		if want := map[string]time.Time{"a": since.Truncate(time.Microsecond).UTC()}; err != nil || !maps.Equal(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
}
