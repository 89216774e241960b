package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
	"ferryman/internal/pipeline"
)

// ownSync adds one of Ferryman's own syncs, with a run that did what the report says.
func (s *site) ownSync(slug string, reports ...pipeline.Report) ledger.Cron {
	s.t.Helper()
	c, err := s.ledger.Register(s.t.Context(), slug, ledger.Settings{Name: "Sync of " + slug, Schedule: "every 1m", MaxRunning: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range reports {
		e, _, err := s.ledger.StartOwn(s.t.Context(), c.ID, ledger.Start{Trigger: ledger.CLI, Holder: "here", Lease: time.Minute})
		if err != nil {
			s.t.Fatal(err)
		}
		result, err := json.Marshal(r)
		if err != nil {
			s.t.Fatal(err)
		}
		t := r.Total()
		if err := s.db.Tx(s.t.Context(), func(tx *db.Tx) error {
			return s.ledger.End(s.t.Context(), tx, e.ID, ledger.Outcome{
				Status: ledger.Success, Result: result, Counts: ledger.Counts{Read: t.Read, Written: t.Written, Rejected: t.Rejected},
			})
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	return c
}

// failed adds a run that came to nothing.
func (s *site) failed(c ledger.Cron, detail string) (id int64) {
	s.t.Helper()
	e, _, err := s.ledger.StartOwn(s.t.Context(), c.ID, ledger.Start{Trigger: ledger.CLI, Holder: "here", Lease: time.Minute})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.db.Tx(s.t.Context(), func(tx *db.Tx) error {
		return s.ledger.End(s.t.Context(), tx, e.ID, ledger.Outcome{Status: ledger.Failed, Detail: detail})
	}); err != nil {
		s.t.Fatal(err)
	}
	return e.ID
}

// While the source is down the page says so, and not how well it went before.
func TestTheLastRunIsTheOneThatFailed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.ownSync("warehouses", pipeline.Report{Tables: []pipeline.TableCount{{Table: "users", Read: 12345}}})
	id := s.failed(c, "the source is down")
	page := s.page(Root + "syncs/warehouses")
	s.shows(page, fmt.Sprintf(`<a href="/ui/runs/%d">Run %d</a> ended`, id, id), "the source is down", "12\u202f345",
		fmt.Sprintf(`Rows of <a href="/ui/runs/%d">run %d</a>`, id-1, id-1), "the newest that read anything")
	s.shows(s.page(Root+"syncs"), fmt.Sprintf(`<a href="/ui/runs/%d">`, id), "failed", "12\u202f345")
}

// casts is a node that runs some syncs, and takes down which it was asked for.
type casts []string

func (c *casts) Cast(_ context.Context, slug string) error {
	*c = append(*c, slug)
	return nil
}

// verifies is a Verifier of one sync.
type verifies struct {
	slug string
	last *Verification
}

func (v *verifies) Can(slug string) bool { return slug == v.slug }
func (v *verifies) Begin(_ string, repair bool) error {
	v.last = &Verification{Repair: repair, Begun: time.Now(), Phase: "contacts", Listed: 50, Total: 200}
	return nil
}
func (v *verifies) Stop(string)               { v.last.Ended, v.last.Failure = time.Now(), "it was called off" }
func (v *verifies) Last(string) *Verification { return v.last }
func (v *verifies) Pulse() string             { return fmt.Sprint(v.last != nil) }

func TestSyncsAreListed(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) {
		o.Pipelines = []Pipeline{{Slug: "warehouses", Source: "WMS API at wms.example", Target: "postgres://ferryman:********@db/x"}}
	})
	s.shows(s.page(Root+"syncs"), "No sync yet")
	s.ownSync("warehouses", pipeline.Report{Tables: []pipeline.TableCount{{Table: "users", Read: 12345, Inserted: 3, Rejected: 2}}}, pipeline.Report{})
	s.ownSync("contacts-elsewhere")
	page := s.page(Root + "syncs")
	s.shows(page, "WMS API at wms.example", "→ postgres://ferryman:********@db/x", "12\u202f345", "run by another node", "no success yet", "Run now")

	s.signIn(apikey.BuiltIn, apikey.Read)
	s.shows(s.page(Root+"syncs"), "Sync of warehouses", "!Run now")
}

func TestSyncPage(t *testing.T) {
	t.Parallel()
	var asked casts
	s := newSite(t, func(o *Options) {
		o.Syncs = &asked
		o.Pipelines = []Pipeline{{Slug: "contacts-c", Source: "campaign C at api.example", Target: "sqlite:///x.db", Mode: "db_sync"}}
	})
	report := pipeline.Report{To: hostile, Tables: []pipeline.TableCount{{Table: "contacts", Read: 7, Inserted: 3, Updated: 1, Bytes: 4000}}}
	c := s.ownSync("contacts-c", report)
	at := Root + "syncs/contacts-c"
	page := s.page(at)
	s.shows(page, "campaign C at api.example", "db_sync", harmless, "!<script>alert", `<code>contacts</code>`, "4 kB", "behind: a run last ended well", `!contacts-c/verify"`)
	_, page = s.post(at, at+"/run")
	s.shows(page, "Sync of contacts-c was asked to run.")
	if len(asked) != 1 || asked[0] != "contacts-c" {
		t.Errorf("asked for %q", asked)
	}
	if noted := s.noted(); len(noted) != 1 || noted[0] != fmt.Sprintf("cron.run cron %d ferryman/contacts-c", c.ID) {
		t.Errorf("noted %q", noted)
	}
	_, page = s.post(at, at+"/verify")
	s.shows(page, "This server cannot compare the sync with its source.")
	for _, path := range []string{"contacts-", "none", "%3Cb%3E"} {
		if status, page := s.get(Root + "syncs/" + path); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
}

func TestSyncIsVerified(t *testing.T) {
	t.Parallel()
	v := &verifies{slug: "contacts-c"}
	s := newSite(t, func(o *Options) { o.Verifier = v })
	s.ownSync("contacts-c")
	at := Root + "syncs/contacts-c"
	s.shows(s.page(at), `contacts-c/verify"`, `!contacts-c/repair"`, `&#34;verify&#34;`)
	_, page := s.post(at, at+"/repair")
	s.shows(page, "A repair follows a verification that found differences.")
	_, page = s.post(at, at+"/verify")
	s.shows(page, "is compared with its source now", "comparing", "50 of 200 contacts listed", `!contacts-c/verify"`, ">Stop<")
	_, page = s.post(at, at+"/stop")
	s.shows(page, "It is called off.", "did not come to its end: it was called off", `contacts-c/verify"`, `!contacts-c/repair"`)
	_, page = s.post(at, at+"/stop")
	s.shows(page, "Nothing goes on any more.")

	v.last = &Verification{
		Begun: time.Now(), Ended: time.Now(), Report: pipeline.Report{Tables: []pipeline.TableCount{{Table: "contacts", Updated: 5}}},
		Differences: []Difference{{Table: "contacts", Key: hostile, Kind: "different", Columns: []string{"name"}}}, Undecided: 2,
	}
	s.shows(s.page(at), "5 rows differ", harmless, "!<script>alert", "Of 2 contacts and calls", `contacts-c/repair"`, "(5, as of the verification)")
	_, page = s.post(at, at+"/repair")
	s.shows(page, "is made right", "repairing")
	if noted := strings.Join(s.noted(), "; "); strings.Count(noted, "sync.") != 3 || !strings.Contains(noted, "sync.repair cron ") {
		t.Errorf("noted %q", noted)
	}
}

func TestDeadLettersOfASync(t *testing.T) {
	t.Parallel()
	var letters []Letter
	for i := range lettersOnPage + 5 {
		letters = append(letters, Letter{ID: fmt.Sprintf("id%03d", i), Table: "contacts", Key: fmt.Sprintf("key%03d", i), Reason: hostile, At: time.UnixMicro(int64(1e15 - i))})
	}
	broken := false
	s := newSite(t, func(o *Options) {
		o.Pipelines = []Pipeline{
			{Slug: "contacts-posts", Channel: "contacts/c"},
			{Slug: "contacts-c", Letters: func(_ context.Context, after Letter, limit int) ([]Letter, error) {
				if broken {
					return nil, errors.New("dial tcp 10.0.0.7: secret place")
				}
				rest := letters
				for len(rest) > 0 && after.ID != "" && (rest[0].ID <= after.ID || rest[0].At.After(after.At)) {
					rest = rest[1:]
				}
				return rest[:min(limit, len(rest))], nil
			}},
		}
	})
	s.ownSync("contacts-c")
	s.ownSync("contacts-posts")
	at := Root + "syncs/contacts-c"
	page := s.page(at)
	s.shows(page, "key000", "key099", "!key100", harmless, "!<script>alert")
	next := strings.Split(strings.Split(page, `" rel="next"`)[0], `<a href="`)
	s.shows(s.page(next[len(next)-1]), "!key099", "key100", "key104", "First page", `!rel="next"`)
	for _, query := range []string{"?letters=x", "?letters=1", "?letters=1-", "?letters=-id"} {
		if status, page := s.get(at + query); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, status, page)
		}
	}
	broken = true
	s.shows(s.page(at), "Not to be seen now", "!secret place")
	s.shows(s.page(Root+"syncs/contacts-posts"), `href="/ui/outbox?channel=contacts%2fc&amp;state=failed"`)
}

// A target that takes its time is not asked by each page that is open.
func TestASlowTargetIsAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := newSite(t, func(o *Options) {
		o.Pipelines = []Pipeline{{Slug: "contacts-c", Letters: func(ctx context.Context, after Letter, _ int) ([]Letter, error) {
			asked.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(10 * keptFrom):
			}
			return []Letter{{ID: "id", Table: "contacts", Key: "after " + after.ID, At: time.Now()}}, nil
		}}}
	})
	s.ownSync("contacts-c")
	at := Root + "syncs/contacts-c"
	for range 3 {
		s.shows(s.page(at), "after <")
	}
	s.shows(s.page(at+"?letters=5-x"), "after x")
	if n := asked.Load(); n != 2 {
		t.Errorf("it was asked %d times", n)
	}
}
