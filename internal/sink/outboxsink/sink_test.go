package outboxsink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/testwait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// postings is a table as the source has it.
func postings() *pipeline.Table {
	t := &pipeline.Table{Name: "transactions", Key: []string{"contact_id", "fired"}}
	for _, name := range []string{"contact_id", "fired", "hash", "contact", "transaction"} {
		t.Columns = append(t.Columns, pipeline.Column{Name: name, Type: pipeline.Text})
	}
	return t
}

// row is a transaction with few words.
func row(contact, fired, hash string) []any {
	return []any{contact, fired, hash, fmt.Sprintf("{\"$id\":%q}", contact), fmt.Sprintf("{\"fired\":%q,\"hash\":%q}", fired, hash)}
}

func body(contact, fired, hash, state string) string {
	return fmt.Sprintf("{\"contact\":{\"$id\":%q},\"transaction\":{\"fired\":%q,\"hash\":%q},\"state\":%q}", contact, fired, hash, state)
}

func batch(next pipeline.Cursor, rows ...[]any) pipeline.Batch {
	return pipeline.Batch{Changes: []pipeline.Change{{Table: postings(), Rows: rows}}, Next: next}
}

// open opens a sink as a run does.
func open(tb testing.TB, d *db.DB, o outboxsink.Options) *outboxsink.Sink {
	tb.Helper()
	if o.Pipeline == "" {
		o.Pipeline, o.Channel = "contacts/c", "contacts/c"
	}
	s := outboxsink.New(d, outbox.New(d, outbox.Options{}), o)
	if _, err := s.Cursor(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

func write(tb testing.TB, s *outboxsink.Sink, b pipeline.Batch) pipeline.TableCount {
	tb.Helper()
	landed, err := s.Write(tb.Context(), b)
	if err != nil {
		tb.Fatal(err)
	}
	if len(landed) != 1 || landed[0].Table != "transactions" {
		tb.Fatalf("landed %+v", landed)
	}
	landed[0].Micros = 0
	return landed[0]
}

func deliveries(tb testing.TB, d *db.DB, f outbox.Filter) []outbox.Row {
	tb.Helper()
	f.Limit = 1000
	rows, err := outbox.New(d, outbox.Options{}).List(tb.Context(), f)
	if err != nil {
		tb.Fatal(err)
	}
	return rows
}

func bodies(tb testing.TB, d *db.DB, f outbox.Filter) []string {
	tb.Helper()
	rows := deliveries(tb, d, f)
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = r.Payload
	}
	return all
}

func wantBodies(tb testing.TB, d *db.DB, want ...string) {
	tb.Helper()
	if got := bodies(tb, d, outbox.Filter{}); !slices.Equal(got, want) {
		tb.Errorf("the outbox holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// each runs a test on a store of either database.
func each(t *testing.T, run func(t *testing.T, d *db.DB)) {
	t.Helper()
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, run)
}

func TestWriteTellsNewFromUpdated(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{})
		var want []string
		for i, step := range []struct {
			rows   [][]any
			counts string // read, inserted, updated, unchanged
			bodies []string
		}{
			{[][]any{row("a", "1", "A"), row("a", "2", "A"), row("b", "1", "A")}, "3 3 0 0", []string{body("a", "1", "A", "new"), body("a", "2", "A", "new"), body("b", "1", "A", "new")}},
			{[][]any{row("a", "1", "A"), row("a", "2", "A"), row("b", "1", "A")}, "3 0 0 3", nil},
			{[][]any{row("a", "2", "B"), row("a", "3", "A")}, "2 1 1 0", []string{body("a", "2", "B", "updated"), body("a", "3", "A", "new")}},
			{[][]any{row("a", "2", "A")}, "1 0 1 0", []string{body("a", "2", "A", "updated")}}, // it has changed back
			{[][]any{row("a", "2", "B")}, "1 0 1 0", []string{body("a", "2", "B", "updated")}}, // and again
			{[][]any{row("b", "1", "B"), row("b", "2", "A"), row("b", "1", "C")}, "2 1 1 0", []string{body("b", "2", "A", "new"), body("b", "1", "C", "updated")}},
			{[][]any{row("b", "1", "B"), row("b", "1", "C")}, "1 0 0 1", nil}, // the last one is what counts
			{nil, "0 0 0 0", nil},
		} {
			got := write(t, s, batch(pipeline.Cursor(fmt.Sprint(i)), step.rows...))
			if text := fmt.Sprint(got.Read, got.Inserted, got.Updated, got.Unchanged); text != step.counts || got.Written != got.Inserted+got.Updated || got.Rejected != 0 {
				t.Errorf("step %d: %+v, want %s", i, got, step.counts)
			}
			if len(step.rows) > 0 && got.Bytes == 0 {
				t.Errorf("step %d: no bytes", i)
			}
			want = append(want, step.bodies...)
			wantBodies(t, d, want...)
		}
		if cursor, err := s.Cursor(t.Context()); err != nil || cursor != "7" {
			t.Errorf("the cursor is %q, %v", cursor, err)
		}
		for _, r := range deliveries(t, d, outbox.Filter{Recipient: "b"}) {
			if r.Topic != outbox.Contact || r.Channel != "contacts/c" || r.OrderKey != "b" {
				t.Errorf("%+v", r)
			}
		}
		// To another pipeline all of it is new.
		other := open(t, d, outboxsink.Options{Pipeline: "contacts/d", Channel: "contacts/d"})
		if got := write(t, other, batch("0", row("a", "1", "A"))); got.Inserted != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestOrderIsByContactOrNone(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct {
			name string
			any  bool
			want []outbox.State
		}{
			{"by contact", false, []outbox.State{outbox.Waiting, outbox.Waiting, outbox.Behind}},
			{"in any order", true, []outbox.State{outbox.Waiting, outbox.Waiting, outbox.Waiting}},
		} {
			s := open(t, d, outboxsink.Options{Pipeline: c.name, Channel: c.name, AnyOrder: c.any})
			write(t, s, batch("1", row("a", "1", "A"), row("b", "1", "A"), row("a", "2", "A")))
			var got []outbox.State
			for _, r := range deliveries(t, d, outbox.Filter{Channel: c.name}) {
				got = append(got, r.State)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: states %d, want %d", c.name, got, c.want)
			}
		}
	})
}

// A batch that takes several statements, and several calls of the outbox.
func TestManyAndLarge(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{})
		var rows [][]any
		for i := range 2500 {
			rows = append(rows, row(fmt.Sprint(i%700), fmt.Sprintf("%04d", i), "A"))
		}
		large := strings.Repeat("x", 7<<20)
		for i := range 6 {
			rows = append(rows, []any{"large", fmt.Sprint(i), "A", `"` + large + `"`, "{}"})
		}
		if got := write(t, s, batch("1", rows...)); got.Inserted != 2506 || got.Bytes < 42<<20 {
			t.Errorf("%+v", got)
		}
		before := map[string]string{}
		after := int64(0)
		for n := 0; n < 2500; {
			page := deliveries(t, d, outbox.Filter{After: after})
			for _, r := range page {
				if r.Recipient != "large" && r.Payload <= before[r.Recipient] {
					t.Fatalf("%s comes after %s", r.Payload, before[r.Recipient])
				}
				before[r.Recipient], after = r.Payload, r.ID
			}
			if n += len(page); len(page) == 0 {
				t.Fatalf("%d deliveries", n)
			}
		}
		if got := write(t, s, batch("2", rows...)); got.Unchanged != 2506 || got.Written != 0 {
			t.Errorf("again: %+v", got)
		}
	})
}

func TestWhatCannotBePostedIsSeen(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		var log bytes.Buffer
		s := open(t, d, outboxsink.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		large := func(hash string) []any {
			return []any{"a", "1", hash, `"` + strings.Repeat("x", 8<<20) + `"`, "{}"}
		}
		b := batch("1", large("A"), row("a", "2", "A"), []any{"b", "1", "A", "{}", nil}, []any{"b"}, row(strings.Repeat("l", 300), "1", "A"))
		b.Changes[0].Rejected = []pipeline.Rejected{{Key: "k", Row: []any{"c", nil}, Reason: "it has no time"}, {Key: "bad\x00\xff", Reason: "no id"}}
		if got := write(t, s, b); got.Rejected != 6 || got.Read != 5 || got.Inserted != 1 {
			t.Errorf("%+v", got)
		}
		dead := deliveries(t, d, outbox.Filter{States: []outbox.State{outbox.Failed}})
		var got []string
		for _, r := range dead {
			code, _, _ := strings.Cut(r.LastError, ":")
			got = append(got, fmt.Sprintf("%.10s %s", r.Recipient, code))
			if !json.Valid([]byte(r.Payload)) || len(r.Payload) > 5000 || r.EndedAt.IsZero() {
				t.Errorf("%+v", r)
			}
			if err := outbox.New(d, outbox.Options{}).Revive(t.Context(), r.ID); fault.CodeOf(err) != outbox.ErrState {
				t.Errorf("revived %s: %v", r.Payload, err)
			}
			if !strings.Contains(log.String(), "contact="+r.Recipient) && !strings.HasPrefix(r.Recipient, "bad") {
				t.Errorf("nothing of %q is logged", r.Recipient)
			}
		}
		want := []string{"b malformed", "b malformed", "llllllllll malformed", "c rejected", "bad\uFFFD\uFFFD rejected", "a payload_too_large"}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("dead letters %q, want %q", got, want)
		}
		if n, err := outbox.New(d, outbox.Options{}).Replay(t.Context(), outbox.Selection{All: true}); n != 0 || err != nil {
			t.Errorf("%d were replayed, %v", n, err)
		}
		// They come again: there is a dead letter of each already.
		if got := write(t, s, b2(b, "2")); got.Rejected != 5 || got.Unchanged != 2 {
			t.Errorf("again: %+v", got)
		}
		if again := deliveries(t, d, outbox.Filter{States: []outbox.State{outbox.Failed}}); len(again) != len(dead) {
			t.Errorf("%d dead letters", len(again))
		}
		// What was never posted is new once it can be.
		write(t, s, batch("3", large("B")))
		write(t, s, batch("4", row("a", "1", "C")))
		write(t, s, batch("5", large("D")))
		write(t, s, batch("6", row("a", "1", "C")))
		got = bodies(t, d, outbox.Filter{Recipient: "a", States: []outbox.State{outbox.Waiting, outbox.Behind}})
		if want := []string{body("a", "2", "A", "new"), body("a", "1", "C", "new"), body("a", "1", "C", "updated")}; !slices.Equal(got, want) {
			t.Errorf("posted %q", got)
		}
	})
}

// b2 is a batch with another cursor.
func b2(b pipeline.Batch, next pipeline.Cursor) pipeline.Batch {
	b.Next = next
	return b
}

// Many refused rows do not flood the log.
func TestFewOfManyAreLogged(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	var log bytes.Buffer
	s := open(t, d, outboxsink.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	b := batch("1")
	for i := range 100 {
		b.Changes[0].Rejected = append(b.Changes[0].Rejected, pipeline.Rejected{Key: fmt.Sprint(i), Reason: "no"})
	}
	write(t, s, b)
	if n := strings.Count(log.String(), "\n"); n != 11 || !strings.Contains(log.String(), "rejected=90") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

func TestWholeBatchesAreRefusedWhole(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{})
		for _, b := range []pipeline.Batch{
			batch("1", row("a", "1", "A"), []any{"a", "2", "A", "{}", nil}),
			batch("1", row("a", "1", "A"), []any{"a", "2", "A", strings.Repeat("x", 8<<20), "{}"}),
		} {
			b.Whole = true
			if _, err := s.Write(t.Context(), b); fault.CodeOf(err) != "webhook_refused_row" || fault.Temporary(err) {
				t.Errorf("%v", err)
			}
		}
		wantBodies(t, d)
		b := batch("1", row("a", "1", "A"))
		b.Whole = true
		write(t, s, b)
		wantBodies(t, d, body("a", "1", "A", "new"))
	})
}

func TestOtherTablesAreRefused(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	b := batch("1", row("a", "1", "A"))
	b.Changes[0].Table.Columns[2].Name = "md5"
	if _, err := open(t, d, outboxsink.Options{}).Write(t.Context(), b); fault.CodeOf(err) != "webhook_table" || !strings.Contains(err.Error(), "hash") {
		t.Errorf("%v", err)
	}
}

// The columns are found by their names.
func TestColumnsInAnotherOrder(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	b := batch("1", row("a", "1", "A"))
	slices.Reverse(b.Changes[0].Table.Columns)
	slices.Reverse(b.Changes[0].Rows[0])
	write(t, open(t, d, outboxsink.Options{}), b)
	wantBodies(t, d, body("a", "1", "A", "new"))
}

func TestTextThatNoDatabaseTakes(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{})
		if got := write(t, s, batch("1", []any{"a\x00", "1\xff", "A", "\"\xff\"", "\"\x00\\u0000\""})); got.Inserted != 1 {
			t.Errorf("%+v", got)
		}
		wantBodies(t, d, "{\"contact\":\"\uFFFD\",\"transaction\":\"\uFFFD\\u0000\",\"state\":\"new\"}")
	})
}

func TestBacklogHoldsTheCursor(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{MaxBacklog: 3})
		write(t, s, batch("1", row("a", "1", "A"), row("a", "2", "A")))
		write(t, s, batch("2", row("a", "3", "A"), row("b", "1", "A"))) // over by a part of a batch
		held := func(s *outboxsink.Sink) {
			t.Helper()
			if _, err := s.Write(t.Context(), batch("3", row("c", "1", "A"))); fault.CodeOf(err) != "webhook_backlog" || !fault.Temporary(err) {
				t.Errorf("%v", err)
			}
		}
		held(s)
		if cursor, err := s.Cursor(t.Context()); err != nil || cursor != "2" {
			t.Errorf("the cursor is %q, %v", cursor, err)
		}
		held(s)
		held(open(t, d, outboxsink.Options{MaxBacklog: 3}))
		if _, err := s.Write(t.Context(), pipeline.Batch{Next: "3"}); err != nil { // it adds nothing
			t.Error(err)
		}
		// Other channels do not count, and what is settled neither.
		write(t, open(t, d, outboxsink.Options{Pipeline: "d", Channel: "d", MaxBacklog: 1}), batch("1", row("c", "1", "A")))
		box := outbox.New(d, outbox.Options{})
		for _, r := range deliveries(t, d, outbox.Filter{Recipient: "a", Channel: "contacts/c"})[:2] {
			if err := box.Cancel(t.Context(), r.ID); err != nil {
				t.Fatal(err)
			}
		}
		write(t, s, batch("4", row("c", "1", "A")))
		held(s)
	})
}

// Two runs at the same time: the later one to write is told that it is too late,
// also at the very first batch.
func TestSecondWriterIsFencedOff(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		for _, start := range []pipeline.Cursor{"", "1"} {
			sinks := []*outboxsink.Sink{open(t, d, outboxsink.Options{}), open(t, d, outboxsink.Options{}), open(t, d, outboxsink.Options{})}
			errs := make([]error, len(sinks))
			var wg sync.WaitGroup
			for i, s := range sinks {
				wg.Go(func() { _, errs[i] = s.Write(t.Context(), batch(start+"1", row("a", string(start)+"1", "A"))) })
			}
			wg.Wait()
			late := slices.DeleteFunc(slices.Clone(errs), func(err error) bool {
				return fault.CodeOf(err) != "cursor_moved" || fault.KindOf(err) != fault.Conflict
			})
			if len(late) != 2 || !slices.Contains(errs, nil) {
				t.Errorf("from %q: %v", start, errs)
			}
			// Also for what does not move it.
			loser := sinks[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
			if _, err := loser.Write(t.Context(), batch("", row("b", "1", "A"))); fault.CodeOf(err) != "cursor_moved" {
				t.Errorf("%v", err)
			}
			if cursor, err := loser.Cursor(t.Context()); err != nil || cursor != start+"1" {
				t.Errorf("the cursor is %q, %v", cursor, err)
			}
		}
		wantBodies(t, d, body("a", "1", "A", "new"), body("a", "11", "A", "new"))
	})
}

func TestBatchesWithoutACursor(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{})
		write(t, s, batch("", row("a", "1", "A")))
		write(t, s, batch("", row("a", "1", "A")))
		write(t, s, batch("x", row("a", "2", "A")))
		write(t, s, batch("", row("a", "3", "A")))
		if cursor, err := s.Cursor(t.Context()); err != nil || cursor != "x" {
			t.Errorf("the cursor is %q, %v", cursor, err)
		}
		wantBodies(t, d, body("a", "1", "A", "new"), body("a", "2", "A", "new"), body("a", "3", "A", "new"))
		if landed, err := s.Write(t.Context(), pipeline.Batch{}); len(landed) != 0 || err != nil {
			t.Errorf("nothing: %+v, %v", landed, err)
		}
	})
}

// A store that has forgotten what was posted, and still has the deliveries, sends
// nothing twice.
func TestForgottenPostingsAreTold(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, outboxsink.Options{})
		write(t, s, batch("1", row("a", "1", "A")))
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM postings")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := write(t, s, batch("2", row("a", "1", "A"), row("a", "2", "A"))); got.Unchanged != 1 || got.Inserted != 1 {
			t.Errorf("%+v", got)
		}
		wantBodies(t, d, body("a", "1", "A", "new"), body("a", "2", "A", "new"))
	})
}

// What is posted goes out at once, and not when the outbox looks next.
func TestChannelIsWoken(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	box := outbox.New(d, outbox.Options{})
	sent := make(chan string, 1)
	box.Set("contacts/c", outbox.Config{Channel: sender(func(delivery outbox.Delivery) { sent <- delivery.Payload })})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := box.Run(ctx, time.Second); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer stop()
	s := outboxsink.New(d, box, outboxsink.Options{Pipeline: "p", Channel: "contacts/c"})
	write(t, s, batch("1", row("a", "1", "A")))
	if got := testwait.Receive(t, sent); got != body("a", "1", "A", "new") {
		t.Errorf("sent %s", got)
	}
}

// sender accepts everything.
type sender func(outbox.Delivery)

func (f sender) Send(_ context.Context, d outbox.Delivery) outbox.Outcome {
	f(d)
	return outbox.Outcome{Verdict: outbox.Accepted}
}
