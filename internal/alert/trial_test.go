package alert_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/alert"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// sender is a channel that a function answers for.
type sender func(d outbox.Delivery) outbox.Outcome

// Send implements outbox.Channel.
func (s sender) Send(_ context.Context, d outbox.Delivery) outbox.Outcome { return s(d) }

// serve sends by these channels until the test ends. What fails is tried again
// after pause.
func (w *world) serve(t *testing.T, pause time.Duration, channels map[string]sender) {
	t.Helper()
	for name, s := range channels {
		w.outbox.Set(name, outbox.Config{Channel: s, Backoff: outbox.Backoff{Pauses: []time.Duration{pause, time.Hour}}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := w.outbox.Run(ctx, time.Second); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); run.Wait() })
	testwait.Until(t, "the channels are served", func() bool {
		stats, err := w.outbox.Stats(t.Context())
		return err == nil && len(stats) == len(channels) && !slices.ContainsFunc(stats, func(s outbox.ChannelStats) bool { return !s.Configured })
	})
}

// awaitTried returns once an attempt at a delivery has failed.
func (w *world) awaitTried(t *testing.T, delivery int64) {
	t.Helper()
	testwait.Until(t, "the first attempt fails", func() bool {
		row, err := w.outbox.Get(t.Context(), delivery)
		return err == nil && row.LastError != ""
	})
}

func TestTrials(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, &clock{})
		accepted := func(outbox.Delivery) outbox.Outcome { return outbox.Outcome{Verdict: outbox.Accepted} }
		const pause = time.Minute
		busy := func(outbox.Delivery) outbox.Outcome {
			return outbox.Outcome{Verdict: outbox.Retry, Status: 503, Code: "503", Detail: "busy"}
		}
		var mu sync.Mutex
		var bodies []string
		w.serve(t, pause, map[string]sender{
			"telegram": func(d outbox.Delivery) outbox.Outcome {
				if d.Recipient == "nobody" {
					return outbox.Outcome{Verdict: outbox.Rejected, Status: 400, Code: "400", Detail: "chat not found"}
				}
				return accepted(d)
			},
			"webhook/pager": func(d outbox.Delivery) outbox.Outcome {
				mu.Lock()
				defer mu.Unlock()
				bodies = append(bodies, d.Payload)
				return accepted(d)
			},
			"webhook/down": busy,
			"webhook/dead": func(d outbox.Delivery) outbox.Outcome {
				o := busy(d)
				o.RetryAfter = time.Hour
				return o
			},
			"webhook/quiet": accepted,
		})
		if err := w.outbox.Pause(t.Context(), "webhook/quiet", "moving"); err != nil {
			t.Fatal(err)
		}
		for _, one := range []struct {
			channel, to string
			state       outbox.State
			why         string
		}{
			{"telegram", "1", outbox.Sent, ""},
			{"telegram", "nobody", outbox.Failed, "chat not found"},
			{"webhook/pager", "", outbox.Sent, ""},
			{"webhook/quiet", "", outbox.Waiting, "the channel is paused: moving"},
			{"viber", "1", outbox.Waiting, "the channel is not configured"},
			{"webhook/dead", "", outbox.Expired, "it could not be sent in time: 503"},
			{"webhook/down", "", outbox.Waiting, "attempt 1 failed: 503"},
		} {
			r := w.add(t, alert.Recipient{Channel: one.channel, Address: one.to})
			trials, err := w.Try(t.Context(), r)
			if err != nil || len(trials) != 1 {
				t.Fatal(trials, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
			if one.channel == "webhook/down" { // it is waited for in vain
				w.awaitTried(t, trials[0].Delivery)
				cancel()
			}
			err = w.Await(ctx, trials)
			late := ctx.Err() != nil
			cancel()
			got := trials[0]
			if err != nil || got.State != one.state || !strings.Contains(got.Why, one.why) || one.why == "" && got.Why != "" || late != (one.channel == "webhook/down") {
				t.Errorf("%s: %s, %q, %v, too late: %v", one.channel, got.State, got.Why, err, late)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if len(bodies) != 1 || !strings.HasPrefix(bodies[0], `{"type":"alert.test","timestamp":"20`) {
			t.Errorf("the webhook got %q", bodies)
		}
		if all, err := w.Try(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("nobody to try: %v, %v", all, err)
		}
	})
}

// A question by a connection that was cut off without a word is never answered: it is
// given up.
func TestRunOutlivesASilentCut(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	w := newWorld(t, dbtest.Open(t, url, db.Options{}), &clock{})
	w.chat(t, "1", ledger.EventSucceeded)
	w.addCron(t, w.shop, "import", func(s *ledger.Settings) { s.EachSuccess = true })
	line := dbtest.OpenLine(t, url)
	d := dbtest.Open(t, line.URL, db.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		alert.New(d, ledger.New(d), outbox.New(d, outbox.Options{})).Run(ctx, slog.New(slog.DiscardHandler))
	})
	t.Cleanup(func() { cancel(); run.Wait() })
	for told := 1; told <= 2; told++ {
		w.ran(t, "import", true, "")
		testwait.Until(t, "it is told of", func() bool {
			var n int
			err := w.db.QueryRow(t.Context(), "SELECT count(*) FROM deliveries").Scan(&n)
			return err == nil && n == told
		})
		line.Forget()
	}
}

// What passes through Run and the outbox comes once and in order, though the first
// attempt of everything fails.
func TestRunTellsInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, &clock{})
		got := make(chan string, 100)
		w.serve(t, 20*time.Millisecond, map[string]sender{"telegram": func(d outbox.Delivery) outbox.Outcome {
			if d.Attempt == 1 {
				return outbox.Outcome{Verdict: outbox.Retry, Code: "busy"}
			}
			got <- strings.Fields(d.Payload)[1]
			return outbox.Outcome{Verdict: outbox.Accepted}
		}})
		w.chat(t, "1", ledger.EventFailing, ledger.EventRecovered, ledger.EventSucceeded)
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { w.Run(ctx, slog.New(slog.DiscardHandler)) })
		defer run.Wait()
		defer cancel()
		w.addCron(t, w.shop, "import", func(s *ledger.Settings) { s.EachSuccess = true })
		w.ran(t, "import", false, "")
		w.ran(t, "import", true, "")
		for _, want := range []string{"failing", "recovered", "succeeded"} {
			if told := testwait.Receive(t, got); told != want {
				t.Errorf("told %q, want %q", told, want)
			}
		}
		if len(got) != 0 {
			t.Errorf("told %q as well", <-got)
		}
	})
}

func TestTrialsOfWrongRecipients(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, &clock{})
		for _, r := range []alert.Recipient{
			{Channel: "telegram"}, {Channel: "telegram", Address: "a\nb"}, {Channel: "pigeon", Address: "1"}, {Channel: "webhook/a", Address: "b"},
		} {
			if _, err := w.Alerts.Try(t.Context(), r); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%+v: %v", r, err)
			}
		}
		if all, err := w.outbox.List(t.Context(), outbox.Filter{}); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
}
