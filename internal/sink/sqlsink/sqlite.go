package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"ferryman/internal/pipeline"
)

// sqliteDB is SQLite by modernc's driver, in WAL mode with a synchronous commit.
type sqliteDB struct {
	path string
}

func openSQLite(u *url.URL) (dialect, *sql.DB, error) {
	path := u.Path
	if u.Opaque != "" { // sqlite:relative/path.db
		var err error
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return nil, nil, badURL("the target URL can't be parsed", urlForm)
		}
	}
	switch {
	case u.Host != "" || u.User != nil:
		return nil, nil, badURL("the target URL of a SQLite file has a host or user", "write it with three slashes: sqlite:///path/file.db")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, nil, badURL("the target URL of a SQLite file has parameters", "write ? and # in the path as %3F and %23")
	case path == "" || strings.HasSuffix(path, "/"):
		return nil, nil, badURL("the target URL names no SQLite file", "write it as sqlite:///path/file.db")
	}
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{
		"_busy_timeout": {"100"}, // it cannot be cancelled; the sink waits on
		"_foreign_keys": {"1"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		// A cache of 64 MB would write a tenth faster.
		"_pragma": {"cache_size(-6000)", "wal_autocheckpoint(4000)"},
		"_txlock": {"immediate"},
	}.Encode()}).String()
	if u.Opaque != "" {
		dsn = strings.Replace(dsn, "file:", "file:./", 1)
	}
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, nil, badURL("the target URL can't be used", "write it as sqlite:///path/file.db")
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(4)
	return &sqliteDB{path: path}, db, nil
}

func (d *sqliteDB) String() string                       { return fmt.Sprintf("SQLite file %q", d.path) }
func (d *sqliteDB) greet(context.Context, querier) error { return nil }
func (d *sqliteDB) quote(name string) string             { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func (d *sqliteDB) placeholder(int) string               { return "?" }
func (d *sqliteDB) limit(n int) string                   { return fmt.Sprintf(" LIMIT %d", n) }

func (d *sqliteDB) traits() traits {
	return traits{
		system:     "sqlite",
		timeLayout: textTime,
		maxName:    1000,
		maxColumns: 2000,
		mergesKeys: true, mistakesNames: true,
		foldsNames: true, foldsTables: true,
		addColumn: "ADD COLUMN ", list: 10000,
		savepoint: "SAVEPOINT ferryman", rollbackTo: "ROLLBACK TO ferryman", release: "RELEASE ferryman",
		moveSavepoint: "RELEASE ferryman; SAVEPOINT ferryman",
	}
}

func (d *sqliteDB) tableOptions() string { return "" }

func (d *sqliteDB) chunk() limits {
	return limits{rows: 1000, bytes: 4 << 20, rowBytes: 900 << 20}
}

// widen has nothing to do: a column's type binds no value.
func (d *sqliteDB) widen(string, existing, need) []string { return nil }

func (d *sqliteDB) columnType(n need) string {
	switch n.typ {
	case pipeline.Integer:
		return "INTEGER"
	case pipeline.Boolean:
		return "BOOLEAN"
	case pipeline.Decimal:
		if n.small {
			return "NUMERIC" // what it would round, flexibleNumber makes a blob
		}
		return "TEXT" // it would else lose digits
	default:
		return "TEXT"
	}
}

func (d *sqliteDB) describe(ctx context.Context, q querier, table string) (*description, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, type, "notnull" AND dflt_value IS NULL AND NOT pk, pk FROM pragma_table_info(?) ORDER BY cid`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var have description
	var primary []string
	for rows.Next() {
		c := existing{scale: unbounded, flexible: true}
		var pk int
		if err := rows.Scan(&c.name, &c.sqlType, &c.mandatory, &pk); err != nil {
			return nil, err
		}
		c.kind = affinity(c.sqlType)
		have.columns = append(have.columns, c)
		if pk > 0 {
			primary = append(primary, c.name)
		}
	}
	if err := rows.Err(); err != nil || len(have.columns) == 0 {
		return nil, err
	}
	if len(primary) > 0 {
		have.uniques = []unique{{columns: primary, primary: true}}
		have.indexes = [][]string{primary}
	}
	if err := d.describeIndexes(ctx, q, table, &have); err != nil || len(have.uniques) > 0 {
		return &have, err
	}
	have.view, err = found(ctx, q, `SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE`, table)
	return &have, err
}

func (d *sqliteDB) describeIndexes(ctx context.Context, q querier, table string, have *description) error {
	rows, err := q.QueryContext(ctx, `SELECT l.seq, l."unique", coalesce(x.name, ''), x.coll <> 'BINARY'
		FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
		WHERE NOT l.partial AND x.key ORDER BY l.seq, x.seqno`, table)
	if err != nil {
		return err
	}
	defer rows.Close()
	last := -1
	for rows.Next() {
		var seq int
		var name string
		var isUnique, inexact bool
		if err := rows.Scan(&seq, &isUnique, &name, &inexact); err != nil {
			return err
		}
		if seq != last {
			last = seq
			have.addIndex(isUnique, false)
		}
		have.addIndexed(name, isUnique, inexact)
	}
	return rows.Err()
}

// affinity follows SQLite's rules for declared types.
func affinity(declared string) kind {
	declared = strings.ToUpper(declared)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(declared, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("BOOL"):
		return booleanKind
	case has("DATE", "TIME"):
		return timeKind
	case has("INT"):
		return integerKind
	case declared == "", has("CHAR", "CLOB", "TEXT", "BLOB"):
		return textKind
	case has("REAL", "FLOA", "DOUBLE"):
		return doubleKind
	default:
		return decimalKind
	}
}

func (d *sqliteDB) diagnose(err error) diagnosis {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return diagnosis{}
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		alone := e.Code() == sqlite3.SQLITE_CONSTRAINT_CHECK || e.Code() == sqlite3.SQLITE_CONSTRAINT_NOTNULL
		return diagnosis{class: refused, alone: alone}
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return diagnosis{class: busy, hint: "another program holds the lock of the file; it is safe to try again"}
	case sqlite3.SQLITE_READONLY:
		return diagnosis{class: readOnly, hint: fmt.Sprintf("the file or its folder is read-only: give this user write access to %q", filepath.Dir(d.path))}
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return diagnosis{class: forbidden}
	case sqlite3.SQLITE_FULL:
		return diagnosis{class: full}
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return diagnosis{class: mismatched, hint: "the file is no intact SQLite database: restore it, or name another file"}
	case sqlite3.SQLITE_CANTOPEN:
		return d.cannotOpen()
	case sqlite3.SQLITE_SCHEMA:
		return diagnosis{class: contended}
	}
	switch text := e.Error(); {
	case strings.Contains(text, "already exists"), strings.Contains(text, "duplicate column name"):
		return diagnosis{class: exists}
	case strings.Contains(text, "no such table"), strings.Contains(text, "no such column"), strings.Contains(text, "has no column"), strings.Contains(text, "foreign key mismatch"):
		return diagnosis{class: mismatched}
	}
	return diagnosis{}
}

func (d *sqliteDB) cannotOpen() diagnosis {
	folder := filepath.Dir(d.path)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return diagnosis{class: databaseMissing, hint: fmt.Sprintf("create the folder with: mkdir -p %q", folder)}
	case err == nil && !info.IsDir():
		return diagnosis{class: databaseMissing, hint: fmt.Sprintf("%q is not a folder", folder)}
	}
	return diagnosis{class: forbidden}
}

func (d *sqliteDB) grant(string, string) string {
	return fmt.Sprintf("chown or chmod, for this user to read and write %q and its folder", d.path)
}
