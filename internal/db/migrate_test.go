package db_test

import (
	"fmt"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

// What an older version stored stands there after the upgrade, with its ids.
func TestUpgradeFromTheFirstSchemaKeepsTheBook(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		ctx := t.Context()
		d, err := db.Open(ctx, url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.MigrateTo(ctx, 1); err != nil {
			t.Fatal(err)
		}
		err = d.Tx(ctx, func(tx *db.Tx) error {
			for _, statement := range []string{
				`INSERT INTO crons (slug, name, kind, max_running, created_at, updated_at) VALUES ('gone', 'Gone', 'sync', 1, 1, 1), ('warehouses', 'Warehouses', 'sync', 1, 1, 1)`,
				`DELETE FROM crons WHERE slug = 'gone'`,
				`INSERT INTO executions (cron_id, slot, status, "trigger", request, holder, started_at, ended_at) VALUES
					(2, 0, 'success', 'http', 'call:1', 'n', 1, 2), (2, 0, 'failed', 'cli', NULL, 'n', 3, 4), (2, 0, 'running', 'schedule', 'after:2', 'n', 5, NULL)`,
				`INSERT INTO messages (execution_id, type, message, at) VALUES (1, 'info', 'häß', 1), (2, 'error', 'no', 3), (1, 'success', 'done', 2)`,
				`UPDATE crons SET last_execution_id = 3, active = FALSE WHERE slug = 'warehouses'`,
			} {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		var got string
		read := func(query string) string {
			t.Helper()
			if err := d.QueryRow(ctx, query).Scan(&got); err != nil {
				t.Fatal(err)
			}
			return got
		}
		for query, want := range map[string]string{
			`SELECT c.id || ' ' || c.slug || ' ' || a.name || ' ' || c.runs || ' ' || c.max_running || ' ' || c.last_execution_id FROM crons c JOIN applications a ON a.id = c.application_id WHERE NOT c.active`: "2 warehouses ferryman 3 1 3",
			`SELECT count(*) || ' ' || min(id) || ' ' || max(id) || ' ' || sum(message_count) || ' ' || sum(head_count) || ' ' || max(request) FROM executions`:                                                   "3 1 3 3 3 call:1",
			`SELECT id || ' ' || seq || ' ' || size || ' ' || message || ' ' || received_at FROM messages WHERE execution_id = 1 ORDER BY id LIMIT 1`:                                                             "1 1 5 häß 1",
			`SELECT id || ' ' || seq FROM messages WHERE execution_id = 1 ORDER BY id DESC LIMIT 1`:                                                                                                               "3 2",
			`SELECT cron_id || ' ' || at || ' ' || n || ' ' || took FROM execution_hours WHERE status = 'failed'`:                                                                                                 "2 0 1 1",
			`SELECT count(*) || ' ' || sum(n) || ' ' || sum(took) || ' ' || min(application_id) FROM application_hours`:                                                                                           "2 2 2 1",
		} {
			if read(query) != want {
				t.Errorf("%s\n got %s\nwant %s", query, got, want)
			}
		}
		// The ids go on where they were, and a slot is still held once.
		next := func(statement string) (id int64, err error) {
			err = d.Tx(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, statement).Scan(&id) })
			return id, err
		}
		const execution = `INSERT INTO executions (cron_id, application_id, slot, status, "trigger", holder, started_at) VALUES (2, 1, %d, 'running', 'cli', 'n', 1) RETURNING id`
		if id, err := next(fmt.Sprintf(execution, 1)); err != nil || id != 4 {
			t.Errorf("the next execution: %d, %v", id, err)
		}
		if _, err := next(fmt.Sprintf(execution, 0)); err == nil {
			t.Error("a slot was given twice")
		}
		if _, err := next(`INSERT INTO executions (cron_id, application_id, status, "trigger", holder, started_at) VALUES (77, 1, 'running', 'cli', 'n', 1) RETURNING id`); err == nil {
			t.Error("an execution without a cron was taken")
		}
	})
}
