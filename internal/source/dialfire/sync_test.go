package dialfire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/pipeline/pipelinetest"
)

func (w *world) populate(contacts, calls int) {
	for i := range contacts {
		w.add(i % 4)
	}
	for i := range calls {
		w.call(time.Duration(i) * time.Hour)
	}
}

// synced is a world of so many contacts and calls, and a target to which the source
// has brought all of them.
func synced(t *testing.T, contacts, calls int) (*world, *target, *Source) {
	t.Helper()
	w := newWorld(t)
	w.populate(contacts, calls)
	d := newTarget()
	s := w.source(t, Config{Holdings: d})
	d.mustSync(t, s)
	return w, d, s
}

// syncAsks gives the requests of one sync whose address holds a text.
func (d *target) syncAsks(t *testing.T, w *world, s *Source, with string) []string {
	t.Helper()
	w.requests("")
	d.mustSync(t, s)
	return w.requests(with)
}

func TestInitBringsEverythingAndStops(t *testing.T) {
	w := newWorld(t)
	w.populate(40, 20)
	d := newTarget()
	s := w.source(t, Config{Mode: Init, Holdings: d})
	d.mustSync(t, s)
	d.same(t, w)
	if p := s.Progress(); p.Phase != PhaseIdle || p.Fetched != 40 || p.Calls != 20 || p.Listed < 40 || p.Bytes == 0 || p.Pages < 10 {
		t.Errorf("progress %+v", p)
	}

	// Once more: everything is listed, nothing fetched.
	if n := len(d.syncAsks(t, w, s, "POST")); n != 0 {
		t.Errorf("%d fetches of what is there already", n)
	}
}

func TestTestSource(t *testing.T) {
	w := newWorld(t)
	w.populate(40, 20)
	w.pass(72 * time.Hour)
	pipelinetest.TestSource(t, func(t *testing.T) pipeline.Source {
		return w.source(t, Config{Mode: Sync, Holdings: newTarget()})
	})
}

func TestTestSourceOfWebhook(t *testing.T) {
	w := newWorld(t)
	start := w.clock()
	for range 40 {
		w.pass(time.Minute)
		w.add(1) // a contact that comes twice would be brought twice after a resumption
	}
	w.pass(72 * time.Hour)
	pipelinetest.TestSource(t, func(t *testing.T) pipeline.Source {
		return w.source(t, Config{Mode: Webhook, Start: start})
	})
}

func TestBatchesListWhatHangsBelowTheirContacts(t *testing.T) {
	_, d, _ := synced(t, 30, 3)
	cursors := map[pipeline.Cursor]bool{}
	for i, b := range d.batches {
		if b.Next == "" || cursors[b.Next] || b.Whole {
			t.Errorf("batch %d: cursor %q, whole %v", i, b.Next, b.Whole)
		}
		cursors[b.Next] = true
		var names []string
		for _, c := range b.Changes {
			names = append(names, c.Table.Name)
		}
		switch got := strings.Join(names, " "); got {
		case "", "inbound_calls":
			continue
		case "contacts transactions connections recordings":
		default:
			t.Errorf("batch %d changes %s", i, got)
		}
		if b.Changes[0].Scope != nil {
			t.Errorf("batch %d deletes contacts", i)
		}
		for _, c := range b.Changes[1:] {
			if !slices.Equal(c.Scope.Columns, []string{"contact_id"}) || len(c.Scope.Parents) != len(b.Changes[0].Rows) {
				t.Errorf("batch %d, %s: scope %+v of %d contacts", i, c.Table.Name, c.Scope, len(b.Changes[0].Rows))
			}
		}
	}
}

// Whichever batch was the last that was written, the next run goes on behind it.
func TestInitThatWasCutOffGoesOn(t *testing.T) {
	w := newWorld(t)
	w.populate(60, 20)
	w.pass(72 * time.Hour)
	for _, mode := range []Mode{Init, Sync} {
		for stop := 0; ; stop++ {
			d := newTarget()
			if cutOff(t, d, w.source(t, Config{Mode: mode, Holdings: d}), stop) {
				break
			}
			lists := d.syncAsks(t, w, w.source(t, Config{Mode: mode, Holdings: d}), "contacts/list")
			d.same(t, w)
			if stop > 3 && stop < 6 && mode == Init && len(lists) >= 10 {
				t.Errorf("after %d batches %d pages were listed again", stop, len(lists))
			}
		}
	}
}

// cutOff reads until so many batches were written; it tells whether that is all.
func cutOff(t *testing.T, d *target, s *Source, batches int) (ended bool) {
	t.Helper()
	n := 0
	from, _ := d.Cursor(t.Context())
	for b, err := range s.Read(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if n == batches {
			return false
		}
		n++
		if _, err := d.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

func TestStarts(t *testing.T) {
	w := newWorld(t)
	old := w.add(1)
	w.pass(20 * 24 * time.Hour)
	recent := w.add(1)
	w.pass(2 * 24 * time.Hour)
	ids := func(d *target) (ids []string) {
		for _, row := range d.rows("contacts") {
			ids = append(ids, row[0].(string))
		}
		slices.Sort(ids)
		return ids
	}
	both := []string{old, recent}
	slices.Sort(both)
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"init":              {Config{Mode: Init}, both},
		"init from":         {Config{Mode: Init, Start: w.clock().AddDate(0, 0, -5)}, []string{recent}},
		"update":            {Config{Mode: Update}, []string{recent}},
		"update from":       {Config{Mode: Update, Start: w.clock().AddDate(0, 0, -40)}, both},
		"sync":              {Config{Mode: Sync}, both},
		"sync from":         {Config{Mode: Sync, Start: w.clock().AddDate(0, 0, -5)}, []string{recent}},
		"sync from the now": {Config{Mode: Sync, Start: w.clock().AddDate(0, 0, 5)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTarget()
			c.config.Holdings = d
			d.mustSync(t, w.source(t, c.config))
			if got := ids(d); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}

	// An earlier start than the one that the cursor began with lists anew from there.
	d := newTarget()
	d.mustSync(t, w.source(t, Config{Start: w.clock().AddDate(0, 0, -5), Holdings: d}))
	if n := len(d.syncAsks(t, w, w.source(t, Config{Start: w.clock().AddDate(0, 0, -4), Holdings: d}), "contacts/list")); n != 0 {
		t.Errorf("a later start made %d listings", n)
	}
	d.mustSync(t, w.source(t, Config{Start: w.clock().AddDate(0, 0, -40), Holdings: d}))
	if got := ids(d); !slices.Equal(got, both) {
		t.Errorf("got %v, want %v", got, both)
	}
	if n := len(d.syncAsks(t, w, w.source(t, Config{Start: w.clock().AddDate(0, 0, -40), Holdings: d}), "contacts/list")); n != 0 {
		t.Errorf("the same start again made %d listings", n)
	}
}

// After db_init or db_update db_sync follows without a gap, however long after.
func TestSyncFollowsWithoutAGap(t *testing.T) {
	for _, mode := range []Mode{Init, Update} {
		w := newWorld(t)
		w.populate(20, 5)
		d := newTarget()
		d.mustSync(t, w.source(t, Config{Mode: mode, Holdings: d}))
		w.pass(30 * 24 * time.Hour)
		id := w.add(2)
		w.call(0)
		w.pass(20 * 24 * time.Hour)
		w.rename(id, "other")
		w.pass(10 * 24 * time.Hour)
		d.mustSync(t, w.source(t, Config{Holdings: d}))
		d.same(t, w)
	}
}

// db_update over less than has been missed since does not hide what is missing.
func TestUpdateKeepsTheGapBeforeIt(t *testing.T) {
	w, d, _ := synced(t, 5, 5)
	w.pass(24 * time.Hour)
	w.populate(5, 1)
	w.pass(30 * 24 * time.Hour)
	w.populate(5, 1)
	d.mustSync(t, w.source(t, Config{Mode: Update, Holdings: d}))
	if n := len(d.rows("contacts")); n != 10 {
		t.Fatalf("%d contacts, want 10", n)
	}
	d.mustSync(t, w.source(t, Config{Holdings: d}))
	d.same(t, w)
}

func TestSyncAsksForWhatIsDue(t *testing.T) {
	w, d, s := synced(t, 5, 1)
	asks := func(after time.Duration, lists, events, calls int) {
		t.Helper()
		w.pass(after)
		got := strings.Join(d.syncAsks(t, w, s, ""), "\n")
		if a, b, c := strings.Count(got, "contacts/list"), strings.Count(got, "transactions/"), strings.Count(got, "inbound"); a != lists || b != events || c != calls ||
			strings.Contains(got, "POST") {
			t.Errorf("after %v: asked\n%s", after, got)
		}
	}
	asks(11*time.Minute, 1, 1, 1)
	asks(time.Minute, 0, 1, 1)
	asks(3*time.Minute, 0, 1, 1)
	asks(time.Minute, 1, 1, 1)
	asks(time.Minute, 0, 1, 1)

	w.pass(13 * time.Hour)
	asked := d.syncAsks(t, w, s, "")
	for _, want := range []string{
		"changedSince=" + w.clock().Add(-24*time.Hour-14*time.Hour).Format(time.DateOnly),
		"inbound/calls/?from=" + strings.ReplaceAll(w.clock().Add(-24*time.Hour).Format("2006-01-02T15:04:05.000"), ":", "%3A"),
		"transactions/?from=" + strings.ReplaceAll(w.clock().Add(-13*time.Hour-10*time.Minute).Format("2006-01-02T15:04:05.000"), ":", "%3A"),
	} {
		if !slices.ContainsFunc(asked, func(a string) bool { return strings.Contains(a, want) }) {
			t.Errorf("nobody asked for %s, but\n%s", want, strings.Join(asked, "\n"))
		}
	}
}

func TestFieldThatComesLate(t *testing.T) {
	w, d, s := synced(t, 12, 0)

	// Its values come before it is known.
	w.pass(time.Minute)
	for _, id := range w.order[:8] {
		w.mu.Lock()
		w.contacts[id].value = "v"
		w.revise(id)
		w.mu.Unlock()
	}
	w.pass(6 * time.Minute)
	d.mustSync(t, s)
	w.mu.Lock()
	w.fields = append(w.fields, "late")
	w.mu.Unlock()
	w.pass(time.Minute)
	d.mustSync(t, w.source(t, Config{Holdings: d}))
	d.same(t, w)
	w.pass(time.Minute)
	if n := len(d.syncAsks(t, w, w.source(t, Config{Holdings: d}), "POST")); n != 0 {
		t.Errorf("%d fetches though nothing has changed", n)
	}
}

func TestVersionsDoNotGoBack(t *testing.T) {
	w := newWorld(t)
	id := w.add(1)
	d := newTarget()
	s := w.source(t, Config{Holdings: d})
	d.mustSync(t, s)
	w.pass(time.Minute)
	w.act(id, 0)
	w.pass(time.Second)
	d.mustSync(t, s)
	d.same(t, w)

	// What is fetched lags behind what was fetched before.
	w.mu.Lock()
	w.readLag = 30 * time.Second
	w.mu.Unlock()
	w.act(id, 0)
	d.mustSync(t, s) // the target refuses a version that goes back
	w.pass(time.Minute)
	d.mustSync(t, s)
	d.same(t, w)
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1", "2", true}, {"2", "1", false}, {"2", "2", false}, {"9", "10", true}, {"", "1", false}, {"1", "", false}, {"x", "y", false},
		{"99999999999999999999999", "100000000000000000000000", true}, {"-1", "0", true},
	} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%q, %q) is %v", c.a, c.b, got)
		}
	}
}

func TestUnreadableCursors(t *testing.T) {
	w := newWorld(t)
	for _, cursor := range []pipeline.Cursor{"x", "{}", `{"v":0}`, `{"v":2,"n":1}`, `{"v":1,"start":"yesterday"}`, `{"v":1,"novel":1}`, "[]", "null",
		`{"v":1,"n":1,"list":{"for":"job","began":"2026-01-01T00:00:00Z"}}`,
		`{"v":1,"n":1,"job":{"began":"2026-01-01T00:00:00Z"}}`,
		`{"v":1,"n":1,"job":{"began":"2026-01-01T00:00:00Z"},"list":{"for":"changes","began":"2026-01-01T00:00:00Z"}}`,
		`{"v":1,"n":1,"job":{"began":"2026-01-01T00:00:00Z","listed":"2026-01-01T00:00:00Z"},"list":{"for":"job","began":"2026-01-01T00:00:00Z"}}`,
	} {
		d := newTarget()
		d.cursor = cursor
		err := d.sync(t, w.source(t, Config{Holdings: d}))
		if fault.CodeOf(err) != "unreadable_cursor" || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", cursor, err)
		}
	}
	if n := len(w.requests("")); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestConfigurations(t *testing.T) {
	good := Config{Campaign: "c", Token: "t", Mode: Sync, Holdings: newTarget()}
	for name, change := range map[string]func(*Config){
		"campaign": func(c *Config) { c.Campaign = "" },
		"dots":     func(c *Config) { c.Campaign = ".." },
		"mode":     func(c *Config) { c.Mode = "db_sink" },
		"base":     func(c *Config) { c.BaseURL = "ftp://x" },
		"holdings": func(c *Config) { c.Holdings = nil },
		"webhook":  func(c *Config) { c.Mode, c.Full = Webhook, true },
	} {
		c := good
		change(&c)
		if _, err := New(c); fault.KindOf(err) != fault.Unconfigured || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.api.campaign.String(); got != "https://api.dialfire.com/api/campaigns/c" || s.config.Workers != 32 || s.config.PerCall != 20 {
		t.Errorf("campaign %s, %+v", got, s.config)
	}
}

// A consumer's own deadline ends a read as such.
func TestDeadline(t *testing.T) {
	w := newWorld(t)
	w.populate(3, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	d := newTarget()
	_, err := pipeline.Run(ctx, w.source(t, Config{Holdings: d}), d, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRequestsAreEscaped(t *testing.T) {
	w, _, _ := synced(t, 20, 0)
	cursors := 0
	for _, r := range w.requests("") {
		if !strings.Contains(r, " /api/campaigns/CAMPAIGN%2F1/") {
			t.Errorf("asked for %s", r)
		}
		if strings.Contains(r, "cursor=%2B%2F+%26%3D") {
			cursors++
		}
	}
	if cursors < 2 {
		t.Error(fmt.Sprint(cursors), "pages by cursor")
	}
}

// So many groups are fetched at a time and no more are waiting, whatever the consumer
// does; they come in order.
func TestFetchesAreBounded(t *testing.T) {
	const workers, group, contacts = 3, 2, 100
	w := newWorld(t)
	for range contacts {
		w.add(0)
	}
	var mu sync.Mutex
	running, most, begun := 0, 0, 0
	w.mu.Lock()
	w.instead = func(rw http.ResponseWriter, r *http.Request, body []byte) bool {
		if r.Method != "POST" {
			return false
		}
		mu.Lock()
		running++
		begun++
		most = max(most, running)
		mu.Unlock()
		w.answer(rw, r, body)
		mu.Lock()
		running--
		mu.Unlock()
		return true
	}
	w.mu.Unlock()
	d := newTarget()
	s := w.source(t, Config{Mode: Init, Holdings: d, Workers: workers, PerCall: group})
	taken := 0
	var listed, came []string
	for b, err := range s.Read(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Changes) == 0 || b.Changes[0].Table.Name != "contacts" {
			continue
		}
		for _, row := range b.Changes[0].Rows {
			came = append(came, row[1].(string))
		}
		taken += len(b.Changes[0].Rows)
		mu.Lock()
		// A page of seven makes four groups, of which the last is not full.
		if most := taken*4/7 + 1 + workers; begun > most {
			t.Errorf("%d groups were asked for when %d contacts had been taken", begun, taken)
		}
		mu.Unlock()
		if _, err := d.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	d.same(t, w)
	if most > workers {
		t.Errorf("%d calls at a time", most)
	}
	for _, b := range w.contacts {
		listed = append(listed, b.revisions[0].md5)
	}
	slices.Sort(listed)
	if !slices.Equal(came, listed) {
		t.Error("they came in another order than they are listed")
	}
}

func TestProgress(t *testing.T) {
	w := newWorld(t)
	w.populate(10, 0)
	d := newTarget()
	s := w.source(t, Config{Holdings: d})
	if p := s.Progress(); p != (Progress{Phase: PhaseIdle}) {
		t.Errorf("before: %+v", p)
	}
	d.mustSync(t, s)
	w.pass(3 * time.Minute)
	if p := s.Progress(); p.Behind != 3*time.Minute || p.Fetched != 10 {
		t.Errorf("after: %+v", p)
	}
	// What the cursor says holds for another process, too.
	s = w.source(t, Config{Holdings: d})
	w.failing(1<<40, anything, status(404))
	if err := d.sync(t, s); err == nil || s.Progress().Behind != 3*time.Minute {
		t.Errorf("got %v, %+v", err, s.Progress())
	}
}

func TestCountOfAList(t *testing.T) {
	for text, want := range map[string]int64{
		`{"count":12,"results":[]}`: 12, `{"results":[{"count":3}],"count":7}`: 7, `{"count":"12"}`: 0, `{"count":1.5}`: 0, `[]`: 0, `{"count":`: 0, ``: 0,
	} {
		if got := decodeCount([]byte(text)); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
}

// A quiet minute costs three requests and one batch, which moves the cursor.
func TestQuietMinute(t *testing.T) {
	w, d, s := synced(t, 10, 0)
	w.pass(20 * time.Minute)
	d.mustSync(t, s)
	w.pass(time.Minute)
	n, cursor := len(d.batches), d.cursor
	if got := d.syncAsks(t, w, s, ""); len(got) != 3 || len(d.batches) != n+1 || d.cursor == cursor {
		t.Errorf("%d requests, %d batches", len(got), len(d.batches)-n)
	}
}
