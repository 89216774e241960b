package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"ferryman/internal/pipeline"
)

func (d *mysql) describe(ctx context.Context, q querier, table string) (*description, error) {
	rows, err := q.QueryContext(ctx, "SHOW FULL COLUMNS FROM "+d.quote(table))
	if err != nil {
		var e *mysqldriver.MySQLError
		if errors.As(err, &e) && e.Number == 1146 {
			return nil, nil
		}
		return nil, err
	}
	defer rows.Close()
	var have description
	for rows.Next() {
		var name, sqlType, null, key, extra, privileges, comment string
		var collation, fallback sql.NullString
		if err := rows.Scan(&name, &sqlType, &collation, &null, &key, &fallback, &extra, &privileges, &comment); err != nil {
			return nil, err
		}
		c := mysqlType(sqlType)
		c.name, c.notNull = name, null == "NO"
		c.mandatory = c.notNull && !fallback.Valid && !strings.Contains(strings.ToLower(extra), "auto_increment") &&
			!strings.Contains(strings.ToUpper(extra), "GENERATED")
		c.referring = c.sqlType
		if collation.Valid {
			c.collation, c.charset, c.inexact = collation.String, mysqlCharset(collation.String), !comparesBytes(collation.String)
			c.referring += " COLLATE " + collation.String
		}
		if strings.HasPrefix(c.sqlType, "bit") {
			c.reading = d.quote(c.name) + " + 0" // else it comes as bytes
		}
		have.columns = append(have.columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := d.describeIndexes(ctx, q, table, &have); err != nil {
		return nil, err
	}
	if len(have.uniques) == 0 {
		have.view, err = found(ctx, q, `SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ? AND table_type LIKE '%VIEW'`, table)
	}
	if err != nil || have.view {
		return &have, err
	}
	return &have, d.describeClauses(ctx, q, table, &have)
}

// describeClauses learns what else is said of the columns: defaults, comments and
// the like. MODIFY takes away what it does not repeat.
func (d *mysql) describeClauses(ctx context.Context, q querier, table string, have *description) error {
	var name, definition string
	if _, err := single(ctx, q, "SHOW CREATE TABLE "+d.quote(table), nil, &name, &definition); err != nil {
		return err
	}
	have.plain = mysqlPlainTable(definition)
	for i := range have.columns {
		c := &have.columns[i]
		_, rest, ok := strings.Cut(definition, "\n  "+d.quote(c.name)+" ")
		if ok {
			rest, _, _ = strings.Cut(rest, "\n") // texts have it escaped
			c.clauses = mysqlClauses(strings.TrimSuffix(rest, ","))
		}
		have.plain = have.plain && ok && mysqlPlain.MatchString(c.clauses)
	}
	return nil
}

func comparesBytes(collation string) bool {
	return collation == "binary" || collation == "utf8mb4_0900_bin" || strings.HasSuffix(collation, "_nopad_bin")
}

// mysqlIndexed is a column of an index, as SHOW INDEX has it.
type mysqlIndexed struct {
	index, column, method string
	unique, prefix        bool
}

func (d *mysql) describeIndexes(ctx context.Context, q querier, table string, have *description) error {
	rows, err := q.QueryContext(ctx, "SHOW INDEX FROM "+d.quote(table))
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	last := ""
	for rows.Next() {
		values, pointers := scanTarget(len(names)) // servers differ in how many there are
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		c := indexedColumn(names, values)
		if c.method != "BTREE" && c.method != "HASH" { // of words, or of places on a map
			continue
		}
		if c.index != last {
			last = c.index
			have.addIndex(c.unique, c.index == "PRIMARY")
		}
		have.addIndexed(c.column, c.unique, false)
		if c.unique && c.prefix {
			u := have.uniques[len(have.uniques)-1]
			u.columns[len(u.columns)-1] += " (prefix)" // matches no column
		}
	}
	return rows.Err()
}

func indexedColumn(names []string, values []any) mysqlIndexed {
	var c mysqlIndexed
	for i, name := range names {
		decoded, _ := decode(pipeline.Text, values[i])
		text, _ := decoded.(string)
		switch name {
		case "Key_name":
			c.index = text
		case "Column_name":
			c.column = text
		case "Index_type":
			c.method = text
		case "Non_unique":
			c.unique = text == "0"
		case "Sub_part":
			c.prefix = values[i] != nil
		}
	}
	return c
}
