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

// gatedSide is an other side that answers each attempt when it is told how.
type gatedSide struct {
	otherSide
	first, later chan outbox.Outcome
}

func newGatedSide() *gatedSide {
	s := &gatedSide{first: make(chan outbox.Outcome, 2), later: make(chan outbox.Outcome, 2)}
	s.answer = func(ctx context.Context, d outbox.Delivery) outbox.Outcome {
		answers := s.later
		if d.Attempt == 1 {
			answers = s.first
		}
		select {
		case out := <-answers:
			return out
		case <-ctx.Done():
			return outbox.Outcome{Verdict: outbox.Uncertain, Code: "canceled"}
		}
	}
	return s
}

// interrupt takes a delivery over as others do that take its sender for dead, who may
// live, and claim it again.
func interrupt(t *testing.T, d *db.DB, o *outbox.Outbox, id int64) {
	t.Helper()
	writeSQL(t, d, "INSERT INTO attempts (delivery_id, n, at, outcome, code) SELECT id, attempts, claimed_at, 'uncertain', 'interrupted' FROM deliveries WHERE id = $1", id)
	writeSQL(t, d, "UPDATE deliveries SET state = 0, sender_id = NULL, claimed_at = NULL, uncertain = uncertain + 1 WHERE id = $1", id)
	o.Wake()
}

// wantAttempts checks what a delivery's attempts came to.
func wantAttempts(t *testing.T, o *outbox.Outbox, id int64, want ...outbox.Verdict) {
	t.Helper()
	all := attemptsOf(t, o, id)
	var got []outbox.Verdict
	for i, a := range all {
		if a.N == i+1 {
			got = append(got, a.Verdict)
		}
	}
	if len(got) != len(want) || len(all) != len(want) {
		t.Fatalf("attempts %+v, want %v", all, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("attempts %+v, want %v", all, want)
		}
	}
}

// A sender that claims anew what was taken from it takes the late result of its first
// attempt for that alone, whatever it says and whether it comes before that of the second.
func TestALateResultIsNotThatOfTheNextAttempt(t *testing.T) {
	for name, late := range map[string]outbox.Verdict{"accepted": outbox.Accepted, "rejected": outbox.Rejected, "retry": outbox.Retry} {
		t.Run(name, func(t *testing.T) {
			dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
				o, side := outbox.New(d, outbox.Options{}), newGatedSide()
				o.Set("telegram", outbox.Config{Channel: side})
				id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
				running(t, o, time.Second)
				testwait.Until(t, "it is under way", func() bool { return side.count() == 1 })
				interrupt(t, d, o, id)
				testwait.Until(t, "it is under way again", func() bool { return side.count() == 2 })
				side.first <- outbox.Outcome{Verdict: late, Code: "late", Reference: "late"}
				// It is noted when another one is, that comes later.
				next := addItems(t, d, o, outbox.Refuse, letterTo("berta", "hello")).ids[0]
				o.Wake()
				side.first <- outbox.Outcome{Verdict: outbox.Accepted}
				awaitState(t, o, outbox.Sent, next)
				if r := get(t, o, id); r.State != outbox.Sending || r.Attempts != 2 || r.LastError != "" {
					t.Errorf("stands as %+v", r)
				}
				side.later <- outbox.Outcome{Verdict: outbox.Accepted, Reference: "second"}
				awaitState(t, o, outbox.Sent, id)
				wantAttempts(t, o, id, outbox.Uncertain, outbox.Accepted)
				if r := get(t, o, id); r.Reference != "second" {
					t.Errorf("stands as %+v", r)
				}
				if n := standingOf(t, o).Totals; n.Sent != 2 || n.Failed != 0 || n.Retried != 0 {
					t.Errorf("counted %+v", n)
				}
			})
		})
	}
}

// Both attempts of such a sender may end in one turn.
func TestBothResultsInOneTurn(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), newGatedSide()
		o.Set("telegram", outbox.Config{Channel: side})
		id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
		running(t, o, time.Second)
		testwait.Until(t, "it is under way", func() bool { return side.count() == 1 })
		interrupt(t, d, o, id)
		testwait.Until(t, "it is under way again", func() bool { return side.count() == 2 })
		// A turn waits a little for more.
		side.first <- outbox.Outcome{Verdict: outbox.Rejected, Code: "late"}
		side.later <- outbox.Outcome{Verdict: outbox.Accepted}
		awaitState(t, o, outbox.Sent, id)
		wantAttempts(t, o, id, outbox.Uncertain, outbox.Accepted)
	})
}

// A process that was taken for dead and claims its own delivery again notes both results.
func TestWhoWasTakenForDeadClaimsItsOwnAgain(t *testing.T) {
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	o, side := outbox.New(d, outbox.Options{}), newGatedSide()
	o.SetBeat(100 * time.Millisecond)
	o.Set("telegram", outbox.Config{Channel: side})
	id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
	running(t, o, time.Second)
	testwait.Until(t, "it is under way", func() bool { return side.count() == 1 })
	writeSQL(t, d, "DELETE FROM senders") // as others do that take it for dead
	testwait.Until(t, "it is under way again", func() bool { return side.count() == 2 })
	side.first <- outbox.Outcome{Verdict: outbox.Accepted}
	side.later <- outbox.Outcome{Verdict: outbox.Accepted}
	awaitState(t, o, outbox.Sent, id)
	wantAttempts(t, o, id, outbox.Uncertain, outbox.Accepted)
}

// A claim whose commit takes so long that others take its sender for dead is not sent by
// it, even if the process has begun anew meanwhile.
func TestAClaimOfWhoWasTakenForDeadIsNotSent(t *testing.T) {
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	o, side := outbox.New(d, outbox.Options{}), newGatedSide()
	o.SetBeat(100 * time.Millisecond)
	o.Set("telegram", outbox.Config{Channel: side, Rate: outbox.Rate{N: 1000, Per: time.Second}})
	running(t, o, 3*time.Second)
	testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
	first := countSQL(t, d, "SELECT id FROM senders")
	// A turn waits in its last statement, that of the rate, as for the answer to its commit.
	for _, statement := range []string{
		"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END'",
		"CREATE TRIGGER late BEFORE UPDATE OF next_at ON channels FOR EACH ROW EXECUTE FUNCTION late()",
	} {
		writeSQL(t, d, statement)
	}
	var id int64
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock(1), set_config('idle_in_transaction_session_timeout', '0', TRUE)"); err != nil {
			return err
		}
		id = addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
		o.Wake()
		testwait.Until(t, "the turn waits", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE channels SET%'") == 1
		})
		writeSQL(t, d, "DELETE FROM senders WHERE id = $1", first) // as others do that take it for dead
		testwait.Until(t, "it begins anew", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders WHERE id > $1", first) == 1 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the new sender has claimed it", func() bool {
		return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state = 1 AND sender_id > $1", first) == 1
	})
	for range 2 {
		side.first <- outbox.Outcome{Verdict: outbox.Accepted}
		side.later <- outbox.Outcome{Verdict: outbox.Accepted}
	}
	awaitState(t, o, outbox.Sent, id)
	if n := side.count(); n != 1 {
		t.Errorf("it arrived %d times", n)
	}
}

// An attempt that is in the store already, as nothing should leave it, holds up neither
// what its channel does nor those who settle what the dead were sending.
func TestAnAttemptThatIsThereAlready(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 3)...).ids
		for _, id := range ids[:2] {
			writeSQL(t, d, "INSERT INTO attempts (delivery_id, n, at, outcome, code) VALUES ($1, 1, 7, 'retry', 'odd')", id)
		}
		kill(t, d, ids[1])
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, ids...)
		wantAttempts(t, o, ids[0], outbox.Retry)
		wantAttempts(t, o, ids[1], outbox.Retry, outbox.Accepted)
		wantAttempts(t, o, ids[2], outbox.Accepted)
		for id, n := range side.times() {
			if n != 1 {
				t.Errorf("delivery %d arrived %d times", id, n)
			}
		}
	})
}
