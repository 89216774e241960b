package sqlsink

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ferryman/internal/pipeline"
)

// narrow is the refusal of a value that its column could be widened for.
type narrow struct {
	refusal *refusal
	need    need
}

func (n *narrow) Error() string { return n.refusal.Error() }
func (n *narrow) Unwrap() error { return n.refusal }

// tooNarrow refuses a value that the column is too narrow for, and tells whether
// there is a remedy.
func (c *column) tooNarrow(n need, format string, args ...any) error {
	r := &refusal{c.name, fmt.Sprintf(format, args...)}
	if len(c.widening(n)) == 0 {
		return r
	}
	return &narrow{r, n}
}

// widening are the statements that make the column hold what it needs to; none if
// that cannot be.
func (c *column) widening(n need) []string {
	if c.widen == nil {
		return nil
	}
	return c.widen(n)
}

func (c *column) textNeed(s string) need {
	_, holds := c.charset.measure(s)
	return need{typ: pipeline.Text, bytes: len(s), units: units(s), foreign: c.kind == textKind && !holds}
}

// numberNeed is the need of a JSON number. One that parseNumber does not take needs
// more digits than any type of numbers has.
func numberNeed(s string) need {
	n, ok := parseNumber(s)
	if !ok {
		return need{typ: pipeline.Text, bytes: len(s), units: len(s)}
	}
	return need{typ: pipeline.Decimal, whole: n.whole(), fraction: n.fraction(), bytes: len(s), units: len(s)}
}

// both is what holds what either needs.
func (n need) both(m need) need {
	if m.typ == pipeline.Text {
		n.typ = pipeline.Text
	}
	n.foreign = n.foreign || m.foreign
	n.whole, n.fraction = max(n.whole, m.whole), max(n.fraction, m.fraction)
	n.bytes, n.units = max(n.bytes, m.bytes), max(n.units, m.units)
	return n
}

// adaptedText sees to it that a text is read back as it is: in a column of numbers
// or booleans are only those that it returns to the letter.
func (c *column) adaptedText(s string, boxed any) (any, error) {
	switch c.kind {
	case textKind:
		_, holds := c.charset.measure(s)
		if holds && !(c.filled && strings.HasSuffix(s, " ")) {
			return boxed, nil
		}
		// Where the column stays as it is, its character set may know more than is known
		// here, and others have seen to the blanks.
		if n := c.textNeed(s); len(c.widening(n)) > 0 {
			return nil, c.tooNarrow(n, "the type %s has no room for some of the characters", c.sqlType)
		}
		return boxed, nil
	case otherKind, timeKind:
		if !c.flexible {
			return boxed, nil
		}
	}
	if c.flexible {
		return c.flexibleText(s, boxed), nil
	}
	fits := false
	switch c.kind {
	case integerKind:
		fits = isPlain(s) && (c.bits == 0 || fitsBits(s, c.bits, c.unsigned))
	case booleanKind:
		fits = s == "true" || s == "false"
	}
	if !fits {
		return nil, c.tooNarrow(c.textNeed(s), "%.40q does not fit the type %s", s, c.sqlType)
	}
	return boxed, nil
}

// isPlain tells whether a text is a whole number of 64 bits as it is usually written.
func isPlain(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == s
}

// flexibleNumber is a number as SQLite keeps it: one that neither of its types of
// numbers holds to the digit becomes a blob of its text. A text would be made a
// number again, and be rounded.
func (c *column) flexibleNumber(n number, s string) any {
	plain, whole := n.integral()
	switch {
	case whole && c.kind != doubleKind && fitsBits(plain, 64, false):
		i, _ := strconv.ParseInt(plain, 10, 64) // it fits
		return i
	case n.survives(64):
		f, _ := strconv.ParseFloat(s, 64) // it survives
		return f
	}
	return []byte(s)
}

// numeric is what SQLite takes for a number in a column that is not of text.
var numeric = regexp.MustCompile(`^[ \t\n\v\f\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\v\f\r]*$`)

// flexibleText keeps a text from being made a number that is written otherwise.
func (c *column) flexibleText(s string, boxed any) any {
	if isPlain(s) && c.kind != doubleKind || !strings.ContainsAny(s, "0123456789") || !numeric.MatchString(s) {
		return boxed
	}
	return []byte(s)
}
