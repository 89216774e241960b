package dialfire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ferryman/internal/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a database in memory: a sink, and the holdings of it.
type target struct {
	mu      sync.Mutex
	cursor  pipeline.Cursor
	tables  map[string]map[string][]any // by table and key
	letters map[string]pipeline.Rejected
	columns map[string][]string
	batches []pipeline.Batch
	owners  map[string]string // campaigns of contacts and calls, where that is another
	others  bool              // are known to use the tables
	refuses string            // the id of a contact whose row it does not take
}

func newTarget() *target {
	return &target{tables: map[string]map[string][]any{}, letters: map[string]pipeline.Rejected{}, columns: map[string][]string{}}
}

func (d *target) Cursor(context.Context) (pipeline.Cursor, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cursor, nil
}

func (d *target) Write(_ context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches = append(d.batches, b)
	for _, c := range b.Changes {
		if err := d.change(c); err != nil {
			return nil, err
		}
	}
	if b.Next != "" {
		d.cursor = b.Next
	}
	return nil, nil
}

func (d *target) change(c pipeline.Change) error {
	rows := d.tables[c.Table.Name]
	if rows == nil {
		rows = map[string][]any{}
		d.tables[c.Table.Name] = rows
	}
	coming := map[string]bool{}
	key := func(row []any) string {
		var k string
		for _, i := range c.Table.KeyIndexes() {
			k += fmt.Sprintf("%q", row[i])
		}
		return k
	}
	for _, row := range c.Rows {
		if len(row) != len(c.Table.Columns) {
			return errors.New("a row of another width")
		}
		coming[key(row)] = true
	}
	if c.Scope != nil {
		parents := map[any]bool{}
		for _, p := range c.Scope.Parents {
			parents[p[0]] = true
		}
		at := c.Table.Index(c.Scope.Columns[0])
		maps.DeleteFunc(rows, func(k string, row []any) bool { return parents[row[at]] && !coming[k] })
	}
	for _, row := range c.Rows {
		if c.Table.Name == "contacts" && row[0] == d.refuses {
			continue
		}
		if v := c.Table.Index("$version"); v >= 0 {
			if old := rows[key(row)]; old != nil && older(row[v].(string), old[v].(string)) {
				return fmt.Errorf("the version of %v goes back from %v to %v", row[0], old[v], row[v])
			}
		}
		rows[key(row)] = row
	}
	for _, r := range c.Rejected {
		d.letters[c.Table.Name+" "+r.Key] = r
	}
	return nil
}

func (d *target) Contacts(_ context.Context, ids []string) (map[string]Held, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := map[string]Held{}
	for _, id := range ids {
		if row := d.tables["contacts"][fmt.Sprintf("%q", id)]; row != nil {
			held[id] = Held{MD5: row[1].(string), Version: row[3].(string)}
		}
	}
	return held, nil
}

// after is up to limit values that f makes of a table's rows, in order, after one.
func after[T any](d *target, table, last string, limit int, f func(row []any) (order string, value T)) ([]T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	values := map[string]T{}
	for _, row := range d.tables[table] {
		if order, value := f(row); order > last {
			values[order] = value
		}
	}
	var found []T
	for _, order := range slices.Sorted(maps.Keys(values)) {
		if len(found) < limit {
			found = append(found, values[order])
		}
	}
	return found, nil
}

func (d *target) Owners(_ context.Context, last string, limit int) ([]Owner, error) {
	return after(d, "contacts", last, limit, func(row []any) (string, Owner) {
		id := row[0].(string)
		return id, Owner{ID: id, Campaign: cmp.Or(d.owners[id], campaignID)}
	})
}

func (d *target) Calls(_ context.Context, last string, limit int) ([]HeldCall, error) {
	table := callsTable("")
	return after(d, table.Name, last, limit, func(row []any) (string, HeldCall) {
		id, started := row[0].(string), row[table.Index("started")]
		c := HeldCall{Owner: Owner{ID: id, Campaign: cmp.Or(d.owners[id], campaignID)}}
		c.Started, _ = started.(string)
		return id, c
	})
}

func (d *target) Parents(_ context.Context, table *pipeline.Table, last string, limit int) ([]string, error) {
	at := table.Index("contact_id")
	return after(d, table.Name, last, limit, func(row []any) (string, string) { return row[at].(string), row[at].(string) })
}

func (d *target) Shared(context.Context) (bool, error) { return d.others, nil }

func (d *target) rows(table string) [][]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.tables[table]))
}

// lines are all rows, in order.
func (d *target) lines() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for name, rows := range d.tables {
		for _, row := range rows {
			lines = append(lines, fmt.Sprintf("%s %q", name, row))
		}
	}
	slices.Sort(lines)
	return lines
}

// mirror is a target that holds what the world is now.
func (w *world) mirror(t testing.TB) *target {
	t.Helper()
	d := newTarget()
	l := newLayout(layoutOptions{fields: fieldsOf(w)})
	contacts, err := l.decode(w.all())
	if err != nil {
		t.Fatal(err)
	}
	b := newBundle()
	b.add(outcome{contacts: contacts})
	if _, err := d.Write(t.Context(), pipeline.Batch{Changes: l.build(b)}); err != nil {
		t.Fatal(err)
	}
	calls := pipeline.Change{Table: l.calls}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		row := make([]any, len(l.calls.Columns))
		row[0], row[l.calls.Index("started")] = c.id, stamp(c.started)
		calls.Rows = append(calls.Rows, row)
	}
	if _, err := d.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{calls}}); err != nil {
		t.Fatal(err)
	}
	return d
}

func fieldsOf(w *world) (fields []Field) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.fields {
		fields = append(fields, Field{Name: f})
	}
	return fields
}

// source makes a source for w that does not wait long. c needs neither address nor
// credentials.
func (w *world) source(t testing.TB, c Config) *Source {
	t.Helper()
	if c.Mode == "" {
		c.Mode = Sync
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.PerCall == 0 {
		c.PerCall = 3
	}
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
	if c.Token == "" && c.TokenFunc == nil {
		c.Token = "sesame"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Full {
		c.Inventory = c.Holdings.(*target)
	}
	c.BaseURL, c.Campaign, c.Now = w.URL, campaignID, w.clock
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.tempo.page = 7
	s.tempo.batchEnough, s.tempo.batchMost, s.tempo.quietPages = 5, 10, 2
	s.tempo.firstPause, s.tempo.longestPause = time.Millisecond, 4*time.Millisecond
	for i := range s.tempo.refused {
		s.tempo.refused[i] = time.Millisecond
	}
	return s
}

// sync reads s once into d.
func (d *target) sync(t testing.TB, s *Source) error {
	t.Helper()
	_, err := pipeline.Run(t.Context(), s, d, nil)
	return err
}

func (d *target) mustSync(t testing.TB, s *Source) {
	t.Helper()
	if err := d.sync(t, s); err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless d holds what the world is.
func (d *target) same(t testing.TB, w *world) {
	t.Helper()
	got, want := d.lines(), w.mirror(t).lines()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %.200s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("too much: %.200s", line)
		}
	}
}
