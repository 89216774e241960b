package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ferryman/internal/fault"
)

// ErrServed says that another process serves this SQLite store already.
var ErrServed = &fault.Error{
	Kind: fault.Conflict, Code: "store_served",
	Detail: "another ferryman serves this SQLite store",
	Hint:   "stop it first, name another store with --store, or use PostgreSQL for several nodes",
}

// Serve takes a SQLite store for this process alone, until release is called or
// the process ends, however it ends. That nobody else serves it is what makes
// work left running by a killed process safe to take over at once. It gives
// ErrServed if another process holds the store. On PostgreSQL it does nothing:
// nodes share the store.
func (d *DB) Serve() (release func(), err error) {
	if d.dialect != SQLite {
		return func() {}, nil
	}
	lock := flock.New(d.path+".lock", flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if !ok {
		return nil, ErrServed
	}
	return func() {
		if err := lock.Unlock(); err != nil {
			d.log.Warn("unlock the store", "err", err)
		}
	}, nil
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
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, d.classify(err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('ferryman.migrate'))"); err != nil {
		conn.Release()
		return nil, fmt.Errorf("wait for another migration: %w", d.classify(err))
	}
	return func() {
		// Closing the connection frees the lock whatever state it is in.
		_ = conn.Hijack().Close(context.WithoutCancel(ctx))
	}, nil
}

func sqliteCode(err error) (int, bool) {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff, true
	}
	return 0, false
}

func transientSQLite(code int) bool {
	switch code {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return true
	default:
		return false
	}
}
