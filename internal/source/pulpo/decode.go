package pulpo

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// maxWarehouses bounds the rows of one batch: a thousand times what a user has.
const maxWarehouses = 100_000

// decodeUser reads the answer of users/me into a row of users.
func decodeUser(d *jsontext.Decoder, users *pipeline.Table) ([]any, error) {
	row, wrong, err := newRecord(users).read(d)
	switch {
	case err != nil:
		return nil, err
	case wrong != nil && row[0] != nil:
		return nil, wrong.fault(fmt.Sprintf("user %d", row[0]))
	case wrong != nil:
		return nil, wrong.fault("the user")
	}
	return row, nil
}

// decodeWarehouses reads the answer of users/{id}/warehouses into rows of
// warehouses. Of warehouses with the same id the last counts.
func decodeWarehouses(d *jsontext.Decoder, user int64, warehouses *pipeline.Table) ([][]any, error) {
	who := fmt.Sprintf("user %d", user)
	if wrong, err := expect(d, '{'); err != nil {
		return nil, err
	} else if wrong != nil {
		return nil, wrong.fault(who)
	}
	var (
		rows    [][]any
		id      any
		idFound = foundNothing
		listed  bool
	)
	err := members(d, func(name string) (err error) {
		switch name {
		case "id":
			id, idFound, err = value(d, pipeline.Column{Name: "id", Type: pipeline.Integer, Required: true})
			return err
		case "warehouses":
			listed = true
			rows, err = decodeList(d, who, warehouses)
			return err
		default:
			return d.SkipValue()
		}
	})
	switch {
	case err != nil:
		return nil, err
	case idFound != "":
		return nil, (&trouble{field: "id", expected: "an integer", found: idFound}).fault(who)
	case id != user:
		return nil, &fault.Error{
			Kind:   fault.Invalid,
			Code:   "user_mismatch",
			Detail: fmt.Sprintf("the warehouses of %s were asked for and those of user %d came", who, id),
			Hint:   "ask the operator of the warehouse API: its two answers contradict each other",
		}
	case !listed:
		return nil, (&trouble{field: "warehouses", expected: "an array", found: foundNothing}).fault(who)
	}
	return rows, nil
}

func decodeList(d *jsontext.Decoder, who string, warehouses *pipeline.Table) ([][]any, error) {
	wrong, err := expect(d, '[')
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		wrong.field = "warehouses"
		return nil, wrong.fault(who)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var (
		rows   [][]any
		place  = map[int64]int{} // in rows, of the warehouse with this id
		record = newRecord(warehouses)
	)
	for i := 0; d.PeekKind() != ']'; i++ {
		if i == maxWarehouses {
			return nil, &fault.Error{
				Kind:   fault.TooLarge,
				Code:   "answer_too_large",
				Detail: fmt.Sprintf("%s has more than %d warehouses", who, maxWarehouses),
				Hint:   "ask the operator of the warehouse API whether this is right",
			}
		}
		row, wrong, err := record.read(d)
		switch {
		case err != nil:
			return nil, err
		case wrong != nil && row[0] != nil:
			return nil, wrong.fault(fmt.Sprintf("%s, warehouse %d", who, row[0]))
		case wrong != nil:
			return nil, wrong.fault(fmt.Sprintf("%s, warehouse at index %d", who, i))
		}
		id := row[0].(int64)
		if at, ok := place[id]; ok {
			rows[at] = row
			continue
		}
		place[id] = len(rows)
		rows = append(rows, row)
	}
	_, err = d.ReadToken()
	return rows, err
}
