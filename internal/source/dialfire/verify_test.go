package dialfire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// orphan gives d rows of a contact that it does not hold.
func (d *target) orphan(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := newLayout(layoutOptions{})
	for _, table := range l.tables()[1:4] {
		row := make([]any, len(table.Columns))
		row[0], row[table.Index("contact_id")] = "of "+id, id
		d.tables[table.Name][fmt.Sprintf("%q", row[0])] = row
	}
}

// surplusCall gives d a call that the campaign does not have.
func (d *target) surplusCall(id, started string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	table := callsTable("")
	row := make([]any, len(table.Columns))
	row[0], row[table.Index("started")] = id, started
	d.tables[table.Name][fmt.Sprintf("%q", id)] = row
}

func (d *target) hasCall(id string) bool {
	return slices.ContainsFunc(d.rows("inbound_calls"), func(row []any) bool { return row[0] == id })
}

// mirrored is a world and a target that holds it.
func mirrored(t *testing.T) (*world, *target) {
	t.Helper()
	w, d, _ := synced(t, 30, 20)
	d.owners = map[string]string{}
	return w, d
}

func TestVerificationFindsOrphans(t *testing.T) {
	w, d := mirrored(t)
	for i := range 20 {
		d.orphan(fmt.Sprint("gone", i))
	}
	s := w.source(t, Config{Full: true, Holdings: d})
	d.mustSync(t, s)
	d.same(t, w)
	if n := s.Progress().Undecided; n != 0 {
		t.Errorf("%d are undecided", n)
	}
}

// Rows of a contact whose own row is missing are no reason to take them away: it is
// there, though the start has it not listed.
func TestVerificationBringsTheContactOfOrphans(t *testing.T) {
	w, d := mirrored(t)
	lost := w.order[3]
	delete(d.tables["contacts"], fmt.Sprintf("%q", lost))
	w.pass(48 * time.Hour)
	w.rename(w.order[5], "later") // is listed
	d.mustSync(t, w.source(t, Config{Full: true, Holdings: d, Start: w.clock().Add(-time.Hour)}))
	d.same(t, w)
}

func TestOrphansInSharedTablesAreLeftAlone(t *testing.T) {
	for name, share := range map[string]func(d *target){
		"another campaign is synced":              func(d *target) { d.others = true },
		"a contact of another campaign":           func(d *target) { d.owners["ZZZ"] = "OTHER" },
		"a contact that does not say whose it is": func(d *target) { d.owners["ZZZ"] = "?" },
	} {
		t.Run(name, func(t *testing.T) {
			w, d := mirrored(t)
			row := slices.Clone(d.rows("contacts")[0])
			row[0] = "ZZZ"
			d.tables["contacts"][`"ZZZ"`] = row
			share(d)
			if d.others {
				delete(d.tables["contacts"], `"ZZZ"`)
			}
			d.orphan("gone1")
			d.orphan("gone2")
			before := d.lines()
			var log bytes.Buffer
			s := w.source(t, Config{Full: true, Holdings: d, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			d.mustSync(t, s)
			if got := d.lines(); !slices.Equal(got, before) {
				t.Errorf("the target has changed to %d rows from %d", len(got), len(before))
			}
			if n := s.Progress().Undecided; n != 2 || !strings.Contains(log.String(), "contacts=2") {
				t.Errorf("%d are undecided; %s", n, log.String())
			}
		})
	}
}

// The rows of a contact that is listed are this campaign's, also where the target has
// refused the contact itself.
func TestRowsOfARefusedContactAreNoOrphans(t *testing.T) {
	w := newWorld(t)
	w.populate(30, 0)
	d := newTarget()
	d.others, d.refuses = true, w.order[3]
	d.mustSync(t, w.source(t, Config{Holdings: d}))
	before := d.lines()
	s := w.source(t, Config{Full: true, Holdings: d})
	d.mustSync(t, s)
	if n := s.Progress().Undecided; n != 0 || !slices.Equal(d.lines(), before) {
		t.Errorf("%d are undecided", n)
	}
}

func TestVerificationFindsSurplusCalls(t *testing.T) {
	w, d := mirrored(t)
	at := func(ago time.Duration) string { return stamp(w.clock().Add(-ago)) }
	for i := range 25 {
		d.surplusCall(fmt.Sprint("gone", i), at(time.Duration(i)*time.Hour+time.Minute))
	}
	d.surplusCall("gone, in a database's form", w.clock().Add(-time.Hour).Format("2006-01-02 15:04:05"))
	d.mustSync(t, w.source(t, Config{Full: true, Holdings: d}))
	d.same(t, w)

	// Those of which the list says nothing stay.
	kept := map[string]string{
		"yet to come": at(-time.Hour), "without a time": "", "of another campaign": at(time.Hour), "without a campaign": at(time.Hour),
	}
	d.owners["of another campaign"], d.owners["without a campaign"] = "OTHER", "?"
	for id, started := range kept {
		d.surplusCall(id, started)
	}
	d.surplusCall("gone", at(time.Hour))
	d.mustSync(t, w.source(t, Config{Full: true, Holdings: d}))
	for id := range kept {
		if !d.hasCall(id) {
			t.Errorf("a call is gone that is %s", id)
		}
	}
	if d.hasCall("gone") {
		t.Error("a call that is not listed is still there")
	}
}

func TestSurplusCallsBeforeTheStartStay(t *testing.T) {
	w, d := mirrored(t)
	d.surplusCall("early", stamp(w.clock().Add(-10*24*time.Hour)))
	d.surplusCall("late", stamp(w.clock().Add(-time.Hour)))
	d.mustSync(t, w.source(t, Config{Full: true, Holdings: d, Start: w.clock().Add(-24 * time.Hour)}))
	if !d.hasCall("early") || d.hasCall("late") {
		t.Errorf("early is there: %t, late: %t", d.hasCall("early"), d.hasCall("late"))
	}
}

// No call goes on the word of a list that is empty, or not whole, or has it when it is
// asked again.
func TestListOfCallsThatLiesDeletesNothing(t *testing.T) {
	nameless := func(entries []any) []any {
		for _, e := range entries[:min(1, len(entries))] {
			delete(e.(map[string]any), "id")
		}
		return entries
	}
	for name, lie := range map[string]func(first bool, entries []any) []any{
		"an empty list":          func(bool, []any) []any { return []any{} },
		"an entry without an id": func(_ bool, entries []any) []any { return nameless(entries) },
		"without an id the first time": func(first bool, entries []any) []any {
			if first {
				return nameless(entries)
			}
			return entries
		},
		"without an id the second time": func(first bool, entries []any) []any {
			if first {
				return entries
			}
			return nameless(entries)
		},
		"short the first time": func(first bool, entries []any) []any {
			if first {
				return entries[:2]
			}
			return entries
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := mirrored(t)
			if !strings.HasPrefix(name, "short") {
				d.surplusCall("gone", stamp(w.clock().Add(-time.Hour)))
			}
			before, from := d.lines(), ""
			w.answering(func(r *http.Request, _ []string) any {
				if !strings.Contains(r.URL.Path, "inbound/calls") {
					return nil
				}
				q := r.URL.Query()
				if from == "" {
					from = q.Get("from")
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				var page map[string]any
				text, _ := json.Marshal(w.inbound(q))
				_ = json.Unmarshal(text, &page)
				page["results"] = lie(q.Get("from") == from, page["results"].([]any))
				return page
			})
			d.mustSync(t, w.source(t, Config{Full: true, Holdings: d}))
			if got := d.lines(); !slices.Equal(got, before) {
				t.Errorf("the target has changed to %d rows from %d", len(got), len(before))
			}
		})
	}
}
