package outbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestTrouble(t *testing.T) {
	dbtest.Run(t, newStoreClock().options(), func(t *testing.T, d *db.DB) {
		o, now := outbox.New(d, outbox.Options{}), d.Now()
		look := func() outbox.Trouble {
			t.Helper()
			all, err := o.Trouble(t.Context(), now.Add(-24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		if all := look(); len(all.Stopped)+len(all.Dead) != 0 {
			t.Errorf("an empty store is in trouble: %+v", all)
		}
		stands := func(name string, configured bool, by string, held time.Duration) {
			t.Helper()
			writeSQL(t, d, "INSERT INTO channels (name, configured, paused_by, pause_reason, held_until) VALUES ($1, $2, $3, $4, $5)", name, configured, by, "why", db.Time{Time: now.Add(held)})
		}
		stands("works", true, "", -time.Hour)
		stands("token", true, "fault", -time.Hour)
		stands("pager", true, "fault", -time.Hour)
		stands("holiday", true, "person", -time.Hour)
		stands("rests", true, "", time.Hour)
		stands("rests-a-moment", true, "", time.Hour)
		stands("gone", false, "", -time.Hour)
		stands("unused", false, "", -time.Hour)
		stands("removed", false, "fault", -time.Hour)
		for _, due := range []struct {
			channel string
			topic   outbox.Topic
			ago     time.Duration
			n       int
		}{
			{"works", outbox.Message, time.Hour, 2}, {"token", outbox.Message, time.Hour, 3}, {"pager", outbox.Message, time.Hour, 1}, {"pager", outbox.Alert, time.Minute, 2},
			{"holiday", outbox.Alert, time.Hour, 1}, {"rests", outbox.Contact, 2 * time.Minute, 1}, {"rests-a-moment", outbox.Contact, time.Second, 1},
			{"gone", outbox.Message, time.Hour, 1}, {"never", outbox.Message, time.Hour, outbox.TroubleCounted + 1}, {"unused", outbox.Message, -time.Hour, 1},
		} {
			writeSQL(t, d, fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d)", due.n)+` INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at)
				SELECT 0, CAST($1 AS BIGINT), CAST($2 AS TEXT), 'r', 'p', CAST($3 AS BIGINT), 1 FROM n`, due.topic, due.channel, db.Time{Time: now.Add(-due.ago)})
		}
		dead := func(topic outbox.Topic, ago time.Duration) int64 {
			t.Helper()
			writeSQL(t, d, "INSERT INTO deliveries (state, topic, channel, recipient, payload, due_at, created_at, ended_at) VALUES (4, $1, 'works', 'r', 'p', 1, 1, $2)", topic, db.Time{Time: now.Add(-ago)})
			return countSQL(t, d, "SELECT max(id) FROM deliveries")
		}
		dead(outbox.Message, 25*time.Hour)
		message := dead(outbox.Message, time.Hour)
		dead(outbox.Message, 2*24*time.Hour)
		dead(outbox.Alert, 2*time.Hour)
		alert := dead(outbox.Alert, 3*time.Hour)
		all := look()
		var got []string
		for _, s := range all.Stopped {
			got = append(got, fmt.Sprintf("%s %d %d", s.Channel, s.Waiting, s.Alerts))
		}
		want := []string{"pager 3 2", "gone 1 0", fmt.Sprintf("never %d 0", outbox.TroubleCounted), "rests 1 0", "token 3 0", "holiday 1 1"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		if s := all.Stopped[0]; !s.Due.Equal(now.Add(-time.Hour)) || s.PauseReason != "why" || s.ByPerson() || !all.Stopped[5].ByPerson() {
			t.Errorf("got %+v", all.Stopped)
		}
		wantDead := []outbox.Dead{{outbox.Alert, 2, now.Add(-2 * time.Hour), alert}, {outbox.Message, 1, now.Add(-time.Hour), message}}
		if !slices.EqualFunc(all.Dead, wantDead, func(a, b outbox.Dead) bool {
			return a.Topic == b.Topic && a.N == b.N && a.ID == b.ID && a.Last.Equal(b.Last)
		}) {
			t.Errorf("got %+v\nwant %+v", all.Dead, wantDead)
		}
	})
}
