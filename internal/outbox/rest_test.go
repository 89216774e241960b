package outbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// An outbox at rest has finished what it had begun, and begins nothing.
func TestRest(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		letGo := make(chan struct{})
		side := &otherSide{answer: func(ctx context.Context, _ outbox.Delivery) outbox.Outcome {
			select {
			case <-letGo:
				return outbox.Outcome{Verdict: outbox.Accepted}
			case <-ctx.Done():
				return outbox.Outcome{Verdict: outbox.Uncertain, Code: "called_off"}
			}
		}}
		o := outbox.New(d, outbox.Options{})
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 2})
		o.Set("viber", outbox.Config{Channel: side}) // which has nothing to do
		stop := running(t, o, time.Millisecond)      // a stop would give it no time
		ids := addItems(t, d, o, outbox.Refuse, lettersTo("anna", 4)...).ids
		o.Wake("telegram")
		testwait.Until(t, "two are under way", func() bool { return side.count() == 2 })

		impatient, cancel := context.WithCancel(t.Context())
		rested := make(chan error, 1)
		go func() { rested <- o.Rest(impatient) }()
		cancel()
		if err := testwait.Receive(t, rested); !errors.Is(err, context.Canceled) {
			t.Errorf("it rests with attempts under way: %v", err)
		}
		go func() { rested <- o.Rest(t.Context()) }()
		o.Set("telegram", outbox.Config{Channel: side, Concurrency: 2}) // the one before still has its attempts
		close(letGo)
		if err := testwait.Receive(t, rested); err != nil {
			t.Fatal(err)
		}
		if n := side.count(); n != 2 {
			t.Errorf("%d were sent", n)
		}
		awaitState(t, o, outbox.Sent, ids[0], ids[1]) // in the store, before Rest has returned
		o.Wake()
		select {
		case <-time.After(300 * time.Millisecond): // longer than claiming takes
		case <-t.Context().Done():
		}
		if r := get(t, o, ids[2]); side.count() != 2 || r.State != outbox.Waiting {
			t.Errorf("at rest, %d were sent and the third is %s", side.count(), r.State)
		}
		o.EndRest()
		awaitState(t, o, outbox.Sent, ids...)
		if err := o.Rest(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		for id, n := range side.times() {
			if r := get(t, o, id); n != 1 || r.Attempts != 1 {
				t.Errorf("delivery %d went out %d times: %+v", id, n, r)
			}
		}
	})
}
