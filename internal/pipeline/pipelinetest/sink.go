// Package pipelinetest holds what every pipeline.Sink and pipeline.Source must
// do, as tests: TestSink and TestSource. A new adapter passes its suite.
package pipelinetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/pipeline"
)

// Target is an empty place that sinks write to, such as a database.
type Target interface {
	// Open makes a sink as another process would, and closes it when the test ends.
	Open(t *testing.T, o Opening) pipeline.Sink
	// Rows are all rows of a table in the order of its key, integers by size and
	// text by bytes: the values of Columns, then of Stamps.
	Rows(t *testing.T, table *pipeline.Table) [][]any
}

// Blankless is a Target that refuses keys which end in a blank, since its database
// takes them for those without. The suite uses none there.
type Blankless interface{ Blankless() }

// Opening is what a sink is opened with.
type Opening struct {
	Pipeline string
	Tables   []*pipeline.Table // parents first
	Now      func() time.Time
}

// TestSink runs the suite; target is called for each of its tests.
func TestSink(t *testing.T, target func(t *testing.T) Target) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"values come back as they went in", sinkValues},
		{"odd text", sinkOddText},
		{"text is compared by bytes", sinkBytes},
		{"odd names", sinkOddNames},
		{"a batch again changes nothing", sinkRepeat},
		{"stamps tell of real changes", sinkStamps},
		{"the last of equal keys wins", sinkDuplicates},
		{"inserted and updated rows are told apart", sinkInsertedUpdated},
		{"scope deletes", sinkScope},
		{"scope with several columns", sinkWideScope},
		{"scope with many parents", sinkManyParents},
		{"scope keeps a refused row", sinkScopeKeepsRefused},
		{"children go with their parents", sinkCascade},
		{"cursor", sinkCursor},
		{"a stale writer is stopped", sinkStale},
		{"a row of the wrong type", sinkWrongType},
		{"a row without its parent", sinkOrphan},
		{"one bad row among many", sinkBadAmongMany},
		{"a whole batch or none of it", sinkWhole},
		{"rows that the source could not make", sinkUnmade},
		{"an error undoes the batch", sinkUndo},
		{"a cancelled context", sinkCancelled},
		{"random batches", sinkRandom},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{T: t, target: target(t), now: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)}
			b.sink = b.open("suite")
			test.run(b)
		})
	}
}

// bench is a test with a target of its own and a sink that is open on it.
type bench struct {
	*testing.T
	target Target
	sink   pipeline.Sink
	now    time.Time
}

// keys are those of the given that the target takes.
func (b *bench) keys(all ...string) []string {
	if _, ok := b.target.(Blankless); !ok {
		return all
	}
	return slices.DeleteFunc(all, func(key string) bool { return strings.HasSuffix(key, " ") })
}

func authors() *pipeline.Table {
	return &pipeline.Table{
		Name: "authors",
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Integer, Required: true},
			{Name: "shelf", Type: pipeline.Integer},
			{Name: "name", Type: pipeline.Text, Required: true},
			{Name: "rating", Type: pipeline.Decimal},
			{Name: "active", Type: pipeline.Boolean},
			{Name: "born", Type: pipeline.Time},
		},
		Stamps: []pipeline.Stamp{
			{Name: "inserted_at", Type: pipeline.Time, On: pipeline.OnInsert},
			{Name: "updated_at", Type: pipeline.Time, On: pipeline.OnChange},
			{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange},
		},
		Key: []string{"id"},
	}
}

func books() *pipeline.Table {
	return &pipeline.Table{
		Name: "books",
		Columns: []pipeline.Column{
			{Name: "author_id", Type: pipeline.Integer, Required: true},
			{Name: "code", Type: pipeline.Text, Required: true},
			{Name: "title", Type: pipeline.Text},
		},
		Key:        []string{"author_id", "code"},
		References: []pipeline.Reference{{Column: "author_id", Table: "authors", Key: "id"}},
	}
}

func tags() *pipeline.Table {
	return &pipeline.Table{
		Name:    "tags",
		Columns: []pipeline.Column{{Name: "label", Type: pipeline.Text, Required: true}},
		Key:     []string{"label"},
	}
}

// author is a row of authors with one shelf and nothing else of interest.
func author(id int64, name any) []any { return []any{id, int64(1), name, nil, nil, nil} }

func (b *bench) open(name string) pipeline.Sink {
	return b.target.Open(b.T, Opening{
		Pipeline: name,
		Tables:   []*pipeline.Table{authors(), books(), tags()},
		Now:      func() time.Time { return b.now },
	})
}

// write writes changes and checks what is said to have landed, apart from which of
// the written rows were inserted.
func (b *bench) write(next pipeline.Cursor, changes []pipeline.Change, want ...pipeline.TableCount) {
	b.Helper()
	got, err := b.sink.Write(b.Context(), pipeline.Batch{Changes: changes, Next: next})
	if err != nil {
		b.Fatalf("write: %v", err)
	}
	for i, c := range got {
		if c.Inserted+c.Updated != c.Written || c.Written > 0 && c.Bytes == 0 || c.Micros < 0 {
			b.Errorf("landed %+v", c)
		}
		got[i].Inserted, got[i].Updated = 0, 0
	}
	if got := countsOf(got); fmt.Sprint(got) != fmt.Sprint(pipeline.Landed(want)) {
		b.Errorf("landed %+v, want %+v", got, want)
	}
}

// countsOf leaves out what differs from sink to sink.
func countsOf(l pipeline.Landed) pipeline.Landed {
	l = slices.Clone(l)
	for i := range l {
		l[i].Bytes, l[i].Micros = 0, 0
	}
	return l
}

func (b *bench) rows(table *pipeline.Table, want ...[]any) {
	b.Helper()
	got := b.target.Rows(b.T, table)
	for i := range got {
		if len(got[i]) > len(table.Columns) {
			got[i] = got[i][:len(table.Columns)]
		}
	}
	if diff := differ(table, got, want); diff != "" {
		b.Errorf("table %s: %s", table.Name, diff)
	}
}

func (b *bench) cursor(want pipeline.Cursor) {
	b.Helper()
	got, err := b.sink.Cursor(b.Context())
	if err != nil {
		b.Fatalf("cursor: %v", err)
	}
	if got != want {
		b.Errorf("cursor %q, want %q", got, want)
	}
}

func change(t *pipeline.Table, rows ...[]any) pipeline.Change {
	return pipeline.Change{Table: t, Rows: rows}
}

func changes(c ...pipeline.Change) []pipeline.Change { return c }

func landed(table string, read, written, unchanged, deleted, rejected int64) pipeline.TableCount {
	return pipeline.TableCount{Table: table, Read: read, Written: written, Unchanged: unchanged, Deleted: deleted, Rejected: rejected}
}
