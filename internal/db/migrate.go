package db

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
)

//go:embed migrations
var migrations embed.FS

// Migration is one numbered step of the store's schema.
type Migration struct {
	Version int
	Name    string
	sql     string
}

// Migrate brings the schema up to this binary's and gives what it applied. Nodes
// that start together take turns. A schema newer than the binary is left as it is if
// its makers say that the binary can work with it, so that two releases may run side
// by side, and else refused with a fault of code schema_newer. A migration that binaries
// of before cannot live with is refused with code older_serve while a server, or a
// process that sends, is at work on the store. Each of parts, the schemas of engines that share the store, runs under the
// same lock, after the store's own.
func (d *DB) Migrate(ctx context.Context, parts ...func(context.Context, *DB) error) ([]Migration, error) {
	steps, err := steps(migrations, d.dialect)
	if err != nil {
		return nil, err
	}
	return d.migrate(ctx, steps, parts)
}

func (d *DB) migrate(ctx context.Context, steps []Migration, parts []func(context.Context, *DB) error) ([]Migration, error) {
	release, err := d.migrationLock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()

	// A store that is up to date is only read: its user need not have the right to make
	// tables.
	there, err := d.has(ctx, "ferryman_migrations")
	if err != nil {
		return nil, fmt.Errorf("look for a schema: %w", err)
	}
	if !there {
		err = d.Tx(ctx, func(tx *Tx) error {
			_, err := tx.Exec(ctx, "CREATE TABLE ferryman_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)")
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	at, err := d.SchemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	if newest := steps[len(steps)-1].Version; at > newest {
		var oldest int
		if err := d.QueryRow(ctx, "SELECT max(oldest) FROM schema_compatibility").Scan(&oldest); err != nil {
			return nil, fmt.Errorf("read which schema the store asks for: %w", d.classify(err))
		}
		if oldest > newest {
			return nil, SchemaNewer("the store's schema", at, newest)
		}
	}
	steps = slices.DeleteFunc(steps, func(m Migration) bool { return m.Version <= at })
	// Before the first of them: half-way, the schema would be nobody's.
	if at > 0 && slices.ContainsFunc(steps, Migration.leavesBehind) {
		if err := d.unserved(ctx, at); err != nil {
			return nil, err
		}
	}
	var applied []Migration
	for _, m := range steps {
		err := d.Tx(ctx, func(tx *Tx) error {
			if _, err := tx.Exec(ctx, m.sql); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO ferryman_migrations (version, name, applied_at) VALUES ($1, $2, $3)",
				m.Version, m.Name, Time{tx.Now()})
			return err
		})
		if err != nil {
			return applied, fmt.Errorf("migrate to %04d %s: %w", m.Version, m.Name, err)
		}
		applied = append(applied, m)
	}
	for _, part := range parts {
		if err := part(ctx, d); err != nil {
			return applied, fmt.Errorf("migrate: %w", d.classify(err))
		}
	}
	return applied, nil
}

// leavesBehind tells whether binaries that do not know a migration cannot work on what
// it makes.
func (m Migration) leavesBehind() bool { return strings.Contains(m.sql, "UPDATE schema_compatibility") }

// servedFor is for how long a node that says every second that it lives is believed to.
const servedFor = 5 * time.Second

// unserved gives a fault of code older_serve while others are at work on the store, whose
// schema is of version at: they cannot know a newer one. It sees servers, and processes
// that send: a ferryman contacts sync that posts. One that writes into a database, and any
// other command, stands in no book; whoever upgrades has to stop it.
func (d *DB) unserved(ctx context.Context, at int) error {
	var who []string
	var err error
	if d.dialect == Postgres {
		who, err = d.alive(ctx, at)
	} else {
		who, err = d.taken()
	}
	if err != nil {
		return fmt.Errorf("look who is at work on the store: %w", err)
	}
	if who == nil {
		return nil
	}
	return &fault.Error{
		Kind: fault.Conflict, Code: "older_serve",
		Detail: "this release changes the store in a way that older ones cannot work with, and others are at work on it: " + strings.Join(who, ", "),
		Hint:   "stop every server of the store and every ferryman contacts sync, then start this release",
	}
}

// alive are the names of up to five processes that a PostgreSQL store has in its books.
func (d *DB) alive(ctx context.Context, at int) ([]string, error) {
	if at < 3 { // which made the book of senders
		return nil, nil
	}
	now := d.Now()
	query, args := "SELECT name FROM senders WHERE alive_until > $1", []any{Time{now}}
	if at >= 8 { // which made the book of nodes
		query, args = query+" UNION SELECT name FROM nodes WHERE seen_at > $2", append(args, Time{now.Add(-servedFor)})
	}
	rows, err := d.Query(ctx, query+" ORDER BY 1 LIMIT 5", args...)
	if err != nil {
		return nil, err
	}
	return Collect(rows, func(r *Rows) (name string, err error) { return name, r.Scan(&name) })
}

// taken are those that have taken a SQLite store, or something on it, but for this process.
func (d *DB) taken() (who []string, err error) {
	if d.served.Load() == nil {
		is, err := served(d.path)
		if err != nil {
			return nil, err
		}
		if is {
			who = append(who, "a server on this machine")
		}
	}
	// Migrating comes first: this process has taken nothing yet.
	names, err := d.namesTaken()
	for _, name := range names {
		who = append(who, "a process that sends for "+name)
	}
	return who, err
}

// has tells whether the store has a table.
func (d *DB) has(ctx context.Context, table string) (there bool, err error) {
	query := "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)"
	if d.dialect == Postgres {
		query = "SELECT to_regclass($1) IS NOT NULL"
	}
	err = d.classify(d.read.QueryRowContext(ctx, query, table).Scan(&there))
	return there, err
}

// SchemaVersion is the newest migration that the store has had; 0 before the
// first.
func (d *DB) SchemaVersion(ctx context.Context) (int, error) {
	var v int
	err := d.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM ferryman_migrations").Scan(&v)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", d.classify(err))
	}
	return v, nil
}

// SchemaNewer is the fault for a schema that a newer binary has made.
func SchemaNewer(what string, found, known int) error {
	return &fault.Error{
		Kind: fault.Conflict, Code: "schema_newer",
		Detail: fmt.Sprintf("%s is version %d, this ferryman knows up to %d", what, found, known),
		Hint:   "run the ferryman that made it or a newer one, or restore the store's backup from before the upgrade",
	}
}

// steps reads the migrations of one dialect, whose files are named
// 0001_what_it_does.sql, in order and without gaps.
func steps(files fs.FS, dialect Dialect) ([]Migration, error) {
	names, err := fs.Glob(files, "migrations/"+string(dialect)+"/*.sql")
	if err != nil {
		return nil, err
	}
	var all []Migration
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		base := strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".sql")
		number, title, _ := strings.Cut(base, "_")
		v, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name begins with no number", name)
		}
		all = append(all, Migration{Version: v, Name: title, sql: string(text)})
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	for i, m := range all {
		if m.Version != i+1 {
			return nil, fmt.Errorf("migration %04d is missing or doubled for %s", i+1, dialect)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no migrations for " + string(dialect))
	}
	return all, nil
}
