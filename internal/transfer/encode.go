package transfer

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/db"
)

// maxLine bounds a row, so that what is written can be read again with bounds.
const maxLine = 256 << 20

// appendRow appends a row as a line.
func appendRow(b []byte, table db.Table, row []any) ([]byte, error) {
	begun := len(b)
	b = append(b, '[')
	for i, v := range row {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, table.Columns[i].Kind, v); err != nil {
			return b, fmt.Errorf("%s.%s: %w", table.Name, table.Columns[i].Name, err)
		}
	}
	b = append(b, "]\n"...)
	if len(b)-begun > maxLine {
		return b, fmt.Errorf("a row of %s has more than %d bytes", table.Name, maxLine)
	}
	return b, nil
}

// appendValue appends a value as the database's driver gives it.
func appendValue(b []byte, kind db.Kind, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		if kind == db.Int {
			return strconv.AppendInt(b, v, 10), nil
		}
		if kind == db.Bool && (v == 0 || v == 1) {
			return strconv.AppendBool(b, v == 1), nil
		}
	case bool:
		if kind == db.Bool {
			return strconv.AppendBool(b, v), nil
		}
	case string:
		if kind == db.Text {
			return appendText(b, v)
		}
	case []byte:
		if kind == db.Bytes {
			b = append(b, '"')
			b = base64.StdEncoding.AppendEncode(b, v)
			return append(b, '"'), nil
		}
	}
	return b, fmt.Errorf("it holds %T and not %s", v, kind)
}

func appendText(b []byte, text string) ([]byte, error) {
	if utf8.ValidString(text) {
		return jsontext.AppendQuote(b, text)
	}
	b = append(b, `{"base64":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(text))
	return append(b, `"}`...), nil
}
