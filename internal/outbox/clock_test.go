package outbox_test

import (
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// After a clock that went back, what waits has its new times in slices. They become
// smaller while the store is slow, and large again when it is not.
func TestSlicesGrowAgain(t *testing.T) {
	const full = 500
	url, c := testdb.Postgres(t), newStoreClock()
	d := dbtest.Open(t, url, c.options())
	o := outbox.New(d, outbox.Options{})
	o.SetBeat(200 * time.Millisecond)
	for _, statement := range []string{
		`INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at)
			SELECT 0, 0, 'telegram', 'anna', 'text', CAST($1 AS BIGINT), 1 FROM generate_series(1, 10000)`,
		"CREATE TABLE slices (id BIGINT GENERATED ALWAYS AS IDENTITY, n BIGINT)",
		`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN INSERT INTO slices (n) SELECT count(*) FROM changed HAVING count(*) > 0; RETURN NULL; END'`,
		"CREATE TRIGGER note AFTER UPDATE ON deliveries REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note()",
	} {
		var args []any
		if statement[0] == 'I' {
			args = []any{c.now().Add(time.Minute).UnixMicro()}
		}
		writeSQL(t, d, statement, args...)
	}
	running(t, o, time.Second)
	testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
	err := dbtest.Open(t, url, db.Options{}).Tx(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT id, set_config('idle_in_transaction_session_timeout', '0', TRUE) FROM deliveries ORDER BY id LIMIT 1 FOR UPDATE"); err != nil {
			return err
		}
		c.add(-time.Hour)
		begun := map[int64]bool{}
		testwait.Until(t, "three slices are given up", func() bool {
			begun[countSQL(t, d, `SELECT coalesce(CAST(extract(epoch FROM max(query_start)) * 1000000 AS BIGINT), 0) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT id FROM deliveries WHERE topic%'`)] = true
			delete(begun, 0)
			return len(begun) > 3
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "all have new times", func() bool {
		return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE due_at > $1", c.now().UnixMicro()) == 0
	})
	first, largest := countSQL(t, d, "SELECT n FROM slices ORDER BY id LIMIT 1"), countSQL(t, d, "SELECT max(n) FROM slices")
	if first > full/8 || largest != full {
		t.Errorf("the first slice was of %d, the largest of %d", first, largest)
	}
}
