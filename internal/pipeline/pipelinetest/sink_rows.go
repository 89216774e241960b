package pipelinetest

import (
	"strings"
	"time"

	"ferryman/internal/pipeline"
)

func sinkValues(b *bench) {
	east := time.FixedZone("east", 5*3600+1800)
	rows := [][]any{
		{int64(-9223372036854775808), int64(9223372036854775807), "", "-0.5", false, time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC)},
		{int64(0), int64(0), "zero", "0", true, time.Date(2026, 2, 28, 4, 30, 0, 0, east)},
		{int64(1), nil, "nulls", nil, nil, nil},
		{int64(2), int64(-1), "digits", "12345678901234567890.123456789012345678", true, time.Date(2026, 10, 25, 1, 30, 0, 999999999, time.UTC)},
		{int64(3), int64(-1), "exponent", "2E5", true, nil},
		{int64(4), int64(-1), "small", "1.5e-7", true, nil},
	}
	b.write("", changes(change(authors(), rows...)), landed("authors", 6, 6, 0, 0, 0))
	rows[3][5] = time.Date(2026, 10, 25, 1, 30, 0, 999999000, time.UTC)
	b.rows(authors(), rows...)
	b.write("", changes(change(authors(), rows...)), landed("authors", 6, 0, 6, 0, 0))
}

func sinkOddText(b *bench) {
	texts := []string{
		`\N`, `\`, `\\`, "\t", "\n", "\r\n", `'`, `"`, "`", `''`, `$1`, `?`, `:a`, `@p1`, `{}`, `{NULL}`, "NULL", `%s`, ";--",
		"😀", "全部ＯＫ", "e\u0301", "\u00e9", "\u2028", "\ufeff", " ", "a\u0001b", strings.Repeat("long ä ", 50000),
	}
	var rows [][]any
	for i, text := range texts {
		rows = append(rows, author(int64(i), text))
	}
	unclean := int64(len(rows))
	sent := append(rows, author(unclean, "nul\x00nul"), author(unclean+1, "bad \xff\xfe utf8 \xed\xa0\x80"), author(unclean+2, "cut \xf0\x9f"))
	n := int64(len(sent))
	b.write("", changes(change(authors(), sent...)), landed("authors", n, n, 0, 0, 0))
	b.write("", changes(change(authors(), sent...)), landed("authors", n, 0, n, 0, 0))
	if sent[unclean][2] != "nul\x00nul" {
		b.Error("the sink changed the row that it was given")
	}
	b.rows(authors(), append(rows, author(unclean, "nul\ufffdnul"), author(unclean+1, "bad \ufffd utf8 \ufffd"), author(unclean+2, "cut \ufffd"))...)
}

func sinkBytes(b *bench) {
	labels := b.keys(" ", " a", "A", "A ", "a", "a ", "a  ", "ss", "ß", "ä", "😀")
	var rows [][]any
	for _, label := range labels {
		rows = append(rows, []any{label})
	}
	n := int64(len(rows))
	b.write("", changes(change(tags(), rows...)), landed("tags", n, n, 0, 0, 0))
	b.write("", changes(change(tags(), rows...)), landed("tags", n, 0, n, 0, 0))
	b.rows(tags(), rows...)

	b.write("", changes(change(authors(), author(1, "name"))), landed("authors", 1, 1, 0, 0, 0))
	for _, name := range []string{"NAME", "NAME ", "nàme", "name"} {
		b.write("", changes(change(authors(), author(1, name))), landed("authors", 1, 1, 0, 0, 0))
		b.rows(authors(), author(1, name))
	}
}

func sinkOddNames(b *bench) {
	table := &pipeline.Table{
		Name: "Odd $Table 'é\"`]x",
		Columns: []pipeline.Column{
			{Name: "$id", Type: pipeline.Text, Required: true},
			{Name: "Group", Type: pipeline.Text},
			{Name: "select \"quoted\" `ticks` [x]]", Type: pipeline.Decimal},
			{Name: "100%", Type: pipeline.Boolean},
			{Name: "?", Type: pipeline.Integer},
			{Name: "c1", Type: pipeline.Text},
			{Name: "t", Type: pipeline.Text},
		},
		Stamps: []pipeline.Stamp{{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}},
		Key:    []string{"$id"},
	}
	row := []any{"k", "g", "1.5", true, int64(7), "c", "t"}
	other := []any{"l", nil, nil, nil, nil, "a", "b"}
	b.sink = b.target.Open(b.T, Opening{Pipeline: "odd 'name\"`", Tables: []*pipeline.Table{table}, Now: time.Now})
	b.write("next", changes(change(table, row, other)), landed(table.Name, 2, 2, 0, 0, 0))
	row[1] = "changed"
	b.write("next2", changes(change(table, row, other)), landed(table.Name, 2, 1, 1, 0, 0))
	b.write("next3", changes(pipeline.Change{Table: table, Rows: [][]any{other},
		Scope: &pipeline.Scope{Columns: []string{"Group"}, Parents: [][]any{{"changed"}}}}), landed(table.Name, 1, 0, 1, 1, 0))
	b.rows(table, other)
	b.cursor("next3")
}

func sinkRepeat(b *bench) {
	batch := changes(
		change(authors(), author(1, "one"), author(2, "two")),
		change(books(), []any{int64(1), "x", "t"}, []any{int64(2), "x", nil}),
		change(tags(), []any{"only a key"}))
	b.write("c", batch, landed("authors", 2, 2, 0, 0, 0), landed("books", 2, 2, 0, 0, 0), landed("tags", 1, 1, 0, 0, 0))
	b.write("c", batch, landed("authors", 2, 0, 2, 0, 0), landed("books", 2, 0, 2, 0, 0), landed("tags", 1, 0, 1, 0, 0))
	b.sink = b.open("suite")
	b.write("c", batch, landed("authors", 2, 0, 2, 0, 0), landed("books", 2, 0, 2, 0, 0), landed("tags", 1, 0, 1, 0, 0))
	b.write("c", changes(change(authors(), author(1, "one")), change(authors(), author(2, "zwei"))), landed("authors", 2, 1, 1, 0, 0))
	b.write("c", nil)
}

func sinkStamps(b *bench) {
	first, second := b.now, b.now.Add(time.Hour)
	stamped := func(row []any, inserted, updated time.Time) []any {
		return append(row, inserted, updated, updated.Format("2006-01-02T15:04:05.000000Z"))
	}
	check := func(want ...[]any) {
		b.Helper()
		if diff := differ(authors(), b.target.Rows(b.T, authors()), want); diff != "" {
			b.Error(diff)
		}
	}
	full := func(id int64) []any { return []any{id, int64(1), "n", "1.5", true, first} }
	b.write("", changes(change(authors(), full(1), full(2), full(3))), landed("authors", 3, 3, 0, 0, 0))
	check(stamped(full(1), first, first), stamped(full(2), first, first), stamped(full(3), first, first))

	b.now = second
	b.write("", changes(change(authors(), full(1), full(2), full(3))), landed("authors", 3, 0, 3, 0, 0))
	check(stamped(full(1), first, first), stamped(full(2), first, first), stamped(full(3), first, first))

	// Each column by itself, from a value to NULL and to another value.
	want := [][]any{stamped(full(1), first, first), nil, stamped(full(3), first, first)}
	current := full(2)
	for i, values := range [][]any{{nil, int64(5)}, {"other"}, {nil, "2.25"}, {nil, false}, {nil, second}} {
		for _, v := range values {
			b.now = b.now.Add(time.Minute)
			current[i+1] = v
			b.write("", changes(change(authors(), full(1), current, full(3))), landed("authors", 3, 1, 2, 0, 0))
			want[1] = stamped(append([]any{}, current...), first, b.now)
			check(want...)
		}
	}
}

func sinkDuplicates(b *bench) {
	b.write("", changes(
		change(authors(), author(1, "first"), author(2, "only"), author(1, "middle"), author(1, "last")),
		change(books(), []any{int64(1), "a", "x"}, []any{int64(1), "a", "y"}, []any{int64(2), "a", "z"})),
		landed("authors", 2, 2, 0, 0, 0), landed("books", 2, 2, 0, 0, 0))
	b.rows(authors(), author(1, "last"), author(2, "only"))
	b.rows(books(), []any{int64(1), "a", "y"}, []any{int64(2), "a", "z"})
	// The last one says what already stands there.
	b.write("", changes(change(authors(), author(1, "other"), author(1, "last"))), landed("authors", 1, 0, 1, 0, 0))
	b.rows(authors(), author(1, "last"), author(2, "only"))
}

func sinkInsertedUpdated(b *bench) {
	write := func(inserted, updated int64, c pipeline.Change) {
		b.Helper()
		got, err := b.sink.Write(b.Context(), pipeline.Batch{Changes: changes(c)})
		if err != nil {
			b.Fatalf("write: %v", err)
		}
		if got[0].Inserted != inserted || got[0].Updated != updated || got[0].Written != inserted+updated {
			b.Errorf("landed %+v, want %d inserted and %d updated", got, inserted, updated)
		}
	}
	const few, many = 20, 7000 // so many may go by another way
	for _, n := range []int64{few, many} {
		var rows [][]any
		for i := range n {
			rows = append(rows, author(n+i, "a"))
		}
		write(n/2, 0, change(authors(), rows[:n/2]...))
		for i := range n / 4 {
			rows[i][2] = "b"
		}
		write(n/2, n/4, change(authors(), rows...))
		write(0, 0, change(authors(), rows...))
	}
	// What goes with its scope was there; what follows it is new.
	moved := change(authors(), author(1, "a"))
	moved.Scope = scope([]string{"shelf"}, []any{int64(1)})
	write(1, 0, moved)
	write(0, 1, change(authors(), author(1, "b")))
	write(2, 0, change(tags(), []any{"x"}, []any{"y"}))
	write(1, 0, change(tags(), []any{"x"}, []any{"z"}))
}
