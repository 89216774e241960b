package db_test

import (
	"context"
	"fmt"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

// Queries that differ each time, and callers that leave, keep none from being
// compiled that comes often.
func TestWhatComesOftenIsKeptCompiled(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/ferryman.db", db.Options{})
	ask := func(ctx context.Context, query string) {
		var n int
		if err := d.QueryRow(ctx, query).Scan(&n); err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		ask(t.Context(), fmt.Sprintf("SELECT %d", i))
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	const often = "SELECT 1 + 1"
	for range 3 {
		ask(gone, often)
	}
	if d.Compiled(often) {
		t.Error("compiled for nobody")
	}
	for range 3 {
		ask(t.Context(), often)
	}
	if !d.Compiled(often) {
		t.Error("what comes often is not compiled")
	}
	ask(t.Context(), often)
}
