package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ferryman/internal/draft"
	"ferryman/internal/fault"
)

// Copy is a copy of a SQLite store: one file, whole, and sound when it was looked at.
type Copy struct {
	Path    string
	Bytes   int64
	Version int              // of its schema
	Rows    map[string]int64 // by table, of those that were asked for
	Beside  []string         // files that came along
}

// codeNotFile says that a store is no SQLite file.
const codeNotFile = "not_a_file"

// File is the file of the SQLite store at rawURL, whether or not it is there.
// PostgreSQL has other means to keep and move what it holds: not_a_file.
func File(rawURL string) (string, error) {
	if scheme, _, _ := strings.Cut(rawURL, ":"); !strings.EqualFold(scheme, "sqlite") {
		return "", &fault.Error{
			Kind: fault.Unconfigured, Code: codeNotFile, Detail: "the store is not a SQLite file",
			Hint: "back up PostgreSQL with pg_dump and restore it with pg_restore, as docs/operations.md shows; ferryman export works with either",
		}
	}
	return sqlitePath(rawURL)
}

// Backup copies the SQLite store at rawURL into a new file, as it is at one moment,
// while others work on it and without holding them up. With it go the files whose
// names differ from the store's by one of the endings, where there are such. count
// names tables whose rows are to be counted. The store is neither made nor migrated.
// See draft.New about replace and about what stands there until all is done.
func Backup(ctx context.Context, rawURL, to string, replace bool, endings []string, count ...string) (Copy, error) {
	from, err := File(rawURL)
	if err != nil {
		return Copy{}, err
	}
	if err := Exists(from); err != nil {
		return Copy{}, err
	}
	file, err := draft.New(to, replace)
	if err != nil {
		return Copy{}, err
	}
	defer file.Discard()
	if err := vacuumInto(ctx, from, file.Name()); err != nil {
		return Copy{}, copyProblem(from, to, err)
	}
	c, err := inspect(ctx, file.Name(), count...)
	if err != nil {
		return Copy{}, err
	}
	c.Path = to
	// What belongs to the store is looked for after it was copied, and is in its place
	// before: whoever finds the one finds the other.
	for _, ending := range endings {
		switch there, err := copyFile(from+ending, to+ending, replace); {
		case err != nil:
			return Copy{}, err
		case there:
			c.Beside = append(c.Beside, to+ending)
		}
	}
	return c, file.Keep()
}

// copyFile copies a file that may not be there.
func copyFile(from, to string, replace bool) (there bool, err error) {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	file, err := draft.New(to, replace)
	if err != nil {
		return false, err
	}
	defer file.Discard()
	if err := file.CopyFrom(from); err != nil {
		return false, err
	}
	return true, file.Keep()
}

// Exists gives a fault of code no_store unless there is a file.
func Exists(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return NoStore(path)
	}
	return err
}

// NoStore says that there is no store of Ferryman's at a place.
func NoStore(where string) error {
	return &fault.Error{
		Kind: fault.NotFound, Code: "no_store", Detail: "there is no store at " + where,
		Hint: "name it with --store, --state-dir or FERRYMAN_STORE_URL",
	}
}

// Made tells whether an open store has had its first migration.
func (d *DB) Made(ctx context.Context) (bool, error) {
	there, err := d.has(ctx, "ferryman_migrations")
	if err != nil || !there {
		return false, err
	}
	at, err := d.SchemaVersion(ctx)
	return at > 0, err
}

// vacuumInto writes what a reader sees. It reads in one transaction, so that writers
// do not wait and cannot have it begin anew, as those of the backup interface would.
func vacuumInto(ctx context.Context, from, to string) error {
	source, err := sql.Open("sqlite", dsn(from, url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)"}}))
	if err != nil {
		return err
	}
	defer source.Close()
	_, err = source.ExecContext(ctx, "VACUUM INTO $1", to)
	return err
}

// copyProblem tells trouble with the copy from trouble with the store.
func copyProblem(from, to string, err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_FULL:
			return draft.Full(to, err)
		case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE:
			return draft.Problem(to, err)
		}
	}
	return fmt.Errorf("copy the store: %w", (&DB{dialect: SQLite, path: from}).classify(err))
}

// inspect looks whether a file, which nobody writes, holds a sound store, of whatever
// schema, and counts rows of the tables that count names.
func inspect(ctx context.Context, path string, count ...string) (Copy, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Copy{}, fmt.Errorf("look at the copy: %w", err)
	}
	c := Copy{Path: path, Bytes: info.Size(), Rows: map[string]int64{}}
	d := &DB{dialect: SQLite, path: path}
	if d.read, err = sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}, "immutable": {"1"}})); err != nil {
		return c, fmt.Errorf("look at the copy: %w", err)
	}
	defer d.read.Close()
	var verdict string
	if err := d.read.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return c, fmt.Errorf("look at the copy: %w", d.classify(err))
	}
	if verdict != "ok" {
		return c, damaged(path, verdict)
	}
	if c.Version, err = d.SchemaVersion(ctx); err != nil || c.Version == 0 {
		return c, &fault.Error{Kind: fault.Unconfigured, Code: "no_store", Detail: path + " holds no store of Ferryman's", Err: err}
	}
	for _, table := range count {
		if c.Rows[table], err = d.countRows(ctx, table); err != nil {
			return c, fmt.Errorf("count the rows of %s: %w", table, d.classify(err))
		}
	}
	return c, nil
}

// countRows counts none in a table that a later migration brings.
func (d *DB) countRows(ctx context.Context, table string) (n int64, err error) {
	const there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if err := d.read.QueryRowContext(ctx, there, table).Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	err = d.read.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(table)).Scan(&n)
	return n, err
}

func damaged(path, verdict string) error {
	return &fault.Error{
		Kind: fault.Unconfigured, Code: "store_corrupt", Detail: path + " is damaged: " + verdict,
		Hint: "take another copy",
	}
}
