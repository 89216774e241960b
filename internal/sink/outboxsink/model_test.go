package outboxsink_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/outboxsink"
)

// fuse is a context that ends when it has been asked so many times: somewhere in a
// statement, between two, or in the commit.
type fuse struct {
	context.Context //nolint:containedctx // it is one

	mu   sync.Mutex
	left int
	blow context.CancelFunc
}

func lit(ctx context.Context, left int) *fuse {
	f := &fuse{left: left}
	f.Context, f.blow = context.WithCancel(ctx)
	return f
}

func (f *fuse) burn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left == 0 {
		f.blow()
	}
}

func (f *fuse) Done() <-chan struct{} { f.burn(); return f.Context.Done() }
func (f *fuse) Err() error            { f.burn(); return f.Context.Err() }

// model is what should have been posted.
type model struct {
	cursor pipeline.Cursor
	hash   map[string]string // of what was posted last
	bodies []string
}

func (m *model) land(b pipeline.Batch) {
	m.cursor = b.Next
	rows := b.Changes[0].Rows
	for i, r := range rows {
		key := func(r []any) string { return fmt.Sprint(r[0], "|", r[1]) }
		if slices.ContainsFunc(rows[i+1:], func(later []any) bool { return key(later) == key(r) }) {
			continue
		}
		state := "updated"
		switch before, ok := m.hash[key(r)]; {
		case !ok:
			state = "new"
		case before == r[2]:
			continue
		}
		m.hash[key(r)] = r[2].(string)
		m.bodies = append(m.bodies, fmt.Sprintf("{\"contact\":%s,\"transaction\":%s,\"state\":%q}", r[3], r[4], state))
	}
}

// Whatever comes, and wherever a write is cut off, the outbox holds what the model
// says, once and in order: a batch lands whole or not at all.
func TestHistoriesKeepToTheModel(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		world, cutOff, landed := 0, 0, 0
		rapid.Check(t, func(r *rapid.T) {
			world++
			name := fmt.Sprintf("contacts/%d", world)
			m := &model{hash: map[string]string{}}
			fresh := func() *outboxsink.Sink {
				s := outboxsink.New(d, outbox.New(d, outbox.Options{}), outboxsink.Options{Pipeline: name, Channel: name})
				if cursor, err := s.Cursor(t.Context()); err != nil || cursor != m.cursor {
					r.Fatalf("the cursor is %q, %v, want %q", cursor, err, m.cursor)
				}
				return s
			}
			s := fresh()
			for n := range rapid.IntRange(1, 6).Draw(r, "batches") {
				b := drawBatch(r, pipeline.Cursor(fmt.Sprint(n+1)), n)
				var late *outboxsink.Sink
				if rapid.IntRange(0, 3).Draw(r, "another writer") == 0 {
					late = fresh()
				}
				left := 0
				if rapid.Bool().Draw(r, "cut off") {
					left = rapid.IntRange(1, 70).Draw(r, "after") // a write asks about as often
				}
				for ; ; left = 0 {
					ctx := t.Context()
					if left > 0 {
						ctx = lit(ctx, left)
					}
					_, err := s.Write(ctx, b)
					if err == nil {
						break
					}
					if left == 0 {
						r.Fatal(err)
					}
					cutOff++
					settle(r, t.Context(), d)
					if rapid.Bool().Draw(r, "the process has ended") {
						s = outboxsink.New(d, outbox.New(d, outbox.Options{}), outboxsink.Options{Pipeline: name, Channel: name})
						cursor, err := s.Cursor(t.Context())
						if err != nil || cursor != m.cursor && cursor != b.Next {
							r.Fatalf("the cursor is %q, %v", cursor, err)
						}
						if cursor == b.Next { // only the answer was lost
							landed++
							break
						}
						if got := bodiesOf(r, t.Context(), d, name); !slices.Equal(got, m.bodies) {
							r.Fatalf("half a batch has landed:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(m.bodies, "\n"))
						}
					}
				}
				m.land(b)
				if late != nil {
					if _, err := late.Write(t.Context(), b); fault.CodeOf(err) != "cursor_moved" {
						r.Fatalf("a late writer: %v", err)
					}
				}
			}
			fresh()
			if got := bodiesOf(r, t.Context(), d, name); !slices.Equal(got, m.bodies) {
				r.Fatalf("the outbox holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(m.bodies, "\n"))
			}
		})
		if cutOff < 10 {
			t.Errorf("%d writes were cut off only", cutOff)
		}
		t.Logf("%d writes were cut off; %d of them had landed", cutOff, landed)
	})
}

// settle waits for writes whose commit is still on its way: PostgreSQL carries out what
// it has been sent, though the writer is gone.
func settle(r *rapid.T, ctx context.Context, d *db.DB) { //nolint:revive // rapid's comes first, as testing's does
	if d.Dialect() != db.Postgres {
		return
	}
	err := d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "LOCK TABLE sync_cursors IN SHARE MODE")
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
}

// drawBatch draws transactions of a few contacts, with few hashes, so that many
// come again, changed or not, and change back.
func drawBatch(r *rapid.T, next pipeline.Cursor, n int) pipeline.Batch {
	b := batch(next)
	for range rapid.IntRange(0, 6).Draw(r, "rows") {
		contact := rapid.SampledFrom([]string{"a", "b", "é"}).Draw(r, "contact")
		fired := rapid.SampledFrom([]string{"1", "2"}).Draw(r, "fired")
		hash := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(r, "hash")
		b.Changes[0].Rows = append(b.Changes[0].Rows, []any{
			contact, fired, hash, fmt.Sprintf("{\"$id\":%q,\"n\":%d}", contact, n), fmt.Sprintf("{\"fired\":%q,\"hash\":%q}", fired, hash),
		})
	}
	return b
}

func bodiesOf(r *rapid.T, ctx context.Context, d *db.DB, channel string) []string { //nolint:revive // rapid's comes first, as testing's does
	rows, err := outbox.New(d, outbox.Options{}).List(ctx, outbox.Filter{Channel: channel})
	if err != nil {
		r.Fatal(err)
	}
	var all []string
	for _, row := range rows {
		all = append(all, row.Payload)
	}
	return all
}
