package transfer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/db"
)

var errNotARow = errors.New("it is no row of the table")

// rowDecoder reads the lines of one table.
type rowDecoder struct {
	kinds []db.Kind
	row   []any // used again for each
	line  bytes.Reader
	json  *jsontext.Decoder
}

func newRowDecoder(columns []column) *rowDecoder {
	d := &rowDecoder{row: make([]any, len(columns))}
	for _, c := range columns {
		d.kinds = append(d.kinds, c.Kind)
	}
	d.json = jsontext.NewDecoder(&d.line)
	return d
}

// decode gives the row of a line; it holds until the next call.
func (d *rowDecoder) decode(line []byte) ([]any, error) {
	d.line.Reset(line)
	d.json.Reset(&d.line)
	if t, err := d.json.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, errors.Join(errNotARow, err)
	}
	for i, kind := range d.kinds {
		v, err := d.value(kind)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i+1, err)
		}
		d.row[i] = v
	}
	if t, err := d.json.ReadToken(); err != nil || t.Kind() != ']' {
		return nil, errors.Join(errNotARow, err)
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errNotARow, err)
	}
	return d.row, nil
}

func (d *rowDecoder) value(kind db.Kind) (any, error) {
	t, err := d.json.ReadToken()
	if err != nil {
		return nil, err
	}
	switch got := t.Kind(); {
	case got == 'n':
		return nil, nil //nolint:nilnil // NULL is a value
	case got == '0' && kind == db.Int:
		return strconv.ParseInt(t.String(), 10, 64)
	case (got == 't' || got == 'f') && kind == db.Bool:
		return t.Bool(), nil
	case got == '"' && kind == db.Text:
		return t.String(), nil
	case got == '"' && kind == db.Bytes:
		return base64.StdEncoding.DecodeString(t.String())
	case got == '{' && kind == db.Text:
		return d.oddText()
	default:
		return nil, fmt.Errorf("it is not of the kind %s", kind)
	}
}

// oddText reads the rest of {"base64":"…"}.
func (d *rowDecoder) oddText() (string, error) {
	var parts [3]string
	for i, kind := range []jsontext.Kind{'"', '"', '}'} {
		t, err := d.json.ReadToken()
		if err != nil || t.Kind() != kind {
			return "", errors.Join(errNotARow, err)
		}
		parts[i] = t.String()
	}
	if parts[0] != "base64" {
		return "", errNotARow
	}
	text, err := base64.StdEncoding.DecodeString(parts[1])
	return string(text), err
}
