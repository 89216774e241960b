package sqlsink

import (
	"fmt"
	"strings"
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

// What has gone of a thousand parents is looked up by the index, in a table that
// nobody has analyzed as well.
func TestScopeReadsByIndex(t *testing.T) {
	const parents, each = 3000, 5
	whole := map[string]string{"sqlite": "SCAN people", "postgres": "Seq Scan", "mariadb": "ALL"}
	byIndex := map[string]string{"sqlite": "people_team_idx (team=?)", "postgres": "people_team_idx", "mariadb": "range people_team_idx"}
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			s := openSink(t, target.url(t), Options{Pipeline: "p", Tables: []*pipeline.Table{people()}})
			var rows [][]any
			for i := range parents * each {
				rows = append(rows, []any{fmt.Sprint("id", i), fmt.Sprint("team", i%parents), "name", nil, nil, nil, nil})
			}
			write(t, s, pipeline.Change{Table: people(), Rows: rows})
			p, tuples := s.plans["people"], make([][]any, 0, 1000)
			for i := range 1000 {
				tuples = append(tuples, []any{fmt.Sprint("team", i)})
			}
			for group := range groups(s.dialect.traits(), tuples, 1) {
				condition, args := among(s.dialect, p.pick([]int{1}), group)
				got := explanation(t, s, "SELECT id, team FROM people WHERE "+condition, args)
				if strings.Contains(got, whole[target.name]) || !strings.Contains(got, byIndex[target.name]) {
					t.Errorf("%d parents: %.1000s", len(group), got)
				}
			}
		})
	}
}

// explanation is how the database means to run a query in a sink's transaction.
func explanation(t *testing.T, s *Sink, query string, args []any) string {
	t.Helper()
	tx, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if begin := s.dialect.traits().begin; begin != "" {
		if _, err := tx.Exec(begin); err != nil {
			t.Fatal(err)
		}
	}
	explain := "EXPLAIN "
	if _, ok := s.dialect.(*sqliteDB); ok {
		explain = "EXPLAIN QUERY PLAN "
	}
	rows, err := tx.Query(explain+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for rows.Next() {
		values, pointers := scanTarget(len(names))
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			fmt.Fprintf(&lines, "%s ", plainText(v))
		}
		lines.WriteString("\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines.String()
}
