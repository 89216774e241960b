package sqlsink

import (
	"fmt"
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
// string or bool. A text that is too long for the column and a number that it
// would round are refused here, as databases may change them without a word.
// Times are cut to what the column holds. What types such as dates and intervals
// make of a text is left to them.
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
	case decimalKind:
		if c.scale >= 0 {
			return boxed, nil
		}
		return c.number(strconv.FormatInt(n, 10), boxed)
	case floatKind, doubleKind:
		return c.number(strconv.FormatInt(n, 10), boxed)
	default:
		return boxed, nil
	}
}

func (c *column) boolean(b bool, boxed any) any {
	switch c.kind {
	case integerKind, decimalKind, floatKind, doubleKind:
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
	if c.maxBytes > 0 && len(s) > c.maxBytes {
		return nil, c.refuse("%d bytes do not fit the type %s", len(s), c.sqlType)
	}
	switch c.kind {
	case integerKind, decimalKind, floatKind, doubleKind:
		if _, ok := parseNumber(s); ok || !c.flexible {
			return c.number(s, boxed)
		}
	}
	return boxed, nil
}

func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (c *column) decimal(s string, boxed any) (any, error) {
	if c.kind != textKind {
		return c.number(s, boxed)
	}
	if _, ok := parseNumber(s); !ok {
		return nil, c.refuse("%.40q is not a JSON number", s)
	}
	return c.text(s, boxed)
}

// number checks that a column holds a number as it is.
func (c *column) number(s string, boxed any) (any, error) {
	n, ok := parseNumber(s)
	if !ok {
		return nil, c.refuse("%.40q is not a JSON number", s)
	}
	fits := true
	switch c.kind {
	case integerKind:
		var plain string
		if plain, fits = n.integral(); fits {
			boxed = plain
		}
	case decimalKind:
		fits = -n.exponent <= c.scale
	case floatKind:
		fits = n.survives(32) && -n.exponent <= c.scale
	case doubleKind:
		fits = n.survives(64) && -n.exponent <= c.scale
	}
	if c.flexible && !n.survives(64) && !n.isInt64() {
		fits = false
	}
	switch {
	case !fits:
		return nil, c.refuse("%.40s does not fit the type %s without rounding", s, c.sqlType)
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

// number is a decimal number: digits, without zeros at either end, times ten to
// the power of exponent. Zero has no digits.
type number struct {
	negative bool
	digits   string
	exponent int
}

// parseNumber reads a JSON number. One whose exponent is larger than any
// database takes is none.
func parseNumber(s string) (n number, ok bool) {
	rest, negative := strings.CutPrefix(s, "-")
	mantissa, power := rest, ""
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, power = rest[:i], rest[i+1:]
		if strings.HasPrefix(power, "+") || strings.HasPrefix(power, "-") {
			if !onlyDigits(power[1:]) {
				return number{}, false
			}
		} else if !onlyDigits(power) {
			return number{}, false
		}
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !onlyDigits(whole) || len(whole) > 1 && whole[0] == '0' || point && !onlyDigits(fraction) {
		return number{}, false
	}
	fraction = strings.TrimRight(fraction, "0")
	digits := whole + fraction
	significant := strings.TrimRight(digits, "0")
	n = number{negative: negative, digits: strings.TrimLeft(significant, "0"), exponent: len(digits) - len(significant) - len(fraction)}
	if n.digits == "" {
		return number{}, true
	}
	if power != "" {
		exponent, err := strconv.ParseInt(power, 10, 32)
		if err != nil {
			return number{}, false
		}
		n.exponent += int(exponent)
	}
	return n, true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// integral is the number without point and exponent, if it is whole and not
// longer than any type of integers or decimals needs.
func (n number) integral() (string, bool) {
	const longest = 1000
	switch {
	case n.digits == "":
		return "0", true
	case n.exponent < 0 || n.exponent > longest || len(n.digits)+n.exponent > longest:
		return "", false
	}
	plain := n.digits + strings.Repeat("0", n.exponent)
	if n.negative {
		plain = "-" + plain
	}
	return plain, true
}

func (n number) isInt64() bool {
	plain, ok := n.integral()
	if ok {
		_, err := strconv.ParseInt(plain, 10, 64)
		ok = err == nil
	}
	return ok
}

// survives tells whether a floating-point number of so many bits is read back as
// the same number.
func (n number) survives(bits int) bool {
	const longest = 20 // a shortest form has at most 17
	if len(n.digits) > longest {
		return false
	}
	f, err := strconv.ParseFloat(n.digits+"e"+strconv.Itoa(n.exponent), bits)
	if err != nil {
		return n.digits == ""
	}
	back, _ := parseNumber(strconv.FormatFloat(f, 'e', -1, bits))
	return back.digits == n.digits && back.exponent == n.exponent
}
