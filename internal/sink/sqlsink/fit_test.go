package sqlsink

import (
	"errors"
	"reflect"
	"testing"

	"ferryman/internal/pipeline"
)

// What an adapting sink hands to SQLite, which makes numbers of texts.
func TestValuesOfAnAdaptingSinkOnSQLite(t *testing.T) {
	blob := func(s string) any { return []byte(s) }
	for _, test := range []struct {
		kind kind
		typ  pipeline.Type
		in   any
		want any
	}{
		{decimalKind, pipeline.Decimal, "3092.44", 3092.44},
		{decimalKind, pipeline.Decimal, "1.0", int64(1)},
		{decimalKind, pipeline.Decimal, "-0", int64(0)},
		{decimalKind, pipeline.Decimal, "2E5", int64(200_000)},
		{decimalKind, pipeline.Decimal, "9223372036854775807", int64(1<<63 - 1)},
		{decimalKind, pipeline.Decimal, "9223372036854775809", blob("9223372036854775809")},
		{decimalKind, pipeline.Decimal, "12345678901234567890.5", blob("12345678901234567890.5")},
		{decimalKind, pipeline.Decimal, "1e400", blob("1e400")},
		{decimalKind, pipeline.Decimal, "1e99999999999", blob("1e99999999999")},
		{doubleKind, pipeline.Decimal, "9007199254740993", blob("9007199254740993")},
		{doubleKind, pipeline.Decimal, "9007199254740992", float64(1 << 53)},
		{textKind, pipeline.Decimal, "1.50", "1.50"},
		{decimalKind, pipeline.Decimal, pipeline.Misfit("007"), blob("007")},
		{decimalKind, pipeline.Decimal, pipeline.Misfit(" +1.5e3 "), blob(" +1.5e3 ")},
		{decimalKind, pipeline.Decimal, pipeline.Misfit("seven"), "seven"},
		{decimalKind, pipeline.Text, "12", "12"},
		{doubleKind, pipeline.Text, "12", blob("12")},
		{timeKind, pipeline.Text, "1e5", blob("1e5")},
		{timeKind, pipeline.Text, "2018-12-27", "2018-12-27"},
		{booleanKind, pipeline.Boolean, true, true},
		{booleanKind, pipeline.Boolean, pipeline.Misfit("01"), blob("01")},
		{booleanKind, pipeline.Integer, int64(2), int64(2)},
		{textKind, pipeline.Text, "007", "007"},
	} {
		c := column{existing: existing{kind: test.kind, scale: unbounded, flexible: true}, typ: test.typ, adapts: true}
		if got, err := c.value(test.in); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v as %s in %d: %v (%T), %v, want %v", test.in, test.typ, test.kind, got, got, err, test.want)
		}
	}
}

// A value is refused for good only where its column cannot be widened.
func TestNarrowValues(t *testing.T) {
	wider := func(need) []string { return []string{"ALTER"} }
	never := func(need) []string { return nil }
	for _, test := range []struct {
		typ  pipeline.Type
		have existing
		in   any
		need need
	}{
		{pipeline.Text, existing{kind: textKind, maxLength: 3}, "é😀ab", need{typ: pipeline.Text, bytes: 8, units: 5}},
		{pipeline.Text, existing{kind: textKind, maxBytes: 5, charset: utf16Text}, "abc", need{typ: pipeline.Text, bytes: 3, units: 3}},
		{pipeline.Text, existing{kind: textKind, charset: latin1Text}, "я", need{typ: pipeline.Text, bytes: 2, units: 1, foreign: true}},
		{pipeline.Text, existing{kind: textKind, maxLength: 9, filled: true}, "x ", need{typ: pipeline.Text, bytes: 2, units: 2}},
		{pipeline.Text, existing{kind: integerKind, bits: 32}, "007", need{typ: pipeline.Text, bytes: 3, units: 3}},
		{pipeline.Text, existing{kind: decimalKind, scale: 2}, "1.50", need{typ: pipeline.Text, bytes: 4, units: 4}},
		{pipeline.Text, existing{kind: booleanKind}, "yes", need{typ: pipeline.Text, bytes: 3, units: 3}},
		{pipeline.Decimal, existing{kind: integerKind, bits: 16}, "32768", need{typ: pipeline.Decimal, whole: 5, bytes: 5, units: 5}},
		{pipeline.Decimal, existing{kind: integerKind, bits: 32, unsigned: true}, "-1", need{typ: pipeline.Decimal, whole: 1, bytes: 2, units: 2}},
		{pipeline.Decimal, existing{kind: decimalKind, precision: 10}, "3092.44", need{typ: pipeline.Decimal, whole: 4, fraction: 2, bytes: 7, units: 7}},
		{pipeline.Decimal, existing{kind: decimalKind, precision: 5, scale: 2}, "1e3", need{typ: pipeline.Decimal, whole: 4, bytes: 3, units: 3}},
		{pipeline.Decimal, existing{kind: booleanKind}, "1", need{typ: pipeline.Decimal, whole: 1, bytes: 1, units: 1}},
		{pipeline.Decimal, existing{kind: decimalKind, scale: 6}, pipeline.Misfit("x"), need{typ: pipeline.Text, bytes: 1, units: 1}},
		{pipeline.Boolean, existing{kind: booleanKind}, pipeline.Misfit("yes"), need{typ: pipeline.Text, bytes: 3, units: 3}},
		{pipeline.Boolean, existing{kind: textKind, maxLength: 3}, true, need{typ: pipeline.Text, bytes: 4, units: 4}},
		{pipeline.Integer, existing{kind: integerKind, bits: 8}, int64(128), need{typ: pipeline.Decimal, whole: 3, bytes: 3, units: 3}},
	} {
		c := column{existing: test.have, typ: test.typ, adapts: true, widen: wider}
		_, err := c.value(test.in)
		n, ok := errors.AsType[*narrow](err)
		if !ok || n.need != test.need {
			t.Errorf("%v in %+v: %+v, %v", test.in, test.have, n, err)
		}
		if _, ok := errors.AsType[*refusal](err); !ok {
			t.Errorf("%v in %+v is no refusal: %v", test.in, test.have, err)
		}
		c.widen = never
		if _, err := c.value(test.in); err != nil {
			if n, ok := errors.AsType[*narrow](err); ok {
				t.Errorf("%v in %+v, which stays as it is: %+v", test.in, test.have, n)
			}
		} else if test.have.charset != latin1Text && !test.have.filled {
			t.Errorf("%v passes in %+v", test.in, test.have)
		}
	}
	// What one batch needs is what all of its values need.
	sum := numberNeed("12.5").both(numberNeed("1234567")).both(need{typ: pipeline.Text, bytes: 9, units: 4, foreign: true})
	if want := (need{typ: pipeline.Text, whole: 7, fraction: 1, bytes: 9, units: 7, foreign: true}); sum != want {
		t.Errorf("needs %+v, want %+v", sum, want)
	}
}
