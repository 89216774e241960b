package sqlsink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

func childOf(parent *pipeline.Table) *pipeline.Table {
	return &pipeline.Table{Name: "child", Key: []string{"id"},
		Columns:    []pipeline.Column{{Name: "id", Type: pipeline.Integer}, {Name: "parent_id", Type: parent.Columns[0].Type}},
		References: []pipeline.Reference{{Column: "parent_id", Table: parent.Name, Key: parent.Key[0]}}}
}

// A table whose index can't be made is not made either, so that both are tried
// again.
func TestTableAndIndexAreOne(t *testing.T) {
	for _, target := range targets[:2] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			db := connect(t, url)
			exec(t, db, "CREATE TABLE other (x integer)", "CREATE INDEX child_parent_id_idx ON other (x)")
			child := childOf(table())
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table(), child}})
			if _, err := s.Cursor(t.Context()); fault.CodeOf(err) != "target_schema" {
				t.Fatalf("got %v", err)
			}
			if have, err := s.dialect.describe(t.Context(), db, "child"); err != nil || have != nil {
				t.Fatalf("the table without its index: %+v, %v", have, err)
			}
			exec(t, db, "DROP INDEX child_parent_id_idx")
			if _, err := s.Cursor(t.Context()); err != nil {
				t.Fatal(err)
			}
			exec(t, db, "DROP INDEX child_parent_id_idx") // which is there again
		})
	}
}

// A new table refers to one that older systems made.
func TestReferringToOldTables(t *testing.T) {
	for _, test := range []struct{ target, create string }{
		{"mariadb", "CREATE TABLE t (id int PRIMARY KEY)"},
		{"mariadb", "CREATE TABLE t (id int unsigned PRIMARY KEY)"},
		{"mariadb", "CREATE TABLE t (id varchar(50) PRIMARY KEY) CHARSET=utf16"},
		{"mariadb", "CREATE TABLE t (id varchar(50) PRIMARY KEY) CHARSET=latin1 COLLATE=latin1_german1_ci"},
		{"postgres", "CREATE TABLE t (id int PRIMARY KEY)"},
		{"postgres", "CREATE TABLE t (id uuid PRIMARY KEY)"},
		{"postgres", `CREATE TABLE t (id varchar(50) COLLATE "C" PRIMARY KEY)`},
		{"sqlite", "CREATE TABLE t (id INT PRIMARY KEY)"},
		{"sqlite", "CREATE TABLE t (id VARCHAR(50) PRIMARY KEY)"},
	} {
		t.Run(test.target+" "+test.create, func(t *testing.T) {
			url := targets[map[string]int{"sqlite": 0, "postgres": 1, "mariadb": 2}[test.target]].url(t)
			exec(t, connect(t, url), test.create)
			parent, key := table(), any(int64(1))
			if !strings.Contains(strings.ToLower(test.create), "id int") {
				parent.Columns[0].Type, key = pipeline.Text, "0b5c1d2e-0000-4000-8000-00000000000a"
			}
			child := childOf(parent)
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{parent, child}})
			put(t, s, pipeline.Change{Table: parent, Rows: [][]any{{key}}})
			if got := put(t, s, pipeline.Change{Table: child, Rows: [][]any{{int64(7), key}}}); got.Written != 1 {
				t.Errorf("landed %+v", got)
			}
		})
	}
}

func TestViewAsTarget(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		exec(t, connect(t, url), "CREATE TABLE below (id integer PRIMARY KEY)", "CREATE VIEW t AS SELECT id FROM below")
		_, err := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table()}}).Cursor(t.Context())
		checkFault(t, err, fault.Unconfigured, "target_schema", `"t"`, "is a view", "rename it")
	})
}

// What MySQL refuses to define is a matter of the schema, with a hint that fits.
func TestMySQLDefinitionsThatFail(t *testing.T) {
	url := testdb.MySQL(t)
	wide := table()
	for i := range 2000 {
		wide.Columns = append(wide.Columns, pipeline.Column{Name: fmt.Sprint("c", i), Type: pipeline.Text})
	}
	keys := &pipeline.Table{Name: "t", Key: []string{"a", "b", "c", "d"}}
	for _, k := range keys.Key {
		keys.Columns = append(keys.Columns, pipeline.Column{Name: k, Type: pipeline.Text})
	}
	for _, test := range []struct {
		table *pipeline.Table
		hint  string
	}{
		{wide, "leave some out"},
		{keys, "shorter columns in the key"},
		{table(pipeline.Column{Name: "blank ", Type: pipeline.Text}), "choose another"},
		{table(pipeline.Column{Name: "😀", Type: pipeline.Text}), "takes no such"},
	} {
		_, err := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{test.table}}).Cursor(t.Context())
		checkFault(t, err, fault.Unconfigured, "target_schema", `"t"`, test.hint)
	}
	// 64 characters, whatever their bytes.
	long := table(pipeline.Column{Name: strings.Repeat("日", 64), Type: pipeline.Text})
	if _, err := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{long}}).Cursor(t.Context()); err != nil {
		t.Error(err)
	}
}

// A lock that another holds is waited for, for a while.
func TestLockIsNamed(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table(pipeline.Column{Name: "v", Type: pipeline.Integer})}})
			tbl := table(pipeline.Column{Name: "v", Type: pipeline.Integer})
			put(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{int64(1), int64(1)}}})
			s.patience = 0
			if d, ok := s.dialect.(*postgres); ok {
				d.lockTimeout = 50 * time.Millisecond
			}
			if target.name == "mariadb" {
				s.db.SetMaxOpenConns(1)
				var seconds int
				if err := s.db.QueryRow("SELECT @@innodb_lock_wait_timeout").Scan(&seconds); err != nil || seconds != int(patience.Seconds()) {
					t.Errorf("locks are waited for %d seconds, %v", seconds, err)
				}
				exec(t, s.db, "SET innodb_lock_wait_timeout = 1")
			}
			tx, err := connect(t, url).Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("UPDATE t SET v = 2"); err != nil {
				t.Fatal(err)
			}
			batch := pipeline.Batch{Changes: []pipeline.Change{{Table: tbl, Rows: [][]any{{int64(1), int64(3)}}}}}
			_, err = s.Write(t.Context(), batch)
			checkFault(t, err, fault.Unavailable, "target_busy", "lock")
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(t.Context(), batch); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOldPostgresIsRefused(t *testing.T) {
	d := &postgres{database: "d", address: "h:5432"}
	checkFault(t, d.checkVersion(110022), fault.Unconfigured, "target_version", `PostgreSQL database "d" at h:5432`, "11.0", "PostgreSQL 12 or later")
	if err := d.checkVersion(120000); err != nil {
		t.Error(err)
	}
}

func TestMariaDBByItsName(t *testing.T) {
	s := openSink(t, testdb.MySQL(t), Options{Pipeline: "p"})
	if _, err := s.Cursor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name := s.dialect.String(); !strings.HasPrefix(name, "MariaDB") {
		t.Errorf("the target is %s", name)
	}
}
