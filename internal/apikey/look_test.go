package apikey_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testwait"
)

// What one process changes holds for another: a new key at once, a revoked one
// within a second.
func TestChangesReachOtherProcesses(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		server, cli := openAt(t, d, c), open(t, d, secret)
		addApplication(t, cli, "shop")
		_, key := create(t, cli, "shop", apikey.Ping)
		accepted(t, server, "made a moment ago", key)
		if _, err := cli.Revoke(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		c.add(time.Second)
		refused(t, server, "revoked a second ago", key)

		_, key = create(t, cli, "shop", apikey.Ping)
		accepted(t, server, "another", key)
		if err := cli.RemoveApplication(t.Context(), "shop", false); err != nil {
			t.Fatal(err)
		}
		c.add(time.Second)
		refused(t, server, "of an application that is gone", key)
	})
}

func rename(t *testing.T, d *db.DB, from, to string) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// While the store is in trouble, known keys are good for a while, and nobody is
// refused who may be right.
func TestStoreInTrouble(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		k := openAt(t, d, c)
		_, key := create(t, k, apikey.BuiltIn, apikey.Ping)
		accepted(t, k, "before", key)
		rename(t, d, "marks", "hidden_marks")
		c.add(29 * time.Second)
		accepted(t, k, "in trouble", key)
		refused(t, k, "wrong, in trouble", key[:len(key)-1]+string("10"[btoi(key[len(key)-1] == '1')]))
		if _, err := k.Authenticate(t.Context(), apikey.Generate()); err == nil || errors.Is(err, apikey.ErrUnauthorized) {
			t.Errorf("unknown, in trouble: %v", err)
		}
		c.add(time.Second)
		for range 3 {
			if _, err := k.Authenticate(t.Context(), key); err == nil || errors.Is(err, apikey.ErrUnauthorized) {
				t.Errorf("too long in trouble: %v", err)
			}
		}
		rename(t, d, "hidden_marks", "marks")
		c.add(time.Second)
		accepted(t, k, "after", key)
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A flood of unknown keys shares looks at the store, and locks nobody out: not
// the keys that are known, and not one that is made meanwhile.
func TestFlood(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k, cli := open(t, d, secret), open(t, d, secret)
		_, key := create(t, cli, apikey.BuiltIn, apikey.Ping)
		accepted(t, k, "before", key)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var flood sync.WaitGroup
		var answered atomic.Int64
		begun := time.Now()
		const many = 64
		for range many {
			flood.Go(func() {
				for ctx.Err() == nil {
					if _, err := k.Authenticate(ctx, apikey.Generate()); err != nil && !errors.Is(err, apikey.ErrUnauthorized) && ctx.Err() == nil {
						t.Error("flood:", err)
					}
					answered.Add(1)
				}
			})
		}
		testwait.Until(t, "the flood rises", func() bool { return answered.Load() >= 5*many })
		for range 1000 {
			accepted(t, k, "known", key)
		}
		for range 3 {
			_, key := create(t, cli, apikey.BuiltIn, apikey.Ping)
			accepted(t, k, "made in the flood", key)
		}
		stop()
		flood.Wait()
		// Each look answers all that wait, and each waits for one.
		if most := int64(time.Since(begun)/(50*time.Millisecond)+2) * many; answered.Load() > most {
			t.Errorf("%d answers: more looks than one in 50 ms", answered.Load())
		}
	})
}

// A caller that leaves takes nobody else's look along.
func TestCallersMayLeave(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		k := open(t, d, secret)
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := k.Authenticate(gone, apikey.Generate()); !errors.Is(err, context.Canceled) && !errors.Is(err, apikey.ErrUnauthorized) {
			t.Errorf("gone: %v", err)
		}
		_, key := create(t, k, apikey.BuiltIn, apikey.Ping)
		accepted(t, k, "another", key)
	})
}

// Keys are made, judged and ended by all at the same time: one that was made is
// good until it is ended, and after that to nobody.
func TestRaces(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		nodes := []*apikey.Keys{open(t, d, secret), open(t, d, secret)}
		var all sync.WaitGroup
		ended := make([][]string, 8)
		for i := range ended {
			all.Go(func() {
				for j := range 5 {
					maker, judge := nodes[(i+j)%2], nodes[i%2]
					_, key := create(t, maker, apikey.BuiltIn, apikey.Ping)
					accepted(t, judge, "made", key)
					if _, err := maker.Revoke(t.Context(), key); err != nil {
						t.Error(err)
					}
					ended[i] = append(ended[i], key)
				}
			})
		}
		all.Wait()
		late := openAt(t, d, c)
		for _, keys := range ended {
			for _, key := range keys {
				refused(t, late, "ended", key)
				testwait.Until(t, "nobody takes it", func() bool {
					_, err := nodes[0].Authenticate(t.Context(), key)
					return errors.Is(err, apikey.ErrUnauthorized)
				})
			}
		}
	})
}
