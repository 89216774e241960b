package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Lanes is how many transactions are shared at a time.
func (d *DB) Lanes() int {
	d.group.mu.Lock()
	defer d.group.mu.Unlock()
	return d.group.lanes
}

// Backend tells which process of the server a connection leads to.
func Backend(ctx context.Context, conn *pgx.Conn) (pid int32, begun, server int64, err error) {
	err = conn.QueryRow(ctx, "SELECT "+backendColumns).Scan(&pid, &begun, &server)
	return pid, begun, server, err
}

// Idle tells whether a process of the server has nothing more to say, as asked by a
// connection.
func Idle(ctx context.Context, by *pgx.Conn, pid int32, begun, server int64) bool {
	return ask(ctx, by, []question{{far: backend{pid, begun, server}}})[0]
}

// MigrateTo applies the first migrations only, as an older binary had them.
func (d *DB) MigrateTo(ctx context.Context, version int) error {
	all, err := steps(migrations, d.dialect)
	if err != nil {
		return err
	}
	return d.Tx(ctx, func(tx *Tx) error {
		const table = "CREATE TABLE ferryman_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
		if _, err := tx.Exec(ctx, table); err != nil {
			return err
		}
		for _, m := range all[:version] {
			if _, err := tx.Exec(ctx, m.sql); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO ferryman_migrations (version, name, applied_at) VALUES ($1, $2, 0)", m.Version, m.Name)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// MigrateFurther migrates as a later release would that has two migrations more, of
// which the last leaves older binaries behind.
func (d *DB) MigrateFurther(ctx context.Context) ([]Migration, error) {
	all, err := steps(migrations, d.dialect)
	if err != nil {
		return nil, err
	}
	n := len(all)
	return d.migrate(ctx, append(all,
		Migration{Version: n + 1, Name: "harmless", sql: "CREATE TABLE further (id BIGINT PRIMARY KEY)"},
		Migration{Version: n + 2, Name: "breaking", sql: fmt.Sprintf("DROP TABLE further; UPDATE schema_compatibility SET oldest = %d", n+2)},
	), nil)
}

// Compiled tells whether a query outside a transaction is kept compiled.
func (d *DB) Compiled(query string) bool {
	d.reads.mu.RLock()
	defer d.reads.mu.RUnlock()
	return d.reads.ready[query] != nil
}

// CopyProblem is what Backup tells of an error of the database's, Inspect how it looks
// at its copy.
var (
	CopyProblem = copyProblem
	Inspect     = inspect
)
