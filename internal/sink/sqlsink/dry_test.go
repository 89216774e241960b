package sqlsink

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

func people() *pipeline.Table {
	return &pipeline.Table{
		Name: "people", Key: []string{"id"},
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Text, Short: true},
			{Name: "team", Type: pipeline.Text, Short: true},
			{Name: "name", Type: pipeline.Text, Short: true},
			{Name: "n", Type: pipeline.Decimal},
			{Name: "ok", Type: pipeline.Boolean},
			{Name: "at", Type: pipeline.Time},
			{Name: "size", Type: pipeline.Integer},
		},
		Stamps:  []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}},
		Indexes: [][]string{{"team"}},
	}
}

// drawBatch is one change with whatever a source may send.
func drawBatch(t *rapid.T, table *pipeline.Table, adapt bool) pipeline.Batch {
	one := func(label string, values ...any) any { return rapid.SampledFrom(values).Draw(t, label) }
	numbers := []any{nil, "0", "1", "1.0", "-12.50", "2e3", "1e-3", "12345678901234567890.5"}
	oks := []any{nil, true, false}
	if adapt {
		numbers = []any{nil, "0", "1", "-12", "2000", "12345678901234567890", pipeline.Misfit("many")}
		oks = append(oks, pipeline.Misfit("perhaps"))
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	c := pipeline.Change{Table: table}
	for range rapid.IntRange(0, 6).Draw(t, "rows") {
		c.Rows = append(c.Rows, []any{
			one("id", "a", "A", "b", "c", "d ", "é", nil, strings.Repeat("k", 200)),
			one("team", nil, "x", "y", "X"),
			one("name", nil, "", "Ann", "ann", "Ann ", "nul\x00", "日本😀", strings.Repeat("long ", 100)),
			one("n", numbers...),
			one("ok", oks...),
			one("at", nil, at, at.Add(time.Nanosecond), at.Add(time.Microsecond), at.In(time.FixedZone("", 3600))),
			one("size", nil, int64(0), int64(-5), int64(1)<<62, "seven"),
		})
	}
	if rapid.Bool().Draw(t, "with scope") {
		c.Scope = within("team", one("parent", "x", "y"), one("parent", "X", "z"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "unmade") {
		c.Rejected = append(c.Rejected, pipeline.Rejected{Key: one("unmade", "u", "v").(string), Row: []any{nil, "x"}, Reason: "odd"})
	}
	return pipeline.Batch{Changes: []pipeline.Change{c}}
}

// For any history, a rehearsal foretells what a write does, and finds nothing to do
// after it.
func TestDryForetells(t *testing.T) {
	counts := func(l pipeline.Landed) pipeline.TableCount {
		c := l[0]
		c.Bytes, c.Micros = 0, 0
		return c
	}
	for _, adapt := range []bool{false, true} {
		t.Run(fmt.Sprint("adapt ", adapt), func(t *testing.T) {
			eachTarget(t, func(t *testing.T, url string) {
				histories := 0
				rapid.Check(t, func(r *rapid.T) {
					histories++
					table := people()
					table.Name = fmt.Sprint("people", histories)
					s, err := Open(url, Options{Pipeline: "p", Tables: []*pipeline.Table{table}, Adapt: adapt})
					if err != nil {
						r.Fatal(err)
					}
					defer s.Close()
					kinds := map[string]int64{}
					dry := s.Dry(func(d Difference) { kinds[d.Kind]++ })
					for range rapid.IntRange(1, 4).Draw(r, "batches") {
						clear(kinds)
						b := drawBatch(r, table, adapt)
						foretold, err := dry.Write(t.Context(), b)
						if err != nil {
							r.Fatal(err)
						}
						landed, err := s.Write(t.Context(), b)
						if err != nil {
							r.Fatal(err)
						}
						got, want := counts(foretold), counts(landed)
						if got != want {
							r.Fatalf("foretold %+v, landed %+v", got, want)
						}
						if kinds[Missing] != want.Inserted || kinds[Different] != want.Updated || kinds[Extra] != want.Deleted {
							r.Fatalf("differences %v, landed %+v", kinds, want)
						}
						again, err := dry.Write(t.Context(), b)
						if err != nil {
							r.Fatal(err)
						}
						if got := counts(again); got.Unchanged != want.Read-want.Rejected || got.Deleted != 0 || got.Rejected != want.Rejected {
							r.Fatalf("afterwards foretold %+v", got)
						}
					}
				})
			})
		})
	}
}

func TestDifferences(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		table := people()
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table}})
		var told []Difference
		dry := s.Dry(func(d Difference) { told = append(told, d) })
		row := func(id, team, name string) []any { return []any{id, team, name, "1.50", true, nil, int64(7)} }
		batch := pipeline.Batch{Next: "next", Changes: []pipeline.Change{{Table: table, Rows: [][]any{row("a", "x", "Ann"), row("b", "x", "Bob")}, Scope: within("team", "x")}}}
		check := func(want ...Difference) {
			t.Helper()
			told = nil
			if _, err := dry.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(told, func(a, b Difference) int { return strings.Compare(a.Key, b.Key) })
			if fmt.Sprint(told) != fmt.Sprint(want) {
				t.Errorf("told %v, want %v", told, want)
			}
		}

		// Of a target that has nothing, not even tables, it makes none.
		if c, err := dry.Cursor(t.Context()); err != nil || c != "" {
			t.Errorf("cursor %q, %v", c, err)
		}
		check(Difference{"people", "a", Missing, nil}, Difference{"people", "b", Missing, nil})
		for _, name := range []string{"people", "ferryman_state", "ferryman_dead_letters"} {
			if have, err := s.dialect.describe(t.Context(), s.db, name); err != nil || have != nil {
				t.Errorf("table %s: %+v, %v", name, have, err)
			}
		}

		if _, err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if c, err := dry.Cursor(t.Context()); err != nil || c != "next" {
			t.Errorf("cursor %q, %v", c, err)
		}
		check()
		batch.Changes[0].Rows = [][]any{row("a", "y", "Anne"), row("c", "x", "Cid")}
		before := allRows(t, s, table)
		check(Difference{"people", "a", Different, []string{"team", "name"}}, Difference{"people", "b", Extra, nil}, Difference{"people", "c", Missing, nil})
		if after := allRows(t, s, table); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("rows %v, then %v", before, after)
		}

		// A column that the table lacks differs where the source has a value.
		wider := people()
		wider.Columns = append(wider.Columns, pipeline.Column{Name: "new", Type: pipeline.Text})
		batch.Changes = []pipeline.Change{{Table: wider, Rows: [][]any{append(row("a", "x", "Ann"), "new"), append(row("b", "x", "Bob"), nil)}}}
		check(Difference{"people", "a", Different, []string{"new"}})
		if have, err := s.dialect.describe(t.Context(), s.db, "people"); err != nil || have.column("new", true) != nil {
			t.Errorf("%+v, %v", have, err)
		}

		// A batch that must be whole fails as it would when written.
		batch.Whole, batch.Changes[0].Rejected = true, []pipeline.Rejected{{Key: "u", Reason: "odd"}}
		_, err := dry.Write(t.Context(), batch)
		checkFault(t, err, fault.Invalid, "target_refused_row", `"people"`, "odd")
	})
}

// SQLite keeps texts that look like numbers as blobs in a column of numbers; as keys
// they are counted and compared like any other.
func TestKeysThatAreBlobs(t *testing.T) {
	url := targets[0].url(t)
	exec(t, connect(t, url), "CREATE TABLE odd (id NUMERIC PRIMARY KEY, team TEXT, v TEXT)")
	odd := &pipeline.Table{Name: "odd", Key: []string{"id"}, Columns: []pipeline.Column{
		{Name: "id", Type: pipeline.Text}, {Name: "team", Type: pipeline.Text}, {Name: "v", Type: pipeline.Text}}}
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{odd}, Adapt: true})
	var rows [][]any
	for _, id := range []string{"1", "01", "1.0", "1e0", "x"} {
		rows = append(rows, []any{id, "a", "v"})
	}
	for i, want := range []pipeline.TableCount{{Read: 3, Inserted: 3}, {Read: 5, Inserted: 2}, {Read: 2, Updated: 2}} {
		part := [][][]any{rows[:3], rows, {{"01", "a", "w"}, {"1", "a", "w"}}}[i]
		batch := pipeline.Batch{Changes: []pipeline.Change{{Table: odd, Rows: part}}}
		for _, sink := range []pipeline.Sink{s.Dry(nil), s} {
			landed, err := sink.Write(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			if got := landed[0]; got.Read != want.Read || got.Inserted != want.Inserted || got.Updated != want.Updated {
				t.Errorf("landed %+v, want %+v", got, want)
			}
		}
	}
	if got, err := s.Pick(t.Context(), odd, []string{"v"}, []any{"1", "1e0", "x"}); err != nil || len(got) != 3 {
		t.Errorf("picked %v, %v", got, err)
	}
}
