package pipeline

import (
	"fmt"
	"slices"
)

// Type is a column's type, and with it the Go type of its values. A nil value
// is NULL in every type.
type Type uint8

// The types. A sink makes the narrowest column that holds every value of the type.
const (
	Integer Type = iota + 1 // int64
	Decimal                 // string holding a JSON number, kept to the digit
	Text                    // string of any length; as part of a key bounded and compared by bytes
	Boolean                 // bool
	Time                    // time.Time, stored in UTC with microseconds
)

// Misfit is a value of another type than its column has, as text: a word in a column
// of numbers. A sink that widens makes the column one of text; any other refuses the
// row. A number or a boolean is no misfit in a column of text: it is its text.
type Misfit string

// String is the type's name, as used in messages.
func (t Type) String() string {
	switch t {
	case Integer:
		return "integer"
	case Decimal:
		return "decimal"
	case Text:
		return "text"
	case Boolean:
		return "boolean"
	case Time:
		return "time"
	default:
		return fmt.Sprintf("type %d", t)
	}
}

// Column is one column that a source fills.
type Column struct {
	Name     string
	Type     Type
	Required bool // NOT NULL in a table that the sink creates

	// Short says that few values of text have more than 255 characters: a sink that
	// widens begins with a column that is bounded, where those are of more use.
	Short bool
}

// Stamp is a column that the sink fills itself, with the time of the write.
type Stamp struct {
	Name string
	Type Type // Time, or Text for RFC 3339 in UTC
	On   When
}

// When tells which writes set a stamp.
type When uint8

// When a stamp is set. A row that is written unchanged keeps its stamps.
const (
	OnInsert When = iota + 1 // once, when the row is first seen
	OnChange                 // then, and whenever a column of the row really changes
)

// Reference ties a column to the key of another table; rows go when the row
// they refer to goes.
type Reference struct {
	Column string
	Table  string
	Key    string
}

// Table describes a target table. A sink creates it where it is missing and adds
// columns that are missing; it never drops or narrows anything.
type Table struct {
	Name       string
	Columns    []Column
	Stamps     []Stamp  // follow Columns in the table; sources do not fill them
	Key        []string // of Columns, none of them a Decimal
	References []Reference
	Indexes    [][]string // columns of further indexes, made where none begins with them
}

// Index is the place of the named column in Columns, and so of its value in a
// row; -1 if there is none.
func (t *Table) Index(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// KeyIndexes are the places of the key's columns in Columns.
func (t *Table) KeyIndexes() []int {
	idx := make([]int, len(t.Key))
	for i, k := range t.Key {
		idx[i] = t.Index(k)
	}
	return idx
}
