package sqlsink

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ferryman/internal/pipeline"
)

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]number{
		"0": {}, "-0": {}, "0.0": {}, "0e999999999999": {}, "-0.00E-7": {},
		"12": {digits: "12"}, "-1200": {true, "12", 2}, "1.5": {false, "15", -1}, "1.50": {false, "15", -1}, "1.00": {digits: "1"},
		"-0.001": {true, "1", -3}, "1e2": {false, "1", 2}, "1.25E+2": {false, "125", 0}, "120e-2": {false, "12", -1}, "100.0e-3": {false, "1", -1},
		"1.0e-2": {false, "1", -2}, "10.01": {false, "1001", -2},
	} {
		if got, ok := parseNumber(text); !ok || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-", "01", "1.", ".5", "1e", "1e+", "+1", " 1", "1 ", "NaN", "Infinity", "0x1", "1_0", "1e99999999999",
		"1e1.5", "1e+-5", "1.2.3", "--1", "0e", "1e5 "} {
		if got, ok := parseNumber(text); ok {
			t.Errorf("%q passes for %+v", text, got)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-1.50", "2E5", "1e-3", "01", "1.", "100e-2", "1e400", "0e99", "1e+", "0.1", "16777217"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseNumber(s)
		isNumber := json.Valid([]byte(s)) && s != "" && strings.Trim(s, "-0123456789.eE+") == ""
		if ok && !isNumber || isNumber && !ok && len(s) < 9 {
			t.Fatalf("%q passes for a number: %v", s, ok)
		}
		if !ok || strings.ContainsAny(s, "eE") && (n.exponent > 2000 || n.exponent < -2000) || len(s) > 2000 {
			return
		}
		want, _ := new(big.Rat).SetString(s)
		if want == nil {
			return // an exponent of zero's that big.Rat does not take
		}
		sign := ""
		if n.negative {
			sign = "-"
		}
		if got, _ := new(big.Rat).SetString(sign + "0" + n.digits + "e" + strconv.Itoa(n.exponent)); got == nil || got.Cmp(want) != 0 {
			t.Fatalf("%q became %+v", s, n)
		}
		plain, whole := n.integral()
		if whole != (want.IsInt() && len(want.Num().Text(10)) <= 1000+len(sign)) {
			t.Fatalf("%q: integral is %v", s, whole)
		}
		if whole && plain != want.Num().String() {
			t.Fatalf("%q became %q", s, plain)
		}
		if n.survives(64) {
			back, err := strconv.ParseFloat(s, 64)
			if got, good := new(big.Rat).SetString(strconv.FormatFloat(back, 'g', -1, 64)); err != nil || !good || got.Cmp(want) != 0 {
				t.Fatalf("%q does not survive: %v", s, back)
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
		line := string(appendCopy(nil, []any{got, nil}, nil))
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
		{pipeline.Decimal, existing{kind: decimalKind, scale: unbounded}, "1.50", "1.50"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: 1}, "1.50", "1.50"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: 0}, "1.50", nil},
		{pipeline.Decimal, existing{kind: integerKind}, "150e-1", "15"},
		{pipeline.Decimal, existing{kind: integerKind}, "1e400", "1" + strings.Repeat("0", 400)},
		{pipeline.Decimal, existing{kind: integerKind}, "-0.0", "0"},
		{pipeline.Decimal, existing{kind: integerKind}, "1" + strings.Repeat("0", 1000), nil},
		{pipeline.Decimal, existing{kind: integerKind}, strings.Repeat("1", 4_000_000) + ".0", nil},
		{pipeline.Decimal, existing{kind: decimalKind}, "0e999999999999", "0"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: -2}, "12300", "12300"},
		{pipeline.Decimal, existing{kind: decimalKind, scale: -2}, "12345", nil},
		{pipeline.Integer, existing{kind: decimalKind, scale: -2}, int64(12300), int64(12300)},
		{pipeline.Integer, existing{kind: decimalKind, scale: -2}, int64(12345), nil},
		{pipeline.Decimal, existing{kind: floatKind, scale: unbounded}, "0.1", "0.1"},
		{pipeline.Decimal, existing{kind: floatKind, scale: unbounded}, "12345678.123456789", nil},
		{pipeline.Decimal, existing{kind: floatKind, scale: 2}, "0.123", nil},
		{pipeline.Decimal, existing{kind: doubleKind, scale: unbounded}, "0.30000000000000004", "0.30000000000000004"},
		{pipeline.Decimal, existing{kind: doubleKind, scale: unbounded}, "0.123456789012345678", nil},
		{pipeline.Decimal, existing{kind: doubleKind, scale: unbounded}, "1e400", nil},
		{pipeline.Decimal, existing{kind: doubleKind, scale: unbounded}, "1e-400", nil},
		{pipeline.Decimal, existing{kind: doubleKind, scale: unbounded}, strings.Repeat("9", 1_000_000), nil},
		{pipeline.Integer, existing{kind: doubleKind, scale: unbounded}, int64(1 << 53), int64(1 << 53)},
		{pipeline.Integer, existing{kind: doubleKind, scale: unbounded}, int64(1<<53 + 1), nil},
		{pipeline.Boolean, existing{kind: doubleKind}, true, int64(1)},
		{pipeline.Decimal, existing{kind: textKind, maxLength: 3}, "1.50", nil},
		{pipeline.Text, existing{kind: integerKind}, "12.7", nil},
		{pipeline.Text, existing{kind: integerKind}, "12", "12"},
		{pipeline.Text, existing{kind: integerKind}, "5x", nil},
		{pipeline.Text, existing{kind: decimalKind}, "12.7", nil},
		{pipeline.Text, existing{kind: decimalKind}, " +12.7", nil},
		{pipeline.Text, existing{kind: decimalKind, scale: 1}, "12.7", "12.7"},
		{pipeline.Text, existing{kind: integerKind, flexible: true}, "5x", "5x"},
		{pipeline.Text, existing{kind: integerKind, flexible: true}, "12.7", nil},
		{pipeline.Decimal, existing{kind: integerKind, flexible: true}, "9223372036854775807", "9223372036854775807"},
		{pipeline.Decimal, existing{kind: integerKind, flexible: true}, "9223372036854775809", nil},
		{pipeline.Decimal, existing{kind: decimalKind, flexible: true, scale: unbounded}, "0.1", "0.1"},
		{pipeline.Decimal, existing{kind: decimalKind, flexible: true, scale: unbounded}, "12345678901234567890.5", nil},
		{pipeline.Text, existing{kind: textKind, maxBytes: 3}, "äx", "äx"},
		{pipeline.Text, existing{kind: textKind, maxBytes: 3}, "äxx", nil},
		{pipeline.Decimal, existing{kind: integerKind}, "1e2000000000", nil},
		{pipeline.Decimal, existing{kind: integerKind}, "1.5", nil},
		{pipeline.Decimal, existing{kind: textKind}, "1.50", "1.50"},
		{pipeline.Decimal, existing{}, "abc", nil},
		{pipeline.Text, existing{kind: textKind, maxLength: 3}, "äöü", "äöü"},
		{pipeline.Text, existing{kind: textKind, maxLength: 3}, "äöüx", nil},
		{pipeline.Text, existing{kind: textKind}, []byte("x"), nil},
		{pipeline.Time, existing{kind: timeKind, scale: unbounded}, at, "2026-01-02 02:04:05.678999"},
		{pipeline.Time, existing{kind: timeKind, scale: 6}, at, "2026-01-02 02:04:05.678999"},
		{pipeline.Time, existing{kind: timeKind, scale: 3}, at, "2026-01-02 02:04:05.678000"},
		{pipeline.Time, existing{kind: timeKind, scale: 0}, at, "2026-01-02 02:04:05.000000"},
		{pipeline.Time, existing{kind: textKind, scale: unbounded}, at, "2026-01-02T02:04:05.678999Z"},
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
