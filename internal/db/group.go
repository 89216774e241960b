package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"ferryman/internal/fault"
)

const (
	groupMost = 64               // functions that share a transaction
	groupLine = 10_000           // functions that wait for one
	groupTime = 10 * time.Second // that a shared transaction may take
	// PostgreSQL takes several commits at a time; they share its flush.
	groupLanesPostgres = 6
)

// group makes functions that arrive together share a transaction, and so the
// flush to the disk, which is what a small transaction costs. Nobody waits for
// company: whoever finds a free lane leads at once, with all who wait by then.
type group struct {
	mu    sync.Mutex
	lanes int // free
	line  []*member
}

type member struct {
	key  int64
	fn   func(context.Context, *Tx) error
	done chan error // buffered
}

// errLineFull is what Group gives when more wait than it takes.
var errLineFull = &fault.Error{
	Kind: fault.Unavailable, Code: "store_busy", Detail: "too many calls wait for the store", RetryAfter: time.Second,
}

// Group runs fn in a transaction, like Tx, but one that fn may share with other
// calls of Group. It returns when that is durable. An error of one function, or
// of the commit, undoes the whole transaction; then every function runs again,
// alone. So fn may run more than once and must set its results anew each time,
// and an outcome that is no trouble of the store's is better a result than an
// error.
//
// A transaction runs its functions in the order of their keys: if fn locks only
// rows that belong to its key, no two transactions wait for each other.
//
// When ctx ends, Group gives up waiting; fn may run all the same, and is given a
// context of its own.
func (d *DB) Group(ctx context.Context, key int64, fn func(context.Context, *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &member{key: key, fn: fn, done: make(chan error, 1)}
	g := &d.group
	g.mu.Lock()
	if len(g.line) >= groupLine {
		g.mu.Unlock()
		return errLineFull
	}
	g.line = append(g.line, m)
	leads := g.lanes > 0
	if leads {
		g.lanes--
	}
	g.mu.Unlock()
	if leads {
		// The leader's own ctx must not end what others wait for.
		go d.lead()
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lead runs what waits until nothing does.
func (d *DB) lead() {
	g := &d.group
	for {
		g.mu.Lock()
		n := min(len(g.line), groupMost)
		if n == 0 {
			g.lanes++
			g.line = nil // lets go of a long one
			g.mu.Unlock()
			return
		}
		batch := slices.Clone(g.line[:n])
		g.line = slices.Delete(g.line, 0, n)
		g.mu.Unlock()
		slices.SortStableFunc(batch, func(a, b *member) int { return cmp.Compare(a.key, b.key) })
		d.share(batch)
	}
}

// share runs a batch in one transaction, or each member alone if that fails.
func (d *DB) share(batch []*member) {
	if len(batch) > 1 && d.together(batch) == nil {
		for _, m := range batch {
			m.done <- nil
		}
		return
	}
	for _, m := range batch {
		m.done <- d.together([]*member{m})
	}
}

func (d *DB) together(batch []*member) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	return d.Tx(ctx, func(tx *Tx) error {
		for _, m := range batch {
			if err := guarded(ctx, m.fn, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// guarded turns a panic of one function into its error: it must not end the
// process in a goroutine that belongs to many.
func guarded(ctx context.Context, fn func(context.Context, *Tx) error, tx *Tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return fn(ctx, tx)
}
