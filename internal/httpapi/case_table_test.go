package httpapi

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
	"ferryman/internal/rejected"
)

// TestCaseTable goes through the cases that the contract of the reports names, in
// its order: over HTTP, with a real ledger and real keys, on both databases.
func TestCaseTable(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		clock := &clock{}
		clock.set(time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC))
		store := dbtest.Open(t, url, quick(clock))
		for _, c := range []struct {
			name string
			run  func(*harbour)
		}{
			{"01 keys that are not good", badKeys},
			{"02 read-only key", readOnlyKey},
			{"03 of another application", ofAnotherApplication},
			{"04 path tricks", pathTricks},
			{"05 inactive cron", inactiveCron},
			{"06 precedence", precedence},
			{"07 HEAD", headOfStart},
			{"08 prefetch", prefetchedStart},
			{"09 repeated start", repeatedStart},
			{"10 one place for 64", onePlace},
			{"11 no limit", noLimit},
			{"12 end twice", endTwice},
			{"13 end after the deadline", endAfterDeadline},
			{"14 message after the end", messageAfterEnd},
			{"15 very many messages", veryManyMessages},
			{"16 wrong values", wrongValues},
			{"17 very long messages", veryLongMessages},
			{"18 text that is none", brokenText},
			{"19 bodies that are no JSON", brokenBodies},
			{"20 renamed and deleted", renamedAndDeleted},
			{"21 store in trouble", storeInTrouble},
			{"22 rate of a key", rateOfKey},
			{"23 restart in mid-run", restartInMidRun},
			{"24 wrong method and unknown path", wrongMethodAndPath},
			{"many large bodies", manyLargeBodies},
		} {
			t.Run(c.name, func(t *testing.T) { c.run(moor(t, url, store, clock)) })
		}
	})
}

// clock is one that tests move.
type clock struct{ at atomic.Pointer[time.Time] }

func (c *clock) now() time.Time      { return *c.at.Load() }
func (c *clock) set(at time.Time)    { c.at.Store(&at) }
func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

// quick are the options of a store on which nobody pulls the plug.
func quick(c *clock) db.Options { return db.Options{Clock: c.now, Synchronous: "OFF"} }

// harbour is a house with a ledger and keys in a store, and an application.
type harbour struct {
	*house
	url    string // of the store
	store  *db.DB
	clock  *clock
	ledger *ledger.Ledger
	outbox *outbox.Outbox
	keys   *apikey.Keys
	app    apikey.Application
	key    string // of the application, with the scope ping
}

func moor(t testing.TB, url string, store *db.DB, clock *clock, change ...func(*Options)) *harbour {
	t.Helper()
	keys, err := apikey.Open(t.Context(), store, []byte("a secret of thirty-two characters"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	refused := rejected.Open(store, slog.New(slog.DiscardHandler))
	t.Cleanup(refused.Close)
	h := &harbour{
		url: url, store: store, clock: clock, ledger: ledger.New(store), outbox: outbox.New(store, outbox.Options{}), keys: keys,
	}
	h.house = open(t, append([]func(*Options){func(o *Options) {
		o.Keys, o.Apps, o.Ledger, o.Rejected = keys, keys, h.ledger, refused
		o.Outbox = h.outbox
		o.Messages = push.New(store, h.outbox)
		o.Audit = audit.New(store, slog.New(slog.DiscardHandler))
	}}, change...)...)
	h.app = h.newApp()
	h.key = h.newKey(h.app, apikey.Ping)
	return h
}

func (h *harbour) newApp() apikey.Application {
	h.t.Helper()
	app, err := h.keys.AddApplication(h.t.Context(), "shop-"+strings.ToLower(rand.Text()[:10]))
	if err != nil {
		h.t.Fatal(err)
	}
	return app
}

func (h *harbour) newKey(app apikey.Application, scope apikey.Scope) string {
	h.t.Helper()
	_, key, err := h.keys.Create(h.t.Context(), app.Name, scope, time.Time{})
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

// newCron adds a cron to the application.
func (h *harbour) newCron(slug string, change ...func(*ledger.Settings)) ledger.Cron {
	h.t.Helper()
	settings := ledger.DefaultSettings()
	for _, c := range change {
		c(&settings)
	}
	cron, err := h.ledger.Create(h.t.Context(), h.app.ID, slug, settings)
	if err != nil {
		h.t.Fatal(err)
	}
	return cron
}

func inactive(s *ledger.Settings)  { s.Active = false }
func onlyOne(s *ledger.Settings)   { s.MaxRunning = 1 }
func oneMinute(s *ledger.Settings) { s.MaxRuntime = time.Minute }

// call makes a request with the application's key, unless there is one in headers.
func (h *harbour) call(method, path, body string, headers ...string) answer {
	h.t.Helper()
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "X-API-KEY" {
			return h.do(method, path, body, headers...)
		}
	}
	return h.do(method, path, body, append(headers, "X-API-KEY", h.key)...)
}

// want checks an answer's status and, unless that is "", its text to the letter.
func (h *harbour) want(a answer, status int, text string) {
	h.t.Helper()
	if a.StatusCode != status || text != "" && a.text != text {
		h.t.Errorf("%s %s: %d %s\nwant %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.text, status, text)
	}
}

// get reads a member of an answer of status 200.
func (h *harbour) get(a answer, member string) any {
	h.t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(a.text), &all); err != nil || a.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s: %d %s %v", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.text, err)
	}
	return all[member]
}

func (h *harbour) id(a answer) int64 {
	h.t.Helper()
	id, _ := h.get(a, "id").(float64)
	if id <= 0 {
		h.t.Fatalf("no id in %s", a.text)
	}
	return int64(id)
}

// started starts an execution and gives its id.
func (h *harbour) started(slug string) int64 {
	h.t.Helper()
	return h.id(h.call("POST", "/api/"+slug+"/start", ""))
}

// count gives how many executions of a cron have a status.
func (h *harbour) count(cron ledger.Cron, status ledger.Status) (n int) {
	h.t.Helper()
	err := h.store.QueryRow(h.t.Context(), "SELECT count(*) FROM executions WHERE cron_id = $1 AND status = $2", cron.ID, string(status)).Scan(&n)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// stamp is the clock's time as answers tell it.
func (h *harbour) stamp() string { return ledgerjson.Time(h.clock.now()).String() }
