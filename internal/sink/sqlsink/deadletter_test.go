package sqlsink

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/pipeline"
)

// readLetters reads the dead letters, by table and key.
func readLetters(t *testing.T, s *Sink) []letter {
	t.Helper()
	rows, err := s.List(t.Context(), DeadLetters(), nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var letters []letter
	for _, r := range rows {
		letters = append(letters, letter{id: r[0].(string), table: r[2].(string), key: r[3].(string), row: r[4].(string), reason: r[5].(string)})
	}
	slices.SortFunc(letters, func(a, b letter) int { return strings.Compare(a.table+a.key+a.row, b.table+b.key+b.row) })
	return letters
}

func TestDeadLetters(t *testing.T) {
	parent := table(pipeline.Column{Name: "name", Type: pipeline.Text, Required: true}, pipeline.Column{Name: "n", Type: pipeline.Decimal},
		pipeline.Column{Name: "at", Type: pipeline.Time}, pipeline.Column{Name: "ok", Type: pipeline.Boolean})
	child := &pipeline.Table{Name: "child", Key: []string{"t_id", "code"},
		Columns:    []pipeline.Column{{Name: "t_id", Type: pipeline.Integer}, {Name: "code", Type: pipeline.Text}},
		References: []pipeline.Reference{{Column: "t_id", Table: "t", Key: "id"}}}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	eachTarget(t, func(t *testing.T, url string) {
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{parent, child}})
		other := openSink(t, url, Options{Pipeline: "other", Tables: []*pipeline.Table{parent, child}})
		write := func(s *Sink, parents, children [][]any) {
			t.Helper()
			if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: parent, Rows: parents}, {Table: child, Rows: children}}}); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want ...letter) {
			t.Helper()
			got := readLetters(t, s)
			if len(got) != len(want) {
				t.Fatalf("%d letters, want %d: %+v", len(got), len(want), got)
			}
			for i, w := range want {
				g := got[i]
				if g.table != w.table || g.key != w.key || g.row != w.row || !strings.Contains(strings.ToLower(g.reason), w.reason) {
					t.Errorf("letter %+v, want %+v", g, w)
				}
				if !json.Valid([]byte(g.row)) {
					t.Errorf("no JSON: %s", g.row)
				}
			}
		}
		lost := letter{table: "t", key: "1", row: `{"id":1,"name":null,"n":1.50,"at":"2026-01-01T00:00:00Z","ok":true}`, reason: `column "name": is required`}
		orphan := letter{table: "child", key: `[1,"x"]`, row: `{"t_id":1,"code":"x"}`, reason: "foreign key"}
		write(s, [][]any{{int64(1), nil, "1.50", at, true}, {int64(2), "b", nil, nil, nil}}, [][]any{{int64(1), "x"}, {int64(2), "x"}})
		expect(orphan, lost)

		// Again, with another reason: still one letter a key.
		lost.row, lost.reason = `{"id":1,"name":7,"n":null,"at":null,"ok":null}`, "holds a int64 where"
		write(s, [][]any{{int64(1), int64(7), nil, nil, nil}}, nil)
		expect(orphan, lost)

		// Another pipeline's letters are its own.
		write(other, [][]any{{int64(1), "theirs", nil, nil, nil}}, nil)
		expect(orphan, lost)

		// A row that lands, changed or not, takes its letter away.
		write(s, [][]any{{int64(1), "theirs", nil, nil, nil}}, nil)
		expect(orphan)
		write(s, nil, [][]any{{int64(1), "x"}})
		expect()

		// Rows without a key leave the last one of each reason.
		write(s, [][]any{{nil, "a", nil, nil, nil}, {nil, "b", nil, nil, nil}, {nil, "b", nil, nil, nil}, {int64(9)}}, nil)
		expect(letter{table: "t", key: "9", row: `{"id":9}`, reason: "1 values"},
			letter{table: "t", key: "NULL", row: `{"id":null,"name":"b","n":null,"at":null,"ok":null}`, reason: `column "id"`})
	})
}

// What is too large to be written is too large to be kept whole.
func TestDeadLettersAreBounded(t *testing.T) {
	p := &plan{table: table(pipeline.Column{Name: "a", Type: pipeline.Text}, pipeline.Column{Name: "b", Type: pipeline.Text}), width: 3, key: []int{0}}
	text := p.rowJSON([]any{int64(1), strings.Repeat("ä", 3<<20), "short"})
	if want := `{"id":1,"a":"` + strings.Repeat("ä", cutText) + `…","b":"short"}`; text != want {
		t.Errorf("kept as %d bytes", len(text))
	}
	p.chunk.rowBytes = 4000
	for _, row := range [][]any{{int64(1), strings.Repeat("ä", 600), "short"}, {strings.Repeat("k", 5000), strings.Repeat("ä", 5000), nil}} {
		if text = p.rowJSON(row); len(text) > 1000 || len(text) < 100 || !json.Valid([]byte(text)) {
			t.Errorf("kept as %s", text)
		}
	}
	p.chunk.rowBytes = 40
	if text = p.rowJSON([]any{int64(1), "text", "text"}); text != "{}" {
		t.Errorf("kept as %s", text)
	}
}

// However a row is too large, it is put aside and the rest lands.
func TestDeadLettersOfLargeRows(t *testing.T) {
	tags := &pipeline.Table{Name: "tags", Key: []string{"label"}, Columns: []pipeline.Column{
		{Name: "label", Type: pipeline.Text}, {Name: "n", Type: pipeline.Decimal}, {Name: "flag", Type: pipeline.Boolean}}}
	url := targets[2].url(t)
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tags}})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	packet := s.dialect.(*mysql).maxPacket
	rows := [][]any{{strings.Repeat("k", packet+1), nil, nil}, {strings.Repeat("k", packet+2), nil, nil},
		{"n", strings.Repeat("1", packet+1), nil}, {"type", nil, strings.Repeat("'", packet+1)}, {"good", "1", true}}
	for range 2 {
		if got := write(t, s, pipeline.Change{Table: tags, Rows: rows}); got.Rejected != 4 {
			t.Errorf("landed %+v", got)
		}
		letters := readLetters(t, s)
		if len(letters) != 4 {
			t.Fatalf("%d letters", len(letters))
		}
		for _, l := range letters[:2] {
			if want := strings.Repeat("k", cutText) + "…"; l.key != want || !strings.Contains(l.row, want) {
				t.Errorf("key kept as %.20s in %d bytes, row in %d", l.key, len(l.key), len(l.row))
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct{ text, want string }{{"", ""}, {"äöü", "äöü"}, {"äöüx", "äöü…"}, {"abc", "abc"}, {"abcd", "abc…"}} {
		if got := cut(test.text, 3); got != test.want {
			t.Errorf("%q is cut to %q, want %q", test.text, got, test.want)
		}
	}
}

// A letter goes when its row lands later in the same batch, and when the row has
// gone with its scope; nothing but that takes it away.
func TestDeadLettersOutliveNoRow(t *testing.T) {
	tbl := table(pipeline.Column{Name: "g", Type: pipeline.Integer}, pipeline.Column{Name: "v", Type: pipeline.Text, Required: true})
	at := &pipeline.Table{Name: "dated", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Integer},
		{Name: "day", Type: pipeline.Time}, {Name: "open", Type: pipeline.Boolean}, {Name: "t_id", Type: pipeline.Integer}},
		References: []pipeline.Reference{{Column: "t_id", Table: "t", Key: "id"}}}
	row := func(id, g int64, v any) []any { return []any{id, g, v} }
	eachTarget(t, func(t *testing.T, url string) {
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl, at}})
		expect := func(want ...string) {
			t.Helper()
			var got []string
			for _, l := range readLetters(t, s) {
				got = append(got, l.table+" "+l.key)
			}
			if !slices.Equal(got, want) {
				t.Errorf("letters %q, want %q", got, want)
			}
		}
		write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{row(1, 1, nil)}}, pipeline.Change{Table: tbl, Rows: [][]any{row(1, 1, "lands")}})
		expect()
		write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{row(2, 1, nil), row(3, 2, nil)}})
		expect("t 2", "t 3")
		write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{row(1, 1, "x"), row(4, 1, nil)}, Scope: within("g", int64(1))})
		expect("t 3", "t 4")
		write(t, s, pipeline.Change{Table: tbl, Rows: [][]any{row(5, 2, nil)}}, pipeline.Change{Table: tbl, Scope: within("g", int64(2))})
		expect("t 4")
		write(t, s, pipeline.Change{Table: tbl, Scope: within("g", int64(1), int64(2))})
		expect()

		// One that the database refused, and one that was not even tried.
		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		write(t, s, pipeline.Change{Table: at, Rows: [][]any{{int64(1), day, true, int64(99)}, {int64(2), day, true, "text"}}})
		expect("dated 1", "dated 2")
		scope := &pipeline.Scope{Columns: []string{"day", "open"}, Parents: [][]any{{day, false}, {day.Add(1), true}}}
		scope.Parents[1][0] = day.Add(time.Second)
		write(t, s, pipeline.Change{Table: at, Scope: scope})
		expect("dated 1", "dated 2")
		scope.Parents[1][0] = day
		write(t, s, pipeline.Change{Table: at, Scope: scope})
		expect()
	})
}

// More letters than are known by their ids go all the same.
func TestDeadLettersWithoutNumber(t *testing.T) {
	tbl := table(pipeline.Column{Name: "v", Type: pipeline.Text, Required: true})
	s := openSink(t, targets[0].url(t), Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	var bad, good [][]any
	for i := range int64(mostStanding + 5) {
		bad, good = append(bad, []any{i, nil}), append(good, []any{i, "v"})
	}
	count := func(want int) {
		t.Helper()
		var n int
		if err := s.db.QueryRow("SELECT count(*) FROM ferryman_dead_letters").Scan(&n); err != nil || n != want {
			t.Errorf("%d letters, %v, want %d", n, err, want)
		}
	}
	write(t, s, pipeline.Change{Table: tbl, Rows: bad})
	count(mostStanding + 5)
	write(t, s, pipeline.Change{Table: tbl, Rows: good})
	count(0)
}

// A row larger than MariaDB takes in one packet does not break the connection.
func TestRowTooLarge(t *testing.T) {
	wide := table(pipeline.Column{Name: "a", Type: pipeline.Text})
	url := targets[2].url(t)
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{wide}})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	packet := s.dialect.(*mysql).maxPacket
	write := func(text string) pipeline.TableCount {
		t.Helper()
		landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: wide, Rows: [][]any{{int64(1), "fits"}, {int64(2), text}, {int64(3), "fits"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		return landed[0]
	}
	if got := write(strings.Repeat("x", packet)); got.Written != 2 || got.Rejected != 1 {
		t.Errorf("over the limit: landed %+v", got)
	}
	if letters := readLetters(t, s); len(letters) != 1 || !strings.Contains(letters[0].reason, "bytes") {
		t.Errorf("letters %+v", letters)
	}
	// Quoted, it is over the limit; by itself it is not.
	if got := write(strings.Repeat("'", packet*3/4)); got.Written != 1 || got.Unchanged != 2 {
		t.Errorf("just below the limit: landed %+v", got)
	}
}

// Rows that the source could not make are kept by the source's keys, and go with a
// scope that covers them.
func TestDeadLettersOfUnmadeRows(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		table := people()
		s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table}})
		unmade := func(key, team, reason string) pipeline.Rejected {
			return pipeline.Rejected{Key: key, Row: []any{nil, team, 7}, Reason: reason}
		}
		send := func(c pipeline.Change) {
			t.Helper()
			c.Table = table
			write(t, s, c)
		}
		expect := func(want ...string) {
			t.Helper()
			var got []string
			for _, l := range readLetters(t, s) {
				got = append(got, l.key+": "+l.reason+" "+l.row)
			}
			if !slices.Equal(got, want) {
				t.Errorf("letters %q, want %q", got, want)
			}
		}
		a, b := unmade("a", "x", "no id"), unmade("b", "y", "no id")
		const rowA, rowB = `{"id":null,"team":"x","name":7}`, `{"id":null,"team":"y","name":7}`
		send(pipeline.Change{Rejected: []pipeline.Rejected{a, b, a}})
		expect("a: no id "+rowA, "b: no id "+rowB)

		// The next one with the same key replaces it; a row with that key is another.
		a.Reason = "worse\x00"
		send(pipeline.Change{Rejected: []pipeline.Rejected{a}, Rows: [][]any{{"b", nil, nil, nil, nil, nil, nil}}})
		expect("a: worse\ufffd "+rowA, "b: no id "+rowB)

		// A scope clears what it covers, unless it comes again.
		send(pipeline.Change{Scope: within("team", "y"), Rejected: []pipeline.Rejected{b}})
		expect("a: worse\ufffd "+rowA, "b: no id "+rowB)
		send(pipeline.Change{Scope: within("team", "y", "z")})
		expect("a: worse\ufffd " + rowA)
		send(pipeline.Change{Scope: within("team", "x")})
		expect()

		// So does a later change of the same batch.
		first := pipeline.Change{Table: table, Rejected: []pipeline.Rejected{a, b}}
		write(t, s, first, pipeline.Change{Table: table, Scope: within("team", "x")})
		expect("b: no id " + rowB)
	})
}
