package sqlsink

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/pipeline"
)

// same tells whether a value of column.value's is what a column holds, as the
// driver returns it: numbers by value, times by what the column keeps of them, text
// exactly.
func (c *column) same(given, held any) bool {
	if b, ok := held.([]byte); ok {
		held = string(b)
	}
	if given == nil || held == nil {
		return given == held
	}
	switch c.kind {
	case integerKind, decimalKind, floatKind, doubleKind:
		return given == held || equalNumbers(plainText(given), plainText(held))
	case booleanKind:
		x, err := decode(pipeline.Boolean, given)
		y, other := decode(pipeline.Boolean, held)
		if err == nil && other == nil {
			return x == y
		}
	case timeKind:
		if x, ok := instant(given); ok {
			y, ok := instant(held)
			return ok && x.Equal(y)
		}
	}
	x, y := plainText(given), plainText(held)
	if c.inexact && c.sqlType == "bpchar" { // filled up with blanks
		x, y = strings.TrimRight(x, " "), strings.TrimRight(y, " ")
	}
	return x == y
}

// equalNumbers compares what is no number as text.
func equalNumbers(a, b string) bool {
	x, ok := parseNumber(a)
	y, other := parseNumber(b)
	if !ok || !other {
		return a == b
	}
	return x == y
}

func instant(v any) (time.Time, bool) {
	t, err := decode(pipeline.Time, v)
	if err != nil {
		return time.Time{}, false
	}
	return t.(time.Time), true
}

// plainText is a value as text.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.UTC().Format(textTime)
	default:
		return fmt.Sprint(v)
	}
}
