package app

import (
	"log/slog"
	"testing"

	"ferryman/internal/config"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
)

// A store is made by whoever may make one, who says so once; all others want one that is
// there, also of a database that is there and empty.
func TestAStoreThatMustExist(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		c, _, err := config.Load(config.Input{Environ: []string{"FERRYMAN_STORE_URL=" + url, "FERRYMAN_STATE_DIR=" + t.TempDir()}, Dir: t.TempDir(), UID: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var made []string
		o := Options{Config: c, Log: slog.New(slog.DiscardHandler), StoreMade: func(where string) { made = append(made, where) }}
		demanding := o
		demanding.StoreMustExist = true
		for range 2 { // the first leaves nothing behind
			if _, err := OpenAdmin(t.Context(), demanding); fault.CodeOf(err) != "no_store" {
				t.Fatalf("without a store: %v", err)
			}
		}
		for _, o := range []Options{o, o, demanding} {
			a, err := OpenAdmin(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(made) != 1 || made[0] == "" {
			t.Errorf("made %q", made)
		}
	})
}
