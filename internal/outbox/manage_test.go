package outbox_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
)

// TestChangesByState makes each change to a delivery of each state.
func TestChangesByState(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		o, ctx := outbox.New(d, outbox.Options{}), t.Context()
		later := d.Now().Add(time.Hour)
		for _, tc := range []struct {
			name   string
			do     func(id int64) error
			leads  map[outbox.State]outbox.State
			leaves []outbox.State // as they are, without an error
		}{
			{"cancelled", func(id int64) error { return o.Cancel(ctx, id) },
				map[outbox.State]outbox.State{outbox.Waiting: outbox.Cancelled, outbox.Behind: outbox.Cancelled, outbox.Failed: outbox.Cancelled}, []outbox.State{outbox.Cancelled}},
			{"moved", func(id int64) error { return o.Move(ctx, id, &later) },
				map[outbox.State]outbox.State{outbox.Waiting: outbox.Waiting, outbox.Behind: outbox.Behind}, nil},
			{"revived", func(id int64) error { return o.Revive(ctx, id) },
				map[outbox.State]outbox.State{outbox.Failed: outbox.Waiting}, nil},
		} {
			if err := tc.do(12345); !errors.Is(err, outbox.ErrNotFound) {
				t.Errorf("one that is not there, %s: %v", tc.name, err)
			}
			for from := outbox.Waiting; from <= outbox.Expired; from++ {
				id := addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "c", Recipient: "r"}).ids[0]
				become(t, d, id, from)
				before := get(t, o, id)
				to, can := tc.leads[from]
				err := tc.do(id)
				after := get(t, o, id)
				if !can {
					to = from
					for _, s := range tc.leaves {
						can = can || s == from
					}
					if before != after {
						t.Errorf("%s from %d: %+v became %+v", tc.name, from, before, after)
					}
				}
				if after.State != to {
					t.Errorf("%s from %d: state %d, want %d", tc.name, from, after.State, to)
				}
				if can != (err == nil) || err != nil && (fault.KindOf(err) != fault.Conflict || fault.CodeOf(err) != outbox.ErrState || !strings.Contains(err.Error(), " cannot be "+tc.name+": it ")) {
					t.Errorf("%s from %d: %v", tc.name, from, err)
				}
				if ended := after.State >= outbox.Sent; ended == after.EndedAt.IsZero() {
					t.Errorf("%s from %d: ended at %s", tc.name, from, after.EndedAt)
				}
			}
		}
	})
}

func TestMove(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, now := outbox.New(d, outbox.Options{}), c.now()
		expires, past, soon, yearOne := now.Add(time.Hour), now.Add(-time.Hour), now.Add(time.Minute), time.Time{}
		id := addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "c", Recipient: "r", ExpiresAt: &expires}).ids[0]
		for _, tc := range []struct {
			start *time.Time
			due   time.Time
			kind  fault.Kind
		}{
			{&soon, soon, 0}, {nil, now, 0}, {&past, now, 0}, {&yearOne, now, 0}, {&expires, time.Time{}, fault.Invalid}, {&soon, soon, 0},
		} {
			err := o.Move(t.Context(), id, tc.start)
			if tc.kind != 0 {
				if fault.KindOf(err) != tc.kind || !strings.Contains(err.Error(), "2026-03-01T13:00:00Z") {
					t.Errorf("to %v: %v", tc.start, err)
				}
				continue
			}
			r := get(t, o, id)
			if err != nil || !r.DueAt.Equal(tc.due) || (r.StartAt == nil) != (tc.start == nil) || tc.start != nil && !r.StartAt.Equal(*tc.start) {
				t.Errorf("to %v: start %v, due %s, %v", tc.start, r.StartAt, r.DueAt, err)
			}
		}
		c.add(2 * time.Hour)
		defer c.add(-2 * time.Hour)
		if err := o.Move(t.Context(), id, nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("at once, when it has expired: %v", err)
		}
	})
}

func TestReviveGivesAllAttemptsAgain(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o, expires := outbox.New(d, outbox.Options{}), c.now().Add(time.Hour)
		id := addItems(t, d, o, outbox.Refuse, outbox.Item{Channel: "c", Recipient: "r", ExpiresAt: &expires}).ids[0]
		writeSQL(t, d, "UPDATE deliveries SET state = 4, attempts = 5, ended_at = 1, last_error = 'http_500: no'")
		if err := o.Revive(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if n := countSQL(t, d, "SELECT attempts - spared FROM deliveries"); n != 0 {
			t.Errorf("%d attempts count", n)
		}
		if r := get(t, o, id); r.Attempts != 5 || r.LastError != "http_500: no" || !r.DueAt.Equal(c.now()) {
			t.Errorf("revived: %+v", r)
		}
		become(t, d, id, outbox.Failed)
		c.add(time.Hour)
		defer c.add(-time.Hour)
		if err := o.Revive(t.Context(), id); fault.CodeOf(err) != outbox.ErrState || !strings.Contains(err.Error(), "its time is over since 2026-03-01T13:00:00Z") {
			t.Errorf("revive what has expired: %v", err)
		}
	})
}
