package db

import (
	"testing"
	"time"

	"ferryman/internal/testdb"
)

// A node whose own clock is wrong, or jumps, goes by the server's.
func TestNodesShareTheServersClock(t *testing.T) {
	d, err := Open(t.Context(), testdb.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, wrong := range []time.Duration{-time.Hour, 0, time.Minute} {
		d.clock = func() time.Time { return time.Now().Add(wrong) } // each time it jumps
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

// What the server told goes on by itself until it is asked again.
func TestTheServersTimeGoesOn(t *testing.T) {
	began := time.Now()
	c := sharedClock{there: time.Unix(1000, 0), measured: began.Add(-5 * time.Second)}
	now, ok := c.now()
	if passed := now.Sub(time.Unix(1005, 0)); !ok || passed < 0 || passed > time.Since(began) {
		t.Errorf("it is %v, %v", now, ok)
	}
	if _, ok := (&sharedClock{}).now(); ok {
		t.Error("it tells what nobody has told it")
	}
}
