package outbox_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

// life is what a delivery has gone through.
type life struct {
	script  []outbox.Verdict // of its attempts; afterwards all are accepted
	had     []outbox.Verdict // of what was sent, in order
	crashes int              // attempts that a dead sender had claimed
	revived int              // times
	gone    bool             // it was cancelled
}

// lives is an other side that answers each delivery by its script.
type lives struct {
	mu  sync.Mutex
	all map[int64]*life
}

func (l *lives) Send(_ context.Context, d outbox.Delivery) outbox.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.all[d.ID]
	verdict := outbox.Accepted
	if n := len(one.had); n < len(one.script) {
		verdict = one.script[n]
	}
	one.had = append(one.had, verdict)
	return outbox.Outcome{Verdict: verdict, Code: string(verdict), Trouble: verdict == outbox.Uncertain}
}

func (l *lives) of(id int64) *life {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[id]
}

// Whatever happens, each delivery comes to one end that fits what its other side
// said, no attempt goes unnoted, and none is made too often.
func TestDeliveriesKeepToTheModel(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		const attempts = 3
		side := &lives{all: map[int64]*life{}}
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(5 * time.Millisecond)
		running(t, o, time.Second)
		channels := 0
		checkSome(t, func(r *rapid.T) {
			ctx := t.Context()
			channels++
			channel := fmt.Sprint("channel-", channels)
			config := outbox.Config{
				Channel: side, Concurrency: rapid.IntRange(1, 5).Draw(r, "concurrency"),
				Backoff: outbox.Doubling(attempts, time.Second, time.Second, 0.2),
			}
			if rapid.Bool().Draw(r, "rate") {
				config.Rate = outbox.Rate{N: 5, Per: time.Second}
			}
			if rapid.Bool().Draw(r, "rates of recipients") {
				config.Recipient = func(string) outbox.Rate { return outbox.Rate{N: 1, Per: time.Second} }
			}
			o.Set(channel, config)
			defer o.Unset(channel)
			var ids []int64
			pick := func() int64 {
				if len(ids) == 0 {
					r.Skip()
				}
				return rapid.SampledFrom(ids).Draw(r, "which")
			}
			steps := map[string]func(){
				"add": func() {
					items := make([]outbox.Item, rapid.IntRange(1, 5).Draw(r, "n"))
					for i := range items {
						items[i] = outbox.Item{Channel: channel, Recipient: rapid.SampledFrom([]string{"anna", "berta"}).Draw(r, "to"), OrderKey: rapid.SampledFrom([]string{"", "", "k", "l"}).Draw(r, "key")}
						if rapid.Bool().Draw(r, "later") {
							at := c.now().Add(time.Duration(rapid.IntRange(0, 5000).Draw(r, "ms")) * time.Millisecond)
							items[i].StartAt = &at
						}
						if rapid.IntRange(0, 4).Draw(r, "ends") == 0 {
							at := c.now().Add(time.Duration(rapid.IntRange(5001, 20_000).Draw(r, "ms")) * time.Millisecond)
							items[i].ExpiresAt = &at
						}
					}
					// Nobody sends them before their scripts are known.
					side.mu.Lock()
					defer side.mu.Unlock()
					for _, id := range addItems(t, d, o, outbox.Refuse, items...).ids {
						script := rapid.SliceOfN(rapid.SampledFrom([]outbox.Verdict{outbox.Accepted, outbox.Retry, outbox.Rejected, outbox.Blocked, outbox.Uncertain}), 0, 6).Draw(r, "script")
						side.all[id] = &life{script: script}
						ids = append(ids, id)
					}
					o.Wake(channel)
				},
				"time passes": func() {
					c.add(time.Duration(rapid.IntRange(1, 3000).Draw(r, "ms")) * time.Millisecond)
					o.Wake(channel)
				},
				"the clock goes back": func() { c.add(-time.Duration(rapid.IntRange(1, 3000).Draw(r, "ms")) * time.Millisecond) },
				"pause": func() {
					if err := o.Pause(ctx, channel, "a while"); err != nil {
						r.Fatal(err)
					}
				},
				"resume": func() {
					if err := o.Resume(ctx, channel); err != nil {
						r.Fatal(err)
					}
				},
				"set anew": func() { o.Set(channel, config) },
				"cancel": func() {
					id := pick()
					if err := o.Cancel(ctx, id); err == nil {
						side.of(id).gone = true
					}
				},
				"revive": func() {
					id := pick()
					if err := o.Revive(ctx, id); err == nil {
						side.of(id).revived++
						o.Wake(channel)
					}
				},
				"a sender dies": func() {
					id := pick()
					n := int64(0)
					err := d.Tx(ctx, func(tx *db.Tx) (err error) {
						n, err = tx.Exec(ctx, "UPDATE deliveries SET state = 1, sender_id = 999999, claimed_at = $1, attempts = attempts + 1 WHERE id = $2 AND state = 0 AND attempts - spared < $3",
							db.Time{Time: tx.Now()}, id, attempts)
						return err
					})
					if err != nil {
						r.Fatal(err)
					}
					side.of(id).crashes += int(n)
				},
			}
			r.Repeat(func() map[string]func(*rapid.T) {
				actions := map[string]func(*rapid.T){}
				for name, step := range steps {
					actions[name] = func(*rapid.T) { step() }
				}
				return actions
			}())
			unsettled := "SELECT count(*) FROM deliveries WHERE channel = $1 AND state IN (0, 1, 2)"
			for tries := 0; countSQL(t, d, unsettled, channel) > 0; tries++ {
				// A clock that runs ahead of the lease's renewal lets nothing be claimed.
				<-time.After(10*time.Millisecond + time.Duration(tries)*100*time.Microsecond)
				if tries > 1000 {
					r.Fatal("some are never settled")
				}
				if err := o.Resume(ctx, channel); err != nil {
					r.Fatal(err)
				}
				c.add(time.Second)
			}
			for _, id := range ids {
				one, row := side.of(id), get(t, o, id)
				if err := one.fits(row, attemptsOf(t, o, id), attempts); err != nil {
					r.Fatalf("delivery %d: %v; it is %+v after %+v", id, err, row, one)
				}
			}
		})
	})
}

// checkSome checks a property that takes long fewer times than is usual, unless it
// is said how often.
func checkSome(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("30"); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = checks.Value.Set(checks.DefValue) }()
	}
	rapid.Check(t, property)
}

// fits tells whether a delivery's end fits its life.
func (l *life) fits(row outbox.Row, all []outbox.Attempt, most int) error {
	if len(all) != len(l.had)+l.crashes || row.Attempts != len(all) {
		return fmt.Errorf("%d attempts are noted, and it was sent %d times", len(all), len(l.had))
	}
	counted, sent := 0, 0
	for i, a := range all {
		if a.N != i+1 {
			return fmt.Errorf("attempt %d is number %d", i+1, a.N)
		}
		if a.Verdict != outbox.Blocked {
			counted++
		}
		if a.Verdict == outbox.Accepted {
			sent++
		}
	}
	if counted > most*(1+l.revived) {
		return fmt.Errorf("%d attempts count", counted)
	}
	last := outbox.Verdict("")
	if len(all) > 0 {
		last = all[len(all)-1].Verdict
	}
	fine := false
	switch row.State {
	case outbox.Sent:
		fine = last == outbox.Accepted
	case outbox.Failed:
		fine = last == outbox.Rejected || counted >= most
	case outbox.Cancelled:
		fine = l.gone
	case outbox.Expired:
		fine = row.ExpiresAt != nil
	default:
	}
	if !fine || sent > 1 || sent == 1 && row.State != outbox.Sent {
		return fmt.Errorf("it is %v after %q, and was accepted %d times", row.State, last, sent)
	}
	return nil
}
