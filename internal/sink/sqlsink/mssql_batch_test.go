package sqlsink

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlc-dev/teesql/parser"

	"ferryman/internal/pipeline"
	"ferryman/internal/sink/sqlsink/tdsfake"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and look at the change. Got\n%s", path, got)
	}
}

// checkTSQL has a parser read what was asked. It is lax, but counts statements as
// the server would.
func checkTSQL(t *testing.T, requests []tdsfake.Request) {
	t.Helper()
	for _, r := range requests {
		if r.Text == "" || strings.HasSuffix(r.Text, " SET FMTONLY OFF") || tdsfake.IsCopy(r) {
			continue // the driver's own
		}
		want := 1
		switch {
		case strings.HasPrefix(r.Text, "SET NOCOUNT OFF; SET XACT_ABORT ON"):
			want = 3
		case strings.HasPrefix(r.Text, "ROLLBACK"):
			want = 2
		}
		checkStatements(t, r.Text, want)
	}
}

func checkStatements(t *testing.T, text string, want int) {
	t.Helper()
	script, err := parser.Parse(t.Context(), strings.NewReader(text))
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	n := 0
	for _, batch := range script.Batches {
		n += len(batch.Statements)
	}
	if n != want {
		t.Errorf("%s: %d statements, want %d", text, n, want)
	}
}

var manyTypes = &pipeline.Table{
	Name: "t", Key: []string{"$id"}, Indexes: [][]string{{"parent"}},
	Columns: []pipeline.Column{
		{Name: "$id", Type: pipeline.Text}, {Name: "parent", Type: pipeline.Text}, {Name: "odd ]name", Type: pipeline.Text},
		{Name: "short", Type: pipeline.Text, Short: true}, {Name: "amount", Type: pipeline.Decimal}, {Name: "count", Type: pipeline.Integer},
		{Name: "flag", Type: pipeline.Boolean}, {Name: "at", Type: pipeline.Time},
	},
	Stamps: []pipeline.Stamp{{Name: "first", Type: pipeline.Time, On: pipeline.OnInsert}, {Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}},
}

var (
	noon    = time.Date(2024, 5, 6, 12, 0, 0, 123456000, time.UTC)
	fullRow = []any{"k1", "p1", "O'Brien 😀", "s", "-12.50", int64(7), true, time.Date(2024, 2, 29, 1, 2, 3, 4567000, time.FixedZone("", 3600))}
	bareRow = []any{"k2", nil, nil, nil, nil, nil, nil, nil}
)

func typesSink(t *testing.T, f *mssqlFake) *Sink {
	t.Helper()
	return openSink(t, f.url(), Options{Pipeline: "p", Tables: []*pipeline.Table{manyTypes}, Now: func() time.Time { return noon }})
}

// The statements and their order, from the first connection on: tables, a batch with
// a row that has gone and one that is refused, and one that finds nothing changed.
func TestMSSQLStatements(t *testing.T) {
	f := fakeMSSQL(t)
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		text := tdsfake.NVarChar(0)
		switch {
		case strings.HasPrefix(r.Text, "SELECT [$id], [parent] FROM [t] WHERE"):
			return tdsfake.Reply{Columns: []tdsfake.Column{{Type: text}, {Type: text}}, Rows: [][]any{{"gone", "p1"}, {"k1", "p1"}, {"other", "P1"}}}, true
		case strings.HasPrefix(r.Text, "DELETE"):
			return tdsfake.Reply{Count: 1}, true
		case strings.HasPrefix(r.Text, "UPDATE t SET [parent]"):
			return tdsfake.Reply{Count: 1}, true
		case strings.HasPrefix(r.Text, "INSERT INTO [t]"):
			return tdsfake.Reply{Count: 1}, true
		}
		return tdsfake.Reply{}, false
	}
	s := typesSink(t, f)
	landed, err := s.Write(t.Context(), pipeline.Batch{Next: "c1", Changes: []pipeline.Change{{
		Table: manyTypes, Rows: [][]any{fullRow, bareRow, append([]any{"blank "}, bareRow[1:]...)}, Scope: within("parent", "p1"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.TableCount{Table: "t", Read: 3, Written: 2, Inserted: 1, Updated: 1, Deleted: 1, Rejected: 1}
	if got := landed[0]; got.Read != want.Read || got.Written != want.Written || got.Inserted != want.Inserted || got.Updated != want.Updated ||
		got.Deleted != want.Deleted || got.Rejected != want.Rejected || got.Unchanged != 0 {
		t.Errorf("landed %+v", got)
	}
	if _, err := s.List(t.Context(), manyTypes, "k1", 10); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/mssql_batch.golden", transcript(f.Requests()))
	checkTSQL(t, f.Requests())

	f.Forget()
	if _, err := s.Write(t.Context(), pipeline.Batch{Next: "c2", Changes: []pipeline.Change{{Table: manyTypes, Rows: [][]any{fullRow}}}}); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/mssql_next.golden", transcript(f.Requests()))
	checkTSQL(t, f.Requests())
}

// Columns of other types than Ferryman makes: the server converts, and what a
// conversion would change is found before it does.
func TestMSSQLConversions(t *testing.T) {
	d := &mssql{}
	tbl := &pipeline.Table{Name: "t", Key: []string{"k"}, Columns: []pipeline.Column{{Name: "k", Type: pipeline.Text}}}
	have := &description{uniques: []unique{{columns: []string{"k"}, primary: true}}}
	for i, m := range []mssqlColumn{
		{typ: "varchar", length: 50, codePage: 1252}, {typ: "varchar", length: -1}, {typ: "char", length: 5}, {typ: "nchar", length: 10}, {typ: "text"}, {typ: "ntext"},
		{typ: "uniqueidentifier"}, {typ: "money", precision: 19, scale: 4}, {typ: "datetime"}, {typ: "date"}, {typ: "real"}, {typ: "bit"}, {typ: "tinyint", length: 1},
		{typ: "datetimeoffset", scale: 3}, {typ: "numeric", precision: 10, scale: 2},
	} {
		c := existing{name: "k"}
		if i > 0 {
			c.name = "c" + string(rune('a'+i))
			tbl.Columns = append(tbl.Columns, pipeline.Column{Name: c.name, Type: pipeline.Text})
		}
		m.describe(&c)
		if c.kind == textKind {
			c.collation, c.padded, c.inexact = "Latin1_General_CI_AS", true, true
		}
		have.columns = append(have.columns, c)
	}
	s := &Sink{dialect: d}
	p, err := s.newPlan(have, tbl)
	if err != nil {
		t.Fatal(err)
	}
	u := p.upserter.(*mssqlUpserter)
	statements := []string{u.create, u.check, u.update, u.insert}
	golden(t, "testdata/mssql_conversions.golden", strings.Join(statements, "\n")+"\n")
	for _, statement := range statements {
		checkStatements(t, statement, 1)
	}
}

// Tables of the original client are taken over: its columns grow with what comes, and
// a key that its collation confuses with another's is refused. New columns begin small.
func TestMSSQLAdapts(t *testing.T) {
	f := fakeMSSQL(t)
	f.tables["[t]"] = []fakeColumn{
		{name: "$id", typ: "nvarchar", arguments: "50", notNull: true}, {name: "parent", typ: "nvarchar", arguments: "50"},
		{name: "short", typ: "nvarchar", arguments: "1"}, {name: "amount", typ: "decimal", arguments: "18,0"}, {name: "flag", typ: "bit"},
	}
	f.indexes["[t]"] = [][]string{{"$id"}}
	s := openSink(t, f.url(), Options{Pipeline: "p", Tables: []*pipeline.Table{manyTypes}, Now: func() time.Time { return noon }, Adapt: true})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.once(begins("INSERT INTO [t]"), tdsfake.Reply{Error: &tdsfake.Error{Number: 2627, Message: "K1 is there", EndsTransaction: true}})
	rows := [][]any{
		{"K1", "p1", strings.Repeat("x", 300), "a word", "3092.44", int64(1), pipeline.Misfit("perhaps"), noon},
		{"k2", "p1", "", "", "1", int64(1), true, noon},
	}
	if count := write(t, s, pipeline.Change{Table: manyTypes, Rows: rows}); count.Written != 2 {
		t.Errorf("%+v", count)
	}
	altered := slices.DeleteFunc(f.Requests(), func(r tdsfake.Request) bool {
		return r.Kind != tdsfake.Copy && !begins("ALTER TABLE")(r) && !begins("CREATE INDEX")(r) && !begins("UPDATE [t]")(r)
	})
	golden(t, "testdata/mssql_adapt.golden", transcript(altered))
	checkTSQL(t, f.Requests())
}

// A table of nothing but its key has nothing to update.
func TestMSSQLKeyAlone(t *testing.T) {
	f := fakeMSSQL(t)
	s := openSink(t, f.url(), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
	if count := write(t, s, pipeline.Change{Table: table(), Rows: [][]any{{int64(1)}, {int64(2)}}}); count.Written != 2 {
		t.Errorf("%+v", count)
	}
	if n := asked(f.Requests(), "UPDATE t SET"); n != 0 {
		t.Errorf("%d updates", n)
	}
}

// A value that its column would change is refused before the rows are written.
func TestMSSQLRefusesWhatConversionsChange(t *testing.T) {
	f := fakeMSSQL(t)
	f.tables["[t]"] = []fakeColumn{{name: "id", typ: "bigint", notNull: true}, {name: "d", typ: "date"}}
	f.indexes["[t]"] = [][]string{{"id"}}
	tbl := table(pipeline.Column{Name: "d", Type: pipeline.Text})
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		if strings.HasPrefix(r.Text, "SELECT TOP (1) CASE") && f.staged > 0 {
			reply := tdsfake.Reply{Columns: []tdsfake.Column{{Type: tdsfake.Int()}}}
			if f.bad {
				reply.Rows = [][]any{{int64(1)}}
			}
			return reply, true
		}
		if r.Kind == tdsfake.Copy {
			f.bad = false
			for _, row := range r.Rows {
				f.bad = f.bad || row[1] == "never"
			}
		}
		return tdsfake.Reply{}, false
	}
	s := openSink(t, f.url(), Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	count := write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{{int64(1), "2024-01-01"}, {int64(2), "never"}, {int64(3), nil}}})
	if count.Rejected != 1 || count.Written != 2 {
		t.Errorf("%+v", count)
	}
	letters := copied(f.Requests())
	if len(letters) != 1 || letters[0][3] != "2" || !strings.Contains(letters[0][5].(string), `column "d"`) {
		t.Errorf("letters %v", letters)
	}
	checkTSQL(t, f.Requests())
}

// copied are the rows of the last copy.
func copied(requests []tdsfake.Request) [][]any {
	for _, r := range slices.Backward(requests) {
		if r.Kind == tdsfake.Copy {
			return r.Rows
		}
	}
	return nil
}
