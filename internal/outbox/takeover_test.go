package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// A sender is forgotten only while its lease is as it was when it seemed dead.
func TestWhoHasRenewedIsNotForgotten(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		kill(t, d)
		var id int64
		var seen time.Time
		if err := d.QueryRow(t.Context(), "SELECT id, alive_until FROM senders").Scan(&id, db.ScanTime(&seen)); err != nil {
			t.Fatal(err)
		}
		left := func(until time.Time) int64 {
			t.Helper()
			if err := o.ForgetDead(t.Context(), id, until); err != nil {
				t.Fatal(err)
			}
			return countSQL(t, d, "SELECT count(*) FROM senders") + countSQL(t, d, "SELECT count(*) FROM channel_totals WHERE sender_id <> 0")
		}
		renew := func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE senders SET alive_until = $1", db.Time{Time: seen.Add(time.Second)})
			return err
		}
		if d.Dialect() == db.Postgres { // a renewal that is under way
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				if err := renew(tx); err != nil {
					return err
				}
				if left(seen) != 2 {
					t.Error("it is forgotten while it renews")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		} else if err := d.Tx(t.Context(), renew); err != nil {
			t.Fatal(err)
		}
		if left(seen) != 2 {
			t.Error("it is forgotten after it has renewed")
		}
		if left(seen.Add(time.Second)) != 0 {
			t.Error("it is not forgotten")
		}
	})
}

// Of whom something is taken over, that one cannot renew its lease any more, and so learns of it.
func TestWhoIsTakenOverIsForgottenBefore(t *testing.T) {
	url := testdb.Postgres(t)
	d := dbtest.Open(t, url, db.Options{})
	o := outbox.New(d, outbox.Options{})
	o.SetBeat(200 * time.Millisecond)
	o.Set("telegram", outbox.Config{Channel: &otherSide{}})
	id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
	kill(t, d, id)
	err := dbtest.Open(t, url, db.Options{}).Tx(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT id, set_config('idle_in_transaction_session_timeout', '0', TRUE) FROM deliveries WHERE id = $1 FOR UPDATE", id); err != nil {
			return err
		}
		running(t, o, time.Second)
		testwait.Until(t, "it is being taken over", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE deliveries SET state%'") > 0
		})
		if n := countSQL(t, d, "SELECT count(*) FROM senders WHERE name = 'dead'"); n != 0 {
			t.Error("its sender could still renew its lease")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, o, outbox.Sent, id)
	wantAttempts(t, o, id, outbox.Uncertain, outbox.Accepted)
}

// Who forgets a dead sender may die before it has settled what that one was sending.
func TestWhatThoseWereSendingWhoAreForgotten(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side})
		id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
		kill(t, d, id)
		writeSQL(t, d, "DELETE FROM senders")
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, id)
		wantAttempts(t, o, id, outbox.Uncertain, outbox.Accepted)
	})
}

// A sender that registers and claims while others look for what the dead were sending is
// not among those.
func TestWhoRegistersDuringALookIsAlive(t *testing.T) {
	url := testdb.Postgres(t)
	d := dbtest.Open(t, url, db.Options{})
	o := outbox.New(d, outbox.Options{})
	o.Set("telegram", outbox.Config{Channel: &otherSide{}})
	item := letterTo("anna", "hello")
	item.Channel = "viber"
	fresh := addItems(t, d, o, outbox.Refuse, item).ids[0]
	running(t, o, time.Second)
	testwait.Until(t, "it is among the senders", func() bool { return countSQL(t, d, "SELECT count(*) FROM senders") == 1 })
	dead := addItems(t, d, o, outbox.Refuse, letterTo("anna", "dead")).ids[0]
	awaitState(t, o, outbox.Sent, dead)
	witness := dbtest.Open(t, url, db.Options{})
	err := witness.Tx(t.Context(), func(tx *db.Tx) error {
		for _, statement := range []string{
			"SET LOCAL idle_in_transaction_session_timeout = 0",
			"LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE",
			"DELETE FROM attempts",
		} {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				return err
			}
		}
		testwait.Until(t, "it looks", func() bool {
			return countSQL(t, d, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT id, channel, order_key, sender_id%'") > 0
		})
		// Beside what is of nobody, and tells that the look is over.
		_, err := tx.Exec(t.Context(), "UPDATE deliveries SET state = 1, sender_id = 1000, claimed_at = $1 WHERE id = $2", db.Time{Time: tx.Now()}, dead)
		if err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRow(t.Context(), "INSERT INTO senders (name, alive_until) VALUES ('fresh', $1) RETURNING id", db.Time{Time: tx.Now().Add(time.Hour)}).Scan(&id); err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), "UPDATE deliveries SET state = 1, sender_id = $1, claimed_at = $2, attempts = 1 WHERE id = $3", id, db.Time{Time: tx.Now()}, fresh)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, o, outbox.Sent, dead)
	if r := get(t, o, fresh); r.State != outbox.Sending || len(attemptsOf(t, o, fresh)) != 0 {
		t.Errorf("stands as %+v", r)
	}
}

// Who takes attempts over counts them, once what was noted of them is durable, and each one once.
func TestInterruptedAttemptsAreObserved(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		var served []string
		var uncertain, refused atomic.Int64
		o := outbox.New(d, outbox.Options{
			Logger: slog.New(listener{func(r slog.Record) {
				if r.Message == "cannot look after the deliveries" {
					refused.Add(1)
				}
			}}),
			Serves: func(channel string) { served = append(served, channel) },
			Observe: func(channel string, out outbox.Outcome, late, took time.Duration) {
				if out.Verdict != outbox.Uncertain {
					return
				}
				uncertain.Add(1)
				if channel != "telegram" || out.Code != "interrupted" || late != 0 || took != 0 {
					t.Errorf("observed %s %+v %v %v", channel, out, late, took)
				}
			},
		})
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: &otherSide{}})
		if !slices.Equal(served, []string{"telegram"}) {
			t.Errorf("it is told that %q are served", served)
		}
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 3)...).ids
		kill(t, d, ids[:2]...)
		var stop func()
		if d.Dialect() == db.Postgres { // what is undone is not counted
			writeSQL(t, d, "ALTER TABLE attempts RENAME TO away")
			stop = running(t, o, time.Second)
			testwait.Until(t, "it cannot be noted", func() bool { return refused.Load() > 0 })
			writeSQL(t, d, "ALTER TABLE away RENAME TO attempts")
		} else {
			stop = running(t, o, time.Second)
		}
		awaitState(t, o, outbox.Sent, ids...)
		stop() // what is in the store may be observed a moment later
		if n := uncertain.Load(); n != 2 {
			t.Errorf("%d attempts were observed, want 2", n)
		}
	})
}

// A dead sender is called by the name of its node, and is a warning only if it was sending.
func TestTheDeadAreNamed(t *testing.T) {
	for name, sending := range map[string]bool{"sending": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
			said := make(chan string, 100)
			o := outbox.New(d, outbox.Options{Logger: slog.New(listener{func(r slog.Record) {
				if !strings.HasPrefix(r.Message, "senders are dead") {
					return
				}
				r.Attrs(func(a slog.Attr) bool {
					said <- fmt.Sprintf("%s %s=%v", r.Level, a.Key, a.Value)
					return true
				})
			}})})
			o.SetBeat(20 * time.Millisecond)
			o.Set("telegram", outbox.Config{Channel: &otherSide{}})
			ids := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids
			want := "WARN senders=[dead]"
			if !sending {
				ids, want = nil, "INFO senders=[dead]"
			}
			kill(t, d, ids...)
			running(t, o, time.Second)
			testwait.Until(t, "it is said", func() bool { return len(said) > 0 })
			if got := <-said; got != want {
				t.Errorf("said %q, want %q", got, want)
			}
		})
	}
}

// listener hands over what is logged.
type listener struct{ each func(slog.Record) }

func (h listener) Enabled(context.Context, slog.Level) bool { return true }
func (h listener) Handle(_ context.Context, r slog.Record) error {
	h.each(r)
	return nil
}
func (h listener) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h listener) WithGroup(string) slog.Handler      { return h }
