package dialfire

import (
	"slices"
	"strings"
)

// Field is a field of a campaign that its owner made.
type Field struct {
	Name   string
	Number bool // its values are numbers, as far as the campaign keeps to that
}

// decodeFields reads the answer of fields/list: the fields that are in use, in
// order. Of fields with the same name the first counts; what has no name is none.
func decodeFields(data []byte) ([]Field, error) {
	const kind, fieldType, name, deleted = 0, 1, 2, 3
	var (
		fields []Field
		shape  = newShape(slices.Concat(text("type", "fieldType", "name"), boolean("deleted"))).identifier("name")
		seen   = map[string]bool{}
	)
	err := read(data, func(r *reader) error {
		if err := r.expect('[', "fields/list"); err != nil {
			return err
		}
		return r.array(func() error {
			if r.d.PeekKind() != '{' {
				return r.d.SkipValue()
			}
			row := shape.newRow(r)
			if err := r.row(shape, row, nil); err != nil {
				return err
			}
			called, _ := row[name].(string)
			if row[kind] != "field" || row[deleted] == true || called == "" || seen[called] {
				return nil
			}
			seen[called] = true
			// A field is kept for as long as the campaign is synchronised, the answer is not.
			fields = append(fields, Field{Name: strings.Clone(called), Number: row[fieldType] == "number"})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return fields, nil
}
