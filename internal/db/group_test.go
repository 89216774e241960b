package db_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testwait"
)

// mark writes one row; the name is unique.
func mark(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.Exec(ctx, "INSERT INTO marks (name, value) VALUES ($1, '')", name)
	return err
}

func marks(t *testing.T, d *db.DB) (names []string) {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT name FROM marks ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	names, err = db.Collect(rows, func(r *db.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// hold keeps every lane busy until the returned function is called, so that what
// is grouped meanwhile arrives together.
func hold(t *testing.T, d *db.DB) (release func()) {
	t.Helper()
	var keys []int64
	for i := range d.Lanes() {
		keys = append(keys, int64(-1-i))
	}
	return dbtest.HoldTurn(t, d, keys...)
}

func TestCallsThatArriveTogetherShareATransaction(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		release := hold(t, d)
		var mu sync.Mutex
		var order []int64
		times := map[int64]bool{}
		var wg sync.WaitGroup
		for i := range 20 {
			key := int64(20 - i)
			wg.Go(func() {
				err := d.Group(t.Context(), key, func(ctx context.Context, tx *db.Tx) error {
					mu.Lock()
					order = append(order, key)
					times[tx.Now().UnixMicro()] = true
					mu.Unlock() // not held over a statement: see Group
					return mark(ctx, tx, strings.Repeat("x", int(key)))
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		dbtest.AwaitLine(t, d, 20)
		release()
		wg.Wait()
		if n := len(marks(t, d)); n != 20 {
			t.Errorf("%d of 20 rows", n)
		}
		if d.Dialect() == db.SQLite && (len(times) != 1 || !slices.IsSorted(order)) {
			t.Errorf("%d transactions, keys in the order %v", len(times), order)
		}
	})
}

func TestAnErrorInAGroupIsOneCallsOwn(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		errOwn := errors.New("own")
		bad := map[string]func(context.Context, *db.Tx) error{
			"error": func(ctx context.Context, tx *db.Tx) error { return errors.Join(mark(ctx, tx, "undone"), errOwn) },
			"sql":   func(ctx context.Context, tx *db.Tx) error { return mark(ctx, tx, "good-1") },
			"panic": func(context.Context, *db.Tx) error { panic("at the disco") },
		}
		if err := d.Tx(t.Context(), func(tx *db.Tx) error { return mark(t.Context(), tx, "good-1") }); err != nil {
			t.Fatal(err)
		}
		release := hold(t, d)
		errs := make(map[string]error)
		var mu sync.Mutex
		var wg sync.WaitGroup
		call := func(name string, key int64, fn func(context.Context, *db.Tx) error) {
			wg.Go(func() {
				err := d.Group(t.Context(), key, fn)
				mu.Lock()
				defer mu.Unlock()
				errs[name] = err
			})
		}
		key := int64(0)
		for name, fn := range bad {
			key++
			call(name, key, fn)
		}
		for _, name := range []string{"good-2", "good-3"} {
			key++
			call(name, key, func(ctx context.Context, tx *db.Tx) error { return mark(ctx, tx, name) })
		}
		dbtest.AwaitLine(t, d, len(bad)+2)
		release()
		wg.Wait()
		if got := marks(t, d); !slices.Equal(got, []string{"good-1", "good-2", "good-3"}) {
			t.Errorf("rows %v", got)
		}
		if errs["good-2"] != nil || errs["good-3"] != nil || !errors.Is(errs["error"], errOwn) || errs["sql"] == nil ||
			errs["panic"] == nil || !strings.Contains(errs["panic"].Error(), "at the disco") {
			t.Errorf("%v", errs)
		}
	})
}

func TestACallerOfAGroupMayLeave(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		release := hold(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		ran := make(chan error, 1)
		go func() {
			left <- d.Group(ctx, 1, func(ctx context.Context, tx *db.Tx) error {
				err := mark(ctx, tx, "late")
				ran <- err
				return err
			})
		}()
		dbtest.AwaitLine(t, d, 1)
		cancel()
		if err := testwait.Receive(t, left); !errors.Is(err, context.Canceled) {
			t.Errorf("left with %v", err)
		}
		release()
		if err := testwait.Receive(t, ran); err != nil {
			t.Errorf("what a caller left behind: %v", err)
		}
	})
}
