package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"ferryman/internal/fault"
)

// Examination is how a store stands. What it has of the one database is zero for the
// other.
type Examination struct {
	Dialect Dialect
	There   bool // SQLite: the file; a PostgreSQL store that answers always is
	Version int  // of its schema; 0: it has none yet
	Newest  int  // that this binary makes
	Asked   int  // the version that its makers ask of binaries at least

	Path   string
	Bytes  int64 // of the file
	WAL    int64 // bytes of the file beside it
	Served bool  // by a process of this machine
	Damage string

	Server    string        // version of PostgreSQL
	User      string        // as PostgreSQL has it
	Latency   time.Duration // of a query that does nothing
	Ahead     time.Duration // of the server's clock before this machine's
	ReadOnly  bool          // a standby takes no writes
	MayCreate bool          // tables
	MayWrite  bool          // to the tables that are there
	Pooled    bool          // two sessions share a connection: a pooler in transaction mode
}

// Examine looks at the store at rawURL, and neither makes nor migrates it. An error
// says why it cannot be looked at.
func Examine(ctx context.Context, rawURL string) (Examination, error) {
	path, err := File(rawURL)
	switch {
	case err == nil:
		return examineSQLite(ctx, path)
	case fault.CodeOf(err) != codeNotFile:
		return Examination{}, err
	}
	d, err := Open(ctx, rawURL, Options{})
	if err != nil {
		return Examination{}, err
	}
	defer d.Close() //nolint:errcheck // it was only read
	e := Examination{Dialect: d.dialect, There: true}
	err = d.examinePostgres(ctx, &e)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "26000" || pg.Code == "42P05") {
		e.Pooled = true // a statement that was prepared is not there, or is another session's
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("examine the store: %w", d.classify(err))
	}
	return e, d.examineSchema(ctx, &e)
}

func examineSQLite(ctx context.Context, path string) (Examination, error) {
	e := Examination{Dialect: SQLite, Path: path}
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return e, nil
	}
	if err != nil {
		return e, cannotOpen(path, err)
	}
	e.There, e.Bytes = true, info.Size()
	if wal, err := os.Stat(path + "-wal"); err == nil {
		e.WAL = wal.Size()
	}
	if e.Served, err = served(path); err != nil {
		return e, err
	}
	d := &DB{dialect: SQLite, path: path, clock: time.Now}
	// Opened to be read only, it would leave files behind that another user's server
	// could not open.
	d.read, err = sql.Open("sqlite", dsn(path, url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)", "query_only(1)"}}))
	if err != nil {
		return e, cannotOpen(path, err)
	}
	defer d.read.Close()
	d.read.SetMaxOpenConns(1)
	d.reads = newPrepared(d.read)
	defer d.reads.close() //nolint:errcheck // it was only read
	var verdict string
	if err := d.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // the driver tells of an interruption
		}
		return e, fmt.Errorf("examine the store: %w", d.classify(err))
	}
	if verdict != "ok" {
		e.Damage = verdict
		return e, nil
	}
	return e, d.examineSchema(ctx, &e)
}

// served tells whether a process serves a SQLite store.
func served(path string) (bool, error) {
	is, err := held(path + ".lock")
	if err != nil {
		return false, fmt.Errorf("look whether the store is served: %w", err)
	}
	return is, nil
}

// examineSchema tells which migrations the store has had.
func (d *DB) examineSchema(ctx context.Context, e *Examination) error {
	all, err := steps(migrations, d.dialect)
	if err != nil {
		return err
	}
	e.Newest = all[len(all)-1].Version
	if there, err := d.has(ctx, "ferryman_migrations"); err != nil || !there {
		return err
	}
	if e.Version, err = d.SchemaVersion(ctx); err != nil {
		return err
	}
	if there, err := d.has(ctx, "schema_compatibility"); err != nil || !there {
		return err
	}
	err = d.read.QueryRowContext(ctx, "SELECT coalesce(max(oldest), 0) FROM schema_compatibility").Scan(&e.Asked)
	return d.classify(err)
}

// examinePostgres tells what only a server has.
func (d *DB) examinePostgres(ctx context.Context, e *Examination) error {
	a, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer a.Release()
	var mine, others, again int
	if err := a.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&mine); err != nil {
		return err
	}
	begun := time.Now()
	var clock time.Time
	if err := a.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&clock); err != nil {
		return err
	}
	e.Latency = time.Since(begun)
	e.Ahead = clock.Sub(begun.Add(e.Latency / 2))
	err = a.QueryRow(ctx, `SELECT current_setting('server_version'), current_user, pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on',
		coalesce(has_schema_privilege(current_schema(), 'CREATE'), FALSE),
		(SELECT coalesce(bool_and(has_table_privilege(t.oid, p.name)), TRUE) FROM pg_class t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (name)
			WHERE t.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = current_schema()) AND t.relkind = 'r'
			AND t.relname IN ('ferryman_migrations', 'executions', 'deliveries', 'crons', 'nodes'))`).
		Scan(&e.Server, &e.User, &e.ReadOnly, &e.MayCreate, &e.MayWrite)
	if err != nil {
		return err
	}
	// While the first session is idle, a pooler in transaction mode gives its connection
	// to a second one.
	b, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer b.Release()
	t, err := b.Begin(ctx)
	if err != nil {
		return err
	}
	defer t.Rollback(ctx) //nolint:errcheck // it did nothing
	if err := t.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&others); err != nil {
		return err
	}
	if err := a.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&again); err != nil {
		return err
	}
	e.Pooled = mine == others || mine != again
	return nil
}
