package dialfire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
)

// valueCases are values by their JSON text, in columns of text, of numbers and of
// booleans.
var valueCases = map[string]struct{ text, number, boolean any }{
	`null`:                    {nil, nil, nil},
	`""`:                      {"", nil, nil},
	`" "`:                     {" ", pipeline.Misfit(" "), pipeline.Misfit(" ")},
	`"word"`:                  {"word", pipeline.Misfit("word"), pipeline.Misfit("word")},
	`"a\u0000b"`:              {"a\uFFFDb", pipeline.Misfit("a\uFFFDb"), pipeline.Misfit("a\uFFFDb")},
	`"\ud83dx\ude00"`:         {"\uFFFDx\uFFFD", pipeline.Misfit("\uFFFDx\uFFFD"), pipeline.Misfit("\uFFFDx\uFFFD")},
	`"\ud83d\ude00"`:          {"😀", pipeline.Misfit("😀"), pipeline.Misfit("😀")},
	`"tab\t\"\\ \/ ä \u00e4"`: {"tab\t\"\\ / ä ä", pipeline.Misfit("tab\t\"\\ / ä ä"), pipeline.Misfit("tab\t\"\\ / ä ä")},
	"\"\xff\"":                {"\uFFFD", pipeline.Misfit("\uFFFD"), pipeline.Misfit("\uFFFD")},

	`0`:                        {"0", "0", false},
	`1`:                        {"1", "1", true},
	`2`:                        {"2", "2", pipeline.Misfit("2")},
	`1.0`:                      {"1.0", "1.0", pipeline.Misfit("1.0")},
	`-0`:                       {"-0", "-0", pipeline.Misfit("-0")},
	`3092.44`:                  {"3092.44", "3092.44", pipeline.Misfit("3092.44")},
	`2E5`:                      {"2E5", "2E5", pipeline.Misfit("2E5")},
	`0.10`:                     {"0.10", "0.10", pipeline.Misfit("0.10")},
	`12345678901234567890.125`: {"12345678901234567890.125", "12345678901234567890.125", pipeline.Misfit("12345678901234567890.125")},

	`"0"`:        {"0", "0", false},
	`"1"`:        {"1", "1", true},
	`"-1.50e+2"`: {"-1.50e+2", "-1.50e+2", pipeline.Misfit("-1.50e+2")},
	`"+5"`:       {"+5", pipeline.Misfit("+5"), pipeline.Misfit("+5")},
	`"3,5"`:      {"3,5", pipeline.Misfit("3,5"), pipeline.Misfit("3,5")},
	`" 5"`:       {" 5", pipeline.Misfit(" 5"), pipeline.Misfit(" 5")},
	`"007"`:      {"007", pipeline.Misfit("007"), pipeline.Misfit("007")},
	`"NaN"`:      {"NaN", pipeline.Misfit("NaN"), pipeline.Misfit("NaN")},

	`true`:    {"true", pipeline.Misfit("true"), true},
	`false`:   {"false", pipeline.Misfit("false"), false},
	`"true"`:  {"true", pipeline.Misfit("true"), true},
	`"false"`: {"false", pipeline.Misfit("false"), false},
	`"True"`:  {"True", pipeline.Misfit("True"), pipeline.Misfit("True")},

	`[]`: {"[]", pipeline.Misfit("[]"), pipeline.Misfit("[]")},
	`{ "b" : [ 1.50 , 2E5, null,true ] , "a" : "x y" , "b" : {} }`: {
		`{"b":[1.50,2E5,null,true],"a":"x y","b":{}}`,
		pipeline.Misfit(`{"b":[1.50,2E5,null,true],"a":"x y","b":{}}`),
		pipeline.Misfit(`{"b":[1.50,2E5,null,true],"a":"x y","b":{}}`),
	},
	`["\u0000","\\u0000","\\\u0000","\u00e4","\ud83d","\/<"]`: {
		`["` + "\uFFFD" + `","\\u0000","\\` + "\uFFFD" + `","ä","` + "\uFFFD" + `","/<"]`,
		pipeline.Misfit(`["` + "\uFFFD" + `","\\u0000","\\` + "\uFFFD" + `","ä","` + "\uFFFD" + `","/<"]`),
		pipeline.Misfit(`["` + "\uFFFD" + `","\\u0000","\\` + "\uFFFD" + `","ä","` + "\uFFFD" + `","/<"]`),
	},
}

// valuesOf reads a value as a custom field of text and of numbers, and as a
// boolean of a transaction.
func valuesOf(t *testing.T, o layoutOptions, raw string) (text, number, boolean any) {
	t.Helper()
	o.fields = []Field{{Name: "x"}, {Name: "n", Number: true}}
	l := newLayout(o)
	c := contactOf(t, l, `{"x":`+raw+`,"n":`+raw+`,"$id":"A","$task_log":[{"transactions":[{"fired":"f","isHI":`+raw+`}]}]}`)
	return cell(t, l.contacts, c.row, "x"), cell(t, l.contacts, c.row, "n"), cell(t, l.transactions, c.transactions[0], "isHI")
}

func TestValues(t *testing.T) {
	for raw, want := range valueCases {
		text, number, boolean := valuesOf(t, layoutOptions{}, raw)
		if text != want.text || number != want.number || boolean != want.boolean {
			t.Errorf("%s: got %#v, %#v, %#v", raw, text, number, boolean)
		}
	}
}

func TestEmptyAsNull(t *testing.T) {
	for raw, want := range valueCases {
		if raw == `""` {
			want.text = nil
		}
		text, number, boolean := valuesOf(t, layoutOptions{emptyAsNull: true}, raw)
		if text != want.text || number != want.number || boolean != want.boolean {
			t.Errorf("%s: got %#v, %#v, %#v", raw, text, number, boolean)
		}
	}
}

func TestLegacyValues(t *testing.T) {
	for raw, want := range valueCases {
		switch raw {
		case `true`:
			want.text, want.number = "1", "1"
		case `false`:
			want.text, want.number = "0", "0"
		}
		text, number, boolean := valuesOf(t, layoutOptions{legacyValues: true}, raw)
		if text != want.text || number != want.number || boolean != want.boolean {
			t.Errorf("%s: got %#v, %#v, %#v", raw, text, number, boolean)
		}
	}
}

func TestNumbersAreThoseOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?(0|1|20)?(\.?[05]{0,2})?([eE]?[+-]?[01]{0,2})?x?`).Draw(t, "number")
		v := jsontext.Value(s)
		want := s != "" && v.IsValid() && v.Kind() == '0'
		if isNumber(s) != want {
			t.Errorf("%q: %t", s, isNumber(s))
		}
	})
}

func TestCompactIsTheSameValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a\\"\x00é😀 ]|\\u0000){0,8}`).Draw(t, "text")
		raw, err := json.MarshalIndent(map[string]any{text: []any{text, json.Number("1.50")}}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		got, err := compact(raw)
		if err != nil {
			t.Fatal(err)
		}
		var value map[string][]any
		d := json.NewDecoder(bytes.NewReader(got))
		d.UseNumber()
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		clean := strings.ReplaceAll(text, "\x00", "\uFFFD")
		if want := map[string][]any{clean: {clean, json.Number("1.50")}}; !reflect.DeepEqual(value, want) {
			t.Errorf("%s became %s", raw, got)
		}
		var again bytes.Buffer
		if err := json.Compact(&again, got); err != nil || again.String() != string(got) {
			t.Errorf("%s is not compact", got)
		}
	})
}
