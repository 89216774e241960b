package dialfire

import (
	"slices"

	"ferryman/internal/pipeline"
)

// layoutOptions say what tables look like and what goes into them.
type layoutOptions struct {
	prefix       string
	fields       []Field
	maxFields    int // of custom fields; 0 is all
	filter       Filter
	emptyAsNull  bool // empty text is NULL
	legacyValues bool // booleans in columns of text are 1 and 0
}

// layout turns answers into rows of its tables. It is safe for concurrent use.
type layout struct {
	contacts, transactions, connections, recordings, calls *pipeline.Table

	custom    []Field // those that have a column
	maxFields int
	filter    Filter

	emptyAsNull bool
	shapes      shapes
}

func newLayout(o layoutOptions) *layout {
	custom := customFields(o.fields, o.maxFields)
	l := &layout{
		contacts:     contactsTable(o.prefix, custom),
		transactions: transactionsTable(o.prefix),
		connections:  connectionsTable(o.prefix),
		recordings:   recordingsTable(o.prefix),
		calls:        callsTable(o.prefix),
		custom:       custom,
		maxFields:    o.maxFields,
		filter:       o.filter,
		emptyAsNull:  o.emptyAsNull,
	}
	l.shapes = newShapes(l, o.legacyValues)
	return l
}

// equal tells whether the same fields would make the same layout.
func (l *layout) equal(fields []Field) bool {
	return slices.Equal(l.custom, customFields(fields, l.maxFields))
}

// tables are all of the layout's, parents first.
func (l *layout) tables() []*pipeline.Table {
	return []*pipeline.Table{l.contacts, l.transactions, l.connections, l.recordings, l.calls}
}

// customFields are the first of the fields that get a column: not those whose name
// a column of every campaign has, or the list of what happened to the contact.
func customFields(fields []Field, most int) []Field {
	taken := map[string]bool{changed: true, taskLog: true}
	for _, c := range contactsTable("", nil).Columns {
		taken[c.Name] = true
	}
	var custom []Field
	for _, f := range fields {
		if most > 0 && len(custom) == most {
			break
		}
		if !taken[f.Name] {
			taken[f.Name] = true
			custom = append(custom, f)
		}
	}
	return custom
}
