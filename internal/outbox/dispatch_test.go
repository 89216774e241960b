package outbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// otherSide is the other side of a channel, in the process. It answers as it is told and
// counts what arrives.
type otherSide struct {
	answer func(ctx context.Context, d outbox.Delivery) outbox.Outcome // nil: it accepts all

	mu      sync.Mutex
	arrived []outbox.Delivery
	at      []time.Time
	now     int // attempts under way
	most    int
}

func (s *otherSide) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	s.mu.Lock()
	s.arrived, s.at = append(s.arrived, d), append(s.at, time.Now())
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	if s.answer == nil {
		return outbox.Outcome{Verdict: outbox.Accepted, Status: 200, Reference: fmt.Sprint("ref-", d.ID)}
	}
	return s.answer(ctx, d)
}

func (s *otherSide) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.arrived)
}

// times is how often each delivery arrived.
func (s *otherSide) times() map[int64]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[int64]int{}
	for _, d := range s.arrived {
		n[d.ID]++
	}
	return n
}

// deliveries are those that arrived, in order.
func (s *otherSide) deliveries() []outbox.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]outbox.Delivery(nil), s.arrived...)
}

// running runs an outbox until the returned function is called, or the test ends.
func running(tb testing.TB, o *outbox.Outbox, grace time.Duration) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx, grace) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := testwait.Receive(tb, done); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// awaitState waits until deliveries have a state.
func awaitState(tb testing.TB, o *outbox.Outbox, want outbox.State, ids ...int64) {
	tb.Helper()
	for _, id := range ids {
		testwait.Until(tb, fmt.Sprintf("delivery %d is %s", id, want), func() bool { return get(tb, o, id).State == want })
	}
}

// Receivers tell deliveries apart by an id that is the same at each attempt, and
// that no other delivery has, of whatever store.
func TestEachDeliveryHasAnIDForItsReceivers(t *testing.T) {
	seen := map[string]bool{}
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		var store string
		if err := d.QueryRow(t.Context(), "SELECT id FROM store_identity").Scan(&store); err != nil {
			t.Fatal(err)
		}
		side := inTurn(outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}, outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}, outbox.Outcome{Verdict: outbox.Accepted})
		o := outbox.New(d, outbox.Options{})
		o.Set("telegram", outbox.Config{Channel: side, Backoff: outbox.Doubling(5, 0, 0, 0)})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 2)...).ids
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, ids...)
		uids := map[int64]string{}
		for _, got := range side.deliveries() {
			if before := uids[got.ID]; before != "" && before != got.UID || !strings.Contains(got.UID, store) || store == "" {
				t.Errorf("delivery %d of store %q is %q, and was %q before", got.ID, store, got.UID, before)
			}
			uids[got.ID] = got.UID
		}
		for _, uid := range uids {
			if seen[uid] {
				t.Errorf("%q is another's", uid)
			}
			seen[uid] = true
		}
		if len(uids) != 2 || side.count() != 4 {
			t.Errorf("%d attempts of %d deliveries", side.count(), len(uids))
		}
	})
}

func TestDeliveriesAreSent(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{Node: "one"}), &otherSide{}
		o.Set("telegram", outbox.Config{Channel: side})
		stop := running(t, o, time.Second)
		a := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 200)...)
		o.Wake("telegram")
		awaitState(t, o, outbox.Sent, a.ids...)
		for id, n := range side.times() {
			if n != 1 {
				t.Errorf("delivery %d arrived %d times", id, n)
			}
		}
		r := get(t, o, a.ids[7])
		if r.Attempts != 1 || r.Reference != fmt.Sprint("ref-", r.ID) || r.EndedAt.IsZero() || r.LastError != "" {
			t.Errorf("stands as %+v", r)
		}
		attempts, err := o.Attempts(t.Context(), r.ID)
		if err != nil || len(attempts) != 1 || attempts[0].Verdict != outbox.Accepted || attempts[0].Status != 200 || attempts[0].Took <= 0 {
			t.Errorf("attempts %+v, %v", attempts, err)
		}
		stop()
		if n := countSQL(t, d, "SELECT CAST(sum(sent) AS BIGINT) FROM channel_totals"); n != 200 {
			t.Errorf("counted %d", n)
		}
	})
}
