package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ferryman/internal/pipeline"
)

// TestSource runs the suite. Each source that open gives stands for a process of
// its own that reads the same data, which must be at rest, end, and give at least
// two cursors.
func TestSource(t *testing.T, open func(t *testing.T) pipeline.Source) {
	runSuite(t, open, []sourceTest{
		{"batches are well formed", sourceWellFormed},
		{"there are cursors", sourceHasCursors},
		{"resumes after every cursor", sourceResumes},
		{"reads the same again", sourceRepeats},
		{"stopping early releases everything", sourceAborts},
		{"a cancelled context ends it", sourceCancelled},
		{"a context cancelled in the midst ends it", sourceCancelledInMidst},
	})
}

// TestSnapshotSource runs what of the suite holds for a source that has no place
// to resume from: each reading gives all of its data, in one batch that lands
// whole.
func TestSnapshotSource(t *testing.T, open func(t *testing.T) pipeline.Source) {
	runSuite(t, open, []sourceTest{
		{"batches are well formed", sourceWellFormed},
		{"it is one whole batch", sourceIsSnapshot},
		{"reads the same again", sourceRepeats},
		{"stopping early releases everything", sourceAborts},
		{"a cancelled context ends it", sourceCancelled},
	})
}

type sourceTest struct {
	name string
	run  func(t *testing.T, open func(t *testing.T) pipeline.Source)
}

func runSuite(t *testing.T, open func(t *testing.T) pipeline.Source, suite []sourceTest) {
	t.Helper()
	for _, test := range suite {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// patience is how long a source may take to end once it was told to.
const patience = 5 * time.Second

// readAll reads a source to its end.
func readAll(t *testing.T, s pipeline.Source, after pipeline.Cursor) []pipeline.Batch {
	t.Helper()
	var batches []pipeline.Batch
	for b, err := range s.Read(t.Context(), after) {
		if err != nil {
			t.Fatalf("read after %q: %v", after, err)
		}
		batches = append(batches, b)
	}
	return batches
}

func sourceWellFormed(t *testing.T, open func(t *testing.T) pipeline.Source) {
	for i, b := range readAll(t, open(t), "") {
		var tables []string
		for _, c := range b.Changes {
			wellFormed(t, i, c)
			for _, r := range c.Table.References {
				// A parent may have come in an earlier batch, but not come later in this one.
				first := slices.Index(tables, r.Table)
				later := slices.ContainsFunc(b.Changes, func(o pipeline.Change) bool { return o.Table.Name == r.Table })
				if later && first < 0 && r.Table != c.Table.Name {
					t.Errorf("batch %d: %s comes before its parents in %s", i, c.Table.Name, r.Table)
				}
			}
			tables = append(tables, c.Table.Name)
		}
	}
}

func sourceHasCursors(t *testing.T, open func(t *testing.T) pipeline.Source) {
	batches := readAll(t, open(t), "")
	cursors := map[pipeline.Cursor]bool{}
	for i, b := range batches {
		if b.Next != "" && cursors[b.Next] {
			t.Errorf("batch %d: the cursor %q came before", i, b.Next)
		}
		cursors[b.Next] = true
	}
	delete(cursors, "")
	if len(cursors) < 2 {
		t.Errorf("%d cursors in %d batches: too few to prove anything", len(cursors), len(batches))
	}
}

func sourceIsSnapshot(t *testing.T, open func(t *testing.T) pipeline.Source) {
	batches := readAll(t, open(t), "")
	if len(batches) != 1 || !batches[0].Whole || batches[0].Next != "" {
		t.Errorf("%d batches; a snapshot is one, whole and without a cursor", len(batches))
	}
}

func wellFormed(t *testing.T, batch int, c pipeline.Change) {
	t.Helper()
	if c.Table == nil {
		t.Fatalf("batch %d: a change without a table", batch)
	}
	table := c.Table
	for _, k := range table.Key {
		if table.Index(k) < 0 {
			t.Errorf("table %s has no column %s, which is in its key", table.Name, k)
		}
	}
	for i, row := range c.Rows {
		if len(row) != len(table.Columns) {
			t.Errorf("batch %d, table %s, row %d: %d values for %d columns", batch, table.Name, i, len(row), len(table.Columns))
			continue
		}
		for j, v := range row {
			column := table.Columns[j]
			required := column.Required || slices.Contains(table.Key, column.Name)
			if !fits(column.Type, v) || v == nil && required {
				t.Errorf("batch %d, table %s, row %d: column %s of type %s (required: %v) holds a %T",
					batch, table.Name, i, column.Name, column.Type, required, v)
			}
		}
	}
	if c.Scope == nil {
		return
	}
	for _, name := range c.Scope.Columns {
		if table.Index(name) < 0 {
			t.Errorf("batch %d, table %s: its scope names the column %s, which it has not", batch, table.Name, name)
		}
	}
	for _, parent := range c.Scope.Parents {
		if len(parent) != len(c.Scope.Columns) {
			t.Errorf("batch %d, table %s: a parent of %d values for a scope of %d columns", batch, table.Name, len(parent), len(c.Scope.Columns))
			continue
		}
		for i, v := range parent {
			if j := table.Index(c.Scope.Columns[i]); j >= 0 && (v == nil || !fits(table.Columns[j].Type, v)) {
				t.Errorf("batch %d, table %s: a parent's %s is a %T", batch, table.Name, c.Scope.Columns[i], v)
			}
		}
	}
}

// fits tells whether v is of the Go type that belongs to t.
func fits(t pipeline.Type, v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case int64:
		return t == pipeline.Integer
	case bool:
		return t == pipeline.Boolean
	case time.Time:
		return t == pipeline.Time
	case string:
		_, isNumber := number(v)
		return t == pipeline.Text || t == pipeline.Decimal && isNumber
	default:
		return false
	}
}

// flat is what batches say, whichever way it is cut into batches.
func flat(batches []pipeline.Batch) (lines []string) {
	for _, b := range batches {
		for _, c := range b.Changes {
			for _, row := range c.Rows {
				lines = append(lines, fmt.Sprintf("%s %#v", c.Table.Name, row))
			}
			if c.Scope != nil {
				lines = append(lines, fmt.Sprintf("%s %v %#v", c.Table.Name, c.Scope.Columns, c.Scope.Parents))
			}
		}
	}
	return lines
}

func sourceResumes(t *testing.T, open func(t *testing.T) pipeline.Source) {
	batches := readAll(t, open(t), "")
	for i, b := range batches {
		if b.Next == "" {
			continue
		}
		got, want := flat(readAll(t, open(t), b.Next)), flat(batches[i+1:])
		if !slices.Equal(got, want) {
			t.Errorf("after batch %d (cursor %q) came %d rows and scopes, not the %d that were left", i, b.Next, len(got), len(want))
		}
	}
}

func sourceRepeats(t *testing.T, open func(t *testing.T) pipeline.Source) {
	s := open(t)
	first, second := flat(readAll(t, s, "")), flat(readAll(t, s, ""))
	if !slices.Equal(first, second) {
		t.Errorf("the second reading gave %d rows and scopes, unlike the %d of the first", len(second), len(first))
	}
}

func sourceAborts(t *testing.T, open func(t *testing.T) pipeline.Source) {
	n := len(readAll(t, open(t), ""))
	for stop := range n {
		s := open(t)
		running := goleak.IgnoreCurrent()
		i := 0
		for _, err := range s.Read(t.Context(), "") {
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			if i == stop {
				break
			}
			i++
		}
		// Connections that are kept alive for later are no leak.
		err := goleak.Find(running,
			goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
			goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
			goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"))
		if err != nil {
			t.Errorf("stopped after batch %d: %v", stop, err)
		}
	}
}

func sourceCancelled(t *testing.T, open func(t *testing.T) pipeline.Source) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ending(t, ctx, open(t), func() {}); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, want the context's error", err)
	}
}

func sourceCancelledInMidst(t *testing.T, open func(t *testing.T) pipeline.Source) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := ending(t, ctx, open(t), cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, want the context's error", err)
	}
}

// ending reads on after each batch, having called f, until the source ends, and
// returns its error. That one must come last.
func ending(t *testing.T, ctx context.Context, s pipeline.Source, f func()) error {
	t.Helper()
	var last error
	over := make(chan struct{})
	go func() {
		defer close(over)
		for b, err := range s.Read(ctx, "") {
			if last != nil {
				t.Errorf("after the error %v came more", last)
			}
			if err != nil && (len(b.Changes) > 0 || b.Next != "") {
				t.Errorf("the error %v came with a batch", err)
			}
			last = err
			f()
		}
	}()
	select {
	case <-over:
		return last
	case <-time.After(patience):
		t.Fatal("it does not end")
		return nil
	}
}
