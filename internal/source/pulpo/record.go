package pulpo

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// record reads JSON objects into rows of one table. Members that the table does
// not have are skipped; of a member that comes twice the last counts.
type record struct {
	table *pipeline.Table
	found []found // a column: what is wrong with its value
}

func newRecord(t *pipeline.Table) *record {
	return &record{table: t, found: make([]found, len(t.Columns))}
}

// found is what stands in an answer where something else is expected; "" is
// nothing wrong.
type found string

const (
	foundNothing found = "nothing"
	foundNull    found = "null"
)

// read reads the object that d stands before. The row is there also when one of
// its columns is wrong, or when there is no object; wrong tells of the first.
func (r *record) read(d *jsontext.Decoder) (row []any, wrong *trouble, err error) {
	row = make([]any, len(r.table.Columns))
	if wrong, err = expect(d, '{'); wrong != nil || err != nil {
		return row, wrong, err
	}
	for i, c := range r.table.Columns {
		r.found[i] = ""
		if c.Required {
			r.found[i] = foundNothing
		}
	}
	err = members(d, func(name string) error {
		i := r.table.Index(name)
		if i < 0 {
			return d.SkipValue()
		}
		var err error
		row[i], r.found[i], err = value(d, r.table.Columns[i])
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i, f := range r.found {
		if f != "" {
			c := r.table.Columns[i]
			return row, &trouble{field: c.Name, expected: typeName(c.Type), found: f}, nil
		}
	}
	return row, nil, nil
}

// members calls each for every member of the object that d stands before; each
// has to read the member's value.
func members(d *jsontext.Decoder, each func(name string) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if name.Kind() == '}' {
			return nil
		}
		if err := each(name.String()); err != nil {
			return err
		}
	}
}

// value reads the value of a column. An integer is one as it is written: 1.0 and
// 1e3 are none, nor is what 64 bits cannot hold.
func value(d *jsontext.Decoder, c pipeline.Column) (any, found, error) {
	kind, err := peek(d)
	if err != nil {
		return nil, "", err
	}
	switch {
	case kind == 'n':
		if c.Required {
			return nil, foundNull, d.SkipValue()
		}
		return nil, "", d.SkipValue()
	case kind == '"' && c.Type == pipeline.Text:
		t, err := d.ReadToken()
		if err != nil {
			return nil, "", err
		}
		return t.String(), "", nil
	case kind == '0' && c.Type == pipeline.Integer:
		t, err := d.ReadToken()
		if err != nil {
			return nil, "", err
		}
		n, bad := strconv.ParseInt(t.String(), 10, 64)
		switch {
		case errors.Is(bad, strconv.ErrRange):
			return nil, "a number beyond 64 bits", nil
		case bad != nil:
			return nil, "a number with a fraction or an exponent", nil //nolint:nilerr // the fault is the record's: reading goes on
		}
		return n, "", nil
	default:
		return nil, kindName(kind), d.SkipValue()
	}
}

// expect tells whether d stands before a value of the kind.
func expect(d *jsontext.Decoder, kind jsontext.Kind) (*trouble, error) {
	next, err := peek(d)
	if err != nil || next == kind {
		return nil, err
	}
	return &trouble{expected: string(kindName(kind)), found: kindName(next)}, nil
}

// peek is the kind of the next value; the error tells why there is none.
func peek(d *jsontext.Decoder) (jsontext.Kind, error) {
	switch kind := d.PeekKind(); kind {
	case 'n', 't', 'f', '"', '0', '{', '[':
		return kind, nil
	default:
		if _, err := d.ReadToken(); err != nil {
			return 0, err
		}
		return 0, errors.New("no value where one is expected")
	}
}

func kindName(k jsontext.Kind) found {
	switch k {
	case 'n':
		return foundNull
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	default:
		return "an array"
	}
}

func typeName(t pipeline.Type) string {
	if t == pipeline.Integer {
		return "an integer"
	}
	return "a string"
}

// trouble is a value that is not what it should be. It never holds the value.
type trouble struct {
	field    string // "" for the record itself
	expected string // such as "a string"
	found    found
}

// fault tells the trouble of the named record.
func (t *trouble) fault(record string) error {
	f := &fault.Error{
		Kind: fault.Invalid,
		Code: "wrong_type",
		Hint: "correct it in the warehouse API, or ask its operator what has changed",
	}
	if t.field != "" {
		record += ", field " + t.field
	}
	if t.found == foundNothing || t.found == foundNull && t.field != "" {
		f.Code = "missing_field"
	}
	f.Detail = fmt.Sprintf("%s: expected %s, found %s", record, t.expected, t.found)
	return f
}
