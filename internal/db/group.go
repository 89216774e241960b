package db

import (
	"cmp"
	"context"
	"errors"
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
	// Transactions of two nodes may stand against each other, and the store calls
	// one of them off.
	groupTries   = 3
	codeConflict = "store_conflict"
	// PostgreSQL takes several commits at a time; they share its flush.
	groupLanesPostgres = 2
)

// group makes functions that arrive together share a transaction, and so the
// flush to the disk, which is what a small transaction costs. Nobody waits for
// company: whoever finds a free lane leads at once, with all who wait by then.
type group struct {
	mu    sync.Mutex
	lanes int // free
	line  []*member
	taken map[int64]bool // keys whose functions run: no lane waits for another's locks
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
// alone. Where it is not known whether the commit took effect, none does, and each call
// gets that error. So fn may run more than once and must set its results anew each time,
// and an outcome that is no trouble of the store's is better a result than an
// error.
//
// Functions with the same key run one after the other, also across transactions;
// others may run at the same time, and all of them stop at a statement: fn must
// not hold a mutex over one. If fn locks only rows that belong to its key, no two
// transactions of this process wait for each other.
//
// When ctx ends, Group gives up waiting; fn may run all the same, and is given a
// context of its own. The transaction is not for the job engine: neither SQL nor
// PGX.
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
		go d.lead() //nolint:contextcheck // see above
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting is how many calls of Group stand in line.
func (d *DB) Waiting() int {
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	return len(d.group.line)
}

// lead runs what waits until nothing does.
func (d *DB) lead() {
	g := &d.group
	for {
		batch := g.next()
		if batch == nil {
			return
		}
		d.share(batch)
		g.release(batch)
	}
}

// next takes those out of the line who go next, in the order of their keys. If
// there are none, it gives the lane back: whoever runs functions of the keys that
// the rest waits for looks again.
func (g *group) next() (batch []*member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.line = slices.DeleteFunc(g.line, func(m *member) bool {
		goes := len(batch) < groupMost && !g.taken[m.key]
		if goes {
			batch = append(batch, m)
		}
		return goes
	})
	if batch == nil {
		g.lanes++
		return nil
	}
	if g.taken == nil {
		g.taken = map[int64]bool{}
	}
	for _, m := range batch {
		g.taken[m.key] = true
	}
	slices.SortStableFunc(batch, func(a, b *member) int { return cmp.Compare(a.key, b.key) })
	return batch
}

func (g *group) release(batch []*member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range batch {
		delete(g.taken, m.key)
	}
}

// share runs a batch in one transaction, or each member alone if that fails.
func (d *DB) share(batch []*member) {
	if len(batch) > 1 {
		err := d.together(batch)
		if _, doubtful := errors.AsType[doubtfulError](err); err == nil || doubtful {
			for _, m := range batch {
				m.done <- err
			}
			return
		}
	}
	for _, m := range batch {
		err := d.together([]*member{m})
		for tries := 1; tries < groupTries && fault.CodeOf(err) == codeConflict; tries++ {
			err = d.together([]*member{m})
		}
		m.done <- err
	}
}

func (d *DB) together(batch []*member) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	return d.Tx(ctx, func(tx *Tx) error {
		if conn, ok := tx.q.(connTx); ok && len(batch) > 1 {
			return d.pipelined(ctx, conn.Conn, tx, batch)
		}
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
