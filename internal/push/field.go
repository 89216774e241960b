package push

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxUserID is how long a user's id may be, in characters.
const maxUserID = 200

// checked makes a message of the values of an item, or tells all that is wrong
// with them.
func checked(values *[len(fieldNames)]given) (m Message, wrong faults) {
	var texts []string
	m.UserID, texts = values[userID].text(maxUserID)
	wrong.add("user_id", texts...)
	m.Messenger, texts = values[messengerID].messenger()
	wrong.add("messenger_id", texts...)
	longest := 0 // of a messenger that nobody knows: none
	if texts == nil {
		longest = m.Messenger.Longest()
	}
	m.Text, texts = values[textField].text(longest)
	wrong.add("text", texts...)
	m.StartAt, texts = values[startAt].time()
	wrong.add("start_at", texts...)
	bad := len(texts) > 0
	m.ExpiresAt, texts = values[expiresAt].time()
	if !bad && m.StartAt != nil && m.ExpiresAt != nil && !m.ExpiresAt.After(*m.StartAt) {
		texts = []string{notAfter}
	}
	wrong.add("expires_at", texts...)
	if wrong != nil {
		return Message{}, wrong
	}
	return m, nil
}

// given is a value as it stands in the body; one that is missing has no kind.
type given struct {
	kind jsontext.Kind // 0, n, t, f, ", 0, { or [
	raw  []byte
}

// typeName is what Python calls the value's type: clients know these names.
func (g given) typeName() string {
	switch g.kind {
	case '{':
		return "dict"
	case '[':
		return "list"
	case '"':
		return "str"
	case 't', 'f':
		return "bool"
	}
	if isFloat(g.raw) {
		return "float"
	}
	return "int"
}

// unquoted is what a string says, and the first half of a surrogate pair that
// stands alone in it, or 0. Such halves are read as U+FFFD.
func (g given) unquoted() (s string, half rune) {
	inner := g.raw[1 : len(g.raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), 0
	}
	text, err := jsontext.AppendUnquote(nil, g.raw)
	if err != nil { // the body is UTF-8: there is such a half
		half = firstHalf(inner)
	}
	return string(text), half
}

// firstHalf finds half a surrogate pair that stands alone among the escapes of a
// string, or 0.
func firstHalf(s []byte) rune {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		i++
		if s[i] != 'u' {
			continue
		}
		one := hex4(s[i+1:])
		i += 4
		if one < 0xD800 || one > 0xDFFF {
			continue
		}
		rest := s[i+1:]
		if one >= 0xDC00 || len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
			return one
		}
		if low := hex4(rest[2:]); low < 0xDC00 || low > 0xDFFF {
			return one
		}
		i += 6
	}
	return 0
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		r <<= 4
		switch {
		case c <= '9':
			r |= rune(c - '0')
		default:
			r |= rune(c|0x20-'a') + 10
		}
	}
	return r
}

// text is a string without white space around it, or a number as its digits.
func (g given) text(longest int) (s string, wrong []string) {
	var half rune
	switch g.kind {
	case 0:
		return "", []string{isRequired}
	case 'n':
		return "", []string{isNull}
	case '"':
		s, half = g.unquoted()
	case '0':
		var finite bool
		if s, finite = numberText(g.raw); !finite {
			return "", []string{notString}
		}
	default:
		return "", []string{notString}
	}
	s = strings.TrimFunc(s, isSpace)
	if s == "" {
		return "", []string{isBlank}
	}
	if longest > 0 && len(s) > longest && utf8.RuneCountInString(s) > longest {
		wrong = append(wrong, tooLong(longest))
	}
	if strings.IndexByte(s, 0) >= 0 {
		wrong = append(wrong, hasNUL)
	}
	if half != 0 {
		wrong = append(wrong, fmt.Sprintf("%s%X.", hasSurrogate, half))
	}
	return s, wrong
}

// isSpace tells white space as Python's str.strip knows it: with the separators
// of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// messenger is a messenger by its number, or by that in a string.
func (g given) messenger() (Messenger, []string) {
	switch g.kind {
	case 0:
		return 0, []string{isRequired}
	case 'n':
		return 0, []string{isNull}
	}
	text := g.quoted()
	for m := Viber; m <= WhatsApp; m++ {
		if (g.kind == '"' || g.kind == '0') && text == string(rune('0'+m)) {
			return m, nil
		}
	}
	return 0, []string{`"` + text + `" is not a valid choice.`}
}

// time is a time, or nil for one that is missing or null.
func (g given) time() (*time.Time, []string) {
	switch g.kind {
	case 0, 'n':
		return nil, nil
	case '"':
	default:
		return nil, []string{wrongFormat}
	}
	text, _ := g.unquoted()
	t, wrong := parseTime(text)
	if wrong != "" {
		return nil, []string{wrong}
	}
	return &t, nil
}
