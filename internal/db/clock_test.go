package db

import (
	"testing"
	"time"

	"ferryman/internal/testdb"
)

// A node whose own clock is wrong goes by the server's.
func TestNodesShareTheServersClock(t *testing.T) {
	for _, wrong := range []time.Duration{-time.Hour, 0, time.Minute} {
		d, err := Open(t.Context(), testdb.Postgres(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		d.clock = func() time.Time { return time.Now().Add(wrong) }
		var here, there time.Time
		err = d.Tx(t.Context(), func(tx *Tx) error {
			here = tx.Now()
			return tx.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&there)
		})
		if err != nil {
			t.Fatal(err)
		}
		if apart := there.Sub(here).Abs(); apart > time.Second {
			t.Errorf("a clock that is %v off gives %v, the server's %v", wrong, here, there)
		}
	}
}
