package push

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Values are quoted in errors, and numbers taken for texts, as Python prints
// them: that is what clients know.

// maxQuoted is how much of a value is quoted, in characters.
const maxQuoted = 100

// quoted is a value as an error quotes it.
func (g given) quoted() string {
	var text string
	switch g.kind {
	case '"':
		text, _ = g.unquoted()
	case '0':
		text, _ = numberText(g.raw)
	default:
		text = string(appendPython(nil, jsontext.NewDecoder(bytes.NewReader(g.raw),
			jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))))
	}
	if len(text) <= maxQuoted || utf8.RuneCountInString(text) <= maxQuoted {
		return text
	}
	n := 0
	for i := range text {
		if n == maxQuoted {
			return text[:i] + "…"
		}
		n++
	}
	return text
}

// appendPython adds the value that comes next, and stops when that is more than
// is quoted.
func appendPython(b []byte, d *jsontext.Decoder) []byte {
	const enough = utf8.UTFMax * maxQuoted // bytes
	kind := d.PeekKind()
	switch kind {
	case '[', '{':
		if _, err := d.ReadToken(); err != nil {
			return b
		}
		b = append(b, byte(kind))
		for i := 0; d.PeekKind() != ']' && d.PeekKind() != '}' && len(b) <= enough; i++ {
			if i > 0 {
				b = append(b, ", "...)
			}
			if kind == '{' {
				b = append(appendPython(b, d), ": "...)
			}
			b = appendPython(b, d)
		}
		if len(b) > enough {
			return b
		}
		_, _ = d.ReadToken() // the value was read before: its end is there
		return append(b, byte(kind)+2)
	}
	token, err := d.ReadToken()
	if err != nil {
		return b
	}
	switch kind {
	case 'n':
		return append(b, "None"...)
	case 't':
		return append(b, "True"...)
	case 'f':
		return append(b, "False"...)
	case '"':
		return appendPythonString(b, token.String())
	}
	text, _ := numberText([]byte(token.String()))
	return append(b, text...)
}

func appendPythonString(b []byte, s string) []byte {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b = utf8.AppendRune(b, quote)
	for i, r := range s {
		switch {
		case i > utf8.UTFMax*maxQuoted:
			return b
		case r == quote || r == '\\':
			b = utf8.AppendRune(append(b, '\\'), r)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return utf8.AppendRune(b, quote)
}

func isFloat(raw []byte) bool { return bytes.ContainsAny(raw, ".eE") }

// numberText is a JSON number in digits: a whole number to the letter, another as
// the shortest that reads as the same. It tells whether that is finite.
func numberText(raw []byte) (string, bool) {
	if !isFloat(raw) {
		if string(raw) == "-0" {
			return "0", true
		}
		return string(raw), true
	}
	f, _ := strconv.ParseFloat(string(raw), 64) // what is out of range is infinite
	switch {
	case math.IsInf(f, 1):
		return "inf", false
	case math.IsInf(f, -1):
		return "-inf", false
	}
	exact := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(exact, "e")
	if e, _ := strconv.Atoi(exponent); e < -4 || e >= 16 {
		return exact, true
	}
	plain := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(plain, ".") {
		plain += ".0"
	}
	return plain, true
}
