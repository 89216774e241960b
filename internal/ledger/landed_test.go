package ledger

import (
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

func TestLanded(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := New(d)
		if n, err := l.Landed(t.Context(), time.Time{}.AddDate(1999, 0, 0)); n != 0 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		c, err := l.Register(t.Context(), "warehouses", DefaultSettings())
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int64{3, 4} {
			e, _, err := l.StartOwn(t.Context(), c.ID, Start{Cron: Ref{ID: c.ID}, Trigger: CLI, Holder: "h"})
			if err != nil {
				t.Fatal(err)
			}
			err = d.Tx(t.Context(), func(tx *db.Tx) error {
				return l.End(t.Context(), tx, e.ID, Outcome{Status: Success, Counts: Counts{Written: rows}})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if n, err := l.Landed(t.Context(), l.Now().Add(-time.Hour)); n != 7 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		if n, err := l.Landed(t.Context(), l.Now().Add(time.Hour)); n != 0 || err != nil {
			t.Errorf("%d %v", n, err)
		}
	})
}
