package outbox_test

import (
	"reflect"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

func TestStanding(t *testing.T) {
	c := newStoreClock()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		if all, err := o.Standing(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		later := c.now().Add(time.Hour)
		writeSQL(t, d, "INSERT INTO channels (name, configured, held_until) VALUES ('rests', TRUE, $1), ('rested', TRUE, $2)",
			later.UnixMicro(), c.now().UnixMicro())
		if err := o.Pause(t.Context(), "paused", "holidays"); err != nil {
			t.Fatal(err)
		}
		want := map[string]outbox.Standing{
			"rests": {Configured: true, HeldUntil: later}, "rested": {Configured: true}, "paused": {PausedBy: "person", PausedAt: c.now(), PauseReason: "holidays"},
		}
		if got, err := o.Standing(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
}
