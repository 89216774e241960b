package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// List is up to limit rows of a table with a single-column key, in the order of
// the key, from the first one after the given key, or from the beginning if that
// is nil. Rows hold the values of Columns, then of Stamps, in the Go types of
// pipeline.Type. A table or column that does not exist yet is empty.
func (s *Sink) List(ctx context.Context, t *pipeline.Table, after any, limit int) ([][]any, error) {
	return s.read(ctx, t, after, ">", limit)
}

// Get is the row with the given key of a table with a single-column key; see
// List. A row that is not there is a fault of kind NotFound.
func (s *Sink) Get(ctx context.Context, t *pipeline.Table, key any) ([]any, error) {
	if key == nil {
		return nil, notFound(t, key)
	}
	rows, err := s.read(ctx, t, key, "=", 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, notFound(t, key)
	}
	return rows[0], nil
}

func notFound(t *pipeline.Table, key any) error {
	return &fault.Error{Kind: fault.NotFound, Detail: fmt.Sprintf("table %q has no row with the key %.100s", t.Name, fmt.Sprint(key))}
}

// look runs f, which reads from a table and changes nothing, again where that helps.
func (s *Sink) look(ctx context.Context, table string, f func() error) error {
	for attempt, since := 1, time.Now(); ; attempt++ {
		err := f()
		if err == nil || !s.again(ctx, err, attempt, since) {
			return s.explain(ctx, "read", table, err)
		}
	}
}

func (s *Sink) read(ctx context.Context, t *pipeline.Table, key any, operator string, limit int) (rows [][]any, err error) {
	err = s.look(ctx, t.Name, func() error {
		rows, err = s.readOnce(ctx, t, key, operator, limit)
		return err
	})
	return rows, err
}

func (s *Sink) readOnce(ctx context.Context, t *pipeline.Table, key any, operator string, limit int) ([][]any, error) {
	v, err := s.view(ctx, t)
	if err != nil || v == nil || limit <= 0 {
		return nil, err
	}
	query, types := s.selection(v.have, t)
	var args []any
	if key != nil {
		value, err := v.key.value(key)
		if err != nil {
			return nil, &fault.Error{Kind: fault.Invalid, Detail: fmt.Sprintf("a key of table %q", t.Name), Err: err}
		}
		query += fmt.Sprintf(" WHERE %s %s %s", v.key.quoted, operator, s.dialect.placeholder(1))
		args = append(args, value)
	}
	query += " ORDER BY " + v.key.quoted + s.dialect.limit(limit)
	return s.query(ctx, s.db, query, args, types)
}

// view is a table with a single-column key as it stands.
type view struct {
	have *description
	key  column
}

// view looks at a table; nil is one that does not exist yet.
func (s *Sink) view(ctx context.Context, t *pipeline.Table) (*view, error) {
	return s.viewBy(t, func() (*description, error) { return s.dialect.describe(ctx, s.db, t.Name) })
}

func (s *Sink) viewBy(t *pipeline.Table, describe func() (*description, error)) (*view, error) {
	if len(t.Key) != 1 || t.Index(t.Key[0]) < 0 {
		return nil, badTable(t, "has no single-column key to be read by", "")
	}
	have, err := describe()
	if err != nil || have == nil {
		return nil, err
	}
	sh, k := s.shape(t, have), t.Index(t.Key[0])
	e := have.column(sh.names[k], s.dialect.traits().foldsNames)
	if e == nil {
		return nil, schemaFault(t, fmt.Sprintf("has no column %q, which is its key", t.Key[0]), "")
	}
	return &view{have: have, key: column{
		existing: *e, typ: t.Columns[k].Type, adapts: sh.adapts,
		quoted: s.dialect.quote(e.name), layout: s.dialect.traits().timeLayout,
	}}, nil
}

// selection is the SELECT of a table's columns and their types; those that are
// not there yet are NULL.
func (s *Sink) selection(have *description, t *pipeline.Table) (string, []pipeline.Type) {
	var columns []string
	var types []pipeline.Type
	for i, name := range s.shape(t, have).names {
		columns = append(columns, s.reading(have, name))
		if i < len(t.Columns) {
			types = append(types, t.Columns[i].Type)
		} else {
			types = append(types, t.Stamps[i-len(t.Columns)].Type)
		}
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + s.dialect.quote(t.Name), types
}

// reading is what is selected for a column.
func (s *Sink) reading(have *description, name string) string {
	e := have.column(name, s.dialect.traits().foldsNames)
	switch {
	case e == nil:
		return "NULL"
	case e.reading != "":
		return e.reading
	default:
		return s.dialect.quote(e.name)
	}
}

// beginner is a *sql.DB or *sql.Conn.
type beginner interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// beginReading begins a transaction that is to be rolled back, with the settings
// under which lists are looked up by index.
func (s *Sink) beginReading(ctx context.Context, b beginner) (*sql.Tx, error) {
	tr := s.dialect.traits()
	tx, err := b.BeginTx(ctx, &sql.TxOptions{ReadOnly: !tr.noReadOnly})
	if err != nil || tr.begin == "" {
		return tx, err
	}
	if _, err := tx.ExecContext(ctx, tr.begin); err != nil {
		_ = tx.Rollback() // the reason is err
		return nil, err
	}
	return tx, nil
}

func (s *Sink) query(ctx context.Context, q querier, query string, args []any, types []pipeline.Type) ([][]any, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var result [][]any
	for rows.Next() {
		row, pointers := scanTarget(len(types))
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		for i, t := range types {
			if row[i], err = decode(t, row[i]); err != nil {
				return nil, err
			}
		}
		result = append(result, row)
	}
	return result, rows.Err()
}

// found tells whether a query has a row.
func found(ctx context.Context, q querier, query string, args ...any) (bool, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	return rows.Next(), rows.Err()
}

// single reads the row of a query that has at most one, and tells whether it has. It
// looks for the end: of an answer that is closed before it, SQL Server's driver
// cancels the rest, and the server the transaction with it.
func single(ctx context.Context, q querier, query string, args []any, pointers ...any) (bool, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return false, err
		}
		found = true
	}
	return found, rows.Err()
}

// scanTarget is room for a row of n values of any type.
func scanTarget(n int) (values, pointers []any) {
	values, pointers = make([]any, n), make([]any, n)
	for i := range values {
		pointers[i] = &values[i]
	}
	return values, pointers
}

// timeLayouts are the forms in which databases return times as text.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02"}

// decode turns what a driver returns into the Go type of t.
func decode(t pipeline.Type, v any) (any, error) {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	if v == nil {
		return nil, nil
	}
	switch t {
	case pipeline.Integer:
		switch x := v.(type) {
		case int64:
			return x, nil
		case bool:
			if x {
				return int64(1), nil
			}
			return int64(0), nil
		default:
			return strconv.ParseInt(integerText(fmt.Sprint(x)), 10, 64)
		}
	case pipeline.Decimal:
		if x, ok := v.(float64); ok {
			return strconv.FormatFloat(x, 'g', -1, 64), nil
		}
		return shortest(fmt.Sprint(v)), nil
	case pipeline.Boolean:
		switch x := v.(type) {
		case bool:
			return x, nil
		case int64:
			return x != 0, nil
		default:
			return strconv.ParseBool(fmt.Sprint(x))
		}
	case pipeline.Time:
		if x, ok := v.(time.Time); ok {
			return x.UTC(), nil
		}
		text := fmt.Sprint(v)
		for _, layout := range timeLayouts {
			if x, err := time.Parse(layout, text); err == nil {
				return x.UTC(), nil
			}
		}
		return nil, fmt.Errorf("%q is not a time", text)
	default:
		if x, ok := v.(time.Time); ok {
			return x.UTC().Format(textTime), nil
		}
		return fmt.Sprint(v), nil
	}
}

// integerText is a whole number from a column of decimals.
func integerText(s string) string {
	if n, ok := parseNumber(s); ok {
		if plain, whole := n.integral(); whole {
			return plain
		}
	}
	return s
}

// shortest drops the zeros that columns of a fixed scale add.
func shortest(s string) string {
	if strings.Contains(s, ".") && !strings.ContainsAny(s, "eE") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
