package sqlsink

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
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
// string or bool. What the column in the database would cut or round without a
// word is refused here.
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
			return c.boolean(x, v), nil
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
		return strconv.FormatInt(n, 10), nil
	case booleanKind:
		if n != 0 && n != 1 {
			return nil, c.refuse("%d does not fit the type %s", n, c.sqlType)
		}
		return n == 1, nil
	default:
		return boxed, nil
	}
}

func (c *column) boolean(b bool, boxed any) any {
	switch c.kind {
	case integerKind, decimalKind:
		if b {
			return int64(1)
		}
		return int64(0)
	case textKind, otherKind:
		return strconv.FormatBool(b)
	default:
		return boxed
	}
}

func (c *column) text(s string, boxed any) (any, error) {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		s = clean(s)
		boxed = s
	}
	if c.maxLength > 0 && len(s) > c.maxLength {
		if n := utf8.RuneCountInString(s); n > c.maxLength {
			return nil, c.refuse("%d characters do not fit the type %s", n, c.sqlType)
		}
	}
	return boxed, nil
}

func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (c *column) decimal(s string, boxed any) (any, error) {
	fraction, ok := fractionDigits(s)
	switch {
	case !ok:
		return nil, c.refuse("%.40q is not a JSON number", s)
	case c.kind == integerKind:
		if plain, ok := integral(s); ok {
			return plain, nil
		}
		return nil, c.refuse("%.40s does not fit the type %s without rounding", s, c.sqlType)
	case c.kind == decimalKind && c.scale >= 0 && fraction > c.scale:
		return nil, c.refuse("%.40s does not fit the type %s without rounding", s, c.sqlType)
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
	for digits := c.scale; digits >= 0 && digits < 6; digits++ {
		unit *= 10
	}
	return t.Truncate(unit).Format(c.layout), nil
}

// fractionDigits counts the digits that a JSON number needs after the point, and
// tells whether s is a JSON number at all.
func fractionDigits(s string) (int, bool) {
	i := 0
	digits := func() int {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i - from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	leading := i
	if n := digits(); n == 0 || n > 1 && s[leading] == '0' {
		return 0, false
	}
	var fraction int
	if i < len(s) && s[i] == '.' {
		i++
		from := i
		if digits() == 0 {
			return 0, false
		}
		fraction = len(strings.TrimRight(s[from:i], "0"))
		if fraction == 0 {
			// Zeros before the point may make up for a negative exponent.
			fraction = -trailingZeros(s[leading : from-1])
		}
	} else {
		fraction = -trailingZeros(s[leading:i])
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		from := i
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if digits() == 0 {
			return 0, false
		}
		exponent, err := strconv.ParseInt(s[from:i], 10, 32)
		if err != nil {
			return 0, false // too large for any database
		}
		fraction -= int(exponent)
	}
	return max(fraction, 0), i == len(s)
}

func trailingZeros(digits string) int {
	return len(digits) - len(strings.TrimRight(digits, "0"))
}

// integral writes a JSON number without point and exponent, if that loses nothing.
func integral(s string) (string, bool) {
	if !strings.ContainsAny(s, ".eE") {
		return s, true
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		// More digits than any integer column has; computing them would take long.
		if exponent, err := strconv.Atoi(s[i+1:]); err != nil || exponent > 1000 || exponent < -1000 {
			return "", false
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || !r.IsInt() {
		return "", false
	}
	return r.Num().String(), true
}
