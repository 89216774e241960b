package apikey_test

import (
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testwait"
)

func lastUsed(t *testing.T, k *apikey.Keys) time.Time {
	t.Helper()
	all, err := k.List(t.Context(), "")
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0].LastUsedAt
}

func TestLastUse(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		made, key := create(t, k, apikey.BuiltIn, apikey.Ping)
		refused(t, k, "wrong", "fm_"+made.Prefix+apikey.Generate()[11:])
		if at := lastUsed(t, k); !at.IsZero() {
			t.Errorf("used at %v before it was", at)
		}
		accepted(t, k, "first", key)
		first := c.now()
		testwait.Until(t, "the first use is written down", func() bool { return lastUsed(t, k).Equal(first) })

		// The next waits for a while, or for the end.
		c.add(time.Minute)
		accepted(t, k, "second", key)
		second := c.now()
		k.Close()
		if at := lastUsed(t, k); !at.Equal(second) {
			t.Errorf("used at %v after the end, want %v", at, second)
		}

		// A node whose clock is behind takes nothing back.
		c.add(-30 * time.Second)
		behind := open(t, d, secret)
		accepted(t, behind, "earlier", key)
		behind.Close()
		if at := lastUsed(t, k); !at.Equal(second) {
			t.Errorf("used at %v, want %v", at, second)
		}
	})
}
