package sqlsink

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ferryman/internal/pipeline"
)

func TestFractionDigits(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "-0": 0, "12": 0, "1.5": 1, "1.50": 1, "1.00": 0, "-0.001": 3, "1e2": 0, "1.25e1": 1, "1.25E+2": 0, "1e-3": 3,
		"100e-2": 0, "120e-2": 1, "1.0e-2": 2, "0.0": 0, "100.0e-3": 1,
		"": -1, "-": -1, "01": -1, "1.": -1, ".5": -1, "1e": -1, "1e+": -1, "+1": -1, " 1": -1, "1 ": -1, "NaN": -1, "Infinity": -1, "0x1": -1, "1_0": -1,
		"1e99999999999": -1,
	} {
		got, ok := fractionDigits(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, ok, want)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-1.50", "2E5", "1e-3", "01", "1.", "100e-2", "1e400"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits, ok := fractionDigits(s)
		var parsed json.Number
		isNumber := json.Unmarshal([]byte(s), &parsed) == nil && s == strings.TrimSpace(s) && s != "null" && !strings.HasPrefix(s, `"`)
		if ok && !isNumber {
			t.Fatalf("%q passes for a number", s)
		}
		if isNumber && !ok && len(s) < 9 {
			t.Fatalf("%q does not pass for a number", s)
		}
		if !ok || digits > 1000 || strings.ContainsAny(s, "eE") && len(s) > 9 {
			return
		}
		plain, whole := integral(s)
		if whole != (digits == 0) && !strings.ContainsAny(s, "eE") {
			t.Fatalf("%q: %d digits, yet integral is %v", s, digits, whole)
		}
		if whole {
			a, _ := new(big.Rat).SetString(s)
			b, good := new(big.Rat).SetString(plain)
			if !good || a.Cmp(b) != 0 || strings.ContainsAny(plain, ".eE") {
				t.Fatalf("%q became %q", s, plain)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add("nul\x00 \xff \\N\t\n\r\\ \xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		c := column{typ: pipeline.Text, existing: existing{kind: textKind}}
		v, err := c.value(s)
		if err != nil {
			t.Fatal(err)
		}
		got := v.(string)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Fatalf("%q is not clean", got)
		}
		if utf8.ValidString(s) && !strings.Contains(s, "\x00") && got != s {
			t.Fatalf("%q became %q", s, got)
		}
		line := string(appendCopy(nil, []any{got, nil}))
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(fields) != 2 || fields[1] != `\N` ||
			strings.ContainsAny(fields[0], "\n\r") || unescape(fields[0]) != got {
			t.Fatalf("COPY line %q of %q", line, got)
		}
	})
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(s)
}

func TestValues(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678999999, time.FixedZone("x", 3600))
	const layout = "2006-01-02 15:04:05.000000"
	for _, test := range []struct {
		typ  pipeline.Type
		have existing
		in   any
		want any // nil is a refusal
	}{
		{pipeline.Integer, existing{kind: integerKind}, int64(5), int64(5)},
		{pipeline.Integer, existing{kind: textKind}, int64(-5), "-5"},
		{pipeline.Integer, existing{kind: booleanKind}, int64(1), true},
		{pipeline.Integer, existing{kind: booleanKind}, int64(2), nil},
		{pipeline.Integer, existing{kind: integerKind}, 5, nil},
		{pipeline.Boolean, existing{kind: booleanKind}, true, true},
		{pipeline.Boolean, existing{kind: integerKind}, true, int64(1)},
		{pipeline.Boolean, existing{kind: decimalKind}, false, int64(0)},
		{pipeline.Boolean, existing{kind: textKind}, false, "false"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: -1}, "1.50", "1.50"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: 1}, "1.50", "1.50"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: 0}, "1.50", nil},
		{pipeline.Decimal, existing{kind: integerKind}, "150e-1", "15"},
		{pipeline.Decimal, existing{kind: integerKind}, "1e400", "1" + strings.Repeat("0", 400)},
		{pipeline.Decimal, existing{kind: integerKind}, "1e2000000000", nil},
		{pipeline.Decimal, existing{kind: integerKind}, "1.5", nil},
		{pipeline.Decimal, existing{kind: textKind}, "1.50", "1.50"},
		{pipeline.Decimal, existing{}, "abc", nil},
		{pipeline.Text, existing{kind: textKind, maxLength: 3}, "äöü", "äöü"},
		{pipeline.Text, existing{kind: textKind, maxLength: 3}, "äöüx", nil},
		{pipeline.Text, existing{kind: textKind}, []byte("x"), nil},
		{pipeline.Time, existing{kind: timeKind, scale: -1}, at, "2026-01-02 02:04:05.678999"},
		{pipeline.Time, existing{kind: timeKind, scale: 6}, at, "2026-01-02 02:04:05.678999"},
		{pipeline.Time, existing{kind: timeKind, scale: 3}, at, "2026-01-02 02:04:05.678000"},
		{pipeline.Time, existing{kind: timeKind, scale: 0}, at, "2026-01-02 02:04:05.000000"},
		{pipeline.Time, existing{kind: textKind, scale: -1}, at, "2026-01-02T02:04:05.678999Z"},
		{pipeline.Time, existing{kind: timeKind}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), nil},
	} {
		c := column{existing: test.have, typ: test.typ, layout: layout}
		got, err := c.value(test.in)
		if got != test.want || (err == nil) != (test.want != nil) {
			t.Errorf("%v as %s in %+v: %v, %v, want %v", test.in, test.typ, test.have, got, err, test.want)
		}
	}
}

func TestDecode(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600000000, time.UTC)
	for _, test := range []struct {
		typ      pipeline.Type
		in, want any // nil is an error
	}{
		{pipeline.Integer, int64(1), int64(1)}, {pipeline.Integer, []byte("12"), int64(12)}, {pipeline.Integer, "3.000", int64(3)},
		{pipeline.Integer, true, int64(1)}, {pipeline.Integer, false, int64(0)}, {pipeline.Integer, "x", nil},
		{pipeline.Decimal, "1.500", "1.5"}, {pipeline.Decimal, []byte("100.000"), "100"}, {pipeline.Decimal, "100", "100"},
		{pipeline.Decimal, 0.25, "0.25"}, {pipeline.Decimal, int64(7), "7"}, {pipeline.Decimal, "2E5", "2E5"},
		{pipeline.Boolean, true, true}, {pipeline.Boolean, int64(1), true}, {pipeline.Boolean, []byte("0"), false}, {pipeline.Boolean, "true", true}, {pipeline.Boolean, "maybe", nil},
		{pipeline.Time, at, at}, {pipeline.Time, "2026-01-02T03:04:05.6Z", at}, {pipeline.Time, "2026-01-02 03:04:05.600000", at},
		{pipeline.Time, []byte("2026-01-02 08:34:05.6+05:30"), at}, {pipeline.Time, "soon", nil},
		{pipeline.Text, "x", "x"}, {pipeline.Text, []byte("x"), "x"}, {pipeline.Text, int64(5), "5"}, {pipeline.Text, at, "2026-01-02T03:04:05.600000Z"},
	} {
		got, err := decode(test.typ, test.in)
		if err != nil {
			got = nil
		}
		if got != test.want {
			t.Errorf("%s %v: %v, %v, want %v", test.typ, test.in, got, err, test.want)
		}
	}
	for typ := pipeline.Integer; typ <= pipeline.Time; typ++ {
		if got, err := decode(typ, nil); got != nil || err != nil {
			t.Errorf("NULL as %s: %v, %v", typ, got, err)
		}
	}
}
