package httpapi

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

// moorExample is a harbour in which ids and times are those of the description's
// examples.
func moorExample(t *testing.T, options func(*Options)) *harbour {
	t.Helper()
	file, err := exampleStore()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ferryman.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	clock := exampleClock()
	store, err := db.Open(t.Context(), dbtest.SQLite(path), quick(clock))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if options == nil {
		options = func(*Options) {}
	}
	return moor(t, dbtest.SQLite(path), store, clock, options)
}

func exampleClock() *clock {
	c := &clock{}
	c.set(time.Date(2026, 3, 1, 2, 0, 0, 417_000_000, time.UTC))
	return c
}

// exampleStore is the file of a migrated store that numbers as the examples do.
// It is made once: there are many examples.
var exampleStore = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "ferryman-example-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "ferryman.db"), context.Background()
	store, err := db.Open(ctx, dbtest.SQLite(path), quick(exampleClock()))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if _, err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	err = store.Tx(ctx, func(tx *db.Tx) error {
		for table, last := range map[string]int{"crons": 11, "executions": 84_212, "messages": 99_118, "deliveries": 4_199} {
			if _, err := tx.Exec(ctx, "DELETE FROM sqlite_sequence WHERE name = $1", table); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table, last); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil { // which moves everything into the one file
		return nil, err
	}
	return os.ReadFile(path)
})

func withCron(change ...func(*ledger.Settings)) func(*harbour) {
	return func(h *harbour) { h.newCron("nightly-import", change...) }
}

// withRun starts the execution that the examples are about.
func withRun(change ...func(*ledger.Settings)) func(*harbour) {
	return func(h *harbour) {
		withCron(change...)(h)
		h.id(h.call("POST", "/api/nightly-import/start", `{"host":"web-1"}`))
	}
}

func oneHour(s *ledger.Settings) { s.MaxRuntime = time.Hour }

func paused(h *harbour) {
	withCron()(h)
	until := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	if _, err := h.ledger.Pause(h.t.Context(), h.app.ID, ledger.Ref{Slug: "nightly-import"}, until); err != nil {
		h.t.Fatal(err)
	}
}

// maintained keeps the application under maintenance until three o'clock.
func maintained(h *harbour) {
	h.t.Helper()
	now := h.clock.now()
	until := now.Truncate(12 * time.Hour).Add(3 * time.Hour)
	err := h.store.Tx(h.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(h.t.Context(), `INSERT INTO maintenance_windows (application_id, cron_id, starts_at, ends_at, reason, created_at)
			VALUES ($1, NULL, $2, $3, 'disks', $2)`, h.app.ID, db.Time{Time: now}, db.Time{Time: until})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// reportScenarios are those of the reports.
func reportScenarios() map[string]scenario {
	ended := func(success bool) func(*harbour) {
		return func(h *harbour) {
			withRun()(h)
			h.call("POST", "/api/84213/end", fmt.Sprintf(`{"success":%v,"type":"info"}`, success))
		}
	}
	aMinuteOn := func(h *harbour) {
		withRun()(h)
		h.call("POST", "/api/84213/message", `{"message":"1000 rows read","type":"info"}`)
		h.clock.add(61_250 * time.Millisecond)
	}
	all := map[string]scenario{
		"canStart 200 yes":         {moored: withCron()},
		"canStart 200 plain":       {moored: withCron()},
		"canStart 200 paused":      {moored: paused},
		"canStart 200 maintenance": {moored: func(h *harbour) { withCron()(h); maintained(h) }},
		"canStart 200 running":     {moored: withRun(onlyOne)},
		"canStart 404 unknown":     {},
		"canStart 409 strict":      {moored: paused, query: "strict=1"},
		"canStart 409 strictly":    {moored: paused, query: "strict=1"},

		"startByGet 400 prefetch": {moored: withCron(), headers: []string{"Sec-Purpose", "prefetch"}},
		"startByGet 422 wrong":    {moored: withCron(), query: "rid=two+words&scheduled_for=tonight"},
		"start 400 json":          {moored: withCron(), request: `{"rid": one}`},
		"start 415 type":          {moored: withCron(), request: "start", headers: []string{"Content-Type", "multipart/form-data; boundary=x"}},
		"start 422 wrong":         {moored: withCron(), request: `{"rid":"two words","scheduled_for":"tonight"}`},

		"end 200 ended":   {moored: aMinuteOn, request: "end"},
		"end 200 plain":   {moored: withRun(), request: "end"},
		"end 404 unknown": {request: "end"},
		"end 409 ended":   {moored: ended(false), request: "end"},
		"end 422 wrong":   {moored: withRun(), request: `{"success":"true","type":"fatal"}`},

		"message 200 message":  {moored: withRun(), request: "message"},
		"message 200 messages": {moored: withRun(), request: "messages"},
		"message 200 plain":    {moored: withRun(), request: "message"},
		"message 404 unknown":  {request: "message"},
		"message 409 late": {request: "message", moored: func(h *harbour) {
			ended(true)(h)
			h.clock.add(25 * time.Hour)
		}},
		"message 422 wrong": {moored: withRun(), request: `[{"message":"fine","type":"info"},{"message":"","at":"noon"}]`},
	}
	for _, op := range []string{"startByGet", "start"} {
		all[op+" 200 started"] = scenario{moored: withCron(oneHour)}
		all[op+" 200 plain"] = scenario{moored: withCron()}
		all[op+" 404 unknown"] = scenario{}
		all[op+" 409 running"] = scenario{moored: withRun(onlyOne)}
		all[op+" 418 inactive"] = scenario{moored: withCron(inactive)}
	}
	for _, op := range []string{"end", "message"} {
		all[op+" 400 json"] = scenario{request: `{"rid": one}`}
		all[op+" 415 type"] = scenario{headers: []string{"Content-Type", "multipart/form-data; boundary=x"}}
	}
	for _, op := range []string{"canStart", "startByGet", "start", "end", "message"} {
		request := map[string]string{"end": "end", "message": "message"}[op]
		all[op+" 401 key"] = scenario{key: "none"}
		if op != "canStart" {
			all[op+" 403 scope"] = scenario{key: "shop read"}
		}
		all[op+" 429 rate"] = scenario{
			options: func(o *Options) { o.KeyRate = 1 },
			moored: func(h *harbour) {
				for range 2 {
					h.call("GET", "/api/nobody/can-start", "")
				}
			},
		}
		all[op+" 503 store"] = scenario{request: request, options: func(o *Options) { o.CallTime = time.Nanosecond }}
	}
	return all
}
