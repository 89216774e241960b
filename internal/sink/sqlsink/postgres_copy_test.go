package sqlsink

import (
	"fmt"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// A row that another writer brings while new ones are copied is updated, once it is there.
func TestRowsAreCopiedWhileAnotherWriterBringsOne(t *testing.T) {
	tbl := table(pipeline.Column{Name: "v", Type: pipeline.Text})
	s := openSink(t, testdb.Postgres(t), Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	if _, err := other.Exec("INSERT INTO t (id, v) VALUES (7, 'theirs')"); err != nil {
		t.Fatal(err)
	}
	var rows [][]any
	for i := range int64(2 * directFrom) {
		rows = append(rows, []any{i, "ours"})
	}
	var landed pipeline.Landed
	written := make(chan error, 1)
	go func() {
		var err error
		landed, err = s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: tbl, Rows: rows}}})
		written <- err
	}()
	testwait.Until(t, "COPY waits", func() bool {
		var waiting int
		err := s.db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY%'").Scan(&waiting)
		return err == nil && waiting == 1
	})
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if got := landed[0]; got.Inserted != int64(len(rows))-1 || got.Updated != 1 || got.Rejected != 0 {
		t.Errorf("landed %+v", got)
	}
}

// COPY passes by rules, and refuses what has policies.
func TestTablesThatAreNotCopiedTo(t *testing.T) {
	s := openSink(t, testdb.Postgres(t), Options{Pipeline: "p"})
	for name, c := range map[string]struct {
		make  string
		plain bool
	}{
		"plain":       {"CREATE TABLE %s (id bigint PRIMARY KEY)", true},
		"partitioned": {"CREATE TABLE %s (id bigint PRIMARY KEY) PARTITION BY RANGE (id)", false},
		"policies":    {"CREATE TABLE %[1]s (id bigint PRIMARY KEY); ALTER TABLE %[1]s ENABLE ROW LEVEL SECURITY", false},
		"rules":       {"CREATE TABLE %[1]s (id bigint PRIMARY KEY); CREATE RULE r AS ON INSERT TO %[1]s DO ALSO NOTHING", false},
	} {
		exec(t, s.db, fmt.Sprintf(c.make, name))
		have, err := s.dialect.describe(t.Context(), s.db, name)
		if err != nil || have == nil || have.plain != c.plain {
			t.Errorf("%s: %+v, %v", name, have, err)
		}
	}
}
