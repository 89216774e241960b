package rejected_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/rejected"
	"ferryman/internal/testwait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at gives options with a clock that tells what now holds.
func at(now *atomic.Int64) db.Options {
	now.Store(epoch.UnixMicro())
	return db.Options{Clock: func() time.Time { return time.UnixMicro(now.Load()) }}
}

func call(path string) rejected.Call {
	return rejected.Call{Method: "POST", Path: path, Status: 404, Code: "cron_unknown", Detail: "there is no such cron", Remote: "192.0.2.7", Agent: "curl"}
}

func list(t *testing.T, l *rejected.Log, app, before int64, limit int) []rejected.Entry {
	t.Helper()
	all, err := l.List(t.Context(), app, before, limit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCallsThatAreAlikeBecomeOne(t *testing.T) {
	var now atomic.Int64
	dbtest.Run(t, at(&now), func(t *testing.T, d *db.DB) {
		now.Store(epoch.UnixMicro())
		l := rejected.Open(d, slog.New(slog.DiscardHandler))
		mine := call("/api/mine/start")
		mine.AppID, mine.KeyPrefix = 7, "01234567"
		for range 1000 {
			l.Note(call("/api/a/start"))
		}
		l.Note(mine)
		now.Add(1)
		l.Note(call("/api/a/start"))
		l.Close()
		l.Close()
		all := list(t, l, 0, 0, 10)
		if len(all) != 2 {
			t.Fatalf("%+v", all)
		}
		a, m := all[0], all[1]
		if a.AppID == 7 {
			a, m = m, a
		}
		if a.Call != call("/api/a/start") || a.Times != 1001 || !a.FirstAt.Equal(epoch) || !a.LastAt.Equal(epoch.Add(time.Microsecond)) {
			t.Errorf("%+v", a)
		}
		if m.Call != mine || m.Times != 1 {
			t.Errorf("%+v", m)
		}
		if own := list(t, l, 7, 0, 10); len(own) != 1 || own[0].Call != mine {
			t.Errorf("of the application: %+v", own)
		}
		if older := list(t, l, 0, all[0].ID, 10); len(older) != 1 || older[0].ID != all[1].ID {
			t.Errorf("before the first: %+v", older)
		}
	})
}

// TestCallsAreWrittenSoon is about a log that nobody closes.
func TestCallsAreWrittenSoon(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/store.db", db.Options{})
	l := rejected.Open(d, slog.New(slog.DiscardHandler))
	defer l.Close()
	for i := range 2 {
		l.Note(call(fmt.Sprint("/", i)))
		testwait.Until(t, "a call is written", func() bool { return len(list(t, l, 0, 0, 10)) == i+1 })
	}
}

func TestFloodIsBounded(t *testing.T) {
	var now atomic.Int64
	dbtest.Run(t, at(&now), func(t *testing.T, d *db.DB) {
		var told bytes.Buffer
		l := rejected.Open(d, slog.New(slog.NewTextHandler(&told, nil)))
		for i := range 800 {
			l.Note(call(fmt.Sprint("/api/", i, "/start")))
		}
		l.Close()
		if all := list(t, l, 0, 0, 1000); len(all) != 500 {
			t.Errorf("%d are kept", len(all))
		}
		if !strings.Contains(told.String(), "lost=300") {
			t.Errorf("told: %s", told.String())
		}
	})
}

func TestOldOnesGo(t *testing.T) {
	var now atomic.Int64
	dbtest.Run(t, at(&now), func(t *testing.T, d *db.DB) {
		now.Store(epoch.UnixMicro())
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO rejected_calls (method, path, status, code, detail, key_prefix, remote, agent, times, first_at, last_at)
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100)
				SELECT 'GET', 'old', 404, 'c', 'd', '', 'r', 'a', 1, CAST($1 AS BIGINT), CASE WHEN i > 10000 THEN $2 ELSE CAST($1 AS BIGINT) END FROM n ORDER BY i`,
				epoch.UnixMicro(), epoch.Add(-8*24*time.Hour).UnixMicro())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		l := rejected.Open(d, slog.New(slog.DiscardHandler))
		for i := range 50 {
			l.Note(call(fmt.Sprint("/", i)))
		}
		l.Close()
		all := list(t, l, 0, 0, 20_000)
		if len(all) != 10_000-100 || all[49].Path == "old" || all[50].Path != "old" { // those that are too old take room until they go
			t.Errorf("%d are left", len(all))
		}
		now.Store(epoch.Add(8 * 24 * time.Hour).UnixMicro())
		if all := list(t, l, 0, 0, 20_000); len(all) != 0 {
			t.Errorf("%d are shown after a week", len(all))
		}
	})
}

func TestStoreInTroubleLosesNothing(t *testing.T) {
	var now atomic.Int64
	dbtest.Run(t, at(&now), func(t *testing.T, d *db.DB) {
		rename := func(from, to string) {
			t.Helper()
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		failed := make(chan struct{}, 10)
		l := rejected.Open(d, slog.New(signal{slog.DiscardHandler, failed}))
		rename("rejected_calls", "elsewhere")
		l.Note(call("/1"))
		<-failed
		rename("elsewhere", "rejected_calls")
		l.Note(call("/1"))
		l.Note(call("/2"))
		l.Close()
		var times int64
		for _, e := range list(t, l, 0, 0, 10) {
			times += e.Times
		}
		if times != 3 {
			t.Errorf("%d calls are kept", times)
		}
	})
}

// signal tells of every line of a log.
type signal struct {
	slog.Handler
	logged chan<- struct{}
}

func (s signal) Enabled(context.Context, slog.Level) bool { return true }

func (s signal) Handle(context.Context, slog.Record) error {
	s.logged <- struct{}{}
	return nil
}

// TestTextsAreFit gives it whatever a client may send: what is kept is short,
// text, and no key.
func TestTextsAreFit(t *testing.T) {
	d := dbtest.Open(t, "sqlite://"+t.TempDir()+"/store.db", db.Options{})
	const secret = "0123456789abcdefghjkmnpqrstvwxyz"
	rapid.Check(t, func(rt *rapid.T) {
		before, after := string(rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(rt, "before")), rapid.String().Draw(rt, "after")
		l := rejected.Open(d, slog.New(slog.DiscardHandler))
		c := call(before + "fm_01234567" + secret + after)
		c.Agent, c.Detail = c.Path, c.Path
		l.Note(c)
		l.Close()
		all, err := l.List(t.Context(), 0, 0, 1)
		if err != nil || len(all) != 1 {
			rt.Fatal(all, err)
		}
		for _, s := range []string{all[0].Path, all[0].Agent, all[0].Detail} {
			if !utf8.ValidString(s) || len(s) > 700 || strings.ContainsAny(s, "\x00\r\n\x7f") || strings.Contains(s, secret[:4]+secret[4:8]+"89") {
				rt.Fatalf("%q", s)
			}
		}
	})
}
