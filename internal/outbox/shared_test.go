package outbox_test

import (
	"context"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testwait"
)

// Two processes share a SQLite store and send on channels of their own. Neither takes
// the other for dead.
func TestProcessesThatShareAFile(t *testing.T) {
	const beat = 10 * time.Millisecond
	address := "sqlite://" + t.TempDir() + "/ferryman.db"
	release := make(chan struct{})
	slow := &otherSide{answer: func(context.Context, outbox.Delivery) outbox.Outcome {
		<-release
		return outbox.Outcome{Verdict: outbox.Accepted}
	}}
	start := func(channel string, side *otherSide) (*db.DB, *outbox.Outbox) {
		d := dbtest.Open(t, address, db.Options{Synchronous: "NORMAL"}) // a slow disk would have them look dead
		o := outbox.New(d, outbox.Options{})
		o.SetBeat(beat)
		o.Set(channel, outbox.Config{Channel: side})
		running(t, o, time.Second)
		return d, o
	}
	item := func(channel string) outbox.Item {
		return outbox.Item{Channel: channel, Recipient: "anna", Payload: "hello"}
	}
	d, first := start("a", slow)
	id := addItems(t, d, first, outbox.Refuse, item("a")).ids[0]
	awaitState(t, first, outbox.Sending, id)
	senders := func() int64 { return countSQL(t, d, "SELECT count(*) FROM senders") }

	other, second := start("b", &otherSide{})
	awaitState(t, second, outbox.Sent, addItems(t, other, second, outbox.Refuse, item("b")).ids...)
	late := time.Now().Add(100 * beat) // more than a life without a sign of it
	testwait.Until(t, "many beats", func() bool { return time.Now().After(late) })
	if n := senders(); n != 2 {
		t.Errorf("%d senders", n)
	}
	close(release)
	awaitState(t, first, outbox.Sent, id)
	if n, all := slow.count(), attemptsOf(t, first, id); n != 1 || len(all) != 1 || all[0].Verdict != outbox.Accepted {
		t.Errorf("sent %d times: %+v", n, all)
	}
}
