// Package db is Ferryman's own store: one SQLite file, or one PostgreSQL
// database that several nodes share.
//
// Both run the same SQL wherever they can: placeholders are $1, $2 …, times are
// BIGINT microseconds since 1970 in UTC (see Time). All writes go through Tx. On
// SQLite there is one writer connection in the process, so a transaction must be
// short and must not ask the read pool for what it has just written.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5/pgxpool"

	"ferryman/internal/fault"
)

// Dialect names the database behind a store.
type Dialect string

// The dialects of the own store.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Options tune Open; the zero value is right for production.
type Options struct {
	// Synchronous is SQLite's durability: FULL (the default) survives a power
	// cut, NORMAL may lose the last commits in one but never corrupts.
	Synchronous string
	// Clock tells the time; time.Now by default.
	Clock  func() time.Time
	Logger *slog.Logger
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	path    string        // SQLite: the file
	write   *sql.DB       // SQLite: one connection; PostgreSQL: the pool
	read    *sql.DB       // SQLite: query-only connections; PostgreSQL: the pool
	pool    *pgxpool.Pool // PostgreSQL only
	writes  *prepared     // SQLite only
	reads   *prepared     // SQLite only
	served  atomic.Pointer[flock.Flock]
	trouble atomic.Pointer[error]
	clock   func() time.Time
	shared  sharedClock // PostgreSQL only
	wires   *wires      // PostgreSQL only
	group   group
	log     *slog.Logger
}

// Open opens the store at rawURL, which is sqlite:///path/file.db or
// postgres://user:password@host:port/database, and checks that it answers. A
// missing SQLite file is created, together with its folder. Errors never hold
// the password.
func Open(ctx context.Context, rawURL string, opts Options) (*DB, error) {
	d := &DB{clock: opts.Clock, log: opts.Logger, group: group{lanes: 1}}
	if d.clock == nil {
		d.clock = time.Now
		d.shared.on = true
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	scheme, _, _ := strings.Cut(rawURL, ":")
	switch strings.ToLower(scheme) {
	case "sqlite":
		if err := d.openSQLite(ctx, rawURL, opts.Synchronous); err != nil {
			return nil, err
		}
	case "postgres", "postgresql":
		if err := d.openPostgres(ctx, rawURL); err != nil {
			return nil, err
		}
	default:
		return nil, &fault.Error{
			Kind: fault.Unconfigured, Code: "store_url",
			Detail: "the store's URL names no database that Ferryman can keep its state in",
			Hint:   "set FERRYMAN_STORE_URL to sqlite:///path/file.db or postgres://user:password@host:5432/database",
		}
	}
	return d, nil
}

// Close releases all connections, and the store if this process serves it. It
// waits for transactions that are open.
func (d *DB) Close() error {
	defer d.release()
	if d.pool != nil {
		err := d.write.Close()
		d.pool.Close() // waits for those that are in use, and some may wait for a lost answer
		d.wires.close()
		return err
	}
	if d.write.Stats().InUse > 0 { // whoever has the one connection gives it back when done
		_ = d.write.Ping() //nolint:noctx // the transaction has an end of its own
	}
	return errors.Join(d.reads.close(), d.writes.close(), d.read.Close(), d.write.Close())
}

// Dialect tells which database it is.
func (d *DB) Dialect() Dialect { return d.dialect }

// Path is the SQLite file, or "" on PostgreSQL.
func (d *DB) Path() string { return d.path }

// Now is the store's clock, in UTC and rounded to what the store can hold. On
// PostgreSQL all nodes go by the server's clock, whatever their own tell: leases
// and schedules are compared across nodes.
func (d *DB) Now() time.Time {
	now, ok := d.shared.now()
	if !ok {
		now = d.clock()
	}
	return now.UTC().Truncate(time.Microsecond)
}

// Writer is the pool that the job engine shares with Tx: a single connection on
// SQLite. Everybody else writes through Tx.
func (d *DB) Writer() *sql.DB { return d.write }

// Pool is the PostgreSQL pool; nil on SQLite.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Ping checks that the store answers, and that the last transaction did not fail
// for a reason of the store's own, such as a full disk.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.classify(d.read.PingContext(ctx)); err != nil {
		return err
	}
	if trouble := d.trouble.Load(); trouble != nil {
		return *trouble
	}
	return nil
}

// remember keeps the trouble of the last transaction for Ping.
func (d *DB) remember(err error) {
	switch {
	case err == nil, fault.CodeOf(err) == codeConflict: // it answers
		d.trouble.Store(nil)
	case strings.HasPrefix(fault.CodeOf(err), "store_"):
		d.trouble.Store(&err)
	}
}

// Query reads outside a transaction.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	if s := d.preparedRead(ctx, query); s != nil { //nolint:sqlclosecheck // kept; see prepared
		rows, err := s.QueryContext(ctx, args...) //nolint:rowserrcheck // the caller asks Rows.Err
		return &Rows{rows, d}, d.classify(err)
	}
	rows, err := d.read.QueryContext(ctx, query, args...) //nolint:rowserrcheck // the caller asks Rows.Err
	return &Rows{rows, d}, d.classify(err)
}

// QueryRow reads one row outside a transaction. Scan gives sql.ErrNoRows if
// there is none.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	if s := d.preparedRead(ctx, query); s != nil { //nolint:sqlclosecheck // kept; see prepared
		return Row{s.QueryRowContext(ctx, args...), d}
	}
	return Row{d.read.QueryRowContext(ctx, query, args...), d}
}

func (d *DB) preparedRead(ctx context.Context, query string) *sql.Stmt {
	if d.reads == nil {
		return nil
	}
	s := d.reads.get(query)
	if s == nil {
		d.reads.catchUp(ctx)
	}
	return s
}

// Rows are the answer of a query. Close them.
type Rows struct {
	*sql.Rows
	db *DB
}

// Err is the error that ended the rows, if one did.
func (r *Rows) Err() error { return r.db.classify(r.Rows.Err()) }

// Collect reads rows to their end and closes them.
func Collect[T any](rows *Rows, scan func(*Rows) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Row is the answer of a query for one row.
type Row struct {
	row scanner
	db  *DB
}

// Scan reads the row, or gives sql.ErrNoRows.
func (r Row) Scan(dest ...any) error { return r.db.classify(r.row.Scan(dest...)) }

// redacted is rawURL without its password and parameters, for messages.
func redacted(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "the store"
	}
	return fmt.Sprintf("%s://%s%s", u.Scheme, u.Host, u.Path)
}
