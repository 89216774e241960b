//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ferryman/internal/e2e/chaos/witness"
)

// shown bounds how much is told of one kind of trouble.
const shown = 10

// lost looks for what was acknowledged and is not there, as things stand now: a list of
// what is missing.
func (c *cluster) lost() (missing []string) {
	missing = append(c.lostRuns(), c.lostMessages()...)
	return append(missing, c.lostRows()...)
}

// standing is what the ledger holds of a run.
type standing struct {
	id       int64
	request  string
	status   string
	reported bool
	messages int
}

func (c *cluster) lostRuns() (missing []string) {
	c.t.Helper()
	runs := c.reporter.Runs() // before the look: later ones may be there, these have to
	there := map[int64]standing{}
	for _, s := range rowsOf(c, c.store, func(s *standing) []any { return []any{&s.id, &s.request, &s.status, &s.reported, &s.messages} },
		`SELECT e.id, e.request, e.status, e.reported_at IS NOT NULL, (SELECT count(*) FROM messages m WHERE m.execution_id = e.id)
		FROM executions e JOIN crons c ON c.id = e.cron_id WHERE c.slug LIKE 'load-%'`) {
		there[s.id] = s
	}
	for request, run := range runs {
		if problem := compare(run, there[run.ID]); problem != "" {
			missing = append(missing, "run "+request+": "+problem)
		}
	}
	requests := map[string]int64{}
	for id, s := range there {
		if other, twice := requests[s.request]; twice {
			missing = append(missing, fmt.Sprintf("run %s was begun twice, as %d and %d", s.request, id, other))
		}
		requests[s.request] = id
	}
	return missing
}

func compare(run witness.Run, s standing) string {
	want := "failed"
	if run.Success {
		want = "success"
	}
	switch {
	case s.request == "":
		return fmt.Sprintf("its start, as %d, is lost", run.ID)
	case !strings.HasSuffix(s.request, run.Request):
		return fmt.Sprintf("%d stands for %s", run.ID, s.request)
	case s.messages < run.Messages:
		return fmt.Sprintf("%d messages of %d are there", s.messages, run.Messages)
	case run.Ended && (!s.reported || s.status != want):
		return fmt.Sprintf("is %s, and was reported as %s", s.status, want)
	}
	return ""
}

// lostMessages waits for what is due, so that only what never comes is lost.
func (c *cluster) lostMessages() (missing []string) {
	c.t.Helper()
	taken, now := c.sender.Taken(), time.Now()
	maps.DeleteFunc(taken, func(_ int64, m witness.Message) bool { return m.Due.After(now) })
	met(c.patience, func() bool {
		maps.DeleteFunc(taken, func(recipient int64, _ witness.Message) bool { return c.receiver.Arrived(recipient) })
		return len(taken) == 0
	})
	for recipient, m := range taken {
		missing = append(missing, fmt.Sprintf("message %d to %d, taken at %v, due at %v", m.ID, recipient, m.At, m.Due))
	}
	return missing
}

// lostRows has the upstream stand still and waits until the target has what it has.
func (c *cluster) lostRows() (missing []string) {
	c.t.Helper()
	c.upstream.Hold(true)
	defer c.upstream.Hold(false)
	met(c.patience, func() bool {
		missing = c.unlike()
		return len(missing) == 0
	})
	return missing
}

func (c *cluster) unlike() (problems []string) {
	want := c.upstream.Names()
	got := pairs[int, string](c, c.target, "SELECT id, name FROM warehouses")
	linked := pairs[int, bool](c, c.target, "SELECT warehouse_id, TRUE FROM users_warehouses")
	for id, name := range want {
		if got[id] != name || !linked[id] {
			problems = append(problems, fmt.Sprintf("warehouse %d is %q (linked: %t), upstream has %q", id, got[id], linked[id], name))
		}
	}
	for id := range linked {
		if _, ok := want[id]; !ok {
			problems = append(problems, fmt.Sprintf("warehouse %d is gone and still linked", id))
		}
	}
	slices.Sort(problems)
	return problems
}

// watchRows has the target remember rows that became older than they were: what a node
// does that comes back after others have gone on.
func (c *cluster) watchRows() {
	c.t.Helper()
	c.await("rows have come", func() bool {
		var there bool
		err := c.target.QueryRowContext(c.t.Context(), "SELECT to_regclass('warehouses') IS NOT NULL").Scan(&there)
		return err == nil && there
	})
	_, err := c.target.ExecContext(c.t.Context(), `
		CREATE SCHEMA witness;
		CREATE TABLE witness.steps_back (id BIGINT, was TEXT, became TEXT, at TIMESTAMPTZ DEFAULT clock_timestamp());
		CREATE FUNCTION witness.note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO witness.steps_back (id, was, became) VALUES (OLD.id, OLD.name, NEW.name);
			RETURN NULL;
		END $$;
		CREATE TRIGGER note AFTER UPDATE ON warehouses FOR EACH ROW WHEN (NEW.name < OLD.name) EXECUTE FUNCTION witness.note()`)
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) stepsBack() int {
	c.t.Helper()
	if c.base == nil {
		return 0
	}
	return len(pairs[int, int](c, c.target, "SELECT row_number() OVER (), id FROM witness.steps_back"))
}

// uncertain counts the attempts of each message whose outcome nobody noted.
func (c *cluster) uncertain() map[int64]int {
	c.t.Helper()
	return pairs[int64, int](c, c.store, `SELECT d.recipient, count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
		WHERE a.outcome = 'uncertain' GROUP BY d.recipient`)
}

// noted tells of each message that the store counts as sent which arrival that was: what
// the receiver called it.
func (c *cluster) noted() map[int64]int64 {
	c.t.Helper()
	return pairs[int64, int64](c, c.store, "SELECT recipient, reference FROM deliveries WHERE state = 3 AND reference <> ''")
}

// sent tells which messages the store counts as sent.
func (c *cluster) sent(recipients []int64) map[int64]bool {
	c.t.Helper()
	if len(recipients) == 0 {
		return nil
	}
	return pairs[int64, bool](c, c.store, "SELECT recipient, TRUE FROM deliveries WHERE state = 3 AND recipient::bigint = ANY ($1)", recipients)
}

// blocked tells which sessions of the store wait for which.
func (c *cluster) blocked() []string {
	c.t.Helper()
	return rowsOf(c, c.store, func(line *string) []any { return []any{line} }, `
		SELECT format('%s has waited %s for %s: %s; which is %s since %s: %s', w.pid, date_trunc('second', clock_timestamp() - w.query_start), b.pid,
			left(regexp_replace(w.query, '\s+', ' ', 'g'), 150), b.state, date_trunc('second', clock_timestamp() - b.state_change), left(regexp_replace(b.query, '\s+', ' ', 'g'), 150))
		FROM pg_stat_activity w CROSS JOIN unnest(pg_blocking_pids(w.pid)) AS p(pid) JOIN pg_stat_activity b ON b.pid = p.pid`)
}

// open counts deliveries that are not settled.
func (c *cluster) open() int {
	c.t.Helper()
	return len(pairs[int64, int](c, c.store, "SELECT id, state FROM deliveries WHERE state IN (0, 1, 2)"))
}

// pairs reads a query's two columns.
func pairs[K comparable, V any](c *cluster, db *sql.DB, query string, args ...any) map[K]V {
	c.t.Helper()
	type pair struct {
		key   K
		value V
	}
	all := map[K]V{}
	for _, p := range rowsOf(c, db, func(p *pair) []any { return []any{&p.key, &p.value} }, query, args...) {
		all[p.key] = p.value
	}
	return all
}

// storePatience bounds a query, and how long a database is waited for.
const storePatience = 45 * time.Second

// rowsOf reads a query's rows. The database may be on its way back: then it asks again.
func rowsOf[T any](c *cluster, db *sql.DB, fields func(*T) []any, query string, args ...any) (all []T) {
	c.t.Helper()
	var err error
	if !met(storePatience, func() bool {
		all, err = tryRows(c, db, fields, query, args...)
		return err == nil
	}) {
		c.t.Fatalf("%s: %v", query, err)
	}
	return all
}

func tryRows[T any](c *cluster, db *sql.DB, fields func(*T) []any, query string, args ...any) (all []T, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), storePatience)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one T
		if err := rows.Scan(fields(&one)...); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// sabotage does to a database what Ferryman would not, and gives how many rows that
// tells of.
func (c *cluster) sabotage(db *sql.DB, statement string, args ...any) int {
	c.t.Helper()
	all, err := tryRows(c, db, func(*struct{}) []any { return []any{new(any)} }, statement, args...)
	if err != nil { // which may have taken effect: it is not tried again
		c.t.Fatalf("%s: %v", statement, err)
	}
	return len(all)
}
