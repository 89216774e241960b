package outboxsink_test

import (
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/fault"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/testdb"
)

// A batch whose commit was done and never confirmed may be written again, by the
// same sink and by another one: it lands once.
func TestCommitWhoseAnswerWasLost(t *testing.T) {
	address := testdb.Postgres(t)
	watcher := dbtest.Open(t, address, db.Options{})
	l := dbtest.OpenLine(t, address)
	d, err := db.Open(t.Context(), l.URL, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := open(t, d, outboxsink.Options{})
	write(t, s, batch("1", row("a", "1", "A")))

	l.LoseCommits.Store(true)
	if _, err := s.Write(t.Context(), batch("2", row("a", "2", "A"))); err == nil || !fault.Temporary(err) {
		t.Fatalf("the commit was confirmed, %v", err)
	}
	l.LoseCommits.Store(false)
	wantBodies(t, watcher, body("a", "1", "A", "new"), body("a", "2", "A", "new"))
	if got := write(t, s, batch("2", row("a", "2", "A"))); got.Unchanged != 1 {
		t.Errorf("again: %+v", got)
	}
	write(t, s, batch("3", row("a", "3", "A")))
	if got := write(t, open(t, watcher, outboxsink.Options{}), batch("4", row("a", "2", "A"), row("a", "3", "A"))); got.Unchanged != 2 {
		t.Errorf("by another: %+v", got)
	}
	wantBodies(t, watcher, body("a", "1", "A", "new"), body("a", "2", "A", "new"), body("a", "3", "A", "new"))
}
