package sqlsink

import (
	"fmt"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// unchanged writes rows, then calls look, writes them again, and calls look again.
func unchanged(t *testing.T, s *Sink, tbl *pipeline.Table, look func() string) {
	t.Helper()
	for _, n := range []int64{1, 700, int64(copyFrom) + 1} { // by each way that rows take
		var rows [][]any
		for i := range n {
			rows = append(rows, []any{i, fmt.Sprint("text ", i), "1.5"})
		}
		write := func() pipeline.TableCount {
			t.Helper()
			landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: tbl, Rows: rows}}})
			if err != nil {
				t.Fatal(err)
			}
			return landed[0]
		}
		write()
		before := look()
		if got := write(); got.Unchanged != n {
			t.Errorf("landed %+v", got)
		}
		if after := look(); after != before {
			t.Errorf("%d unchanged rows left a mark: %s, then %s", n, before, after)
		}
		rows[0][1] = "changed"
		write()
		if look() == before {
			t.Errorf("a change left no mark: %s proves nothing", before)
		}
	}
}

func costTable() *pipeline.Table {
	t := table(pipeline.Column{Name: "a", Type: pipeline.Text}, pipeline.Column{Name: "n", Type: pipeline.Decimal})
	t.Stamps = []pipeline.Stamp{{Name: "updated_at", Type: pipeline.Time, On: pipeline.OnChange}}
	return t
}

// Unchanged rows keep their version: they are neither updated nor locked.
func TestUnchangedRowsCostNothingOnPostgres(t *testing.T) {
	s := openSink(t, testdb.Postgres(t), Options{Pipeline: "p", Tables: []*pipeline.Table{costTable()}})
	unchanged(t, s, costTable(), func() (mark string) {
		err := s.db.QueryRow(`SELECT md5(string_agg(concat(id, ctid, xmin, xmax), ',' ORDER BY id)) FROM t`).Scan(&mark)
		if err != nil {
			t.Fatal(err)
		}
		return mark
	})
}

func TestUnchangedRowsCostNothingOnMariaDB(t *testing.T) {
	s := openSink(t, testdb.MySQL(t), Options{Pipeline: "p", Tables: []*pipeline.Table{costTable()}})
	s.db.SetMaxOpenConns(1) // the counters are the session's
	unchanged(t, s, costTable(), func() (mark string) {
		var name, value string
		for _, counter := range []string{"Handler_update", "Handler_delete"} {
			if err := s.db.QueryRow("SHOW SESSION STATUS LIKE '"+counter+"'").Scan(&name, &value); err != nil {
				t.Fatal(err)
			}
			mark += name + "=" + value + " "
		}
		var stamps string
		if err := s.db.QueryRow("SELECT sum(crc32(concat(id, updated_at))) FROM t").Scan(&stamps); err != nil {
			t.Fatal(err)
		}
		return mark + stamps
	})
}

func TestUnchangedRowsCostNothingOnSQLite(t *testing.T) {
	s := openSink(t, targets[0].url(t), Options{Pipeline: "p", Tables: []*pipeline.Table{costTable()}})
	s.db.SetMaxOpenConns(1) // the count is the connection's
	unchanged(t, s, costTable(), func() (mark string) {
		if err := s.db.QueryRow("SELECT total_changes()").Scan(&mark); err != nil {
			t.Fatal(err)
		}
		return mark
	})
}
