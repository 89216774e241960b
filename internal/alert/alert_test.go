package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/alert"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

// clock is a clock that tests move.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time      { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) set(s string)        { c.micros.Store(at(s).UnixMicro()) }
func (c *clock) options() db.Options { return db.Options{Clock: c.now, Synchronous: "NORMAL"} }

func at(s string) time.Time {
	t, err := time.Parse(time.DateTime, s)
	if err != nil {
		panic(err)
	}
	return t
}

// world is a store with an application, the ledger and the alerts.
type world struct {
	*alert.Alerts
	clock  *clock
	db     *db.DB
	ledger *ledger.Ledger
	outbox *outbox.Outbox
	shop   int64
}

// each runs a test on both stores, at one in the morning in UTC.
func each(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	c := &clock{}
	c.set("2026-11-21 01:00:00")
	t.Parallel()
	dbtest.Run(t, c.options(), func(t *testing.T, d *db.DB) {
		c.set("2026-11-21 01:00:00")
		run(t, newWorld(t, d, c))
	})
}

func newWorld(t testing.TB, d *db.DB, c *clock) *world {
	t.Helper()
	w := &world{clock: c, db: d, ledger: ledger.New(d), outbox: outbox.New(d, outbox.Options{})}
	w.Alerts = alert.New(d, w.ledger, w.outbox)
	w.shop = w.addApp(t, "shop")
	return w
}

func (w *world) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	err := w.db.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) addApp(t testing.TB, name string) (id int64) {
	t.Helper()
	w.exec(t, "INSERT INTO applications (name, created_at) VALUES ($1, 0)", name)
	if err := w.db.QueryRow(t.Context(), "SELECT id FROM applications WHERE name = $1", name).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) addCron(t testing.TB, app int64, slug string, change func(*ledger.Settings)) ledger.Cron {
	t.Helper()
	s := ledger.DefaultSettings()
	if change != nil {
		change(&s)
	}
	cron, err := w.ledger.Create(t.Context(), app, slug, s)
	if err != nil {
		t.Fatal(err)
	}
	return cron
}

// webhook registers a webhook, if it is not.
func (w *world) webhook(t testing.TB, name string) {
	t.Helper()
	w.exec(t, `INSERT INTO webhooks (name, url, profile, rate, created_at, changed_at) VALUES ($1, $2, 'standard', 'none', 0, 0)
		ON CONFLICT DO NOTHING`, name, []byte{})
}

// add adds a recipient, and the webhook that it may be.
func (w *world) add(t testing.TB, r alert.Recipient) alert.Recipient {
	t.Helper()
	if name, ok := strings.CutPrefix(r.Channel, "webhook/"); ok {
		w.webhook(t, name)
	}
	added, err := w.Add(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// chat adds a chat that is told of kinds.
func (w *world) chat(t testing.TB, address string, kinds ...ledger.EventKind) {
	t.Helper()
	w.add(t, alert.Recipient{Channel: "telegram", Address: address, Kinds: kinds})
}

func (w *world) start(t testing.TB, slug string) int64 {
	t.Helper()
	e, _, err := w.ledger.Start(t.Context(), ledger.Start{App: w.shop, Cron: ledger.Ref{Slug: slug}, Trigger: ledger.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// ran has a run of a cron begin and end.
func (w *world) ran(t testing.TB, slug string, success bool, said string) {
	t.Helper()
	w.end(t, w.start(t, slug), success, said)
}

func (w *world) end(t testing.TB, execution int64, success bool, said string) {
	t.Helper()
	r := ledger.Report{Success: success, Type: ledger.Info, Message: said}
	if _, err := w.ledger.Report(t.Context(), w.shop, execution, r); err != nil {
		t.Fatal(err)
	}
}

func (w *world) sweep(t testing.TB) {
	t.Helper()
	if err := w.ledger.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) tell(t testing.TB) {
	t.Helper()
	if err := w.Tell(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// happen stores an event of a cron that is to be told, the nth.
func (w *world) happen(t testing.TB, cron ledger.Cron, kind ledger.EventKind, n int) {
	t.Helper()
	now := db.Time{Time: w.db.Now()}
	w.exec(t, `INSERT INTO events (cron_id, application_id, execution_id, kind, since, detail, at) VALUES ($1, $2, $3, $4, $5, 'of a test', $6)`,
		cron.ID, cron.AppID, n, string(kind), w.db.Now().UnixMicro()+int64(n), now)
}

func (w *world) deliveries(t testing.TB) []outbox.Row {
	t.Helper()
	var all []outbox.Row
	for after := int64(0); ; {
		page, err := w.outbox.List(t.Context(), outbox.Filter{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all, after = append(all, page...), page[len(page)-1].ID
	}
}

// told are the texts for an address.
func (w *world) told(t testing.TB, address string) (all []string) {
	t.Helper()
	for _, row := range w.deliveries(t) {
		if row.Recipient == address {
			all = append(all, row.Payload)
		}
	}
	return all
}

func (w *world) wantTold(t testing.TB, address string, want ...string) {
	t.Helper()
	if got := w.told(t, address); !slices.Equal(got, want) {
		t.Errorf("%s was told\n%s\nwant\n%s", address, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatAChatIsToldOfEachKind(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1", alert.Kinds()...)
		w.addCron(t, w.shop, "import", func(s *ledger.Settings) {
			s.Schedule, s.Zone, s.MaxRuntime = "0 3 * * *", "Europe/Vienna", 10*time.Minute
			s.FailAfter, s.EachFailure, s.EachSuccess = 3, true, true
		})
		w.clock.set("2026-11-21 02:01:00")
		w.sweep(t)
		w.tell(t)
		w.clock.set("2026-11-21 02:05:00")
		late := w.start(t, "import")
		w.tell(t)
		w.clock.set("2026-11-21 02:15:01")
		w.sweep(t)
		w.tell(t)
		w.clock.set("2026-11-21 02:20:00")
		w.end(t, late, true, "")
		w.tell(t)
		for range 3 {
			w.ran(t, "import", false, "exit code 2: no such table")
			w.tell(t)
		}
		w.clock.set("2026-11-21 04:25:30")
		w.ran(t, "import", true, "")
		w.tell(t)
		w.tell(t)
		w.wantTold(t, "1",
			"shop/import missed: expected 2026-11-21 03:00 CET, not started by 2026-11-21 03:01 CET",
			"shop/import recovered at 2026-11-21 03:05 CET (had not started for 5 min)\nit started again",
			"shop/import overdue: not done by 2026-11-21 03:15 CET\nit has run for longer than 10m0s",
			"shop/import recovered at 2026-11-21 03:20 CET (was overdue for 4 min 59 s)\nan execution ended well",
			"shop/import succeeded at 2026-11-21 03:20 CET",
			"shop/import failed at 2026-11-21 03:20 CET\nexit code 2: no such table",
			"shop/import failed at 2026-11-21 03:20 CET\nexit code 2: no such table",
			"shop/import failing since 2026-11-21 03:20 CET\nthe last 3 executions failed: exit code 2: no such table",
			"shop/import recovered at 2026-11-21 05:25:30 CET (was failing for 2 h 5 min)\nan execution ended well",
			"shop/import succeeded at 2026-11-21 05:25:30 CET",
		)
	})
}

func TestWhatAWebhookIsTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.add(t, alert.Recipient{Channel: "webhook/pager"})
		w.addCron(t, w.shop, "import", func(s *ledger.Settings) { s.Zone = "Europe/Vienna" })
		w.ran(t, "import", false, `said "<no>"`)
		w.tell(t)
		w.clock.set("2026-11-21 01:02:00")
		w.ran(t, "import", true, "")
		w.tell(t)
		w.wantTold(t, "pager",
			`{"type":"cron.failing","timestamp":"2026-11-21T01:00:00.000Z","data":{"event_id":1,"app":"shop","cron_id":1,"slug":"import","kind":"failing",`+
				`"subject":null,"since":"2026-11-21T01:00:00.000Z","detail":"the last execution failed: said \"\u003cno\u003e\"","execution_id":1}}`,
			`{"type":"cron.recovered","timestamp":"2026-11-21T01:02:00.000Z","data":{"event_id":2,"app":"shop","cron_id":1,"slug":"import","kind":"recovered",`+
				`"subject":"failing","since":"2026-11-21T01:00:00.000Z","detail":"an execution ended well","execution_id":2}}`,
		)
	})
}

func TestSeveralMissedStartsAreToldAsOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1")
		w.addCron(t, w.shop, "import", func(s *ledger.Settings) { s.Schedule = "0 * * * *" })
		w.clock.set("2026-11-21 04:30:00")
		w.sweep(t)
		w.tell(t)
		w.wantTold(t, "1", "shop/import missed: expected 2026-11-21 02:00 UTC and 2 more times, not started by 2026-11-21 04:30 UTC")
	})
}

func TestWhoIsToldOfWhat(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.addApp(t, "bank")
		w.addCron(t, other, "import", nil)
		w.addCron(t, w.shop, "import", func(s *ledger.Settings) { s.FailAfter, s.EachFailure = 2, true })
		w.chat(t, "default")
		w.chat(t, "failed", ledger.EventFailed)
		w.chat(t, "missed", ledger.EventMissed, ledger.EventRecovered)
		w.add(t, alert.Recipient{Channel: "viber", Address: "bank", App: "bank"})
		shop := w.add(t, alert.Recipient{Channel: "viber", Address: "shop", App: "shop", Kinds: []ledger.EventKind{ledger.EventFailing}})
		// A chat that is there for two reasons is told once.
		w.add(t, alert.Recipient{Channel: "telegram", Address: "default", App: "shop"})
		w.ran(t, "import", false, "")
		w.ran(t, "import", false, "")
		w.tell(t)
		if err := w.Remove(t.Context(), shop.ID); err != nil {
			t.Fatal(err)
		}
		// Whoever comes in between is told of the end.
		w.chat(t, "late")
		w.ran(t, "import", true, "")
		w.tell(t)
		const failed, failing, over = "failed", "failing", "recovered"
		for address, want := range map[string][]string{
			"default": {failing, over}, "failed": {failed}, "missed": nil, "bank": nil, "shop": {failing}, "late": {over},
		} {
			var got []string
			for _, text := range w.told(t, address) {
				got = append(got, strings.Fields(text)[1])
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s was told of %q, want %q", address, got, want)
			}
		}
	})
}

// Without recipients events pass by: whoever comes later is not told of the past.
func TestThePastIsNoNews(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addCron(t, w.shop, "import", nil)
		w.ran(t, "import", false, "")
		w.tell(t)
		w.chat(t, "1")
		w.tell(t)
		w.wantTold(t, "1")
	})
}

func TestWhatCouldNotBeToldForLongIsMarkedAsOld(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1")
		w.addCron(t, w.shop, "import", nil)
		w.ran(t, "import", false, strings.Repeat("ä", 290))
		w.clock.set("2026-11-23 04:00:00")
		w.tell(t)
		w.wantTold(t, "1", "shop/import failing since 2026-11-21 01:00 UTC\nthe last execution failed: "+strings.Repeat("ä", 290)+
			"\nThis is old: it happened 2 d 3 h ago and could not be told before.")
	})
}

func TestWhatWasSuppressedIsToldAfterwardsIfItStands(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1")
		_, err := w.ledger.AddMaintenance(t.Context(), ledger.Window{EndsAt: at("2026-11-21 03:00:00"), Reason: "moving"})
		if err != nil {
			t.Fatal(err)
		}
		for _, slug := range []string{"stands", "passes"} {
			w.addCron(t, w.shop, slug, nil)
			w.ran(t, slug, false, "broken")
		}
		w.ran(t, "passes", true, "")
		w.tell(t)
		w.wantTold(t, "1")
		w.clock.set("2026-11-21 03:00:00")
		w.sweep(t)
		w.tell(t)
		w.clock.set("2026-11-21 03:10:00")
		w.ran(t, "stands", true, "")
		w.tell(t)
		w.wantTold(t, "1",
			"shop/stands failing since 2026-11-21 01:00 UTC\nit has been failing since 2026-11-21T01:00:00Z",
			"shop/stands recovered at 2026-11-21 03:10 UTC (was failing for 2 h 10 min)\nan execution ended well")
	})
}

func TestAStormIsSummedUpForChatsAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1")
		w.chat(t, "few", ledger.EventOverdue)
		w.add(t, alert.Recipient{Channel: "webhook/pager"})
		var crons []ledger.Cron
		for i := range 3 {
			crons = append(crons, w.addCron(t, w.shop, fmt.Sprintf("cron-%d", i), nil))
		}
		for i := range 120 {
			w.happen(t, crons[i%3], ledger.EventMissed, i)
		}
		for i := range 20 {
			w.happen(t, crons[0], ledger.EventOverdue, i+1)
		}
		w.tell(t)
		got := w.told(t, "1")
		if len(got) != 1 || !strings.HasPrefix(got[0], "140 events of 3 crons: 120 missed, 20 overdue\nshop/cron-0 missed: expected ") ||
			!strings.HasSuffix(got[0], "\n… and 130 more; see ferryman cron list") || strings.Count(got[0], "\n") != 11 {
			t.Errorf("the chat was told %q", got)
		}
		if got := w.told(t, "few"); len(got) != 20 {
			t.Errorf("who wants 20 of them was told %d times", len(got))
		}
		if got := w.told(t, "pager"); len(got) != 140 {
			t.Errorf("the webhook was told %d times", len(got))
		}
	})
}

func TestMessagesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1", alert.Kinds()...)
		long := strings.Repeat("a", 100)
		app := w.addApp(t, long)
		cron := w.addCron(t, app, long, nil)
		w.exec(t, "INSERT INTO events (cron_id, application_id, execution_id, kind, detail, at) VALUES ($1, $2, 1, 'failed', $3, $4)",
			cron.ID, app, strings.Repeat("ö", 5000), db.Time{Time: w.db.Now().Add(-48 * time.Hour)})
		w.tell(t)
		for i := range 30 {
			w.happen(t, cron, ledger.EventMissed, i)
		}
		w.tell(t)
		got := w.told(t, "1")
		if len(got) != 2 {
			t.Fatalf("told %q", got)
		}
		if n := len([]rune(got[0])); n != 1000 || !strings.HasSuffix(got[0], "ö…\nThis is old: it happened 2 d ago and could not be told before.") {
			t.Errorf("%d characters: %s", n, got[0])
		}
		if n := len([]rune(got[1])); n > 1000 || !strings.HasPrefix(got[1], "30 events of 1 cron: 30 missed\n") || !strings.HasSuffix(got[1], "… and 27 more; see ferryman cron list") {
			t.Errorf("%d characters: %s", n, got[1])
		}
	})
}

// What goes to a chat goes in the order of the events, and so does what goes to a
// webhook about one cron; nothing else waits for another.
func TestTheOrderOfAlerts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.chat(t, "1")
		w.chat(t, "2")
		w.add(t, alert.Recipient{Channel: "webhook/pager"})
		for _, slug := range []string{"a", "b"} {
			w.addCron(t, w.shop, slug, nil)
			w.ran(t, slug, false, "")
			w.ran(t, slug, true, "")
		}
		w.tell(t)
		waiting := map[string][]string{}
		for _, row := range w.deliveries(t) {
			if row.Topic != outbox.Alert || row.ExpiresAt == nil || row.ExpiresAt.Sub(w.clock.now()) != 7*24*time.Hour {
				t.Errorf("delivery %+v", row)
			}
			if row.State == outbox.Waiting {
				waiting[row.Recipient] = append(waiting[row.Recipient], row.OrderKey)
			}
		}
		for recipient, want := range map[string][]string{"1": {"alert 1"}, "2": {"alert 2"}, "pager": {"alert cron 1", "alert cron 2"}} {
			if !slices.Equal(waiting[recipient], want) {
				t.Errorf("of %s go at once %q, want %q", recipient, waiting[recipient], want)
			}
		}
	})
}
