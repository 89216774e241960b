package outbox_test

import (
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

func TestBuriedAreSeenAndNeverSent(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, soon := outbox.New(d, outbox.Options{}), c.now().Add(time.Hour)
		bury := func(lost ...outbox.Lost) {
			t.Helper()
			if err := d.Tx(t.Context(), func(tx *db.Tx) error { return o.Bury(t.Context(), tx, lost) }); err != nil {
				t.Fatal(err)
			}
		}
		one := letterTo("a", "one")
		one.OrderKey, one.StartAt, one.ExpiresAt = "k", &soon, &soon
		bury()
		bury(outbox.Lost{Item: one, Code: "too_large", Reason: "it has 9 bytes"}, outbox.Lost{Item: letterTo("b", "two"), Code: "bad", Reason: strings.Repeat("ü", 1000)})
		bury(outbox.Lost{Item: one, Code: "other", Reason: "again"}) // its dedupe is taken
		rows, err := o.List(t.Context(), outbox.Filter{States: []outbox.State{outbox.Failed}})
		if err != nil || len(rows) != 2 {
			t.Fatalf("%+v, %v", rows, err)
		}
		if r := rows[0]; r.LastError != "too_large: it has 9 bytes" || !r.EndedAt.Equal(c.now()) || r.OrderKey != "" || r.Attempts != 0 {
			t.Errorf("%+v", r)
		}
		if r := rows[1]; !strings.HasPrefix(r.LastError, "bad: ü") || len(r.LastError) > 500 {
			t.Errorf("%+v", r)
		}
		if err := o.Revive(t.Context(), rows[0].ID); fault.CodeOf(err) != outbox.ErrState {
			t.Errorf("revived: %v", err)
		}
		if n, err := o.Replay(t.Context(), outbox.Selection{All: true}); n != 0 || err != nil {
			t.Errorf("%d were replayed, %v", n, err)
		}
		if n := countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state <> 4"); n != 0 {
			t.Errorf("%d others", n)
		}
	})
}
