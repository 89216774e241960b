package browser

import (
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/rejected"
)

// seeds fills a store before a server runs on it.
type seeds struct {
	t   testing.TB
	now time.Time

	db      *db.DB
	ledger  *ledger.Ledger
	outbox  *outbox.Outbox
	keys    *apikey.Registry
	audit   *audit.Log
	refused *rejected.Log
}

// sow opens a new SQLite store, has it filled and closes it.
func sow(t testing.TB, path string, fill func(*seeds)) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), "sqlite://"+path, db.Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Migrate(t.Context(), jobs.Migrate); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := &seeds{
		t: t, now: time.Now().UTC().Truncate(time.Second), db: d,
		ledger: ledger.New(d), outbox: outbox.New(d, outbox.Options{}), keys: apikey.NewRegistry(d),
		audit: audit.New(d, log), refused: rejected.Open(d, log),
	}
	fill(s)
	s.refused.Close()
}

func (s *seeds) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// application adds one and gives its id.
func (s *seeds) application(name string) int64 {
	s.t.Helper()
	a, err := s.keys.AddApplication(s.t.Context(), name)
	s.must(err)
	return a.ID
}

// cron adds a cron of an application.
func (s *seeds) cron(app int64, slug, name string, change ...func(*ledger.Settings)) ledger.Cron {
	s.t.Helper()
	settings := ledger.Settings{Name: name, Active: true, Schedule: "every 1h", Grace: time.Hour}
	for _, c := range change {
		c(&settings)
	}
	c, err := s.ledger.Create(s.t.Context(), app, slug, settings)
	s.must(err)
	return c
}

// ran is an execution as it went.
type ran struct {
	ago, took time.Duration
	host      string
	bad       bool
	says      []string
	end       string
}

// run reports an execution afterwards.
func (s *seeds) run(c ledger.Cron, r ran) {
	s.t.Helper()
	began := s.now.Add(-r.ago)
	e, _, err := s.ledger.Start(s.t.Context(), ledger.Start{App: c.AppID, Cron: ledger.Ref{ID: c.ID}, Holder: r.host, Trigger: ledger.HTTP, Began: began})
	s.must(err)
	if len(r.says) > 0 {
		var all []ledger.Message
		for i, text := range r.says {
			all = append(all, ledger.Message{Type: []ledger.MessageType{ledger.Info, ledger.Warning, ledger.Error}[i%3], Text: text, At: began})
		}
		_, err = s.ledger.Say(s.t.Context(), c.AppID, e.ID, all)
		s.must(err)
	}
	kind := ledger.Succeeded
	if r.bad {
		kind = ledger.Error
	}
	_, err = s.ledger.Report(s.t.Context(), c.AppID, e.ID, ledger.Report{Success: !r.bad, Type: kind, Message: r.end, Took: r.took, EndedAt: began.Add(r.took)})
	s.must(err)
}

// running begins an execution that does not end.
func (s *seeds) running(c ledger.Cron, host string) {
	s.t.Helper()
	_, _, err := s.ledger.Start(s.t.Context(), ledger.Start{App: c.AppID, Cron: ledger.Ref{ID: c.ID}, Holder: host, Trigger: ledger.HTTP})
	s.must(err)
}

// The states that deliveries are put into, as the store has them.
const (
	waiting = 0
	sent    = 3
	dead    = 4
)

// deliver adds deliveries and puts them into a state, with what goes with that: an
// attempt and its error.
func (s *seeds) deliver(state int, ago time.Duration, trouble string, items ...outbox.Item) {
	s.t.Helper()
	s.must(s.db.Tx(s.t.Context(), func(tx *db.Tx) error {
		ids, _, err := s.outbox.Add(s.t.Context(), tx, items, outbox.Skip)
		if err != nil || state == waiting {
			return err
		}
		at := db.Time{Time: s.now.Add(-ago)}
		for _, id := range ids {
			outcome := "sent"
			if state == dead {
				outcome = "failed"
			}
			if _, err := tx.Exec(s.t.Context(), "UPDATE deliveries SET state = $1, attempts = 1, ended_at = $2, last_error = $3, reference = 'r-1' WHERE id = $4", state, at, trouble, id); err != nil {
				return err
			}
			if _, err := tx.Exec(s.t.Context(), "INSERT INTO attempts (delivery_id, n, at, took, outcome, status, code, detail) VALUES ($1, 1, $2, 120000, $3, 200, 'code', $4)",
				id, at, outcome, trouble); err != nil {
				return err
			}
		}
		return nil
	}))
}

// message is a text to somebody.
func message(channel, to, text string) outbox.Item {
	return outbox.Item{Topic: outbox.Message, Channel: channel, Recipient: to, Payload: text}
}

// one is one of everything.
func one(s *seeds) {
	app := s.application("shop")
	c := s.cron(app, "nightly", "Nightly import")
	s.run(c, ran{ago: 10 * time.Minute, took: 3 * time.Second, host: "web-1", says: []string{"reading"}, end: "12 rows"})
	s.deliver(sent, time.Minute, "", message("telegram", "123", "hello"))
	s.window(ledger.Window{AppID: s.application("lab"), StartsAt: s.now.Add(-time.Minute), EndsAt: s.now.Add(time.Hour), Reason: "moving"})
	s.refuse("/api/nightly/start", "curl/8")
	s.audit.Note(s.t.Context(), audit.Entry{Who: audit.Local, Action: "cron.pause", Target: audit.Cron(c.ID, "shop", "nightly"), Detail: "until resumed", Remote: "127.0.0.1"})
}

// many is so much of everything that no list holds all of it.
func many(s *seeds) {
	const apps, crons, runs, deliveries = 30, 300, 5000, 5000
	var all []ledger.Cron
	for i := range apps {
		id := s.application(fmt.Sprintf("app-%02d", i))
		for j := range crons / apps {
			all = append(all, s.cron(id, fmt.Sprintf("cron-%02d-%02d", i, j), fmt.Sprintf("Job %d of application %d", j, i)))
		}
	}
	for i := range runs {
		c := all[(i*7)%len(all)]
		s.run(c, ran{
			ago: time.Duration(runs-i) * 30 * time.Second, took: time.Duration(1+i%17) * time.Second, host: fmt.Sprintf("host-%d", i%9),
			bad: c.ID%10 == 3, end: fmt.Sprintf("%d rows", i),
		})
	}
	s.run(all[0], ran{ago: time.Minute, took: 30 * time.Second, host: "host-1", says: numbered(900, "line"), end: "done"})
	for i := range 8 {
		s.running(all[i*5+1], "host-2")
	}
	for i := 0; i < deliveries; i += 500 {
		var items []outbox.Item
		for j := range 500 {
			items = append(items, message([]string{"telegram", "viber", "whatsapp"}[j%3], fmt.Sprintf("%d", 1000+j), fmt.Sprintf("message %d of %d", i, j)))
		}
		s.deliver([]int{sent, dead, waiting}[i/500%3], time.Duration(i)*time.Second, []string{"", "401 unauthorized: the token is wrong", ""}[i/500%3], items...)
	}
	for i := range 150 {
		from := s.now.Add(time.Duration(i-60) * time.Hour)
		s.window(ledger.Window{AppID: all[crons-1].AppID, StartsAt: from, EndsAt: from.Add(2 * time.Hour), Reason: fmt.Sprintf("work %d on the database", i)})
		s.refuse(fmt.Sprintf("/api/job-%d/start", i), "curl/8.5")
		s.audit.Note(s.t.Context(), audit.Entry{Who: audit.Local, Action: "cron.pause", Target: audit.Cron(all[i].ID, all[i].App, all[i].Slug), Detail: "for an hour", Remote: "127.0.0.1"})
	}
}

func numbered(n int, text string) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s %d %s", text, i, strings.Repeat("and more ", i%7)))
	}
	return all
}

// window adds a maintenance window; one that began before now is put there.
func (s *seeds) window(w ledger.Window) {
	s.t.Helper()
	s.must(s.db.Tx(s.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(s.t.Context(), "INSERT INTO maintenance_windows (application_id, starts_at, ends_at, reason, created_at) VALUES ($1, $2, $3, $4, $5)",
			sql.NullInt64{Int64: w.AppID, Valid: w.AppID != 0}, db.Time{Time: w.StartsAt}, db.Time{Time: w.EndsAt}, w.Reason, db.Time{Time: s.now})
		return err
	}))
}

// refuse notes a call that was refused.
func (s *seeds) refuse(path, agent string) {
	s.refused.Note(rejected.Call{Method: "POST", Path: path, Status: 401, Code: "unauthorized", Detail: "the API key is missing or not valid", Remote: "10.0.0.7", Agent: agent})
}
