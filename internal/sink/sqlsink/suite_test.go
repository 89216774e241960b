package sqlsink

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/pipeline/pipelinetest"
	"ferryman/internal/testdb"
)

// targets are the databases that tests run on, each call a new and empty one.
var targets = []struct {
	name string
	url  func(testing.TB) string
}{
	{"sqlite", func(tb testing.TB) string { return "sqlite://" + filepath.Join(tb.TempDir(), "target 100%25.db") }},
	{"postgres", testdb.Postgres},
	{"mariadb", testdb.MySQL},
}

func eachTarget(t *testing.T, run func(t *testing.T, url string)) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) { run(t, target.url(t)) })
	}
}

// andMSSQL runs on SQL Server, too, where there is one.
func andMSSQL(t *testing.T, run func(t *testing.T, url string)) {
	eachTarget(t, run)
	t.Run("sqlserver", func(t *testing.T) { run(t, testdb.MSSQL(t)) })
}

func TestSink(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			pipelinetest.TestSink(t, func(t *testing.T) pipelinetest.Target { return newDatabase(t, target.url(t)) })
		})
	}
	t.Run("sqlserver", func(t *testing.T) {
		testdb.MSSQL(t) // or the whole suite is skipped, and says so once
		pipelinetest.TestSink(t, func(t *testing.T) pipelinetest.Target { return blankless{newDatabase(t, testdb.MSSQL(t))} })
	})
}

// blankless is a database that takes no keys which end in a blank.
type blankless struct{ *database }

func (blankless) Blankless() {}

// database is a pipelinetest.Target.
type database struct {
	url    string
	reader *Sink
}

func newDatabase(t *testing.T, url string) *database {
	return &database{url, openSink(t, url, Options{Pipeline: "reader"})}
}

func (d *database) Open(t *testing.T, o pipelinetest.Opening) pipeline.Sink {
	t.Helper()
	return openSink(t, d.url, Options{Pipeline: o.Pipeline, Tables: o.Tables, Now: o.Now})
}

func (d *database) Rows(t *testing.T, table *pipeline.Table) [][]any {
	t.Helper()
	return allRows(t, d.reader, table)
}

func openSink(tb testing.TB, url string, o Options) *Sink {
	tb.Helper()
	s, err := Open(url, o)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

// Prepare makes the tables and columns that are missing, as Cursor and Write do.
func (s *Sink) Prepare(ctx context.Context) error {
	_, err := s.Cursor(ctx)
	return err
}

// plain leaves out what tests of other things have no interest in.
func plain(t *testing.T, c pipeline.TableCount) pipeline.TableCount {
	t.Helper()
	if c.Inserted+c.Updated != c.Written {
		t.Errorf("landed %+v", c)
	}
	c.Inserted, c.Updated, c.Bytes, c.Micros = 0, 0, 0, 0
	return c
}

// write writes changes that must land, and returns the first table's plain count.
func write(t *testing.T, s *Sink, changes ...pipeline.Change) pipeline.TableCount {
	t.Helper()
	landed, err := s.Write(t.Context(), pipeline.Batch{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	return plain(t, landed[0])
}

// within is a scope of one column.
func within(column string, parents ...any) *pipeline.Scope {
	scope := &pipeline.Scope{Columns: []string{column}}
	for _, parent := range parents {
		scope.Parents = append(scope.Parents, []any{parent})
	}
	return scope
}

// allRows reads a table whose key may have several columns.
func allRows(tb testing.TB, s *Sink, table *pipeline.Table) [][]any {
	tb.Helper()
	have, err := s.dialect.describe(tb.Context(), s.db, table.Name)
	if err != nil {
		tb.Fatalf("describe: %v", err)
	}
	if have == nil {
		return nil
	}
	query, types := s.selection(have, table)
	rows, err := s.query(tb.Context(), s.db, fmt.Sprintf("%s ORDER BY %s", query, s.quoteAll(table.Key)), nil, types)
	if err != nil {
		tb.Fatalf("read: %v", err)
	}
	return rows
}
