package audit_test

import (
	"testing"

	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

func TestFind(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := logOf(d)
		for _, action := range []string{"cron.pause", "key.create", "100%_sure", "cron.resume"} {
			l.Note(t.Context(), audit.Entry{Who: "local", Action: action})
		}
		for text, want := range map[string]int{"": 4, "cron": 2, "CRON.p": 1, "%": 1, "_": 1, `\`: 0, "create": 1, "'": 0} {
			if found, next, err := l.Find(t.Context(), text, 0, 100); len(found) != want || next != 0 || err != nil {
				t.Errorf("%q: %d found, next %d, %v", text, len(found), next, err)
			}
		}
		first, next, err := l.Find(t.Context(), "cron", 0, 1)
		if err != nil || len(first) != 1 || first[0].Action != "cron.resume" || next != first[0].ID {
			t.Fatalf("%+v, %d, %v", first, next, err)
		}
		second, _, err := l.Find(t.Context(), "cron", next, 1)
		if err != nil || len(second) != 1 || second[0].Action != "cron.pause" {
			t.Errorf("%+v, %v", second, err)
		}
	})
}

// What is seldom is found in steps, each of which costs little.
func TestFindInManyEntries(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l := logOf(d)
		l.Note(t.Context(), audit.Entry{Who: "local", Action: "seldom"})
		l.Note(t.Context(), audit.Entry{Who: "local", Action: "often"})
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
				INSERT INTO audit (at, who, app, action, target, subject, detail, remote)
				SELECT at, who, app, action, target, subject, detail, remote FROM audit, n WHERE action = 'often'`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		found, next, err := l.Find(t.Context(), "seldom", 0, 50)
		if err != nil || len(found) != 0 || next == 0 {
			t.Fatalf("%d found, next %d, %v", len(found), next, err)
		}
		found, next, err = l.Find(t.Context(), "seldom", next, 50)
		if err != nil || len(found) != 1 || next != 0 {
			t.Errorf("%d found, next %d, %v", len(found), next, err)
		}
	})
}
