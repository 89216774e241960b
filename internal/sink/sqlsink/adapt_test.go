package sqlsink

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
)

func adapting(t testing.TB, url, name string, tables ...*pipeline.Table) *Sink {
	t.Helper()
	return openSink(t, url, Options{Pipeline: name, Tables: tables, Adapt: true})
}

// took writes one change and returns what it took, in rows.
func took(t *testing.T, s *Sink, c pipeline.Change) pipeline.TableCount {
	t.Helper()
	landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{c}})
	if err != nil {
		t.Fatal(err)
	}
	landed[0].Bytes, landed[0].Micros = 0, 0
	return landed[0]
}

// checkSome checks a property that takes long fewer times than is usual, unless it
// is said how often.
func checkSome(t *testing.T, times int, property func(*rapid.T)) {
	t.Helper()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set(strconv.Itoa(times)); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = checks.Value.Set(checks.DefValue) }()
	}
	rapid.Check(t, property)
}

// adaptTable has a column of each type that a contact has.
func adaptTable() *pipeline.Table {
	return &pipeline.Table{Name: "contacts", Key: []string{"$id"},
		Columns: []pipeline.Column{
			{Name: "$id", Type: pipeline.Text, Required: true},
			{Name: "$md5", Type: pipeline.Text, Short: true},
			{Name: "short", Type: pipeline.Text, Short: true},
			{Name: "long", Type: pipeline.Text},
			{Name: "number", Type: pipeline.Decimal},
			{Name: "flag", Type: pipeline.Boolean},
		},
		Stamps:  []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}},
		Indexes: [][]string{{"$id", "$md5"}},
	}
}

// originals are the tables that the original client makes, and others that a column
// may be found in.
var originals = map[string]map[string][]string{
	"sqlite": {
		"new":      nil,
		"original": {`CREATE TABLE contacts ("$id" varchar(50) PRIMARY KEY, "$md5" varchar(20), short varchar(50), long text, number numeric, flag boolean, "$changed" varchar(50))`},
		"others":   {`CREATE TABLE contacts ("$id" varchar(50) PRIMARY KEY, "$md5" varchar(20), short integer, long decimal, number real, flag text, "$changed" text)`},
	},
	"postgres": {
		"new":      nil,
		"original": {`CREATE TABLE contacts ("$id" varchar(50) PRIMARY KEY, "$md5" varchar(20), short varchar(50), long text, number numeric, flag boolean, "$changed" varchar(50))`},
		"narrow":   {`CREATE TABLE contacts ("$id" varchar(50) COLLATE "C" PRIMARY KEY, "$md5" varchar(20), short char(2) COLLATE "C", long name, number smallint, flag integer, "$changed" varchar(5))`},
		"rounding": {`CREATE TABLE contacts ("$id" varchar(50) PRIMARY KEY, "$md5" varchar(20), short integer, long boolean, number numeric(5,2), flag numeric(1,0), "$changed" varchar(50))`},
		"floating": {`CREATE TABLE contacts ("$id" varchar(50) PRIMARY KEY, "$md5" varchar(20), short real, long double precision, number real, flag text, "$changed" varchar(50))`},
		"doubles":  {`CREATE TABLE contacts ("$id" varchar(50) PRIMARY KEY, "$md5" varchar(20), short bigint, long numeric(9,0), number double precision, flag varchar(3), "$changed" varchar(50))`},
	},
	"mariadb": {
		"new":      nil,
		"original": {"CREATE TABLE contacts (`$id` varchar(50) PRIMARY KEY, `$md5` varchar(20), short varchar(50), `long` text, number decimal(10,0), flag boolean, `$changed` varchar(50)) CHARSET=utf16 COLLATE=utf16_general_ci"},
		"narrow":   {"CREATE TABLE contacts (`$id` varchar(50) PRIMARY KEY, `$md5` varchar(20), short char(2), `long` tinytext, number smallint, flag bit(1), `$changed` varchar(5)) CHARSET=latin1 COLLATE=latin1_swedish_ci"},
		"rounding": {"CREATE TABLE contacts (`$id` varchar(50) PRIMARY KEY, `$md5` varchar(20), short int unsigned, `long` tinyint(1), number decimal(5,2), flag decimal(3,1), `$changed` varchar(50)) CHARSET=latin2"},
		"floating": {"CREATE TABLE contacts (`$id` varchar(50) PRIMARY KEY, `$md5` varchar(20), short double, `long` double, number double, flag text, `$changed` varchar(50)) CHARSET=utf8mb3"},
		"doubles":  {"CREATE TABLE contacts (`$id` varchar(50) PRIMARY KEY, `$md5` varchar(20), short bigint, `long` mediumtext, number double, flag varchar(3), `$changed` varchar(50), KEY (`long`(5))) CHARSET=ucs2"},
	},
}

// genText are texts of any length and script, and such as look like something else.
func genText() *rapid.Generator[string] {
	pieces := []string{"a", "Z", " ", "0", "é", "€", "ł", "я", "日", "😀", "\n", `\`, `"`, "'", "\x00", "\u200b", "?", "%"}
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "007", "+5", ".5", "5.", " 12", "12 ", "12", "1", "0", "-3", "1.50", "1e5", "true", "false", "null", "2018-12-27T11:41:40.249Z", "99999999999999999999", "3000000000"}),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		}),
		rapid.Custom(func(t *rapid.T) string {
			piece := rapid.SampledFrom(pieces).Draw(t, "piece")
			return strings.Repeat(piece, rapid.SampledFrom([]int{49, 51, 101, 255, 256, 300, 30_000, 70_000}).Draw(t, "length"))
		}))
}

func genNumber() *rapid.Generator[string] {
	digits := func(most int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.StringMatching(`[1-9][0-9]{0,3}`).Draw(t, "digits"), rapid.IntRange(1, most).Draw(t, "times"))
		})
	}
	return rapid.OneOf(
		rapid.SampledFrom([]string{"0", "-0", "0.0", "1", "0.1", "3092.44", "2E5", "1e-3", "127", "128", "-32769", "2147483648", "4294967295", "9223372036854775807", "9223372036854775808",
			"-9223372036854775809", "12345678901234567890.5", "1e40", "1e-40", "1e400", "-1e-400", "16777217", "9007199254740993", "0.30000000000000004", "1.0", "1e99999999999"}),
		digits(1), digits(30),
		rapid.Custom(func(t *rapid.T) string { return "-" + digits(8).Draw(t, "whole") + "." + digits(8).Draw(t, "fraction") }),
		rapid.Custom(func(t *rapid.T) string {
			return digits(2).Draw(t, "digits") + "e" + strconv.Itoa(rapid.IntRange(-60, 60).Draw(t, "exponent"))
		}))
}

func genValues() []*rapid.Generator[any] {
	null := rapid.Just(any(nil))
	id := rapid.Map(rapid.StringMatching(`[0-9a-f]{16}([0-9a-f]{16})?`), func(s string) any { return s })
	misfit := rapid.Map(genText().Filter(isMisfit), func(s string) any { return pipeline.Misfit(s) })
	text := rapid.Map(genText(), func(s string) any { return s })
	number := rapid.Map(genNumber(), func(s string) any { return s })
	flag := rapid.Map(rapid.Bool(), func(b bool) any { return b })
	return []*rapid.Generator[any]{
		rapid.OneOf(null, id), rapid.OneOf(null, text), rapid.OneOf(null, text),
		rapid.OneOf(null, number, number, number, misfit), rapid.OneOf(null, flag, flag, flag, misfit),
	}
}

// isMisfit tells whether a source would take a text for no number and no boolean.
func isMisfit(s string) bool {
	_, number := parseNumber(s)
	return s != "" && !number && s != "true" && s != "false"
}

// sameValue tells whether a value that was read as text is the one that was written.
func sameValue(wrote, read any) bool {
	if wrote == nil || read == nil {
		return wrote == nil && read == nil
	}
	text := read.(string)
	switch x := wrote.(type) {
	case bool:
		number, isNumber := parseNumber(text) // of a column of numbers
		got, err := strconv.ParseBool(text)
		return err == nil && got == x || isNumber && x == (number.digits != "")
	case pipeline.Misfit:
		return text == clean(string(x))
	}
	return text == clean(wrote.(string))
}

func sameNumber(wrote, read any) bool {
	text, ok := wrote.(string)
	if !ok || read == nil || sameValue(wrote, read) {
		return sameValue(wrote, read)
	}
	a, ok := parseNumber(text)
	if !ok {
		return false
	}
	b, ok := parseNumber(strings.ToLower(read.(string)))
	return ok && a == b || ok && a.digits == "" && b.digits == ""
}

// readAsText reads a table's columns as they are, as text, by the key.
func readAsText(t testing.TB, s *Sink, table *pipeline.Table) map[string][]any {
	t.Helper()
	plain := *table
	plain.Columns = append([]pipeline.Column{}, table.Columns...)
	for i := range plain.Columns {
		plain.Columns[i].Type = pipeline.Text
	}
	plain.Stamps = nil
	rows := map[string][]any{}
	for _, row := range allRows(t, s, &plain) {
		rows[row[0].(string)] = row[1:]
	}
	return rows
}

// Whatever comes, in whatever order, into whatever columns: nothing is refused, it
// is read back as it was, and written again it is unchanged.
func TestAdaptsToAnyValue(t *testing.T) {
	for _, target := range targets {
		for name, create := range originals[target.name] {
			t.Run(target.name+" "+name, func(t *testing.T) {
				url := target.url(t)
				db := connect(t, url)
				table := adaptTable()
				generators := genValues()
				checkSome(t, 8, func(rt *rapid.T) {
					exec(t, db, "DROP TABLE IF EXISTS contacts", "DROP TABLE IF EXISTS ferryman_dead_letters")
					exec(t, db, create...)
					s, err := Open(url, Options{Pipeline: "p", Tables: []*pipeline.Table{table}, Adapt: true})
					if err != nil {
						rt.Fatal(err)
					}
					defer s.Close()
					model := map[string][]any{}
					for range rapid.IntRange(1, 4).Draw(rt, "batches") {
						var rows [][]any
						for range rapid.IntRange(1, 4).Draw(rt, "rows") {
							row := []any{fmt.Sprintf("id%d", rapid.IntRange(1, 6).Draw(rt, "id"))}
							for _, g := range generators {
								row = append(row, g.Draw(rt, "value"))
							}
							rows = append(rows, row)
							model[row[0].(string)] = row[1:]
						}
						for again := range 2 {
							landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: table, Rows: rows}}})
							if err != nil {
								rt.Fatalf("%v", err)
							}
							if landed[0].Rejected > 0 || again == 1 && landed[0].Written > 0 {
								rt.Fatalf("attempt %d of %.200q: %+v, letters %.500v", again, fmt.Sprint(rows), landed[0], readLetters(t, s))
							}
						}
						got := readAsText(t, s, table)
						for id, want := range model {
							for i, v := range want {
								if table.Columns[i+1].Type == pipeline.Decimal && !sameNumber(v, got[id][i]) || table.Columns[i+1].Type != pipeline.Decimal && !sameValue(v, got[id][i]) {
									rt.Fatalf("column %s of %s holds %.100q, want %.100q", table.Columns[i+1].Name, id, fmt.Sprint(got[id][i]), fmt.Sprint(v))
								}
							}
						}
					}
				})
			})
		}
	}
}
