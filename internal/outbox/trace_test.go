package outbox_test

import (
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
	"ferryman/internal/span"
)

// A delivery remembers who asked, and nothing where nothing is traced.
func TestAddKeepsTheTrace(t *testing.T) {
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		o := outbox.New(d, outbox.Options{})
		for i, want := range []string{"", traceparent} {
			to := []string{"1", "2"}[i]
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				_, _, err := o.Add(span.Below(t.Context(), want), tx, []outbox.Item{letterTo(to, "x")}, outbox.Refuse)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var got *string
			if err := d.QueryRow(t.Context(), "SELECT traceparent FROM deliveries WHERE recipient = $1", to).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if (got == nil) != (want == "") || got != nil && *got != want {
				t.Errorf("it keeps %v, want %q", got, want)
			}
		}
	})
}
