package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// kill makes it so that a sender had claimed a delivery and died.
func kill(tb testing.TB, d *db.DB, ids ...int64) {
	tb.Helper()
	var sender int64
	now := d.Now()
	err := d.Tx(tb.Context(), func(tx *db.Tx) error {
		err := tx.QueryRow(tb.Context(), "INSERT INTO senders (name, alive_until) VALUES ('dead', $1) RETURNING id", db.Time{Time: now.Add(-time.Second)}).Scan(&sender)
		if err == nil {
			_, err = tx.Exec(tb.Context(), "INSERT INTO channel_totals (channel, sender_id, sent) VALUES ('telegram', $1, 10)", sender)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	for _, id := range ids {
		writeSQL(tb, d, "UPDATE deliveries SET state = 1, sender_id = $1, claimed_at = $2, attempts = attempts + 1 WHERE id = $3", sender, db.Time{Time: now}, id)
	}
}

// What a dead process was sending is sent again, or held, and is marked.
func TestWhatTheDeadWereSending(t *testing.T) {
	for name, one := range map[string]struct {
		hold, repeatable bool
		attempts         int
		want             outbox.State
	}{
		"repeated":  {attempts: 3, want: outbox.Sent},
		"known":     {hold: true, repeatable: true, attempts: 3, want: outbox.Sent},
		"held":      {hold: true, attempts: 3, want: outbox.Failed},
		"exhausted": {attempts: 1, want: outbox.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
				o, side := outbox.New(d, outbox.Options{Hold: one.hold}), &otherSide{}
				o.SetBeat(20 * time.Millisecond)
				o.Set("telegram", outbox.Config{Channel: side, Repeatable: one.repeatable, Backoff: outbox.Doubling(one.attempts, 0, 0, 0)})
				items := lettersTo("anna", 3)
				items[0].OrderKey, items[2].OrderKey = "k", "k"
				ids := addItems(t, d, o, outbox.Refuse, items...).ids
				kill(t, d, ids[0])
				running(t, o, time.Second)
				awaitState(t, o, one.want, ids[0])
				awaitState(t, o, outbox.Sent, ids[1:]...)
				first := attemptsOf(t, o, ids[0])[0]
				if first.N != 1 || first.Verdict != outbox.Uncertain || first.Code != "interrupted" || first.Took != 0 {
					t.Errorf("attempt %+v", first)
				}
				if r := get(t, o, ids[0]); one.want == outbox.Failed && (r.Attempts != 1 || r.LastError == "" || side.times()[ids[0]] != 0) {
					t.Errorf("stands as %+v", r)
				}
				testwait.Until(t, "the dead are forgotten", func() bool {
					return countSQL(t, d, "SELECT count(*) FROM senders WHERE name = 'dead'") == 0
				})
				if n := standingOf(t, o).Totals; n.Sent != int64(10+side.count()) || n.Uncertain != 1 {
					t.Errorf("counted %+v", n)
				}
			})
		})
	}
}

// With Hold, what was interrupted on a channel that nobody serves waits for
// somebody to say whether it can be repeated, and not for ever.
func TestWhatTheDeadWereSendingThatNobodyServes(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{Hold: true}), &otherSide{}
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side})
		items := lettersTo("anna", 3)
		items[1].Channel, items[2].Channel = "late", "never"
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		kill(t, d, ids...)
		running(t, o, time.Second)
		awaitState(t, o, outbox.Failed, ids[0])
		for _, id := range ids[1:] {
			if r := get(t, o, id); r.State != outbox.Sending {
				t.Errorf("stands as %+v", r)
			}
		}
		o.Set("late", outbox.Config{Channel: side, Repeatable: true})
		awaitState(t, o, outbox.Sent, ids[1])
		for range 11 { // a lease lasts longer than a step
			c.add(time.Minute)
		}
		awaitState(t, o, outbox.Failed, ids[2])
		if r := get(t, o, ids[2]); !strings.HasPrefix(r.LastError, "uncertain: ") {
			t.Errorf("stands as %+v", r)
		}
	})
}

// A store that was away for longer than a lease makes no sender take another for dead.
func TestNobodyDiesWhileTheStoreIsAway(t *testing.T) {
	url := testdb.Postgres(t)
	const beat = 400 * time.Millisecond
	gate, side := make(chan struct{}), &otherSide{}
	side.answer = func(context.Context, outbox.Delivery) outbox.Outcome {
		<-gate
		return outbox.Outcome{Verdict: outbox.Accepted}
	}
	d := dbtest.Open(t, url, db.Options{})
	alive := func(want int64, since time.Time) func() bool {
		return func() bool {
			return countSQL(t, d, "SELECT count(*) FROM senders WHERE alive_until > $1", db.Time{Time: since}) == want
		}
	}
	// Each serves a channel. They look half a beat after each other: whoever does first
	// when the store is back has seen the other's last sign of life.
	var ids []int64
	var o *outbox.Outbox
	for i, channel := range []string{"telegram", "viber"} {
		o = outbox.New(dbtest.Open(t, url, db.Options{}), outbox.Options{})
		o.SetBeat(beat)
		o.Set(channel, outbox.Config{Channel: side})
		item := letterTo("anna", "hello")
		item.Channel = channel
		ids = append(ids, addItems(t, d, o, outbox.Refuse, item).ids...)
		testwait.Until(t, "the other begins a beat", alive(int64(i), d.Now().Add(8*beat)))
		<-time.After(beat / 2)
		running(t, o, time.Second)
		testwait.Until(t, "it is under way", func() bool { return side.count() == i+1 })
	}
	testwait.Until(t, "they have seen each other", alive(2, d.Now().Add(10*beat)))
	<-time.After(beat / 4)
	writeSQL(t, d, "ALTER TABLE senders RENAME TO elsewhere")
	away := d.Now()
	testwait.Until(t, "the leases have run out", func() bool { return d.Now().Sub(away) > 12*beat+beat/2 })
	writeSQL(t, d, "ALTER TABLE elsewhere RENAME TO senders")
	testwait.Until(t, "both are back", alive(2, d.Now().Add(beat)))
	testwait.Until(t, "and stay", alive(2, d.Now().Add(10*beat)))
	close(gate)
	awaitState(t, o, outbox.Sent, ids...)
	for _, id := range ids {
		if all := attemptsOf(t, o, id); len(all) != 1 {
			t.Errorf("delivery %d had attempts %+v", id, all)
		}
	}
}

// A look at the rest that hangs does not cost a sender its lease.
func TestTheLeaseGoesOnWhileALookHangs(t *testing.T) {
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	const beat = 50 * time.Millisecond
	o := outbox.New(d, outbox.Options{})
	o.SetBeat(beat)
	o.Set("telegram", outbox.Config{Channel: &otherSide{}})
	running(t, o, time.Second)
	testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "LOCK TABLE recipient_rates IN ACCESS EXCLUSIVE MODE; SET LOCAL idle_in_transaction_session_timeout = 0")
		if err != nil {
			return err
		}
		far := db.Time{Time: d.Now().Add(40 * beat)}
		testwait.Until(t, "the lease goes on", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM senders WHERE id = 1 AND alive_until > $1", far) == 1
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A part of looking after the rest that hangs, here that of rates, keeps no sender from
// being found dead, and nothing that others added from going.
func TestWhatHangsHoldsUpNothingElse(t *testing.T) {
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	o, side := outbox.New(d, outbox.Options{}), &otherSide{}
	o.SetBeat(50 * time.Millisecond)
	o.Set("telegram", outbox.Config{Channel: side})
	running(t, o, time.Second)
	testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), "LOCK TABLE recipient_rates IN ACCESS EXCLUSIVE MODE; SET LOCAL idle_in_transaction_session_timeout = 0")
		if err != nil {
			return err
		}
		kill(t, d)
		testwait.Until(t, "the dead are forgotten", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders WHERE name = 'dead'") == 0 })
		now := d.Now().UnixMicro()
		writeSQL(t, d, `INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at) VALUES (0, 0, 'telegram', 'anna', 'hello', $1, $1)`, now)
		testwait.Until(t, "what others added is sent", func() bool { return side.count() == 1 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// However slowly a process looks, it finds out a dead sender, and after time without a
// look nobody is dead at once.
func TestWhoIsSlowToLookFindsTheDead(t *testing.T) {
	for _, every := range []time.Duration{500 * time.Millisecond, time.Second, 1100 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
		var w outbox.Watcher
		at, looks := time.Now(), 1
		for first := at; !w.Look(at); looks++ {
			at = at.Add(every)
			if at.Sub(first) > 10*every {
				t.Fatalf("with a look each %v it is alive after %v", every, at.Sub(first))
			}
		}
		if looks < 4 {
			t.Errorf("with a look each %v it is dead at look %d", every, looks)
		}
	}
}

// What others took over is theirs: a late result changes nothing.
func TestALateResultIsNotNoted(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		gate := make(chan struct{})
		side := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
			<-gate
			return outbox.Outcome{Verdict: outbox.Rejected, Code: "no"}
		}}
		o := outbox.New(d, outbox.Options{})
		o.Set("telegram", outbox.Config{Channel: side})
		id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
		stop := running(t, o, time.Minute)
		testwait.Until(t, "it is under way", func() bool { return side.count() == 1 })
		writeSQL(t, d, "UPDATE deliveries SET state = 3, sender_id = NULL WHERE id = $1", id)
		close(gate)
		stop()
		if r := get(t, o, id); r.State != outbox.Sent || r.LastError != "" || len(attemptsOf(t, o, id)) != 0 {
			t.Errorf("stands as %+v", r)
		}
	})
}

// A process that ends waits for what is under way, calls off the rest, and sends
// nothing more.
func TestTheEnd(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		release := make(chan struct{})
		side := &otherSide{answer: func(ctx context.Context, d outbox.Delivery) outbox.Outcome {
			if d.Recipient == "anna" {
				<-release
				return outbox.Outcome{Verdict: outbox.Accepted}
			}
			<-ctx.Done()
			return outbox.Outcome{Verdict: outbox.Uncertain, Code: "canceled"}
		}}
		o := outbox.New(d, outbox.Options{})
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 2})
		ids := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello"), letterTo("berta", "hello"), letterTo("carla", "hello")).ids
		ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
		over := make(chan error, 1)
		go func() { over <- o.Run(ctx, time.Second) }()
		testwait.Until(t, "two are under way", func() bool { return side.count() == 2 })
		end()
		close(release)
		if err := testwait.Receive(t, over); err != nil {
			t.Error(err)
		}
		awaitState(t, o, outbox.Sent, ids[0])
		awaitState(t, o, outbox.Waiting, ids[1:]...)
		if r := get(t, o, ids[1]); r.Attempts != 1 || r.LastError != "canceled" {
			t.Errorf("stands as %+v", r)
		}
		if n := side.count(); n != 2 {
			t.Errorf("%d attempts", n)
		}
		if d.Dialect() == db.Postgres && countSQL(t, d, "SELECT count(*) FROM senders") != 0 {
			t.Error("it has not left")
		}
	})
}

// While the store refuses, nothing is sent; what was sent before is noted as soon
// as it can be, once.
func TestTheStoreRefuses(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		gate := make(chan struct{})
		side := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
			<-gate
			return outbox.Outcome{Verdict: outbox.Accepted}
		}}
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 10})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 30)...).ids
		running(t, o, time.Second)
		testwait.Until(t, "ten are under way", func() bool { return side.count() == 10 })
		writeSQL(t, d, "ALTER TABLE attempts RENAME TO elsewhere")
		close(gate)
		o.Wake()
		testwait.Until(t, "nothing can be noted", func() bool { return o.Refused("telegram") > 2 })
		if n := side.count(); n != 10 {
			t.Errorf("%d attempts", n)
		}
		writeSQL(t, d, "ALTER TABLE elsewhere RENAME TO attempts")
		awaitState(t, o, outbox.Sent, ids...)
		for id, n := range side.times() {
			if n != 1 || len(attemptsOf(t, o, id)) != 1 {
				t.Errorf("delivery %d arrived %d times", id, n)
			}
		}
	})
}

// arrivedOnce checks that deliveries were sent by one attempt each.
func arrivedOnce(t *testing.T, o *outbox.Outbox, side *otherSide, ids []int64) {
	t.Helper()
	times := side.times()
	for _, id := range ids {
		if r := get(t, o, id); r.Attempts != 1 || times[id] != 1 || len(attemptsOf(t, o, id)) != 1 {
			t.Errorf("arrived %d times: %+v", times[id], r)
		}
	}
}

// Of a commit whose answer was lost nobody knows whether it counts: what it
// claimed was not sent.
func TestAClaimInDoubt(t *testing.T) {
	url := testdb.Postgres(t)
	witness := dbtest.Open(t, url, db.Options{})
	line := dbtest.OpenLine(t, url)
	d, err := db.Open(t.Context(), line.URL, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	gate := make(chan struct{})
	side := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
		<-gate
		return outbox.Outcome{Verdict: outbox.Accepted}
	}}
	o := outbox.New(d, outbox.Options{})
	o.Set("telegram", outbox.Config{Channel: side, Concurrency: 10})
	ids := addItems(t, witness, outbox.New(witness, outbox.Options{}), outbox.Refuse, lettersTo("anna", 30)...).ids
	running(t, o, time.Second)
	testwait.Until(t, "ten are under way", func() bool { return side.count() == 10 })
	line.LoseCommits.Store(true)
	close(gate)
	testwait.Until(t, "a turn has failed twice", func() bool { return o.Refused("telegram") >= 2 })
	testwait.Until(t, "all ten are noted", func() bool {
		return countSQL(t, witness, "SELECT count(*) FROM deliveries WHERE state = 3") == 10
	})
	line.LoseCommits.Store(false)
	awaitState(t, outbox.New(witness, outbox.Options{}), outbox.Sent, ids...)
	arrivedOnce(t, o, side, ids)
}

// A claim whose commit was about to end when its turn was given up is taken back as well.
func TestAClaimThatComesLate(t *testing.T) {
	d, ctx := dbtest.Open(t, testdb.Postgres(t), db.Options{}), t.Context()
	id := addItems(t, d, outbox.New(d, outbox.Options{}), outbox.Refuse, lettersTo("anna", 1)...).ids[0]
	at := d.Now()
	taken := make(chan error, 1)
	err := d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE deliveries SET state = 1, attempts = 1, sender_id = 5, claimed_at = $1 WHERE id = $2", db.Time{Time: at}, id)
		if err != nil {
			return err
		}
		go func() { taken <- outbox.Unclaim(ctx, d, id, 5, at) }()
		testwait.Until(t, "it waits for the claim", func() bool { //nolint:contextcheck // as countSQL elsewhere
			return countSQL(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
		})
		return nil
	})
	if err := errors.Join(err, testwait.Receive(t, taken)); err != nil {
		t.Fatal(err)
	}
	if n := countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 0 AND attempts = 0 AND sender_id IS NULL"); n != 1 {
		t.Error("the claim stands")
	}
}

// What a turn that failed had claimed is claimed and sent by a later one.
func TestAClaimUndone(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		// The rate's row is written last.
		refuse := []string{"CREATE TRIGGER refuse BEFORE UPDATE OF next_at ON channels BEGIN SELECT RAISE(ABORT, 'no'); END"}
		allow := "DROP TRIGGER refuse"
		if d.Dialect() == db.Postgres {
			refuse = []string{
				"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'",
				"CREATE TRIGGER refuse BEFORE UPDATE OF next_at ON channels FOR EACH ROW EXECUTE FUNCTION refuse()",
			}
			allow += " ON channels"
		}
		for _, statement := range refuse {
			writeSQL(t, d, statement)
		}
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 30)...).ids
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 10, Rate: outbox.Rate{N: 1000, Per: time.Second}})
		running(t, o, time.Second)
		testwait.Until(t, "it is refused", func() bool { return o.Refused("telegram") >= 1 })
		writeSQL(t, d, allow)
		awaitState(t, o, outbox.Sent, ids...)
		arrivedOnce(t, o, side, ids)
	})
}

// Two nodes on one store send each delivery once, and keep to a rate together.
func TestTwoNodes(t *testing.T) {
	url := testdb.Postgres(t)
	side := &otherSide{}
	var outboxes []*outbox.Outbox
	var first *db.DB
	for i := range 2 {
		d := dbtest.Open(t, url, db.Options{})
		if first == nil {
			first = d
		}
		o := outbox.New(d, outbox.Options{Node: fmt.Sprint("node-", i)})
		o.Set("telegram", outbox.Config{Channel: side})
		o.Set("viber", outbox.Config{Channel: side, Rate: outbox.Rate{N: 100, Per: time.Second}})
		outboxes = append(outboxes, o)
	}
	items := lettersTo("anna", 1000)
	for i := range 100 {
		items = append(items, outbox.Item{Channel: "viber", Recipient: fmt.Sprint(i)})
	}
	ids := addItems(t, first, outboxes[0], outbox.Refuse, items...).ids
	var stops []func()
	for _, o := range outboxes {
		stops = append(stops, running(t, o, time.Second))
	}
	awaitState(t, outboxes[0], outbox.Sent, ids...)
	for _, stop := range stops {
		stop()
	}
	times := side.times()
	for _, id := range ids {
		if n := times[id]; n != 1 {
			t.Errorf("delivery %d arrived %d times", id, n)
		}
	}
	if n := countSQL(t, first, "SELECT CAST(sum(sent) AS BIGINT) FROM channel_totals"); n != 1100 {
		t.Errorf("counted %d", n)
	}
	// Each of the hundred has moved the rate on, whichever node sent it.
	if moved := countSQL(t, first, "SELECT next_at - (SELECT min(created_at) FROM deliveries) FROM channels WHERE name = 'viber'"); moved < 950_000 { // their clocks are not quite the same
		t.Errorf("100 at 100/s moved the rate on by %d µs", moved)
	}
}

// A recipient with much to come holds up nobody, and gets it at its rate.
func TestAHotRecipient(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		o.SetBeat(200 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side, Recipient: func(to string) outbox.Rate {
			if to == "hot" {
				return outbox.Rate{N: 1, Per: time.Minute}
			}
			return outbox.Rate{}
		}})
		hot := addItems(t, d, o, outbox.Refuse, lettersTo("hot", 2000)...).ids
		cold := addItems(t, d, o, outbox.Refuse, letterTo("cold", "hello")).ids[0]
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, cold, hot[0])
		testwait.Until(t, "the others are put off", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 0 AND due_at <= $1", db.Time{Time: c.now()}) == 0
		})
		for i, id := range hot[:100] {
			if r := get(t, o, id); i > 0 && (!r.DueAt.Equal(c.now().Add(time.Duration(i)*time.Minute)) || r.Attempts != 0) {
				t.Fatalf("number %d stands as %+v", i, r)
			}
		}
		for _, next := range hot[1:4] {
			c.add(time.Minute)
			o.Wake()
			// Noted, too: a claim that the next jump of the clock meets is taken back, for
			// the lease is over, and its recipient's turn with it.
			awaitState(t, o, outbox.Sent, next)
		}
		awaitState(t, o, outbox.Waiting, hot[4])
	})
}

// Others go beside one for whom very much is due, which is put off in few turns.
func TestOthersGoBesideAHotRecipient(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		const due = 10_000
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		writeSQL(t, d, fmt.Sprintf(`INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at)
			SELECT 0, 0, 'telegram', 'hot', 'text', $1, $1 FROM (WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < %d) SELECT n FROM up) AS numbers`, due),
			c.now().UnixMicro())
		cold := addItems(t, d, o, outbox.Refuse, letterTo("cold", "hello")).ids[0]
		turns := &countedRates{}
		o.Set("telegram", outbox.Config{Channel: side, Recipient: turns.of})
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, cold)
		// A turn asks for the rate of a recipient once.
		if n := turns.hot.Load(); n > 10 {
			t.Errorf("it went after %d turns", n)
		}
		if n := side.count(); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

// countedRates lets one go an hour to each recipient and counts the questions about
// the hot one.
type countedRates struct{ hot atomic.Int64 }

func (c *countedRates) of(recipient string) outbox.Rate {
	if recipient == "hot" {
		c.hot.Add(1)
	}
	return outbox.Rate{N: 1, Per: time.Hour}
}

// What a rate put off is not late by the jump of a clock that has gone back.
func TestTheClockGoesBackUnderAHotRecipient(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		o.SetBeat(200 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side, Recipient: func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Minute} }})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("hot", 10)...).ids
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, ids[0])
		last := func() time.Duration { return get(t, o, ids[9]).DueAt.Sub(c.now()) }
		testwait.Until(t, "the last is put off", func() bool { return last() == 9*time.Minute })
		c.add(-24 * time.Hour)
		testwait.Until(t, "it is put off anew", func() bool { return last() > 0 && last() <= 10*time.Minute })
	})
}

// After a clock that went back nothing is late by the jump.
func TestTheClockGoesBack(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(20 * time.Millisecond)
		var mu sync.Mutex
		tries := map[string]int{}
		side := &otherSide{answer: func(_ context.Context, d outbox.Delivery) outbox.Outcome {
			mu.Lock()
			defer mu.Unlock()
			if tries[d.Payload]++; d.Payload == "again" && tries[d.Payload] == 1 {
				return outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}
			}
			return outbox.Outcome{Verdict: outbox.Accepted}
		}}
		o.Set("telegram", outbox.Config{Channel: side, Rate: outbox.Rate{N: 1000, Per: time.Second}, Backoff: oneMinute})
		at := c.now().Add(10 * time.Minute)
		planned := letterTo("anna", "planned")
		planned.StartAt = &at
		ids := addItems(t, d, o, outbox.Refuse, letterTo("anna", "again"), planned).ids
		running(t, o, time.Second)
		awaitAttempt(t, o, ids[0])
		if err := o.Pause(t.Context(), "telegram", "to add one meanwhile"); err != nil {
			t.Fatal(err)
		}
		once := addItems(t, d, o, outbox.Refuse, letterTo("anna", "at once")).ids[0]
		c.add(-time.Hour)
		testwait.Until(t, "it has new times", func() bool { return !get(t, o, once).DueAt.After(c.now()) })
		if r := get(t, o, ids[0]); !r.DueAt.Equal(c.now().Add(time.Minute)) {
			t.Errorf("the retry is due after %v", r.DueAt.Sub(c.now()))
		}
		if r := get(t, o, ids[1]); !r.DueAt.Equal(at) {
			t.Errorf("what has a time of its own is due at %v", r.DueAt)
		}
		if err := o.Resume(t.Context(), "telegram"); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, "it is sent as soon as the rate allows", func() bool {
			c.add(time.Millisecond)
			return get(t, o, once).State == outbox.Sent
		})
		c.add(time.Minute)
		awaitState(t, o, outbox.Sent, ids[0])
		c.add(2 * time.Hour)
		awaitState(t, o, outbox.Sent, ids[1])
	})
}

// However many wait, here more than a beat's slices, they have new times after a clock
// that went back.
func TestTheClockGoesBackUnderMany(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(200 * time.Millisecond)
		writeSQL(t, d, `INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at)
			SELECT 0, n % 3, 'telegram', 'anna', 'text', $1, 1 FROM (WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 9000) SELECT n FROM up) AS numbers`,
			c.now().Add(time.Minute).UnixMicro())
		writeSQL(t, d, "INSERT INTO channels (name, configured) VALUES ('telegram', TRUE)")
		writeSQL(t, d, `INSERT INTO recipient_rates (channel, recipient, next_at)
			SELECT 'telegram', CAST(n AS TEXT), $1 FROM (WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 1000) SELECT n FROM up) AS numbers`,
			c.now().Add(time.Minute).UnixMicro())
		running(t, o, time.Second)
		testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
		c.add(-time.Hour)
		testwait.Until(t, "what waits has new times", func() bool {
			// From the end, where the last ones are: to count them all each time would hold up what it waits for.
			return countSQL(t, d, "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE due_at > $1 ORDER BY id DESC LIMIT 1) AS late", c.now().UnixMicro()) == 0
		})
		testwait.Until(t, "the rates have, too", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM recipient_rates WHERE next_at > $1", c.now().Add(time.Minute).UnixMicro()) == 0
		})
	})
}

// A channel that is set anew, or gone, loses nothing that is under way.
func TestSetAnewAndUnset(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		gate := make(chan struct{})
		slow := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
			<-gate
			return outbox.Outcome{Verdict: outbox.Accepted}
		}}
		o, fresh := outbox.New(d, outbox.Options{}), &otherSide{}
		o.Set("telegram", outbox.Config{Channel: slow, Concurrency: 2})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 10)...).ids
		running(t, o, time.Second)
		testwait.Until(t, "two are under way", func() bool { return slow.count() == 2 })
		o.Set("telegram", outbox.Config{Channel: fresh})
		testwait.Until(t, "the others are sent", func() bool { return fresh.count() == 8 })
		close(gate)
		awaitState(t, o, outbox.Sent, ids...)
		o.Unset("telegram")
		testwait.Until(t, "it is told", func() bool { return !standingOf(t, o).Configured })
		id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "later")).ids[0]
		o.Wake("telegram")
		if r := get(t, o, id); r.State != outbox.Waiting {
			t.Errorf("stands as %+v", r)
		}
		o.Set("telegram", outbox.Config{Channel: fresh})
		awaitState(t, o, outbox.Sent, id)
		if slow.count() != 2 || fresh.count() != 9 {
			t.Errorf("%d and %d attempts", slow.count(), fresh.count())
		}
	})
}

// What a channel does badly is its own affair.
func TestAChannelThatPanics(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		o.Set("telegram", outbox.Config{Channel: &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome { panic("no") }}, Backoff: oneMinute})
		id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
		running(t, o, time.Second)
		if r := awaitAttempt(t, o, id); r.State != outbox.Waiting || r.LastError != "panic" {
			t.Errorf("stands as %+v", r)
		}
	})
}
