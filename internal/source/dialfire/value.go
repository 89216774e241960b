package dialfire

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/pipeline"
)

// value reads the value of a column.
func (r *reader) value(c *column) (any, error) {
	raw, err := r.d.ReadValue()
	if err != nil {
		return nil, err
	}
	switch kind := raw.Kind(); {
	case kind == 'n', c.identifier && kind != '"':
		return nil, nil
	case kind == '"':
		return fromText(c.typ, r.unquote(raw)), nil
	case kind == '0':
		return fromNumber(c.typ, r.text[r.offset()-len(raw):r.offset()]), nil
	case kind == 't', kind == 'f':
		return fromBoolean(c, kind == 't'), nil
	default:
		text, err := compact(raw)
		if err != nil {
			return nil, err
		}
		if c.typ != pipeline.Text {
			return pipeline.Misfit(text), nil
		}
		return string(text), nil
	}
}

// fromText is the value of a JSON string in a column of the type.
func fromText(t pipeline.Type, s string) any {
	switch {
	case t == pipeline.Text:
		return s
	case s == "":
		return nil
	case t == pipeline.Decimal && isNumber(s):
		return s
	case t == pipeline.Boolean && (s == "true" || s == "1"):
		return true
	case t == pipeline.Boolean && (s == "false" || s == "0"):
		return false
	default:
		return pipeline.Misfit(s)
	}
}

// fromNumber is the value of a JSON number in a column of the type: its digits.
func fromNumber(t pipeline.Type, digits string) any {
	if t == pipeline.Boolean {
		return fromText(t, digits)
	}
	return digits
}

// fromBoolean is the value of a JSON boolean in a column.
func fromBoolean(c *column, b bool) any {
	if c.typ == pipeline.Boolean {
		return b
	}
	text := strconv.FormatBool(b)
	if c.legacy {
		text = "0"
		if b {
			text = "1"
		}
	}
	return fromText(c.typ, text)
}

// unquote is the JSON string that was read last, clean.
func (r *reader) unquote(raw jsontext.Value) string {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return unescape(raw)
	}
	end := r.offset()
	return r.text[end-len(raw)+1 : end-1]
}

// unescape is a JSON string with U+FFFD for what databases cannot hold: half a
// surrogate pair, and NUL.
func unescape(raw jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, raw) // the error tells of what it has replaced
	return strings.ReplaceAll(string(text), "\x00", "\uFFFD")
}

// compact is a JSON value without white space, its numbers as they were sent and
// its strings as unescape has them.
func compact(raw []byte, options ...jsontext.Options) (jsontext.Value, error) {
	options = append(options, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	text, err := jsontext.AppendFormat(nil, raw, options...)
	if err != nil {
		return nil, err
	}
	return withoutNUL(text), nil
}

func withoutNUL(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\u0000`)) {
		return text
	}
	clean := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			clean = append(clean, text[i])
		case bytes.HasPrefix(text[i:], []byte(`\u0000`)):
			clean = append(clean, "\uFFFD"...)
			i += len(`\u0000`) - 1
		default: // the escaped character may be a backslash
			clean = append(clean, text[i], text[i+1])
			i++
		}
	}
	return clean
}

// isNumber tells whether s is a number as JSON has it.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := digits(s)
	if whole == 0 || whole > 1 && s[0] == '0' {
		return false
	}
	s = s[whole:]
	if rest, ok := strings.CutPrefix(s, "."); ok {
		fraction := digits(rest)
		if fraction == 0 {
			return false
		}
		s = rest[fraction:]
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	s = s[1:]
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	return s != "" && digits(s) == len(s)
}

// digits counts those that s begins with.
func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}
