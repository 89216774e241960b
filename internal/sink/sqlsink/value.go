package sqlsink

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"ferryman/internal/pipeline"
)

// textTime is how times stand in columns of text.
const textTime = "2006-01-02T15:04:05.000000Z"

// refusal says why a row cannot land, in words for whoever owns the data.
type refusal struct {
	column string // "" when it concerns the row
	reason string
}

func (r *refusal) Error() string {
	if r.column == "" {
		return r.reason
	}
	return fmt.Sprintf("column %q: %s", r.column, r.reason)
}

// value turns a source's value into what is handed to the database: nil, int64,
// string or bool, and of an adapting sink on SQLite float64 or []byte. A text that
// is too long for the column and a number that it would round are refused here, as
// databases may change them without a word. Times are cut to what the column holds.
// What types such as dates and intervals make of a text is left to them.
func (c *column) value(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		if c.required || c.key {
			return nil, c.refuse("is required and NULL")
		}
		return nil, nil
	case int64:
		if c.typ == pipeline.Integer {
			return c.integer(x, v)
		}
	case bool:
		if c.typ == pipeline.Boolean {
			return c.boolean(x, v)
		}
	case string:
		switch c.typ {
		case pipeline.Text:
			return c.text(x, v)
		case pipeline.Decimal:
			return c.decimal(x, v)
		}
	case time.Time:
		if c.typ == pipeline.Time || c.stamp != 0 {
			return c.time(x)
		}
	case pipeline.Misfit:
		if c.adapts && c.typ != pipeline.Time {
			return c.text(string(x), string(x))
		}
	}
	return nil, c.refuse("holds a %T where a column of type %s wants %s", v, c.typ, goType(c.typ))
}

func (c *column) refuse(format string, args ...any) error {
	return &refusal{c.name, fmt.Sprintf(format, args...)}
}

func goType(t pipeline.Type) string {
	switch t {
	case pipeline.Integer:
		return "int64"
	case pipeline.Boolean:
		return "bool"
	case pipeline.Time:
		return "time.Time"
	default:
		return "string"
	}
}

func (c *column) integer(n int64, boxed any) (any, error) {
	switch c.kind {
	case textKind:
		if c.adapts {
			return c.text(strconv.FormatInt(n, 10), strconv.FormatInt(n, 10))
		}
		return strconv.FormatInt(n, 10), nil
	case booleanKind:
		if c.flexible && c.adapts {
			return boxed, nil
		}
		if n != 0 && n != 1 {
			return nil, c.tooNarrow(numberNeed(strconv.FormatInt(n, 10)), "%d does not fit the type %s", n, c.sqlType)
		}
		return n == 1, nil
	case decimalKind:
		if c.scale >= 0 && !c.adapts {
			return boxed, nil
		}
		return c.number(strconv.FormatInt(n, 10), boxed)
	case floatKind, doubleKind:
		return c.number(strconv.FormatInt(n, 10), boxed)
	case integerKind:
		if c.adapts && c.bits > 0 && !fitsBits(strconv.FormatInt(n, 10), c.bits, c.unsigned) {
			return nil, c.tooNarrow(numberNeed(strconv.FormatInt(n, 10)), "%d does not fit the type %s", n, c.sqlType)
		}
		return boxed, nil
	default:
		return boxed, nil
	}
}

func (c *column) boolean(b bool, boxed any) (any, error) {
	switch c.kind {
	case integerKind, decimalKind, floatKind, doubleKind:
		if b {
			return int64(1), nil
		}
		return int64(0), nil
	case textKind:
		if c.adapts {
			return c.text(strconv.FormatBool(b), strconv.FormatBool(b))
		}
		return strconv.FormatBool(b), nil
	case otherKind:
		return strconv.FormatBool(b), nil
	default:
		return boxed, nil
	}
}

func (c *column) text(s string, boxed any) (any, error) {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		s = clean(s)
		boxed = s
	}
	if c.maxLength > 0 && len(s) > c.maxLength {
		if n := utf8.RuneCountInString(s); n > c.maxLength {
			return nil, c.tooNarrow(c.textNeed(s), "%d characters do not fit the type %s", n, c.sqlType)
		}
	}
	if c.maxBytes > 0 && len(s)*4 > c.maxBytes { // no character set takes more
		if n, _ := c.charset.measure(s); n > c.maxBytes {
			return nil, c.tooNarrow(c.textNeed(s), "%d bytes do not fit the type %s", n, c.sqlType)
		}
	}
	if c.maxUnits > 0 && len(s) > c.maxUnits {
		if n := units(s); n > c.maxUnits {
			return nil, c.tooNarrow(c.textNeed(s), "%d UTF-16 units do not fit the type %s", n, c.sqlType)
		}
	}
	if c.key && c.padded && strings.HasSuffix(s, " ") {
		return nil, c.refuse("ends in a blank, which the database ignores: it would be taken for the key without it")
	}
	if c.adapts {
		return c.adaptedText(s, boxed)
	}
	switch c.kind {
	case integerKind, decimalKind, floatKind, doubleKind:
		if _, ok := parseNumber(s); ok || !c.flexible {
			return c.number(s, boxed)
		}
	}
	return boxed, nil
}

// units is the length of a text in UTF-16.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (c *column) decimal(s string, boxed any) (any, error) {
	if c.kind != textKind {
		return c.number(s, boxed)
	}
	if _, ok := parseNumber(s); !ok && !c.adapts {
		return nil, c.refuse("%.40q is not a JSON number", s)
	}
	return c.text(s, boxed)
}

// number checks that a column holds a number as it is.
func (c *column) number(s string, boxed any) (any, error) {
	n, ok := parseNumber(s)
	switch {
	case !ok && c.adapts: // its exponent may just be larger than any database takes
		return c.adaptedText(s, boxed)
	case !ok:
		return nil, c.refuse("%.40q is not a JSON number", s)
	case c.adapts && c.flexible:
		return c.flexibleNumber(n, s), nil
	}
	fits := true
	switch c.kind {
	case integerKind:
		var plain string
		if plain, fits = n.integral(); fits {
			boxed = plain
			fits = !c.adapts || c.bits == 0 || fitsBits(plain, c.bits, c.unsigned)
		}
	case decimalKind:
		fits = -n.exponent <= c.scale && (c.precision == 0 || len(n.digits)+n.exponent <= c.precision-c.scale)
	case floatKind:
		fits = n.survives(32) && -n.exponent <= c.scale
	case doubleKind:
		fits = n.survives(64) && -n.exponent <= c.scale
	case booleanKind:
		fits = !c.adapts
	}
	if c.flexible && !n.survives(64) && !n.isInt64() {
		fits = false
	}
	switch {
	case !fits:
		return nil, c.tooNarrow(numberNeed(s), "%.40s does not fit the type %s without rounding", s, c.sqlType)
	case n.digits == "":
		return "0", nil // databases stumble over its exponent
	default:
		return boxed, nil
	}
}

func (c *column) time(t time.Time) (any, error) {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return nil, c.refuse("the year %d is not within 1 to 9999", t.Year())
	}
	if c.typ == pipeline.Text || c.kind == textKind {
		return t.Truncate(time.Microsecond).Format(textTime), nil
	}
	unit := time.Microsecond
	for digits := c.scale; digits < 6; digits++ {
		unit *= 10
	}
	return t.Truncate(unit).Format(c.layout), nil
}
