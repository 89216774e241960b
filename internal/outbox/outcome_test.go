package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// always answers each attempt with the same outcome.
func always(out outbox.Outcome) *otherSide {
	return &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome { return out }}
}

// inTurn answers the n-th attempt of all with the n-th outcome, and later ones
// with the last.
func inTurn(all ...outbox.Outcome) *otherSide {
	var mu sync.Mutex
	n := 0
	return &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
		mu.Lock()
		defer mu.Unlock()
		n++
		return all[min(n, len(all))-1]
	}}
}

// oneMinute is a backoff of three attempts.
var oneMinute = outbox.Backoff{Pauses: []time.Duration{time.Minute, 2 * time.Minute}}

func attemptsOf(tb testing.TB, o *outbox.Outbox, id int64) []outbox.Attempt {
	tb.Helper()
	all, err := o.Attempts(tb.Context(), id)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// awaitAttempt waits until the first attempt of a delivery is noted, and gives it.
func awaitAttempt(tb testing.TB, o *outbox.Outbox, id int64) outbox.Row {
	tb.Helper()
	var r outbox.Row
	testwait.Until(tb, fmt.Sprintf("an attempt of delivery %d", id), func() bool {
		noted := len(attemptsOf(tb, o, id)) == 1 // first: a row read before may be older
		r = get(tb, o, id)
		return noted && r.State != outbox.Sending
	})
	return r
}

func TestWhatAnOutcomeLeadsTo(t *testing.T) {
	cases := map[string]struct {
		out        outbox.Outcome
		hold       bool
		repeatable bool
		expires    time.Duration
		state      outbox.State
		again      time.Duration // after the attempt
		lastError  string
	}{
		"accepted":        {out: outbox.Outcome{Verdict: outbox.Accepted, Status: 200}, state: outbox.Sent},
		"retry":           {out: outbox.Outcome{Verdict: outbox.Retry, Status: 502}, again: time.Minute, lastError: "http_502"},
		"retry after":     {out: outbox.Outcome{Verdict: outbox.Retry, Code: "busy", Detail: "later", RetryAfter: time.Hour}, again: time.Hour, lastError: "busy: later"},
		"retry far after": {out: outbox.Outcome{Verdict: outbox.Retry, Code: "busy", RetryAfter: 1000 * time.Hour}, again: 24 * time.Hour, lastError: "busy"},
		"retry too late":  {out: outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}, expires: time.Minute, state: outbox.Expired, lastError: "busy"},
		"retry in time":   {out: outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}, expires: time.Minute + 1000, again: time.Minute, lastError: "busy"},
		"rejected":        {out: outbox.Outcome{Verdict: outbox.Rejected, Code: "chat_not_found"}, state: outbox.Failed, lastError: "chat_not_found"},
		"uncertain":       {out: outbox.Outcome{Verdict: outbox.Uncertain, Code: "timeout"}, again: time.Minute, lastError: "timeout"},
		"uncertain, held": {out: outbox.Outcome{Verdict: outbox.Uncertain, Code: "timeout"}, hold: true, state: outbox.Failed, lastError: "uncertain: timeout"},
		"uncertain, known there": {out: outbox.Outcome{Verdict: outbox.Uncertain, Code: "timeout"}, hold: true, repeatable: true,
			again: time.Minute, lastError: "timeout"},
		"no verdict":   {out: outbox.Outcome{Verdict: "great"}, again: time.Minute, lastError: "no_verdict"},
		"bad text":     {out: outbox.Outcome{Verdict: outbox.Rejected, Code: "c\x00", Detail: "a\xff\x00b"}, state: outbox.Failed, lastError: "c: a\uFFFDb"},
		"much to tell": {out: outbox.Outcome{Verdict: outbox.Rejected, Code: "c", Detail: strings.Repeat("ö", 9000)}, state: outbox.Failed, lastError: "c: " + strings.Repeat("ö", 248)},
	}
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		for name, one := range cases {
			t.Run(name, func(t *testing.T) {
				o := outbox.New(d, outbox.Options{Hold: one.hold})
				o.Set(name, outbox.Config{Channel: always(one.out), Backoff: oneMinute, Repeatable: one.repeatable})
				item := outbox.Item{Channel: name, Recipient: "anna", Payload: "hello"}
				if one.expires > 0 {
					at := c.now().Add(one.expires)
					item.ExpiresAt = &at
				}
				id := addItems(t, d, o, outbox.Refuse, item).ids[0]
				running(t, o, time.Second)
				r := awaitAttempt(t, o, id)
				if r.State != one.state || r.LastError != one.lastError || r.Attempts != 1 || r.EndedAt.IsZero() != (one.state == outbox.Waiting) {
					t.Errorf("stands as %+v", r)
				}
				if r.State == outbox.Waiting && !r.DueAt.Equal(c.now().Add(one.again)) {
					t.Errorf("again after %v, want %v", r.DueAt.Sub(c.now()), one.again)
				}
				if a := attemptsOf(t, o, id)[0]; a.N != 1 || len(a.Detail) > outbox.MaxDetail || a.Status != one.out.Status || !a.At.Equal(c.now()) {
					t.Errorf("attempt %+v", a)
				}
			})
		}
	})
}

func TestAttemptsAreExhausted(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), always(outbox.Outcome{Verdict: outbox.Retry, Code: "no"})
		o.Set("telegram", outbox.Config{Channel: side, Backoff: outbox.Backoff{Pauses: []time.Duration{0, 0}}})
		id := addItems(t, d, o, outbox.Refuse, letterTo("anna", "hello")).ids[0]
		running(t, o, time.Second)
		awaitState(t, o, outbox.Failed, id)
		if n := side.count(); n != 3 {
			t.Errorf("%d attempts", n)
		}
		// A person's second chance is as good as the first.
		if err := o.Revive(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		o.Wake("telegram")
		testwait.Until(t, "three attempts more", func() bool { return side.count() == 6 })
		awaitState(t, o, outbox.Failed, id)
		if r := get(t, o, id); r.Attempts != 6 || len(attemptsOf(t, o, id)) != 6 {
			t.Errorf("stands as %+v", r)
		}
	})
}

// errorsIn collects lines of level error.
type errorsIn struct {
	slog.Handler
	mu  sync.Mutex
	all []string
}

func (e *errorsIn) Enabled(context.Context, slog.Level) bool { return true }
func (e *errorsIn) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, r.Message)
	}
	return nil
}

// standingOf is how the channel of all letters stands.
func standingOf(tb testing.TB, o *outbox.Outbox) outbox.ChannelStats {
	tb.Helper()
	all, err := o.Stats(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	i := slices.IndexFunc(all, func(c outbox.ChannelStats) bool { return c.Name == "telegram" })
	if i < 0 {
		return outbox.ChannelStats{}
	}
	return all[i]
}

// What a bad token holds up has not failed, and goes once somebody has seen to it.
func TestABlockedChannelIsPaused(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		lines := &errorsIn{}
		o := outbox.New(d, outbox.Options{Logger: slog.New(lines)})
		side := always(outbox.Outcome{Verdict: outbox.Blocked, Status: 401, Code: "unauthorized", Detail: "bad token"})
		o.Set("telegram", outbox.Config{Channel: side, Backoff: oneMinute})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 100)...).ids
		running(t, o, time.Second)
		testwait.Until(t, "the channel is paused", func() bool { return standingOf(t, o).PausedBy == "fault" })
		if s := standingOf(t, o); s.PauseReason != "unauthorized: bad token" || !s.Configured {
			t.Errorf("stands as %+v", s)
		}
		awaitState(t, o, outbox.Waiting, ids...)
		if n := side.count(); n > 64 {
			t.Errorf("%d attempts", n)
		}
		said := func() []string { lines.mu.Lock(); defer lines.mu.Unlock(); return slices.Clone(lines.all) }
		testwait.Until(t, "it is said", func() bool { return len(said()) > 0 }) // once it is in the store
		if all := said(); len(all) != 1 {
			t.Errorf("said %q", all)
		}
		o.Set("telegram", outbox.Config{Channel: &otherSide{}, Backoff: outbox.Backoff{Pauses: []time.Duration{}}})
		awaitState(t, o, outbox.Sent, ids...)
	})
}

func TestAPersonsPauseStays(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		if err := o.Pause(t.Context(), "telegram", "holidays"); err != nil {
			t.Fatal(err)
		}
		o.Set("telegram", outbox.Config{Channel: side})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 3)...).ids
		running(t, o, time.Second)
		testwait.Until(t, "the channel is served", func() bool { return standingOf(t, o).Configured })
		if s := standingOf(t, o); s.PausedBy != "person" || s.Due != 3 || side.count() != 0 {
			t.Errorf("stands as %+v after %d attempts", s, side.count())
		}
		if err := o.Resume(t.Context(), "telegram"); err != nil {
			t.Fatal(err)
		}
		awaitState(t, o, outbox.Sent, ids...)
	})
}

// An other side in trouble is left in peace, and then asked by one at a time.
func TestTroubleMakesAChannelRest(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		trouble := outbox.Outcome{Verdict: outbox.Retry, Status: 503, Trouble: true}
		var well sync.Mutex
		fine := false
		side := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
			well.Lock()
			defer well.Unlock()
			if fine {
				return outbox.Outcome{Verdict: outbox.Accepted}
			}
			return trouble
		}}
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 5, Backoff: outbox.Doubling(100, time.Second, time.Second, 0)})
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 50)...).ids
		running(t, o, time.Second)
		rested := func() time.Duration { return standingOf(t, o).HeldUntil.Sub(c.now()) }
		noted := func() int { return int(countSQL(t, d, "SELECT count(*) FROM attempts")) }
		testwait.Until(t, "the channel rests", func() bool { return rested() > 0 && noted() == side.count() })
		first := side.count() // some begin before the fifth has failed
		if first > 9 {
			t.Errorf("%d attempts", first)
		}
		for k, want := range []float64{2, 4, 8, 16, 30, 30, 30} {
			c.add(rested() + time.Microsecond)
			o.Wake()
			testwait.Until(t, "a probe has failed", func() bool { return noted() == first+1+k })
			if got := rested().Seconds(); got < want*0.8 || got > want*1.2 {
				t.Errorf("after %d probes it rests for %v s", k+1, got)
			}
		}
		well.Lock()
		fine = true
		well.Unlock()
		c.add(rested() + time.Microsecond)
		o.Wake()
		awaitState(t, o, outbox.Sent, ids...)
		if s := standingOf(t, o); !s.HeldUntil.IsZero() {
			t.Errorf("stands as %+v", s)
		}
	})
}

// An outage longer than all pauses costs a patient channel's deliveries nothing
// but time; what may have arrived is not repeated for ever.
func TestAnOutage(t *testing.T) {
	for name, one := range map[string]struct {
		patient bool
		verdict outbox.Verdict
		want    outbox.State
	}{
		"patient":     {true, outbox.Retry, outbox.Sent},
		"not patient": {false, outbox.Retry, outbox.Failed},
		"uncertain":   {true, outbox.Uncertain, outbox.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			c := newStoreClock()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				over := c.now().Add(time.Hour)
				side := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
					if c.now().Before(over) {
						return outbox.Outcome{Verdict: one.verdict, Code: "down", Trouble: true}
					}
					return outbox.Outcome{Verdict: outbox.Accepted}
				}}
				o := outbox.New(d, outbox.Options{})
				o.SetBeat(5 * time.Millisecond)
				o.Set("telegram", outbox.Config{Channel: side, Patient: one.patient, Backoff: outbox.Doubling(3, time.Second, time.Second, 0)})
				ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 5)...).ids
				running(t, o, time.Second)
				testwait.Until(t, "all are settled", func() bool {
					c.add(2 * time.Minute)
					seeBeat(t, d, c) // a clock that runs ahead of the lease lets nothing be claimed
					o.Wake()
					seeBeat(t, d, c)
					return countSQL(t, d, "SELECT count(*) FROM deliveries WHERE state < 3") == 0
				})
				awaitState(t, o, one.want, ids...)
				if n := side.count(); one.want == outbox.Failed && n != 15 || one.want == outbox.Sent && n <= 15 {
					t.Errorf("%d attempts", n)
				}
			})
		})
	}
}

// What is uncertain is repeated, but not for ever: somebody may get it each time.
func TestUncertainIsRepeatedTwice(t *testing.T) {
	for name, one := range map[string]struct {
		repeatable bool
		attempts   int
		code       string
	}{
		"messenger": {false, 3, "uncertain: lost"},
		"webhook":   {true, 5, "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newStoreClock()
			dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
				side := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
					return outbox.Outcome{Verdict: outbox.Uncertain, Code: "lost"}
				}}
				o := outbox.New(d, outbox.Options{})
				o.SetBeat(5 * time.Millisecond)
				o.Set("telegram", outbox.Config{Channel: side, Repeatable: one.repeatable, Backoff: outbox.Doubling(5, time.Second, time.Second, 0)})
				id := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 1)...).ids[0]
				running(t, o, time.Second)
				testwait.Until(t, "it has failed", func() bool {
					c.add(time.Second)
					seeBeat(t, d, c)
					o.Wake()
					seeBeat(t, d, c)
					return get(t, o, id).State == outbox.Failed
				})
				if row := get(t, o, id); row.Attempts != one.attempts || row.Uncertain != one.attempts || row.LastError != one.code {
					t.Errorf("%+v", row)
				}
			})
		})
	}
}

// An alert does not wait for a campaign, and a recipient that troubles the other
// side holds up nobody else.
func TestWhatGoesFirst(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		side := &otherSide{answer: func(_ context.Context, one outbox.Delivery) outbox.Outcome {
			if one.Recipient == "poison" {
				return outbox.Outcome{Verdict: outbox.Retry, Status: 500, Trouble: true}
			}
			return outbox.Outcome{Verdict: outbox.Accepted}
		}}
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(5 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 1, Patient: true, Backoff: outbox.Doubling(3, time.Second, time.Second, 0)})
		addItems(t, d, o, outbox.Refuse, lettersTo("poison", 6)...)
		running(t, o, time.Second)
		testwait.Until(t, "the channel rests", func() bool { return standingOf(t, o).HeldUntil.After(c.now()) })
		letters := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 20)...).ids
		alert := addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "telegram", Topic: outbox.Alert, Recipient: "anna", Payload: "!"}).ids[0]
		before := side.count()
		c.add(standingOf(t, o).HeldUntil.Sub(c.now()) + time.Microsecond)
		o.Wake()
		awaitState(t, o, outbox.Sent, append(letters, alert)...)
		if first := side.deliveries()[before]; first.ID != alert {
			t.Errorf("%d goes first, and not the alert %d", first.ID, alert)
		}
	})
}

func TestRestsThatTheOtherSideAsksFor(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(20 * time.Millisecond)
		accepted := outbox.Outcome{Verdict: outbox.Accepted}
		all := inTurn(outbox.Outcome{Verdict: outbox.Retry, Code: "slow", RetryAfter: 10 * time.Minute, Rest: outbox.TheChannel}, accepted)
		o.Set("all", outbox.Config{Channel: all, Concurrency: 1})
		one := inTurn(outbox.Outcome{Verdict: outbox.Retry, Code: "slow", RetryAfter: 10 * time.Minute, Rest: outbox.TheRecipient}, accepted)
		o.Set("one", outbox.Config{Channel: one, Concurrency: 1, Recipient: func(string) outbox.Rate { return outbox.Rate{} }})
		var items []outbox.Item
		for _, to := range []string{"anna", "anna", "berta"} {
			items = append(items, outbox.Item{Channel: "all", Recipient: to}, outbox.Item{Channel: "one", Recipient: to})
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		running(t, o, time.Second)
		awaitState(t, o, outbox.Sent, ids[5])
		awaitAttempt(t, o, ids[0])
		if all.count() != 1 || one.count() != 2 || get(t, o, ids[3]).State != outbox.Waiting {
			t.Errorf("%d and %d attempts", all.count(), one.count())
		}
		c.add(10*time.Minute - time.Microsecond)
		o.Wake()
		id := addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "one", Recipient: "carla"}).ids[0]
		o.Wake()
		awaitState(t, o, outbox.Sent, id)
		if all.count() != 1 || one.count() != 3 {
			t.Errorf("%d and %d attempts before the time", all.count(), one.count())
		}
		c.add(time.Microsecond)
		o.Wake()
		awaitState(t, o, outbox.Sent, ids...)
	})
}

func TestNothingGoesAfterItsEnd(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, side := outbox.New(d, outbox.Options{}), &otherSide{}
		o.SetBeat(20 * time.Millisecond)
		o.Set("telegram", outbox.Config{Channel: side})
		if err := o.Pause(t.Context(), "viber", "holidays"); err != nil {
			t.Fatal(err)
		}
		start, end := c.now().Add(time.Hour), c.now().Add(time.Hour+time.Second)
		var items []outbox.Item
		for _, channel := range []string{"telegram", "viber", "nobody"} {
			for range 2 {
				items = append(items, outbox.Item{Channel: channel, Recipient: "anna", StartAt: &start, ExpiresAt: &end, OrderKey: "k"})
			}
			items = append(items, outbox.Item{Channel: channel, Recipient: "anna", StartAt: &end, OrderKey: "k"})
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		running(t, o, time.Second)
		c.add(2 * time.Hour)
		awaitState(t, o, outbox.Expired, ids[0], ids[1], ids[3], ids[4], ids[6], ids[7])
		awaitState(t, o, outbox.Sent, ids[2])
		awaitState(t, o, outbox.Waiting, ids[5], ids[8])
		if s := standingOf(t, o); s.Totals.Expired != 2 || s.Totals.Sent != 1 {
			t.Errorf("counted %+v", s.Totals)
		}
		if n := side.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestInOrder(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		side := &otherSide{answer: func(_ context.Context, d outbox.Delivery) outbox.Outcome {
			switch {
			case d.Payload == "text 3":
				return outbox.Outcome{Verdict: outbox.Rejected, Code: "no"}
			case d.Attempt < 3:
				return outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}
			default:
				return outbox.Outcome{Verdict: outbox.Accepted}
			}
		}}
		o := outbox.New(d, outbox.Options{})
		o.Set("telegram", outbox.Config{Channel: side, Backoff: outbox.Doubling(5, 0, 0, 0)})
		var items []outbox.Item
		for _, to := range []string{"anna", "berta", "carla"} {
			for _, item := range lettersTo(to, 20) {
				item.OrderKey = to
				items = append(items, item)
			}
		}
		ids := addItems(t, d, o, outbox.Refuse, items...).ids
		running(t, o, time.Second)
		last := map[string]int64{}
		for i, id := range ids {
			want := outbox.Sent
			if i%20 == 3 {
				want = outbox.Failed
			}
			awaitState(t, o, want, id)
		}
		for _, got := range side.deliveries() {
			if got.ID < last[got.Recipient] {
				t.Errorf("%d was sent after %d", got.ID, last[got.Recipient])
			}
			last[got.Recipient] = got.ID
		}
	})
}
