package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Import fills an empty store, whose schema is this binary's, with what Export wrote.
// It is one transaction, which ends well only if the file is whole and its sum right:
// whatever cuts it off, the store is as empty as before. The store is refused as
// db.DB.Load does, and the file with export_damaged, export_form or export_schema.
func Import(ctx context.Context, d *db.DB, r io.Reader, progress Progress) (Summary, error) {
	shape, err := db.NewShape(ctx)
	if err != nil {
		return Summary{}, err
	}
	from, err := newReader(r)
	if err != nil {
		return Summary{}, err
	}
	h, err := readHeader(from, shape.Version)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Schema: h.Schema, Dialect: h.Dialect, Store: h.Store, MadeAt: h.MadeAt, Tables: map[string]int64{}}
	err = d.Load(ctx, shape, func(l *db.Load) error {
		for len(s.Tables) < len(shape.Tables) {
			table, n, err := importTable(ctx, l, from, shape, progress)
			if err != nil {
				return err
			}
			if _, twice := s.Tables[table]; twice {
				return damaged("%s comes twice", table)
			}
			s.Tables[table] = n
			s.Rows += n
		}
		s.Replaced = l.Replaced()
		return readError(from.end(s.Rows))
	})
	return s, err
}

// readHeader reads the first line. Other forms have other lines: it is not strict.
func readHeader(from *reader, schema int) (h header, err error) {
	line, err := from.counted()
	if err != nil {
		return h, readError(err)
	}
	if err := json.Unmarshal(line, &h); err != nil || h.Format == 0 {
		return h, damaged("it does not begin as an export does: %v", err)
	}
	if h.Format != format {
		return h, &fault.Error{
			Kind: fault.Unconfigured, Code: "export_form",
			Detail: fmt.Sprintf("the export has the form %d, and this ferryman reads %d", h.Format, format),
			Hint:   "import it with the ferryman that made it: " + h.MadeBy,
		}
	}
	if h.Schema != schema {
		return h, &fault.Error{
			Kind: fault.Unconfigured, Code: "export_schema",
			Detail: fmt.Sprintf("the export has schema version %d, and this ferryman %d", h.Schema, schema),
			Hint:   "import it with the ferryman that made it, " + h.MadeBy + ", or make another export with this one",
		}
	}
	return h, nil
}

// importTable reads one table into the store, and gives its name and its rows.
func importTable(ctx context.Context, l *db.Load, from *reader, shape db.Shape, progress Progress) (name string, n int64, err error) {
	var head tableHead
	if err := from.json(&head); err != nil {
		return "", 0, readError(err)
	}
	table, err := tableOf(head, shape)
	if err != nil {
		return "", 0, err
	}
	rows := newRowDecoder(head.Columns)
	var end tableEnd
	var read int64
	ended := false
	n, err = l.Table(ctx, table, func() ([]any, error) {
		if ended {
			return nil, io.EOF
		}
		line, err := from.counted()
		if err != nil {
			return nil, readError(err)
		}
		if line[0] == '{' {
			if err := from.strictly(line, &end); err != nil {
				return nil, readError(err)
			}
			ended = true
			return nil, io.EOF
		}
		row, err := rows.decode(line)
		if err != nil {
			return nil, damaged("line %d: %w", from.n, err)
		}
		read++
		progress.at(table.Name, read)
		return row, nil
	})
	if err != nil {
		return "", n, fmt.Errorf("import %s: %w", table.Name, err)
	}
	if end.Table != table.Name || end.Rows != n {
		return "", n, damaged("%s should have %d rows, and has %d", end.Table, end.Rows, n)
	}
	if table.IDs {
		err = l.LastID(ctx, table, head.LastID)
	}
	return table.Name, n, err
}

// tableOf finds the table of a head, with its columns in the order of the file's.
func tableOf(head tableHead, shape db.Shape) (db.Table, error) {
	i := slices.IndexFunc(shape.Tables, func(t db.Table) bool { return t.Name == head.Table })
	if i < 0 {
		return db.Table{}, damaged("there is no table %q", head.Table)
	}
	table := shape.Tables[i]
	ours := table.Columns
	table.Columns = nil
	for _, c := range head.Columns {
		if !slices.Contains(ours, db.Column(c)) || slices.Contains(table.Columns, db.Column(c)) {
			return table, damaged("%s has no column %q of the kind %q", head.Table, c.Name, c.Kind)
		}
		table.Columns = append(table.Columns, db.Column(c))
	}
	if len(table.Columns) != len(ours) {
		return table, damaged("%s has %d columns, and should have %d", head.Table, len(table.Columns), len(ours))
	}
	return table, nil
}
