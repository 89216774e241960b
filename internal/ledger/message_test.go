package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

func started(t *testing.T, l *ledger.Ledger, slug string) ledger.Execution {
	t.Helper()
	cron := create(t, l, 1, slug, nil)
	e, _, err := l.Start(t.Context(), ledger.Start{App: 1, Cron: ledger.Ref{ID: cron.ID}, Trigger: ledger.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func lines(from, to int) (all []ledger.Message) {
	for i := from; i <= to; i++ {
		all = append(all, ledger.Message{Type: ledger.Info, Text: fmt.Sprint(i)})
	}
	return all
}

func said(t *testing.T, l *ledger.Ledger, id int64) (texts []string) {
	t.Helper()
	all, err := l.Messages(t.Context(), id, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		texts = append(texts, m.Text)
	}
	return texts
}

func TestOfManyMessagesTheFirstAndTheLastAreKept(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		e := started(t, l, "chatty")
		for from := 1; from < 7000; from += 1000 {
			out, err := l.Say(ctx, 1, e.ID, lines(from, from+999))
			if err != nil || len(out) != 1000 {
				t.Fatal(len(out), err)
			}
		}
		if _, err := l.Say(ctx, 1, e.ID, lines(7001, 7001)); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := 1; i <= 7001; i++ {
			if i <= 2500 || i > 7001-2500 {
				want = append(want, fmt.Sprint(i))
			}
		}
		if got := said(t, l, e.ID); !slices.Equal(got, want) {
			t.Errorf("%d messages are kept: %s … %s", len(got), got[0], got[len(got)-1])
		}
		got, err := l.Execution(ctx, 1, e.ID)
		if err != nil || got.Messages != 7001 || got.Dropped() != 2001 {
			t.Errorf("%d messages, %d dropped, %v", got.Messages, got.Dropped(), err)
		}
	})
}

// However many messages of whatever size come in whatever portions: what is kept
// is a beginning and an end of them, within the bounds, and nothing is dropped
// before it must be.
func TestMessagesAreBounded(t *testing.T) {
	const each, bytes = 2500, 5 << 20 / 2
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{Synchronous: "NORMAL"})
	l, ctx := ledger.New(d), t.Context()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 12 {
		e := started(t, l, fmt.Sprintf("cron-%d", i))
		var sizes []int
		for range 1 + random.IntN(6) {
			size := []int{1, 1000, 20_000, ledger.MaxMessage, ledger.MaxMessage + 5}[random.IntN(5)]
			portion := make([]ledger.Message, 1+random.IntN(min(1000, 3<<20/size)))
			for i := range portion {
				portion[i] = ledger.Message{Type: ledger.Info, Text: strings.Repeat("x", size)}
				sizes = append(sizes, min(size, ledger.MaxMessage))
			}
			out, err := l.Say(ctx, 1, e.ID, portion)
			if err != nil {
				t.Fatal(err)
			}
			if out[0].Truncated != (size > ledger.MaxMessage) {
				t.Fatalf("%d bytes: truncated is %v", size, out[0].Truncated)
			}
		}
		got, err := l.Execution(ctx, 1, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		fit := func(sizes []int) (n int) {
			for sum := 0; n < len(sizes) && n < each && sum+sizes[n] <= bytes; n++ {
				sum += sizes[n]
			}
			return n
		}
		head := fit(sizes)
		rest := slices.Clone(sizes[head:])
		slices.Reverse(rest)
		tail := fit(rest)
		kept := said(t, l, e.ID)
		if len(kept) != head+tail || got.Dropped() != int64(len(sizes)-head-tail) || got.Messages != int64(len(sizes)) {
			t.Fatalf("case %d: of %d messages %d are kept and %d dropped, want %d and %d", i, len(sizes), len(kept), got.Dropped(), head, tail)
		}
	}
}

func TestALongMessageKeepsItsEnd(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := ledger.New(d)
		e := started(t, l, "long")
		text := "begin" + strings.Repeat("é", ledger.MaxMessage/2) + "!"
		out, err := l.Say(t.Context(), 1, e.ID, []ledger.Message{{Type: ledger.Info, Text: text}})
		if err != nil || !out[0].Truncated {
			t.Fatal(out, err)
		}
		if got := said(t, l, e.ID)[0]; got != strings.Repeat("é", ledger.MaxMessage/2-1)+"!" {
			t.Errorf("%d bytes are kept, from %q", len(got), got[:8])
		}
	})
}

func TestMessagesAfterTheEnd(t *testing.T) {
	c := newClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		e := started(t, l, "late")
		if _, err := l.Report(ctx, 1, e.ID, ledger.Report{Success: true, Type: ledger.Succeeded, Message: "done"}); err != nil {
			t.Fatal(err)
		}
		c.add(24 * time.Hour)
		out, err := l.Say(ctx, 1, e.ID, lines(1, 1))
		if err != nil || !out[0].Late {
			t.Errorf("after a day: %+v, %v", out, err)
		}
		c.add(time.Microsecond)
		if _, err := l.Say(ctx, 1, e.ID, lines(2, 2)); !errors.Is(err, ledger.ErrTooLate) {
			t.Errorf("after more than a day: %v", err)
		}
		if _, err := l.Say(ctx, 2, e.ID, lines(3, 3)); !errors.Is(err, ledger.ErrNoExecution) {
			t.Errorf("of another application: %v", err)
		}
		if got := said(t, l, e.ID); !slices.Equal(got, []string{"done", "1"}) {
			t.Errorf("messages %q", got)
		}
	})
}
