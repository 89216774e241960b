package sqlsink

import (
	"encoding/binary"
	"strconv"

	"ferryman/internal/pipeline"
)

// plan is a table joined with what the database made of it.
type plan struct {
	table   *pipeline.Table
	columns []column // Table.Columns, then Table.Stamps
	width   int      // how many of columns a source fills
	key     []int    // places in columns
	rest    []int    // places of the source's columns that are no key
	chunk   limits

	// byPrimary says that the key is the table's primary key; otherUniques that
	// there are further unique indexes; looseKey that its index takes keys for equal
	// that are not.
	byPrimary    bool
	otherUniques bool
	looseKey     bool
	plain        bool // as in description

	upserter upserter
	dry      bool // the upserter only compares; values may be unheld
}

// column is a column of a plan.
type column struct {
	existing
	quoted   string
	typ      pipeline.Type
	required bool
	key      bool
	stamp    pipeline.When // 0 for the source's columns
	layout   string        // of times
	adapts   bool          // is widened where it can be, and keeps to the letter what it holds
	widen    func(need) []string
	absent   bool // is not there, in a plan of planOf
}

// stampValues are the stamps' values for rows written in tx.
func (p *plan) stampValues(tx *transaction) []any {
	values := make([]any, 0, len(p.columns)-p.width)
	for i := p.width; i < len(p.columns); i++ {
		// A time is a value of every stamp's type.
		v, _ := p.columns[i].value(tx.now)
		values = append(values, v)
	}
	return values
}

// appendKey appends a text that differs for every key, given a row's values as
// column.value makes them.
func (p *plan) appendKey(dst []byte, row []any) []byte {
	for _, k := range p.key {
		dst = appendPart(dst, row[k], len(p.key) > 1)
	}
	return dst
}

func appendParts(dst []byte, values []any) []byte {
	for _, v := range values {
		dst = appendPart(dst, v, true)
	}
	return dst
}

func appendPart(dst []byte, v any, framed bool) []byte {
	switch v := v.(type) {
	case string:
		if framed {
			dst = binary.AppendUvarint(dst, uint64(len(v)))
		}
		return append(dst, v...)
	case int64:
		return append(strconv.AppendInt(dst, v, 10), ';')
	case bool:
		return strconv.AppendBool(dst, v)
	case float64:
		return append(strconv.AppendFloat(dst, v, 'g', -1, 64), ';')
	case []byte:
		return append(binary.AppendUvarint(append(dst, 0), uint64(len(v))), v...)
	default:
		return append(dst, 0)
	}
}

// pick is the plan's columns at the given places.
func (p *plan) pick(places []int) []*column {
	columns := make([]*column, len(places))
	for i, place := range places {
		columns[i] = &p.columns[place]
	}
	return columns
}
