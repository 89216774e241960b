package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

func TestAddStoresWhatItIsGiven(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, now := outbox.New(d, outbox.Options{}), c.now()
		at := func(s string) *time.Time {
			u, err := time.Parse(time.RFC3339Nano, s)
			if err != nil {
				t.Fatal(err)
			}
			return &u
		}
		items := []outbox.Item{
			letterTo("1", "now"),
			{Topic: outbox.Contact, Channel: "webhook/shop", Recipient: "8", Payload: `{"a":"ü \" \\ 🚢"}`, OrderKey: "8"},
			{Topic: outbox.Alert, Channel: "viber", Recipient: "x", Payload: "t", StartAt: at("9999-12-31T23:59:59.999999Z"), ExpiresAt: at("9999-12-31T23:59:59.999999Z")},
			{Channel: "viber", Recipient: "x", Payload: "t", StartAt: at("0001-01-01T00:00:00Z"), ExpiresAt: at("0001-01-01T00:00:00Z")},
			{Channel: "viber", Recipient: "x", Payload: "t", StartAt: at("2026-03-01T12:00:00.000001Z"), ExpiresAt: at("1969-12-31T23:59:59.999999Z")},
		}
		got := addItems(t, d, o, outbox.Refuse, items...)
		if want := (added{ids: []int64{1, 2, 3, 4, 5}}); !reflect.DeepEqual(got, want) {
			t.Fatalf("added %v, want %v", got, want)
		}
		for i, due := range []time.Time{now, now, *items[2].StartAt, now, now.Add(time.Microsecond)} {
			it := items[i]
			want := outbox.Row{
				ID: int64(i + 1), Topic: it.Topic, Channel: it.Channel, Recipient: it.Recipient, Payload: it.Payload, OrderKey: it.OrderKey,
				StartAt: it.StartAt, DueAt: due, ExpiresAt: it.ExpiresAt, CreatedAt: now,
			}
			if row := get(t, o, int64(i+1)); !reflect.DeepEqual(row, want) {
				t.Errorf("row %+v, want %+v", row, want)
			}
		}
		if n := countSQL(t, d, "SELECT count(*) FROM deliveries WHERE dedupe IS NULL AND start_at IS NOT NULL"); n != 3 {
			t.Errorf("%d rows without dedupe and with start_at, want 3", n)
		}
		if _, err := o.Get(t.Context(), 99); !errors.Is(err, outbox.ErrNotFound) {
			t.Errorf("get one that is not there: %v", err)
		}
	})
}

func TestAddTellsWhatIsTaken(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		a, b, c := letterTo("1", "a"), letterTo("1", "b"), letterTo("2", "a")
		other, again := a, outbox.Item{Channel: "viber", Recipient: "1", Payload: "p"}
		other.Channel = "viber"
		for _, step := range []struct {
			name    string
			ifTaken outbox.IfTaken
			items   []outbox.Item
			want    added
		}{
			{"nothing", outbox.Refuse, nil, added{ids: []int64{}}},
			{"first", outbox.Refuse, []outbox.Item{b, a}, added{ids: []int64{1, 2}}},
			{"taken", outbox.Refuse, []outbox.Item{a}, added{[]int64{0}, []int{0}}},
			{"taken among others", outbox.Refuse, []outbox.Item{c, b, other, a, again}, added{[]int64{0, 0, 0, 0, 0}, []int{1, 3}}},
			{"twice in the list", outbox.Refuse, []outbox.Item{c, other, c, c}, added{[]int64{0, 0, 0, 0}, []int{2, 3}}},
			{"twice in the list and taken", outbox.Refuse, []outbox.Item{c, c, a, a}, added{[]int64{0, 0, 0, 0}, []int{1, 2, 3}}},
			{"another channel", outbox.Refuse, []outbox.Item{other}, added{ids: []int64{3}}},
			{"skipped", outbox.Skip, []outbox.Item{a, c, again, c, b, again}, added{[]int64{0, 4, 5, 0, 0, 6}, []int{0, 3, 4}}},
			{"all skipped", outbox.Skip, []outbox.Item{a, c}, added{[]int64{0, 0}, []int{0, 1}}},
			{"no id was used up", outbox.Refuse, []outbox.Item{letterTo("3", "z")}, added{ids: []int64{7}}},
		} {
			if got := addItems(t, d, o, step.ifTaken, step.items...); !reflect.DeepEqual(got, step.want) {
				t.Errorf("%s: %v, want %v", step.name, got, step.want)
			}
		}
	})
}

// severalOn runs a test on stores that are one: on PostgreSQL, of several
// processes.
func severalOn(t *testing.T, run func(t *testing.T, stores []*db.DB)) {
	t.Run("sqlite", func(t *testing.T) {
		run(t, []*db.DB{dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{Synchronous: "NORMAL"})})
	})
	t.Run("postgres", func(t *testing.T) {
		url := testdb.Postgres(t)
		run(t, []*db.DB{dbtest.Open(t, url, db.Options{}), dbtest.Open(t, url, db.Options{})})
	})
}

func TestAddOnceOfManyAtATime(t *testing.T) {
	severalOn(t, func(t *testing.T, stores []*db.DB) {
		for _, grouped := range []bool{false, true} {
			items := lettersTo(fmt.Sprintf("grouped: %t", grouped), 3)
			var mu sync.Mutex
			var won, lost int
			var wg sync.WaitGroup
			for i := range 64 {
				wg.Go(func() {
					d := stores[i%len(stores)]
					o := outbox.New(d, outbox.Options{})
					var a added
					var err error
					if grouped {
						err = d.Group(t.Context(), int64(i), func(ctx context.Context, tx *db.Tx) (err error) {
							a.ids, a.taken, err = o.Add(ctx, tx, items, outbox.Refuse)
							return err
						})
					} else {
						a, err = tryAdd(t.Context(), d, o, outbox.Refuse, items...)
					}
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err != nil:
						t.Error(err)
					case a.taken == nil && a.ids[0] > 0 && a.ids[0] < a.ids[1] && a.ids[1] < a.ids[2]:
						won++
					case slices.Equal(a.taken, []int{0, 1, 2}) && slices.Equal(a.ids, []int64{0, 0, 0}):
						lost++
					default:
						t.Errorf("neither all nor nothing: %v", a)
					}
				})
			}
			wg.Wait()
			if won != 1 || lost != 63 {
				t.Errorf("grouped: %t: %d were stored and %d refused, want 1 and 63", grouped, won, lost)
			}
			if n := countSQL(t, stores[0], "SELECT count(*) FROM deliveries WHERE recipient = $1", items[0].Recipient); n != 3 {
				t.Errorf("grouped: %t: %d rows, want 3", grouped, n)
			}
		}
	})
}

func TestAddOverlappingListsInOppositeOrder(t *testing.T) {
	severalOn(t, func(t *testing.T, stores []*db.DB) {
		for round := range 10 {
			items := lettersTo(fmt.Sprintf("r%d", round), 200)
			var wg sync.WaitGroup
			var mu sync.Mutex
			stored := map[int64]bool{}
			for i := range 4 {
				mine := slices.Clone(items)
				if i%2 == 1 {
					slices.Reverse(mine)
				}
				wg.Go(func() {
					d := stores[i%len(stores)]
					a, err := tryAdd(t.Context(), d, outbox.New(d, outbox.Options{}), outbox.Skip, mine...)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					for k, id := range a.ids {
						if (id == 0) != slices.Contains(a.taken, k) || stored[id] {
							t.Errorf("item %d has id %d, and taken are %v", k, id, a.taken)
						}
						if id != 0 {
							stored[id] = true
						}
					}
				})
			}
			wg.Wait()
			if len(stored) != len(items) {
				t.Errorf("%d were stored of %d", len(stored), len(items))
			}
		}
		if n := countSQL(t, stores[0], "SELECT count(*) FROM deliveries"); n != 2000 {
			t.Errorf("%d rows, want 2000", n)
		}
	})
}

// TestAddLosesARace has another node store an equal item while a list is being
// added.
func TestAddLosesARace(t *testing.T) {
	url := testdb.Postgres(t)
	first, second := dbtest.Open(t, url, db.Options{}), dbtest.Open(t, url, db.Options{})
	item := letterTo("2", "the same")
	list := []outbox.Item{letterTo("1", "a"), item, letterTo("3", "b")}
	list[2].OrderKey = "k"
	undo := errors.New("undone")
	for _, tc := range []struct {
		name    string
		ifTaken outbox.IfTaken
		end     error
		taken   []int
		stored  []bool
	}{
		{"the other is undone", outbox.Refuse, undo, nil, []bool{true, true, true}},
		{"refused", outbox.Refuse, nil, []int{1}, []bool{false, false, false}},
		{"skipped", outbox.Skip, nil, []int{1}, []bool{true, false, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			writeSQL(t, first, "DELETE FROM deliveries")
			there, leave := make(chan struct{}), make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				err := first.Tx(t.Context(), func(tx *db.Tx) error {
					if _, _, err := outbox.New(first, outbox.Options{}).Add(t.Context(), tx, []outbox.Item{item}, outbox.Refuse); err != nil {
						return err
					}
					close(there)
					<-leave
					return tc.end
				})
				if !errors.Is(err, tc.end) {
					t.Error(err)
				}
			})
			testwait.Receive(t, there)
			var got added
			wg.Go(func() {
				var err error
				if got, err = tryAdd(t.Context(), second, outbox.New(second, outbox.Options{}), tc.ifTaken, list...); err != nil {
					t.Error(err)
				}
			})
			testwait.Until(t, "the second waits for the first", func() bool {
				return countSQL(t, first, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
			})
			close(leave)
			wg.Wait()
			if !slices.Equal(got.taken, tc.taken) {
				t.Errorf("taken are %v, want %v", got.taken, tc.taken)
			}
			o := outbox.New(second, outbox.Options{})
			for i, id := range got.ids {
				if (id != 0) != tc.stored[i] {
					t.Errorf("item %d has id %d", i, id)
				}
				if id != 0 && get(t, o, id).State != outbox.Waiting {
					t.Errorf("item %d does not wait", i)
				}
			}
			want := int64(1)
			for _, is := range tc.stored {
				if is {
					want++
				}
			}
			if tc.end != nil {
				want--
			}
			if n := countSQL(t, first, "SELECT count(*) FROM deliveries"); n != want {
				t.Errorf("%d rows, want %d", n, want)
			}
		})
	}
}

func TestAddIsUndoneWithItsTransaction(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o, undo := outbox.New(d, outbox.Options{}), errors.New("undone")
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			if _, _, err := o.Add(t.Context(), tx, lettersTo("1", 3), outbox.Refuse); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		if got := addItems(t, d, o, outbox.Refuse, lettersTo("1", 3)...); got.taken != nil {
			t.Errorf("taken are %v", got.taken)
		}
	})
}
