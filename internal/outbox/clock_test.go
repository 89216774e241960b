package outbox_test

import (
	"context"
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

// seeBeat waits until a beat has seen what the clock tells.
func seeBeat(t *testing.T, d *db.DB, c *storeClock) {
	t.Helper()
	// Rates that are fully rested are removed at each.
	writeSQL(t, d, "INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ('none', 'rested', $1)", c.now().UnixMicro())
	testwait.Until(t, "a beat", func() bool { return countSQL(t, d, "SELECT count(*) FROM recipient_rates WHERE channel = 'none'") == 0 })
}

// What a rate put off is not put off behind itself when the clock goes back by less than
// has passed since the last turn.
func TestTheClockGoesBackALittle(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(200 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: &otherSide{}, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Minute} }})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("hot", 10)...).ids
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, ids[0])
		last := func() time.Duration { return get(t, o, ids[9]).DueAt.Sub(c.now()) }
		testwait.Until(t, "the last is put off", func() bool { return last() == 9*time.Minute })
		if err := o.Pause(t.Context(), "telegram", "to see the new times"); err != nil {
			t.Fatal(err)
		}
		c.add(30 * time.Second)
		seeBeat(t, d, c)
		c.add(-20 * time.Second)
		testwait.Until(t, "all are due", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 0 AND due_at <= $1", c.now().UnixMicro()) == 9
		})
		if err := o.Resume(t.Context(), "telegram"); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, "all are put off", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 0 AND due_at > $1", c.now().UnixMicro()) == 9
		})
		if late := last(); late > 9*time.Minute {
			t.Errorf("the last is due in %v", late)
		}
	})
}

// A channel does not wait for a time that its rate told before the clock went back.
func TestTheClockGoesBackUnderASlowChannel(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(100 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: &otherSide{}, Rate: outbox.Rate{N: 1, Per: time.Minute}})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 2)...).ids
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, ids[0])
		c.add(-24 * time.Hour)
		testwait.Until(t, "the second is sent", func() bool {
			c.add(10 * time.Second)
			for range 3 { // who steps on at once finds no lease
				seeBeat(t, d, c)
			}
			return get(t, o, ids[1]).State == outbox.Sent
		})
	})
}

// What is not waiting while it is given new times, but is sent or stands behind what is, is
// not late by the jump either.
func TestTheClockGoesBackUnderAnOrder(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, gate := outbox.New(d, outbox.Options{}), make(chan struct{})
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
			<-gate
			return outbox.Outcome{Verdict: outbox.Accepted}
		}}})
		items := lettersTo("anna", 2)
		for i := range items {
			items[i].OrderKey = "anna"
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sending, ids[0])
		c.add(-time.Hour)
		for range 2 { // after the second, what waits has its new times
			seeBeat(t, d, c)
		}
		close(gate)
		awaitState(t, o, outbox.Sent, ids...)
	})
}

// A claim that is taken back after the clock went back is due at once.
func TestTheClockGoesBackUnderAClaim(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		id, at := addItems(t, d, outbox.New(d, outbox.Options{}), outbox.Refuse, lettersTo("anna", 1)...).ids[0], c.now()
		writeSQL(t, d, "UPDATE deliveries SET state = 1, attempts = 1, sender_id = 5, claimed_at = $1 WHERE id = $2", at.UnixMicro(), id)
		c.add(-time.Hour)
		if err := outbox.Unclaim(t.Context(), d, id, 5, at); err != nil {
			t.Fatal(err)
		}
		if r := get(t, outbox.New(d, outbox.Options{}), id); r.State != outbox.Waiting || r.DueAt.After(c.now()) {
			t.Errorf("it stands as %+v", r)
		}
	})
}

// Another node may learn later that the clock has gone back, and gives new times to what
// this one has put off anew.
func TestTheClockGoesBackForOneNodeLater(t *testing.T) {
	url, c, later := testdb.Postgres(t), newStoreClock(), newStoreClock()
	d := dbtest.Open(t, url, c.options())
	o, other := outbox.New(d, outbox.Options{}), outbox.New(dbtest.Open(t, url, later.options()), outbox.Options{})
	o.SetBeat(200 * time.Millisecond)
	other.SetBeat(200 * time.Millisecond)
	o.Set("telegram", outbox.Config{Channel: &otherSide{}, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Minute} }})
	ids := addItems(t, d, o, outbox.Refuse, lettersTo("hot", 10)...).ids
	running(t, o, time.Second)
	awaitState(t, o, outbox.Sent, ids[0])
	running(t, other, time.Second)
	testwait.Until(t, "both are among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 2 })
	last := func() time.Duration { return get(t, o, ids[9]).DueAt.Sub(c.now()) }
	c.add(-time.Hour)
	testwait.Until(t, "the last is put off anew", func() bool { return last() > 0 && last() <= 9*time.Minute })

	writeSQL(t, d, "INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at) VALUES (0, 0, 'nobodys', 'anna', 'text', $1, 1)",
		c.now().Add(time.Minute).UnixMicro())
	due := func(channel string) int64 {
		return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 0 AND channel = $1 AND due_at <= $2", channel, c.now().UnixMicro())
	}
	later.add(-time.Hour)
	testwait.Until(t, "the other node gives new times", func() bool { return due("nobodys") == 1 })
	testwait.Until(t, "all are put off again", func() bool { return due("telegram") == 0 })
	if late := last(); late > 9*time.Minute {
		t.Errorf("the last is due in %v", late)
	}
}

// Rests and rates are put right a channel at a time: one that is held up does not hold up
// the others.
func TestChannelsArePutRightBesideABusyOne(t *testing.T) {
	url, c := testdb.Postgres(t), newStoreClock()
	d := dbtest.Open(t, url, c.options())
	o := outbox.New(d, outbox.Options{})
	o.SetBeat(20 * time.Millisecond)
	writeSQL(t, d, "INSERT INTO channels (name, configured) VALUES ('a', TRUE), ('b', TRUE), ('c', TRUE)")
	for _, channel := range []string{"a", "b", "c"} {
		writeSQL(t, d, "INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ($1, 'anna', $2)", channel, c.now().Add(time.Minute).UnixMicro())
	}
	writeSQL(t, d, "INSERT INTO channels (name, configured, held_until) VALUES ('d', TRUE, $1)", c.now().UnixMicro())
	o.Set("d", outbox.Config{Channel: &otherSide{}}) // without rates of recipients
	late := func(but string) int64 {
		return countSQL(t, d, "SELECT count(*) FROM channels WHERE name <> $1 AND held_until > $2", but, c.now().Add(time.Minute).UnixMicro()) +
			countSQL(t, d, "SELECT count(*) FROM recipient_rates WHERE channel <> $1 AND next_at > $2", but, c.now().Add(time.Minute).UnixMicro())
	}
	running(t, o, time.Second)
	testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
	err := dbtest.Open(t, url, db.Options{}).Tx(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		// It begins to rest just then.
		if _, err := tx.Exec(t.Context(), "UPDATE channels SET held_until = $1 WHERE name = 'b'", c.now().UnixMicro()); err != nil {
			return err
		}
		c.add(-time.Hour)
		testwait.Until(t, "the others are put right", func() bool { return late("b") == 0 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "it is, too", func() bool { return late("") == 0 })
}

// waitingFor tells how many of a store's connections wait for a lock to do something.
func waitingFor(t *testing.T, d *db.DB, query string) int64 {
	return countSQL(t, d, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1 || '%'`, query)
}

// A turn that read a rate just before it was put right has put off by the old one
// before what it put off is given new times, too.
func TestTheClockGoesBackUnderATurn(t *testing.T) {
	url, c := testdb.Postgres(t), newStoreClock()
	d := dbtest.Open(t, url, c.options())
	o := outbox.New(d, outbox.Options{})
	o.SetBeat(200 * time.Millisecond)
	o.Set("telegram", outbox.Config{Channel: &otherSide{}, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Minute} }})
	if err := o.Pause(t.Context(), "telegram", "until all is there"); err != nil {
		t.Fatal(err)
	}
	running(t, o, time.Second)
	writeSQL(t, d, "INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ('telegram', 'anna', $1), ('telegram', 'berta', $2)",
		c.now().Add(24*time.Hour).UnixMicro(), c.now().Add(30*time.Second).UnixMicro())
	ids := addItems(t, d, o, outbox.Refuse, letterTo("anna", "later"), letterTo("berta", "now")).ids
	// Who has berta's rate keeps a turn that sends her something from its end.
	err := dbtest.Open(t, url, db.Options{}).Tx(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT next_at, set_config('idle_in_transaction_session_timeout', '0', TRUE)
			FROM recipient_rates WHERE recipient = 'berta' FOR UPDATE`); err != nil {
			return err
		}
		c.add(time.Minute) // so that what is due stays due when the clock goes back
		seeBeat(t, d, c)
		if err := o.Resume(t.Context(), "telegram"); err != nil {
			return err
		}
		testwait.Until(t, "a turn is at its rates", func() bool { return waitingFor(t, d, "INSERT INTO recipient_rates") == 1 })
		c.add(-time.Second)
		testwait.Until(t, "the rates wait for it, or have been put right", func() bool {
			return waitingFor(t, d, "SELECT name FROM channels") > 0 ||
				countSQL(t, d, "SELECT count(*) FROM recipient_rates WHERE next_at > $1", c.now().Add(time.Hour).UnixMicro()) == 0
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, o, outbox.Sent, ids[1])
	testwait.Until(t, "what was put off has a new time", func() bool {
		late := get(t, o, ids[0]).DueAt.Sub(c.now())
		return late > 0 && late <= 2*time.Minute
	})
}

// Of a recipient that has to rest the rate stays untouched, whoever else is sent something.
func TestARateThatOnlyWasRead(t *testing.T) {
	c := newStoreClock()
	d := dbtest.Open(t, testdb.Postgres(t), c.options())
	o := outbox.New(d, outbox.Options{})
	o.Set("telegram", outbox.Config{Channel: &otherSide{}, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Minute} }})
	writeSQL(t, d, "INSERT INTO recipient_rates (channel, recipient, next_at) VALUES ('telegram', 'anna', $1)", c.now().Add(time.Minute).UnixMicro())
	version := func() int64 {
		return countSQL(t, d, "SELECT CAST(CAST(xmin AS TEXT) AS BIGINT) FROM recipient_rates WHERE recipient = 'anna'")
	}
	before := version()
	ids := addItems(t, d, o, outbox.Refuse, letterTo("anna", "later"), letterTo("berta", "now")).ids
	running(t, o, time.Second)
	awaitState(t, o, outbox.Sent, ids[1])
	if r := get(t, o, ids[0]); r.State != outbox.Waiting || !r.DueAt.After(c.now()) {
		t.Errorf("the other one stands as %+v", r)
	}
	if version() != before {
		t.Error("the rate was written")
	}
}
