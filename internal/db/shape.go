package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/fault"
)

// Kind is what a column holds, on either database.
type Kind string

// The kinds of columns.
const (
	Int   Kind = "int" // int64
	Bool  Kind = "bool"
	Text  Kind = "text"  // string
	Bytes Kind = "bytes" // []byte
)

// Column is a column of one of the store's own tables. A row holds nil, or a value
// of its kind.
type Column struct {
	Name string
	Kind Kind
}

// Table is one of the store's own tables, alike on either database.
type Table struct {
	Name    string
	Columns []Column // without those that the database computes
	Key     []string // names of columns; empty if rows have no key
	Parents []string // the tables that rows refer to
	IDs     bool     // the database numbers the rows, by the one column of Key
	Given   int64    // rows that a new store has
}

// Shape is what the migrations of this binary make of a store.
type Shape struct {
	Version int     // of the schema
	Tables  []Table // each after those that it refers to
}

// NewShape reads the shape from what the migrations make of an empty database in
// memory: a table that a migration brings cannot be forgotten. Tables of engines
// that share the store, and of whoever else does, are not in it.
func NewShape(ctx context.Context) (Shape, error) {
	all, err := steps(migrations, SQLite)
	if err != nil {
		return Shape{}, err
	}
	model, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return Shape{}, fmt.Errorf("read the store's shape: %w", err)
	}
	defer model.Close()
	model.SetMaxOpenConns(1) // each connection would have a database of its own
	for _, m := range all {
		if _, err := model.ExecContext(ctx, m.sql); err != nil {
			return Shape{}, fmt.Errorf("read the store's shape: migration %04d: %w", m.Version, err)
		}
	}
	s := Shape{Version: all[len(all)-1].Version}
	names, err := column(ctx, model, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
	if err != nil {
		return Shape{}, fmt.Errorf("read the store's shape: %w", err)
	}
	for _, name := range names {
		t, err := readTable(ctx, model, name)
		if err != nil {
			return Shape{}, fmt.Errorf("read the shape of %s: %w", name, err)
		}
		s.Tables = append(s.Tables, t)
	}
	s.Tables, err = parentsFirst(s.Tables)
	return s, err
}

// Fits refuses a store that this binary would have to migrate first, with a fault of
// code schema_older, or whose schema it does not know, with schema_newer.
func (s Shape) Fits(ctx context.Context, tx *Tx) error {
	var at int
	err := tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM ferryman_migrations").Scan(&at)
	switch {
	case err != nil:
		return fmt.Errorf("read schema version: %w", err)
	case at > s.Version:
		return SchemaNewer("the store's schema", at, s.Version)
	case at < s.Version:
		return &fault.Error{
			Kind: fault.Conflict, Code: "schema_older",
			Detail: fmt.Sprintf("the store's schema is version %d, and this ferryman's %d", at, s.Version),
			Hint:   "run ferryman migrate first, or use the ferryman that serves it",
		}
	}
	return nil
}

func readTable(ctx context.Context, model *sql.DB, name string) (Table, error) {
	t := Table{Name: name}
	rows, err := model.QueryContext(ctx, "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid", name)
	if err != nil {
		return t, err
	}
	defer rows.Close()
	keys := map[int]string{}
	for rows.Next() {
		var c Column
		var declared string
		var pk int
		if err := rows.Scan(&c.Name, &declared, &pk); err != nil {
			return t, err
		}
		if c.Kind, err = kindOf(declared); err != nil {
			return t, err
		}
		t.Columns = append(t.Columns, c)
		if pk > 0 {
			keys[pk] = c.Name
		}
	}
	if err := rows.Err(); err != nil {
		return t, err
	}
	for i := range len(keys) {
		t.Key = append(t.Key, keys[i+1])
	}
	if t.Parents, err = column(ctx, model, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`, name); err != nil {
		return t, err
	}
	err = model.QueryRowContext(ctx, "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table' AND name = $1", name).Scan(&t.IDs)
	if err != nil {
		return t, err
	}
	err = model.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(name)).Scan(&t.Given)
	return t, err
}

func kindOf(declared string) (Kind, error) {
	switch strings.ToUpper(declared) {
	case "INTEGER", "BIGINT":
		return Int, nil
	case "BOOLEAN":
		return Bool, nil
	case "TEXT":
		return Text, nil
	case "BLOB":
		return Bytes, nil
	}
	return "", fmt.Errorf("a column of type %q is of no known kind", declared)
}

// parentsFirst sorts tables so that each comes after those that it refers to.
func parentsFirst(tables []Table) ([]Table, error) {
	var sorted []Table
	done := map[string]bool{}
	for len(sorted) < len(tables) {
		before := len(sorted)
		for _, t := range tables {
			waits := slices.ContainsFunc(t.Parents, func(parent string) bool { return parent != t.Name && !done[parent] })
			if !done[t.Name] && !waits {
				sorted, done[t.Name] = append(sorted, t), true
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("the tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

func column(ctx context.Context, from *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// quoted is a name as both databases take it.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// QuotedColumns lists the columns for a statement.
func (t Table) QuotedColumns() string {
	var all []string
	for _, c := range t.Columns {
		all = append(all, quoted(c.Name))
	}
	return strings.Join(all, ", ")
}
