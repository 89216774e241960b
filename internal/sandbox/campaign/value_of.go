package campaign

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// object is a JSON object that was read as far as its keys.
type object map[string]json.RawMessage

// text is the value of a key that is a text, and not an empty one.
func (o object) text(key string) (string, bool) {
	var text string
	raw := o[key]
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", false
	}
	return text, text != ""
}

// null tells whether the key is absent, or has no value.
func (o object) null(key string) bool {
	raw := o[key]
	return len(raw) == 0 || raw[0] == 'n'
}

// appendCell writes what a column of the mirror holds for a JSON value.
func appendCell(b []byte, kind columnType, raw json.RawMessage) ([]byte, error) {
	if len(raw) == 0 || raw[0] == 'n' {
		return append(b, "null"...), nil
	}
	text, err := plainText(raw)
	if err != nil {
		return b, err
	}
	switch {
	case kind == numbers && raw[0] == '"' && text == "", kind == booleans && raw[0] == '"' && text == "":
		return append(b, "null"...), nil
	case kind == numbers && isJSONNumber(text):
		return append(b, text...), nil
	case kind == booleans && (text == "true" || text == "1"):
		return append(b, "true"...), nil
	case kind == booleans && (text == "false" || text == "0"):
		return append(b, "false"...), nil
	}
	return appendText(b, text), nil
}

// plainText is a value as a column of text has it.
func plainText(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text) // which makes U+FFFD of half a surrogate pair
		return strings.ReplaceAll(text, "\x00", string(utf8.RuneError)), err
	case '{', '[':
		var b bytes.Buffer
		err := json.Compact(&b, raw)
		return b.String(), err
	default:
		return string(raw), nil
	}
}

// isJSONNumber tells whether a text is a number as JSON writes it.
func isJSONNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	return json.Valid([]byte(text)) && strings.TrimSpace(text) == text
}
