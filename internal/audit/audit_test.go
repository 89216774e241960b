package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/jobs"
	"ferryman/internal/testwait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(now *time.Time) db.Options { return db.Options{Clock: func() time.Time { return *now }} }

func logOf(d *db.DB) *audit.Log { return audit.New(d, slog.New(slog.DiscardHandler)) }

// list gives entries without their ids, newest first.
func list(t testing.TB, l *audit.Log) []audit.Entry {
	t.Helper()
	all, err := l.List(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].ID = 0
	}
	return all
}

func TestNote(t *testing.T) {
	now := noon
	dbtest.Run(t, at(&now), func(t *testing.T, d *db.DB) {
		l := logOf(d)
		paused := audit.Entry{
			Who: audit.Key("abcd1234", "shop"), App: "shop", Action: "cron.pause", Target: audit.Cron(12, "shop", "nightly"),
			Detail: `{"until":null}`, Remote: "192.0.2.7",
		}
		l.Note(t.Context(), paused)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		long := strings.Repeat("ö", 2000)
		l.Note(ended, audit.Entry{Who: long, Action: "a\x00b\xff", Detail: long, Target: long})
		paused.At = noon
		cut := audit.Entry{At: noon, Who: long[:200], Action: "ab\uFFFD", Detail: long[:2000], Target: long[:200]}
		if got, want := list(t, l), []audit.Entry{cut, paused}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if paused.Who != "key fm_abcd1234 (shop)" || paused.Target != "cron 12 shop/nightly" {
			t.Errorf("%q did it to %q", paused.Who, paused.Target)
		}
	})
}

// The act is done: that it cannot be written down is told, and ends nothing.
func TestNoteOnABrokenStore(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		var said bytes.Buffer
		l := audit.New(d, slog.New(slog.NewTextHandler(&said, nil)))
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DROP TABLE audit")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		l.Note(t.Context(), audit.Entry{Who: "local", Action: "outbox.replay", Target: "outbox", Detail: "details"})
		if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") || !strings.Contains(text, "action=outbox.replay") ||
			strings.Contains(text, "details") {
			t.Errorf("said %q", text)
		}
	})
}

func TestListAndAbout(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l := logOf(d)
		targets := []string{"cron 1 shop/a", "cron 12 shop/a", "delivery 1", "cron 1 shop/b", "outbox", "cron 1", "cron 1 shop/a b"}
		for i, target := range targets {
			l.Note(t.Context(), audit.Entry{Action: fmt.Sprint(i), Target: target})
		}
		actions := func(all []audit.Entry, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, e := range all {
				text += e.Action
			}
			return text
		}
		first, err := l.List(t.Context(), 0, 3)
		if got := actions(first, err); got != "654" {
			t.Fatalf("the newest are %s", got)
		}
		if got := actions(l.List(t.Context(), first[2].ID, 1000)); got != "3210" {
			t.Errorf("before them are %s", got)
		}
		if got := actions(l.List(t.Context(), 0, -1)); got != "" {
			t.Errorf("no limit gives %s", got)
		}
		for target, want := range map[string]string{
			"cron 1 shop/a": "6530", "cron 1": "6530", "cron 12 x": "1", "delivery 1": "2", "outbox": "4", "cron": "", "cron 2": "", "": "",
		} {
			if got := actions(l.About(t.Context(), target, 10)); got != want {
				t.Errorf("about %q are %s, want %s", target, got, want)
			}
		}
		if got := actions(l.About(t.Context(), "cron 1", 2)); got != "65" {
			t.Errorf("two about it are %s", got)
		}
	})
}

func TestPrune(t *testing.T) {
	now := noon
	dbtest.Run(t, at(&now), func(t *testing.T, d *db.DB) {
		defer func() { now = noon }()
		l := logOf(d)
		for range 3 {
			l.Note(t.Context(), audit.Entry{Action: "old"})
		}
		now = now.Add(time.Hour)
		l.Note(t.Context(), audit.Entry{Action: "new"})
		now = noon.Add(365 * 24 * time.Hour)
		if n, err := l.Prune(t.Context()); n != 0 || err != nil {
			t.Errorf("after a year %d are deleted, %v", n, err)
		}
		now = now.Add(time.Minute)
		if n, err := l.Prune(t.Context()); n != 3 || err != nil {
			t.Errorf("a minute later %d are deleted, %v", n, err)
		}
		if left := list(t, l); len(left) != 1 || left[0].Action != "new" {
			t.Errorf("left are %+v", left)
		}
	})
}

// A script gone wild shall not fill the store.
func TestPruneOfMany(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l := logOf(d)
		override := ""
		if d.Dialect() == db.Postgres {
			override = "OVERRIDING SYSTEM VALUE"
		}
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			for _, id := range []int{1, 2, 700, 701, 1_000_700} {
				_, err := tx.Exec(t.Context(), "INSERT INTO audit (id, at, who, app, action, target, subject, detail, remote) "+override+
					" VALUES ($1, $2, '', '', '', '', '', '', '')", id, db.Time{Time: tx.Now()})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := l.Prune(t.Context()); n != 3 || err != nil {
			t.Errorf("%d are deleted, %v", n, err)
		}
		if all, err := l.List(t.Context(), 0, 10); err != nil || len(all) != 2 || all[1].ID != 701 {
			t.Errorf("left are %+v, %v", all, err)
		}
	})
}

func TestPruneOnTheEngine(t *testing.T) {
	dbtest.Run(t, db.Options{Synchronous: "NORMAL"}, func(t *testing.T, d *db.DB) {
		l := logOf(d)
		l.Note(t.Context(), audit.Entry{Action: "old"})
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE audit SET at = 1")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		engine, err := jobs.New(d, jobs.Options{Node: "test"})
		if err != nil {
			t.Fatal(err)
		}
		l.PruneOn(engine)
		if err := engine.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = engine.Stop(context.WithoutCancel(t.Context())) })
		testwait.Until(t, "it is pruned", func() bool { return len(list(t, l)) == 0 })
	}, jobs.Migrate)
}
