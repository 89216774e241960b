package dialfire

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever happens to a campaign, and however often a sync is cut off: once all is
// quiet, the target holds what the campaign is. What was deleted a verification finds.
func TestTargetBecomesWhatTheCampaignIs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.Close()
		w.byChange = rapid.Bool().Draw(rt, "events by change")
		w.listLag = rapid.SampledFrom([]time.Duration{0, time.Second, 90 * time.Second}).Draw(rt, "lag of lists")
		w.readLag = rapid.SampledFrom([]time.Duration{0, time.Second, 2 * time.Minute}).Draw(rt, "lag of contacts")
		w.zone = rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", -12*3600), time.FixedZone("", 14*3600)}).Draw(rt, "zone")
		for range rapid.IntRange(0, 25).Draw(rt, "contacts") {
			w.add(rapid.IntRange(0, 2).Draw(rt, "transactions"))
		}
		w.pass(time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours")) * time.Hour)

		var trouble trouble503
		w.instead = trouble.answer
		d := newTarget()
		mode := rapid.SampledFrom([]Mode{Init, Sync}).Draw(rt, "first mode")
		s := w.source(t, Config{Mode: mode, Holdings: d})
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.mu.Lock()
			var existing []string
			for _, id := range w.order {
				if _, ok := w.contacts[id].at(w.now); ok {
					existing = append(existing, id)
				}
			}
			w.mu.Unlock()
			step := rapid.IntRange(0, 10).Draw(rt, "step")
			switch {
			case step <= 2:
				trouble.set(rapid.IntRange(0, 5).Draw(rt, "an outage every few calls"))
				most := rapid.IntRange(0, 8).Draw(rt, "batches")
				d.some(t, rt, s, most)
			case step == 3:
				mode := rapid.SampledFrom([]Mode{Init, Update, Sync, Sync, Sync}).Draw(rt, "mode")
				s = w.source(t, Config{Mode: mode, Holdings: d})
			case step == 4:
				w.pass(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 6 * time.Minute, time.Hour, 13 * time.Hour, 50 * time.Hour}).Draw(rt, "time"))
			case step == 5 || len(existing) == 0:
				w.add(rapid.IntRange(0, 2).Draw(rt, "transactions"))
			default:
				id := rapid.SampledFrom(existing).Draw(rt, "contact")
				ago := time.Duration(rapid.IntRange(0, 60).Draw(rt, "minutes ago")) * time.Minute
				switch step {
				case 6:
					w.rename(id, rapid.StringMatching(`[a-c]`).Draw(rt, "name"))
				case 7:
					w.act(id, ago)
				case 8:
					w.amend(id, rapid.StringMatching(`[a-c]`).Draw(rt, "result"))
				case 9:
					w.drop(id)
				case 10:
					w.call(ago)
					if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
						w.remove(id)
					}
				}
			}
		}
		trouble.set(0)
		s = w.source(t, Config{Mode: Sync, Holdings: d})
		d.mustSync(t, s)
		w.pass(10 * time.Minute) // longer than any lag, and than the pause between listings
		d.mustSync(t, s)
		for _, line := range w.mirror(t).lines() {
			if !d.holds(line) {
				rt.Errorf("missing: %.300s", line)
			}
		}
		cursor := d.cursor
		d.mustSync(t, w.source(t, Config{Mode: Sync, Full: true, Holdings: d}))
		if d.cursor != cursor {
			rt.Errorf("a verification has moved the cursor from %s to %s", cursor, d.cursor)
		}
		if got, want := strings.Join(d.lines(), "\n"), strings.Join(w.mirror(t).lines(), "\n"); got != want && len(w.mirror(t).rows("contacts")) > 0 {
			rt.Errorf("after a verification there is\n%s\nwant\n%s", got, want)
		}
	})
}

// Every transaction from the start on is brought, as it was last, though the program
// is restarted and cut off as it pleases.
func TestWebhookBringsEveryTransaction(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		defer w.Close()
		w.byChange = rapid.Bool().Draw(rt, "events by change")
		w.listLag = rapid.SampledFrom([]time.Duration{0, time.Second, 90 * time.Second}).Draw(rt, "lag of lists")
		w.readLag = rapid.SampledFrom([]time.Duration{0, time.Second, 2 * time.Minute}).Draw(rt, "lag of contacts")
		for range rapid.IntRange(1, 15).Draw(rt, "contacts") {
			w.add(rapid.IntRange(0, 2).Draw(rt, "transactions"))
		}
		w.pass(time.Minute)
		start := w.clock()
		var trouble trouble503
		w.instead = trouble.answer
		d := newTarget()
		s := w.source(t, Config{Mode: Webhook})
		d.mustSync(t, s)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			id := rapid.SampledFrom(w.order).Draw(rt, "contact")
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				trouble.set(rapid.IntRange(0, 5).Draw(rt, "an outage every few calls"))
				d.some(t, rt, s, rapid.IntRange(0, 5).Draw(rt, "batches"))
			case 2:
				s = w.source(t, Config{Mode: Webhook})
			case 3:
				w.pass(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 6 * time.Minute, time.Hour, 13 * time.Hour, 50 * time.Hour}).Draw(rt, "time"))
			case 4:
				w.add(rapid.IntRange(0, 2).Draw(rt, "transactions"))
			case 5:
				w.act(id, time.Duration(rapid.IntRange(0, 60).Draw(rt, "minutes ago"))*time.Minute)
			case 6:
				w.amend(id, rapid.StringMatching(`[a-c]`).Draw(rt, "result"))
			}
		}
		trouble.set(0)
		d.mustSync(t, s)
		w.pass(10 * time.Minute)
		d.mustSync(t, s)
		err := decodePostings(w.all(), Filter{}, func(p posting) error {
			row := d.tables["transactions"][fmt.Sprintf("%q%q", p.contactID, p.fired)]
			switch {
			case p.fired < stamp(start):
				if row != nil {
					rt.Errorf("%s of %s came, which was before the start", p.fired, p.contactID)
				}
			case row == nil:
				rt.Errorf("%s of %s never came", p.fired, p.contactID)
			case row[2] != hex.EncodeToString(p.hash[:]):
				rt.Errorf("%s of %s is out of date", p.fired, p.contactID)
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// some reads until so many batches were written.
func (d *target) some(t *testing.T, rt *rapid.T, s *Source, most int) {
	t.Helper()
	from, _ := d.Cursor(t.Context())
	for b, err := range s.Read(t.Context(), from) {
		if err != nil {
			rt.Fatalf("read: %v", err)
		}
		if most--; most < 0 {
			return
		}
		if _, err := d.Write(t.Context(), b); err != nil {
			rt.Fatalf("write: %v", err)
		}
	}
}

func (d *target) holds(line string) bool { return slices.Contains(d.lines(), line) }

// trouble503 has every so many requests fail.
type trouble503 struct {
	mu       sync.Mutex
	every, n int
}

func (o *trouble503) answer(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.every == 0 {
		return false
	}
	if o.n++; o.n%(o.every+2) != 0 {
		return false
	}
	w.WriteHeader(503)
	return true
}

func (o *trouble503) set(every int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.every = every
}
