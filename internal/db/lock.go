package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"ferryman/internal/fault"
)

// ErrServed says that another process serves this SQLite store already.
var ErrServed = &fault.Error{
	Kind: fault.Conflict, Code: "store_served",
	Detail: "another ferryman serves this SQLite store",
	Hint:   "stop it first, name another store with --store, or use PostgreSQL for several nodes",
}

// Serve takes a SQLite store for this process alone, until Close or the end of
// the process, however it ends. That nobody else serves it is what makes work
// left running by a killed process safe to take over at once. It gives ErrServed
// if another process holds the store. To take what is held already, or a
// PostgreSQL store, which nodes share, does nothing.
func (d *DB) Serve() error {
	if d.dialect != SQLite || d.served.Load() != nil {
		return nil
	}
	lock := flock.New(d.path+".lock", flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the store: %w", err)
	}
	if !ok {
		return ErrServed
	}
	d.served.Store(lock)
	return nil
}

// Take takes what a name stands for on a SQLite store for this process alone, until
// release or the end of the process, however it ends: processes that share the store
// agree on who does what. ok is false while somebody else has it, this process
// included. On PostgreSQL, whose nodes agree by other means, it is always ok. A name is
// kind/rest, and the kind has no dot: so its lock is told from those of another store
// whose file is named after this one's.
func (d *DB) Take(name string) (release func(), ok bool, err error) {
	if d.dialect != SQLite {
		return func() {}, true, nil
	}
	if !takeable(name) {
		return nil, false, fmt.Errorf("take %s on the store: a name is kind/rest", name)
	}
	lock := flock.New(d.path+"."+url.PathEscape(name)+".lock", flock.SetPermissions(0o600))
	if ok, err = lock.TryLock(); err != nil {
		return nil, false, fmt.Errorf("take %s on the store: %w", name, err)
	}
	return func() { _ = lock.Unlock() }, ok, nil // the end of the process does it as well
}

func takeable(name string) bool {
	kind, _, ok := strings.Cut(name, "/")
	return ok && !strings.Contains(kind, ".")
}

// namesTaken are the names that somebody has taken, in order.
func (d *DB) namesTaken() ([]string, error) {
	files, err := os.ReadDir(filepath.Dir(d.path))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		escaped, ours := strings.CutPrefix(file.Name(), filepath.Base(d.path)+".")
		escaped, lock := strings.CutSuffix(escaped, ".lock")
		name, err := url.PathUnescape(escaped)
		if !ours || !lock || err != nil || !takeable(name) {
			continue
		}
		is, err := held(filepath.Join(filepath.Dir(d.path), file.Name()))
		if err != nil {
			return nil, err
		}
		if is {
			names = append(names, name)
		}
	}
	return names, nil
}

// held tells whether somebody holds a lock. It shares it for a moment; one that is not
// there nobody holds, and it is not made.
func held(file string) (bool, error) {
	if _, err := os.Stat(file); err != nil {
		return false, nil //nolint:nilerr // no lock is no holder
	}
	lock := flock.New(file, flock.SetFlag(os.O_RDONLY))
	ok, err := lock.TryRLock()
	if errors.Is(err, fs.ErrPermission) {
		return false, &fault.Error{
			Kind: fault.Unconfigured, Code: "store_rights", Detail: "this user may not look at the lock " + file, Err: err,
			Hint: "give it to the user that runs Ferryman, as with chown, or delete it once nobody uses the store",
		}
	}
	if err != nil {
		return false, err
	}
	if ok {
		_ = lock.Unlock() // the end of the process does it as well
	}
	return !ok, nil
}

func (d *DB) release() {
	if lock := d.served.Swap(nil); lock != nil {
		_ = lock.Unlock() // the end of the process does it as well
	}
}

// migrationLock keeps all others from migrating until release is called.
func (d *DB) migrationLock(ctx context.Context) (release func(), err error) {
	if d.dialect == SQLite {
		lock := flock.New(d.path+".migrate.lock", flock.SetPermissions(0o600))
		if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for another migration: %w", err)
		}
		return func() { _ = lock.Unlock() }, nil
	}
	pooled, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, d.classify(err)
	}
	// Closing the connection frees the lock whatever state it is in.
	conn := pooled.Hijack()
	release = func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('ferryman.migrate'))"); err != nil {
		release()
		return nil, fmt.Errorf("wait for another migration: %w", d.classify(err))
	}
	return release, nil
}
