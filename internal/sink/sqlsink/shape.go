package sqlsink

import (
	"slices"
	"strings"

	"ferryman/internal/pipeline"
)

// shape is a table with the names that its columns have in the database.
type shape struct {
	*pipeline.Table
	adapts bool
	names  []string // of Columns, then of Stamps
}

// shape names a table's columns, given the table as it stands or nil.
func (s *Sink) shape(t *pipeline.Table, have *description) shape {
	sh := shape{Table: t, adapts: s.adapts(t)}
	if sh.adapts {
		sh.names = columnNames(s.dialect.traits(), t, have)
		return sh
	}
	for i := range len(t.Columns) + len(t.Stamps) {
		sh.names = append(sh.names, nameOf(t, i))
	}
	return sh
}

// rename is the names that columns have in the database.
func (sh shape) rename(columns []string) []string {
	renamed := make([]string, len(columns))
	for i, c := range columns {
		renamed[i] = sh.names[sh.Index(c)]
	}
	return renamed
}

// need is what a new column has to hold.
func (sh shape) need(i int) need {
	if i >= len(sh.Columns) {
		return need{typ: sh.Stamps[i-len(sh.Columns)].Type, small: sh.adapts}
	}
	c := sh.Columns[i]
	return need{
		typ:   c.Type,
		small: sh.adapts && (c.Short || c.Type == pipeline.Decimal),
		bounded: slices.Contains(sh.Key, c.Name) ||
			slices.ContainsFunc(sh.References, func(r pipeline.Reference) bool { return r.Column == c.Name }) ||
			slices.ContainsFunc(sh.Indexes, func(columns []string) bool { return slices.Contains(columns, c.Name) }),
	}
}

func (d *description) column(name string, folded bool) *existing {
	for i := range d.columns {
		if d.columns[i].name == name {
			return &d.columns[i]
		}
	}
	for i := range d.columns {
		if folded && strings.EqualFold(d.columns[i].name, name) {
			return &d.columns[i]
		}
	}
	return nil
}

// addIndex adds an index that has no columns as yet.
func (d *description) addIndex(isUnique, primary bool) {
	d.indexes = append(d.indexes, nil)
	if isUnique {
		d.uniques = append(d.uniques, unique{primary: primary})
	}
}

// addIndexed adds a column to the last index.
func (d *description) addIndexed(column string, isUnique, inexact bool) {
	index := &d.indexes[len(d.indexes)-1]
	*index = append(*index, column)
	if isUnique {
		u := &d.uniques[len(d.uniques)-1]
		u.columns = append(u.columns, column)
		u.inexact = u.inexact || inexact
	}
}

// indexed tells whether a column is part of an index.
func (d *description) indexed(column string) bool {
	in := func(columns []string) bool { return slices.Contains(columns, column) }
	return slices.ContainsFunc(d.indexes, in) || d.keyed(column)
}

// keyed tells whether a column is part of a unique index.
func (d *description) keyed(column string) bool {
	return slices.ContainsFunc(d.uniques, func(u unique) bool { return slices.Contains(u.columns, column) })
}
