package sqlsink

import (
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// old is a table as older systems made it, in types that are not those that the
// sink would choose.
func old() *pipeline.Table {
	return &pipeline.Table{
		Name: "old",
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Integer, Required: true},
			{Name: "short", Type: pipeline.Text},
			{Name: "number", Type: pipeline.Integer},
			{Name: "amount", Type: pipeline.Decimal},
			{Name: "whole", Type: pipeline.Decimal},
			{Name: "flag", Type: pipeline.Boolean},
			{Name: "flag_text", Type: pipeline.Boolean},
			{Name: "at", Type: pipeline.Time},
			{Name: "at_text", Type: pipeline.Time},
			{Name: "number_text", Type: pipeline.Integer},
			{Name: "added", Type: pipeline.Text, Required: true},
		},
		Stamps: []pipeline.Stamp{
			{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange},
			{Name: "inserted_at", Type: pipeline.Time, On: pipeline.OnInsert},
		},
		Key: []string{"id"},
	}
}

var oldTables = map[string][]string{
	"postgres": {
		`CREATE TABLE old (id int4 PRIMARY KEY, short varchar(10), number int2, amount numeric(10,2), whole int4, flag int4, flag_text varchar(10),
			at timestamp(0), at_text varchar(50), number_text varchar(20), "$changed" varchar(50), kept text DEFAULT 'kept', doc json)`,
		`INSERT INTO old (id, short, "$changed") VALUES (1, 'before', 'long ago')`,
	},
	"mariadb": {
		"CREATE TABLE old (id int PRIMARY KEY, short varchar(10), number smallint, amount decimal(10,2), whole int, flag tinyint, flag_text varchar(10)," +
			" at datetime, at_text varchar(50), number_text varchar(20), `$changed` varchar(50), kept varchar(10) DEFAULT 'kept') CHARSET=latin1 COLLATE=latin1_swedish_ci",
		"INSERT INTO old (id, short, `$changed`) VALUES (1, 'before', 'long ago')",
	},
	"sqlite": {
		`CREATE TABLE old (ID INTEGER PRIMARY KEY, short VARCHAR(10) COLLATE NOCASE, number INT, amount NUMERIC, whole INT, flag INT, flag_text VARCHAR(10),
			at DATETIME, at_text VARCHAR(50), number_text VARCHAR(20), "$changed" VARCHAR(50), kept TEXT DEFAULT 'kept')`,
		`INSERT INTO old (id, short, "$changed") VALUES (1, 'before', 'long ago')`,
	},
}

func TestExistingTable(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			db := connect(t, url)
			exec(t, db, oldTables[target.name]...)
			now := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{old()}, Now: func() time.Time { return now }})
			at := time.Date(2026, 6, 30, 23, 59, 59, 900000000, time.UTC)
			row := func(id int64, short string) []any {
				return []any{id, short, int64(7), "12.50", "2E5", true, false, at, at, int64(42), "new column"}
			}
			write := func(want pipeline.TableCount, rows ...[]any) {
				t.Helper()
				landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: old(), Rows: rows}}})
				if err != nil {
					t.Fatal(err)
				}
				want.Table = "old"
				if got := plain(t, landed[0]); got != want {
					t.Errorf("landed %+v, want %+v", got, want)
				}
			}
			write(pipeline.TableCount{Read: 2, Written: 2}, row(1, "AFTER"), row(2, "x"))
			write(pipeline.TableCount{Read: 2, Unchanged: 2}, row(1, "AFTER"), row(2, "x"))
			write(pipeline.TableCount{Read: 2, Written: 1, Unchanged: 1}, row(1, "after"), row(2, "x")) // though the collation ignores case

			got := allRows(t, s, old())
			if len(got) != 2 {
				t.Fatalf("%d rows", len(got))
			}
			want := append(row(1, "after"), "2026-01-02T03:04:05.678901Z", nil)
			want[3], want[4] = "12.5", "200000"
			if target.name != "sqlite" { // which keeps what a column's type does not
				want[7] = at.Truncate(time.Second)
			}
			for i, v := range got[0] {
				if i == 4 && v == "200000.0" {
					v = "200000"
				}
				if i < 12 && v != want[i] && !equalTimes(v, want[i]) && !(i == 3 && strings.HasPrefix(v.(string), "12.5")) {
					t.Errorf("column %d holds %v (%T), want %v", i, v, v, want[i])
				}
			}
			var kept, flags string
			if err := db.QueryRow("SELECT kept, flag_text FROM old WHERE id = 2").Scan(&kept, &flags); err != nil || kept != "kept" || flags != "false" {
				t.Errorf("kept %q, flag_text %q, %v", kept, flags, err)
			}
		})
	}
}

func equalTimes(a, b any) bool {
	x, xok := a.(time.Time)
	y, yok := b.(time.Time)
	return xok && yok && x.Equal(y)
}

// What the types of an existing table would cut or round in silence is refused,
// with the column named.
func TestExistingTableRefusesWhatDoesNotFit(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), oldTables[target.name]...)
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{old()}})
			good := []any{int64(5), "0123456789", int64(7), "1.00", "7", true, true, nil, nil, nil, "x"}
			for _, test := range []struct {
				column int
				value  any
				reason string
			}{
				{1, "01234567890", `column "short": 11 characters do not fit the type`},
				{2, int64(70000), "range"},
				{3, "1.005", `column "amount": 1.005 does not fit`},
				{3, "123456789.1", ""},
				{4, "1.5", `column "whole": 1.5 does not fit`},
				{4, "5000000000", "range"},
				{0, int64(5000000000), "range"},
				{10, nil, "is required"},
			} {
				bad := append([]any{}, good...)
				bad[0] = int64(6)
				bad[test.column] = test.value
				landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: old(), Rows: [][]any{good, bad}}}})
				if err != nil || landed[0].Rejected != 1 {
					t.Errorf("%v: landed %+v, %v", test.value, landed, err)
					continue
				}
				letters := readLetters(t, s)
				reason := letters[len(letters)-1].reason
				if !strings.Contains(strings.ToLower(reason), strings.ToLower(test.reason)) {
					t.Errorf("%v: reason %q does not say %q", test.value, reason, test.reason)
				}
				exec(t, s.db, "DELETE FROM ferryman_dead_letters")
			}
		})
	}
}

// Text keys in a table whose collation takes several for one.
func TestExistingTableWithLooseKeys(t *testing.T) {
	url := testdb.MySQL(t)
	db := connect(t, url)
	exec(t, db, "CREATE TABLE loose (id varchar(50) PRIMARY KEY, v varchar(50)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci")
	loose := &pipeline.Table{Name: "loose", Key: []string{"id"},
		Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "v", Type: pipeline.Text}}}
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{loose}})
	write := func(want pipeline.TableCount, rows ...[]any) {
		t.Helper()
		landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: loose, Rows: rows}}})
		if err != nil {
			t.Fatal(err)
		}
		want.Table = "loose"
		if got := plain(t, landed[0]); got != want {
			t.Errorf("landed %+v, want %+v", got, want)
		}
	}
	write(pipeline.TableCount{Read: 3, Written: 2, Rejected: 1}, []any{"a", "1"}, []any{"A", "2"}, []any{"b", "3"})
	write(pipeline.TableCount{Read: 4, Unchanged: 2, Rejected: 2}, []any{"a", "1"}, []any{"a ", "2"}, []any{"B", "2"}, []any{"b", "3"})
	var v string
	if err := db.QueryRow("SELECT group_concat(concat(id, '=', v) ORDER BY id) FROM loose").Scan(&v); err != nil || v != "a=1,b=3" {
		t.Errorf("table holds %s, %v", v, err)
	}
	if letters := readLetters(t, s); len(letters) != 3 || !strings.Contains(letters[0].reason, "Duplicate entry") {
		t.Errorf("letters %+v", letters)
	}
}

// A scope's parents in a column whose collation takes several for one.
func TestExistingTableWithLooseParents(t *testing.T) {
	for name, create := range map[string]string{
		"sqlite":  "CREATE TABLE loose (id integer PRIMARY KEY, parent varchar(50) COLLATE NOCASE)",
		"mariadb": "CREATE TABLE loose (id integer PRIMARY KEY, parent varchar(50)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci",
	} {
		t.Run(name, func(t *testing.T) {
			url := targets[map[string]int{"sqlite": 0, "mariadb": 2}[name]].url(t)
			exec(t, connect(t, url), create)
			loose := &pipeline.Table{Name: "loose", Key: []string{"id"},
				Columns: []pipeline.Column{{Name: "id", Type: pipeline.Integer}, {Name: "parent", Type: pipeline.Text}}}
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{loose}})
			for _, c := range []pipeline.Change{
				{Table: loose, Rows: [][]any{{int64(1), "a"}, {int64(2), "A"}, {int64(3), "a"}}},
				{Table: loose, Rows: [][]any{{int64(3), "a"}}, Scope: &pipeline.Scope{Columns: []string{"parent"}, Parents: [][]any{{"a"}}}},
			} {
				if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{c}}); err != nil {
					t.Fatal(err)
				}
			}
			if rows := allRows(t, s, loose); len(rows) != 2 || rows[0][0] != int64(2) || rows[1][0] != int64(3) {
				t.Errorf("rows %v", rows)
			}
		})
	}
}

// A row that collides with another row on a second unique index is refused; it
// does not change that other row.
func TestExistingTableWithFurtherUniqueIndexes(t *testing.T) {
	for name, create := range map[string]string{
		"key is primary": "CREATE TABLE u (id integer PRIMARY KEY, email varchar(50), v varchar(50), UNIQUE (email))",
		"key comes last": "CREATE TABLE u (serial %s PRIMARY KEY, email varchar(50) UNIQUE, id integer, v varchar(50), UNIQUE (id))",
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range targets {
				t.Run(target.name, func(t *testing.T) {
					url := target.url(t)
					serial := map[string]string{"sqlite": "integer", "postgres": "bigint GENERATED ALWAYS AS IDENTITY", "mariadb": "bigint AUTO_INCREMENT"}[target.name]
					exec(t, connect(t, url), strings.ReplaceAll(create, "%s", serial))
					u := &pipeline.Table{Name: "u", Key: []string{"id"},
						Columns: []pipeline.Column{{Name: "id", Type: pipeline.Integer}, {Name: "email", Type: pipeline.Text}, {Name: "v", Type: pipeline.Text}},
						Stamps:  []pipeline.Stamp{{Name: "changed", Type: pipeline.Time, On: pipeline.OnChange}}}
					s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{u}})
					write := func(want pipeline.TableCount, rows ...[]any) {
						t.Helper()
						landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: u, Rows: rows}}})
						if err != nil {
							t.Fatal(err)
						}
						want.Table = "u"
						if got := plain(t, landed[0]); got != want {
							t.Errorf("landed %+v, want %+v", got, want)
						}
					}
					write(pipeline.TableCount{Read: 2, Written: 2}, []any{int64(1), "one", "x"}, []any{int64(2), "two", "x"})
					write(pipeline.TableCount{Read: 3, Written: 1, Unchanged: 1, Rejected: 1},
						[]any{int64(1), "one", "x"}, []any{int64(2), "two", "y"}, []any{int64(3), "one", "z"})
					write(pipeline.TableCount{Read: 2, Written: 1, Rejected: 1}, []any{int64(1), "one", "w"}, []any{int64(2), "one", "z"})
					rows := allRows(t, s, u)
					if len(rows) != 2 || rows[0][1] != "one" || rows[0][2] != "w" || rows[1][1] != "two" || rows[1][2] != "y" {
						t.Errorf("rows %v", rows)
					}
				})
			}
		})
	}
}

func TestExistingTableThatCannotBeWritten(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			for _, test := range []struct{ create, want, mend string }{
				{"CREATE TABLE t (id integer)", "no unique index on its key (id)", "CREATE UNIQUE INDEX"},
				{"CREATE TABLE t (id integer, x integer, PRIMARY KEY (id, x))", "no unique index on its key (id)", ""},
				{"CREATE TABLE t (x integer PRIMARY KEY)", `no column "id"`, ""},
				{"CREATE TABLE t (id integer PRIMARY KEY, other integer NOT NULL)", `wants a value in column "other"`, "ALTER TABLE t DROP COLUMN other"},
			} {
				url := target.url(t)
				db := connect(t, url)
				exec(t, db, test.create)
				s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
				err := s.Prepare(t.Context())
				checkFault(t, err, fault.Unconfigured, "target_schema", test.want, `"t"`)
				switch {
				case test.mend == "":
					continue
				case strings.HasPrefix(test.mend, "CREATE"):
					_, statement, found := strings.Cut(fault.HintOf(err), "with: ")
					if !found {
						t.Errorf("no statement in %q", fault.HintOf(err))
					}
					exec(t, db, statement)
				default:
					exec(t, db, test.mend)
				}
				if err := s.Prepare(t.Context()); err != nil {
					t.Errorf("mended by what the hint says: %v", err)
				}
			}
		})
	}
	url := targets[0].url(t)
	exec(t, connect(t, url), "CREATE TABLE tags (label TEXT COLLATE NOCASE PRIMARY KEY)")
	tags := &pipeline.Table{Name: "tags", Key: []string{"label"}, Columns: []pipeline.Column{{Name: "label", Type: pipeline.Text}}}
	err := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tags}}).Prepare(t.Context())
	checkFault(t, err, fault.Unconfigured, "target_schema", "different values of its key")
}

// A table that is dropped while a sink is open is made again.
func TestTableDroppedMeanwhile(t *testing.T) {
	andMSSQL(t, func(t *testing.T, url string) {
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
		batch := pipeline.Batch{Changes: []pipeline.Change{{Table: table(), Rows: [][]any{{int64(1)}}}}}
		if _, err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		exec(t, connect(t, url), "DROP TABLE t")
		_, err := s.Write(t.Context(), batch)
		checkFault(t, err, fault.Unconfigured, "target_schema", `"t"`)
		landed, err := s.Write(t.Context(), batch)
		if err != nil || landed[0].Written != 1 {
			t.Errorf("landed %+v, %v", landed, err)
		}
		// Without its state, the pipeline begins anew.
		batch.Next = "place"
		for range 2 {
			if _, err := s.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			exec(t, connect(t, url), "DROP TABLE ferryman_state")
			if c, err := s.Cursor(t.Context()); err != nil || c != "" {
				t.Errorf("cursor %q, %v", c, err)
			}
		}
	})
}
