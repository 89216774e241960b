package transfer

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"ferryman/internal/db"
)

// FuzzRow reads lines that anybody may have written: none does harm, and what is read is
// written as it was meant.
func FuzzRow(f *testing.F) {
	table := db.Table{Name: "t", Columns: []db.Column{{Name: "i", Kind: db.Int}, {Name: "b", Kind: db.Bool}, {Name: "t", Kind: db.Text}, {Name: "x", Kind: db.Bytes}}}
	var columns []column
	for _, c := range table.Columns {
		columns = append(columns, column(c))
	}
	for _, row := range [][]any{
		{nil, nil, nil, nil}, {int64(math.MinInt64), true, "\x00\u2028😀\\\"", []byte{0, 255}}, {int64(math.MaxInt64), false, "no \xff UTF-8", []byte{}},
	} {
		line, err := appendRow(nil, table, row)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	for _, line := range []string{"", "[]", "[1,true,\"a\",\"\"", "[1e3,1,[],{}]", `[1,true,{"base64":"!"},""]`, `[1,true,{"base64":"","a":1},""]`, "[1,true,\"a\",\"\"][]"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		row, err := newRowDecoder(columns).decode(line)
		if err != nil {
			return
		}
		first := slices.Clone(row)
		written, err := appendRow(nil, table, first)
		if err != nil {
			t.Fatalf("%q was read as %v, which cannot be written: %v", line, first, err)
		}
		again, err := newRowDecoder(columns).decode(written)
		if err != nil {
			t.Fatal(err)
		}
		for i := range first {
			a, isBytes := first[i].([]byte)
			if b, _ := again[i].([]byte); isBytes && !bytes.Equal(a, b) || !isBytes && first[i] != again[i] {
				t.Errorf("%q came back as %v", line, again)
			}
		}
	})
}

// What a driver gives is not taken for something else.
func TestValuesOfAnotherKind(t *testing.T) {
	for _, test := range []struct {
		kind  db.Kind
		value any
	}{
		{db.Int, 1.5}, {db.Int, "1"}, {db.Int, true}, {db.Bool, int64(2)}, {db.Bool, "true"}, {db.Text, int64(1)}, {db.Text, []byte("a")}, {db.Bytes, "a"},
	} {
		if b, err := appendValue(nil, test.kind, test.value); err == nil {
			t.Errorf("%T was written as %s: %s", test.value, test.kind, b)
		}
	}
}
