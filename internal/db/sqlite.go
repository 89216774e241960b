package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ferryman/internal/fault"
)

// Readers beyond this many wait: more would only compete for the page cache.
const sqliteReaders = 4

func (d *DB) openSQLite(ctx context.Context, rawURL, synchronous string) error {
	d.dialect = SQLite
	path, err := sqlitePath(rawURL)
	if err != nil {
		return err
	}
	d.path = path
	if synchronous == "" {
		synchronous = "FULL"
	}
	// State may hold what only its owner should read.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return cannotOpen(path, err)
	}
	// The files beside it take their rights from it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return cannotOpen(path, err)
	}
	if err := f.Close(); err != nil {
		return cannotOpen(path, err)
	}
	pragmas := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)",
		"synchronous(" + synchronous + ")",
	}}
	writer := clonePragmas(pragmas)
	writer.Set("_txlock", "immediate") // take the write lock at BEGIN: no deadlock by upgrade
	reader := clonePragmas(pragmas)
	reader.Add("_pragma", "query_only(1)")

	if d.write, err = sql.Open("sqlite", dsn(path, writer)); err != nil {
		return cannotOpen(path, err)
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn(path, reader)); err != nil {
		return cannotOpen(path, err)
	}
	d.read.SetMaxOpenConns(sqliteReaders)
	d.read.SetMaxIdleConns(sqliteReaders)
	d.writes, d.reads = newPrepared(d.write), newPrepared(d.read)
	// The writer goes first: it creates the file.
	for _, pool := range []*sql.DB{d.write, d.read} {
		if err := firstPing(ctx, pool); err != nil {
			_ = d.Close()
			return cannotOpen(path, err)
		}
	}
	return nil
}

// firstPing connects. A file that several processes open for the first time is
// made a WAL file by one of them; SQLite refuses the others meanwhile instead of
// having them wait for busy_timeout.
func firstPing(ctx context.Context, pool *sql.DB) error {
	const pause, most = 20 * time.Millisecond, 10 * time.Second
	for begun := time.Now(); ; {
		err := pool.PingContext(ctx)
		var e *sqlite.Error
		if !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_BUSY || time.Since(begun) > most {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// sqlitePath reads sqlite:///absolute/path and sqlite:relative/path.
func sqlitePath(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	bad := &fault.Error{
		Kind: fault.Unconfigured, Code: "store_url",
		Detail: "the store's URL does not name a SQLite file",
		Hint:   "write sqlite:///var/lib/ferryman/ferryman.db: three slashes, then the absolute path, with %23 for # and %3F for ?",
	}
	if err != nil || u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", bad
	}
	path := u.Path
	if u.Opaque != "" {
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return "", bad
		}
	}
	if path == "" || strings.HasSuffix(path, "/") || strings.ContainsRune(path, 0) {
		return "", bad
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", cannotOpen(path, err)
	}
	// The lock stands beside the file itself, by whatever name that is reached.
	if target, err := filepath.EvalSymlinks(abs); err == nil {
		abs = target
	}
	return abs, nil
}

func dsn(path string, params url.Values) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: params.Encode()}
	return u.String()
}

func clonePragmas(v url.Values) url.Values {
	return url.Values{"_pragma": append([]string(nil), v["_pragma"]...)}
}

func cannotOpen(path string, err error) error {
	return &fault.Error{
		Kind: fault.Unavailable, Code: "store_unavailable",
		Detail: fmt.Sprintf("cannot open the store %s", path), Err: err,
		Hint: "check that the folder can be written by this user, or name another file with --store or FERRYMAN_STORE_URL",
	}
}

// classifySQLite tells a full disk and other trouble with the file from a
// moment's lock. The path is for the log and the command line: the cause.
func (d *DB) classifySQLite(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	f := &fault.Error{Kind: fault.Unavailable, Code: "store_unavailable", Err: fmt.Errorf("%s: %w", d.path, err)}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		f.Detail = "the store is locked by another process"
	case sqlite3.SQLITE_FULL:
		f.Code, f.Detail, f.Hint = "store_full", "the disk that holds the store is full", "free some space"
	case sqlite3.SQLITE_IOERR:
		f.Code, f.Detail, f.Hint = "store_io", "the store's file cannot be read or written", "check the disk that holds it, and its limits"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		f.Code, f.Detail, f.Hint = "store_readonly", "the store's file or folder cannot be written", "give this user the right to write it"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		f.Kind, f.Code, f.Detail, f.Hint = fault.Unconfigured, "store_corrupt", "the store's file is no SQLite database, or a damaged one", "name another file, or restore a backup"
	default:
		return err
	}
	return f
}
