package sqlsink

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// wide is a row of adaptTable that none of the original client's columns hold.
func wide(id string) []any {
	return []any{id, strings.Repeat("m", 64), strings.Repeat("https://bucket/object?signature=", 9), strings.Repeat("日😀", 20_000), "3092.44", pipeline.Misfit("perhaps")}
}

func narrowRow(id string) []any {
	return []any{id, "md5", "short", "long", "3092", true}
}

// The original client's tables are taken over with their rows, and each column is
// altered once, for all of a batch.
func TestOriginalTablesAreTakenOver(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			db := connect(t, url)
			exec(t, db, originals[target.name]["original"]...)
			d, _, err := open(url)
			if err != nil {
				t.Fatal(err)
			}
			insert := fmt.Sprintf("INSERT INTO contacts (%s, short, number, flag) VALUES ('old', 'before', 12, 1 = 1)", d.quote("$id"))
			exec(t, db, insert)
			var log bytes.Buffer
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{adaptTable()}, Adapt: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow("a")}}); got.Inserted != 1 {
				t.Errorf("landed %+v", got)
			}
			if n := strings.Count(log.String(), "widened"); n > 0 {
				t.Errorf("what fits made the sink widen:\n%s", &log)
			}
			rows := [][]any{wide("b"), narrowRow("c"), wide("d")}
			rows[2][2], rows[2][4] = strings.Repeat("x", 60), "0.0001"
			for again := range 2 {
				if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: rows}); got.Rejected != 0 || got.Inserted != int64(3-3*again) || got.Unchanged != int64(3*again) {
					t.Errorf("landed %+v", got)
				}
			}
			got := readAsText(t, s, adaptTable())
			if len(got) != 5 || got["old"][1] != "before" || !sameNumber("12", got["old"][3]) || !sameValue(true, got["old"][4]) {
				t.Errorf("the old row is %v", got["old"])
			}
			for _, row := range rows {
				for i, v := range row[1:] {
					if !sameNumber(v, got[row[0].(string)][i]) {
						t.Errorf("column %d of %s holds %.80v", i+1, row[0], got[row[0].(string)][i])
					}
				}
			}
			widened := map[string]int{"sqlite": 0, "postgres": 3, "mariadb": 5}[target.name]
			if n := strings.Count(log.String(), "widened a column"); n != widened {
				t.Errorf("%d columns were widened, not %d:\n%s", n, widened, &log)
			}
		})
	}
}

// A key can be lengthened as far as an index goes; what is longer is refused, and
// the rest lands.
func TestKeysAreWidenedAsFarAsTheyGo(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		exec(t, connect(t, url), "CREATE TABLE k (id varchar(5) NOT NULL PRIMARY KEY, v int)")
		k := &pipeline.Table{Name: "k", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "v", Type: pipeline.Decimal}}}
		s := adapting(t, url, "p", k)
		rows := [][]any{{strings.Repeat("a", 6), "1"}, {strings.Repeat("b", 768), "2"}, {strings.Repeat("c", 800), "3"}, {"d", "4"}}
		landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: k, Rows: rows, Scope: within("v", "1", "3")}}})
		refused := int64(0)
		if strings.HasPrefix(url, "mysql") {
			refused = 1
		}
		if err != nil || landed[0].Rejected != refused || landed[0].Inserted != 4-refused {
			t.Errorf("landed %+v, %v", landed, err)
		}
		if letters := readLetters(t, s); int64(len(letters)) != refused || refused > 0 && !strings.Contains(letters[0].reason, "800 characters do not fit") {
			t.Errorf("letters %+v", letters)
		}
	})
}

// Sinks that widen the same columns at once, each with an old notion of them.
func TestWideningTogether(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), originals[target.name]["original"]...)
			var sinks []*Sink
			for i := range 3 {
				s := adapting(t, url, fmt.Sprint("p", i), adaptTable())
				took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow(fmt.Sprint("before", i))}})
				sinks = append(sinks, s)
			}
			var group sync.WaitGroup
			for i, s := range sinks {
				group.Go(func() {
					for n := range 5 {
						row := wide(fmt.Sprint("row", i, n))
						if n == i {
							row = narrowRow(fmt.Sprint("row", i, n))
						}
						landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: adaptTable(), Rows: [][]any{row}}}})
						if err != nil || landed[0].Inserted != 1 {
							t.Errorf("landed %+v, %v", landed, err)
						}
					}
				})
			}
			group.Wait()
			rows := readAsText(t, sinks[0], adaptTable())
			if len(rows) != 18 {
				t.Errorf("%d rows", len(rows))
			}
			for id, row := range rows {
				want := wide(id)[1:]
				if row[0] == "md5" {
					want = narrowRow(id)[1:]
				}
				for i, v := range want {
					if !sameNumber(v, row[i]) {
						t.Errorf("column %d of %s holds %.80v", i+1, id, row[i])
					}
				}
			}
		})
	}
}

// A sink learns with its next run what another has made of a column, and keeps to it.
func TestWideningByAnother(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), originals[target.name]["original"]...)
			s, other := adapting(t, url, "p", adaptTable()), adapting(t, url, "q", adaptTable())
			took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow("before")}})
			took(t, other, pipeline.Change{Table: adaptTable(), Rows: [][]any{wide("other")}})
			if _, err := s.Cursor(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow("before"), narrowRow("after")}}); got.Unchanged != 1 || got.Inserted != 1 {
				t.Errorf("landed %+v", got)
			}
			rows := readAsText(t, s, adaptTable())
			if rows["before"][4] != "true" || rows["after"][4] != "true" || rows["other"][4] != "perhaps" {
				t.Errorf("flags %v, %v and %v", rows["before"][4], rows["after"][4], rows["other"][4])
			}
		})
	}
}

// Whoever stops after the columns were altered has lost nothing.
func TestWideningWithoutTheWrite(t *testing.T) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), originals[target.name]["original"]...)
			batch := pipeline.Batch{Changes: []pipeline.Change{{Table: adaptTable(), Rows: [][]any{wide("a")}}}, Next: "1"}
			s := adapting(t, url, "p", adaptTable())
			took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow("b")}})
			if err := s.widenFor(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			s = adapting(t, url, "p", adaptTable())
			if c, err := s.Cursor(t.Context()); err != nil || c != "" {
				t.Errorf("the cursor is %q, %v", c, err)
			}
			if rows := readAsText(t, s, adaptTable()); len(rows) != 1 || !sameValue(true, rows["b"][4]) || rows["b"][1] != "short" {
				t.Errorf("rows %v", rows)
			}
			if landed, err := s.Write(t.Context(), batch); err != nil || landed[0].Inserted != 1 {
				t.Errorf("landed %+v, %v", landed, err)
			}
		})
	}
}

// What a view hangs on stays as it is, and what does not fit is refused, once that
// was tried.
func TestColumnsThatCannotBeAltered(t *testing.T) {
	url := testdb.Postgres(t)
	exec(t, connect(t, url), originals["postgres"]["original"][0], "CREATE VIEW report AS SELECT short FROM contacts")
	var log bytes.Buffer
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{adaptTable()}, Adapt: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, id := range []string{"a", "b"} {
		odd := wide(id + " odd")
		odd[2] = "fits"
		if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{wide(id), narrowRow(id + " short"), odd}}); got.Rejected != 1 || got.Inserted != 2 {
			t.Errorf("landed %+v", got)
		}
	}
	if n := strings.Count(log.String(), "can't be widened"); n != 1 || !strings.Contains(log.String(), "used by a view") {
		t.Errorf("the log tells %d times of it:\n%s", n, &log)
	}
	if letters := readLetters(t, s); len(letters) != 2 || !strings.Contains(letters[0].reason, `column "short": 288 characters do not fit`) {
		t.Errorf("letters %.300v", letters)
	}
}

// Without the right to alter a table, rows by the thousand would be refused: that is
// a fault, which names the right.
func TestWideningNeedsTheRight(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			admin := connect(t, url)
			exec(t, admin, originals[target.name]["original"]...)
			if target.name == "postgres" {
				exec(t, admin, `CREATE INDEX ON contacts ("$id", "$md5")`)
			} else {
				exec(t, admin, "CREATE INDEX i ON contacts (`$id`, `$md5`)")
			}
			limited := limitedUser(t, admin, target.name, url)
			s := adapting(t, limited, "p", adaptTable())
			took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow("a")}})
			_, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: adaptTable(), Rows: [][]any{wide("b")}}}})
			checkFault(t, err, fault.Forbidden, "target_rights", "alter", `"contacts"`, "give the right with")
		})
	}
}

// limitedUser makes a user who may make tables, and write to contacts, and returns
// the URL for it.
func limitedUser(t *testing.T, admin *sql.DB, target, url string) string {
	t.Helper()
	user := testdb.Name()
	var grants, undo []string
	if target == "postgres" {
		grants = []string{`CREATE ROLE "%s" LOGIN PASSWORD 'pw'`, `GRANT USAGE, CREATE ON SCHEMA public TO "%s"`, `GRANT SELECT, INSERT, UPDATE, DELETE ON contacts TO "%s"`}
		undo = []string{`DROP OWNED BY "%s"`, `DROP ROLE "%s"`}
	} else {
		user = user[:min(len(user), 30)]
		grants = []string{"CREATE USER '%s'@'%%' IDENTIFIED BY 'pw'", "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON * TO '%s'@'%%'"}
		undo = []string{"DROP USER '%s'@'%%'"}
	}
	for _, statement := range grants {
		if _, err := admin.Exec(fmt.Sprintf(statement, user)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range undo {
			if _, err := admin.Exec(fmt.Sprintf(statement, user)); err != nil {
				t.Error(err)
			}
		}
	})
	return as(t, url, user, "pw", "")
}

// A sink that does not adapt refuses what it always did.
func TestNothingIsWidenedUnasked(t *testing.T) {
	for _, target := range targets[1:] {
		t.Run(target.name, func(t *testing.T) {
			url := target.url(t)
			exec(t, connect(t, url), originals[target.name]["original"]...)
			s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{adaptTable()}})
			if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{narrowRow("a"), wide("b")}}); got.Rejected != 1 || got.Inserted != 1 {
				t.Errorf("landed %+v", got)
			}
			odd := narrowRow("c")
			odd[5] = pipeline.Misfit("perhaps")
			if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{odd}}); got.Rejected != 1 {
				t.Errorf("landed %+v", got)
			}
			if letters := readLetters(t, s); !strings.Contains(letters[1].reason, "holds a pipeline.Misfit where a column of type boolean wants bool") {
				t.Errorf("letters %.300v", letters)
			}
		})
	}
}
