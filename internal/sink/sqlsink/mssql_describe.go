package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Names of own types stand for the types below them.
const mssqlColumns = `SELECT c.name, LOWER(COALESCE(TYPE_NAME(c.system_type_id), TYPE_NAME(c.user_type_id), '')), CAST(c.max_length AS int), CAST(c.precision AS int), CAST(c.scale AS int),
	c.collation_name, CAST(COLLATIONPROPERTY(c.collation_name, 'CodePage') AS int), c.is_nullable, CAST(CASE WHEN c.default_object_id <> 0 OR c.is_identity = 1 OR c.is_computed = 1 THEN 1 ELSE 0 END AS bit),
	CAST(CASE WHEN o.type = 'V' THEN 1 ELSE 0 END AS bit)
FROM sys.columns AS c INNER JOIN sys.objects AS o ON o.object_id = c.object_id
WHERE c.object_id = OBJECT_ID(@p1) AND o.type IN ('U', 'V') ORDER BY c.column_id`

// Columns that an index merely carries have no place in its key.
const mssqlIndexes = `SELECT i.index_id, i.is_unique, i.is_primary_key, c.name
FROM sys.indexes AS i INNER JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id
	INNER JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
WHERE i.object_id = OBJECT_ID(@p1) AND i.has_filter = 0 AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND k.key_ordinal > 0
ORDER BY i.index_id, k.key_ordinal`

func (d *mssql) describe(ctx context.Context, q querier, table string) (*description, error) {
	rows, err := q.QueryContext(ctx, mssqlColumns, d.quote(table))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var have description
	for rows.Next() {
		var c existing
		var m mssqlColumn
		var collation sql.NullString
		var codePage sql.NullInt64
		var nullable, filled bool
		if err := rows.Scan(&c.name, &m.typ, &m.length, &m.precision, &m.scale, &collation, &codePage, &nullable, &filled, &have.view); err != nil {
			return nil, err
		}
		m.codePage = codePage.Int64
		m.describe(&c)
		c.notNull = !nullable
		c.mandatory = !nullable && !filled && m.typ != "timestamp"
		c.collation = collation.String
		c.inexact = collation.Valid && !mssqlComparesCodes(collation.String)
		c.padded = collation.Valid
		c.referring = c.sqlType
		if collation.Valid {
			c.referring += " COLLATE " + collation.String
		}
		if c.kind == otherKind { // the driver has forms of its own for these
			c.reading = fmt.Sprintf("CONVERT(nvarchar(max), %s)", d.quote(c.name))
		}
		have.columns = append(have.columns, c)
	}
	if err := rows.Err(); err != nil || len(have.columns) == 0 {
		return nil, err
	}
	return &have, d.describeIndexes(ctx, q, table, &have)
}

func (d *mssql) describeIndexes(ctx context.Context, q querier, table string, have *description) error {
	rows, err := q.QueryContext(ctx, mssqlIndexes, d.quote(table))
	if err != nil {
		return err
	}
	defer rows.Close()
	last := int64(-1)
	var isUnique bool
	for rows.Next() {
		var id int64
		var primary bool
		var name string
		if err := rows.Scan(&id, &isUnique, &primary, &name); err != nil {
			return err
		}
		if id != last {
			last = id
			have.addIndex(isUnique, primary)
		}
		c := have.column(name, false)
		have.addIndexed(name, isUnique, c != nil && c.inexact)
	}
	return rows.Err()
}

func mssqlComparesCodes(collation string) bool {
	collation = strings.TrimSuffix(strings.ToUpper(collation), "_UTF8")
	return strings.HasSuffix(collation, "_BIN2") || strings.HasSuffix(collation, "_BIN")
}

// mssqlColumn is a column's type as sys.columns has it.
type mssqlColumn struct {
	typ                      string
	length, precision, scale int // length is in bytes; -1 is unlimited
	codePage                 int64
}

func (m mssqlColumn) describe(c *existing) {
	c.sqlType, c.scale = m.typ, unbounded
	switch m.typ {
	case "tinyint", "smallint", "int", "bigint":
		c.kind, c.bits, c.unsigned = integerKind, 8*m.length, m.typ == "tinyint"
	case "decimal", "numeric":
		c.kind, c.precision, c.scale = decimalKind, m.precision, m.scale
		c.sqlType = fmt.Sprintf("%s(%d,%d)", m.typ, m.precision, m.scale)
	case "money", "smallmoney":
		c.kind, c.precision, c.scale = decimalKind, m.precision, 4
	case "real":
		c.kind = floatKind
	case "float":
		c.kind = doubleKind
	case "bit":
		c.kind = booleanKind
	case "datetime2", "datetimeoffset":
		c.kind, c.scale = timeKind, m.scale
		c.sqlType = fmt.Sprintf("%s(%d)", m.typ, m.scale)
	case "datetime":
		c.kind, c.scale = timeKind, 2 // it counts in 3 to 4 ms, which meet at each hundredth of a second
	case "smalldatetime":
		c.kind, c.scale = timeKind, 0
	case "nvarchar", "nchar":
		c.kind, c.filled = textKind, m.typ == "nchar"
		c.sqlType = m.typ + "(max)"
		if m.length >= 0 {
			c.maxUnits = m.length / 2
			c.sqlType = fmt.Sprintf("%s(%d)", m.typ, c.maxUnits)
		}
	case "varchar", "char":
		c.kind, c.filled, c.charset = textKind, m.typ == "char", m.charset()
		c.sqlType = m.typ + "(max)"
		if m.length >= 0 {
			c.maxBytes = m.length
			c.sqlType = fmt.Sprintf("%s(%d)", m.typ, m.length)
		}
	case "text":
		c.kind, c.charset = textKind, m.charset()
	case "ntext":
		c.kind = textKind
	case "time":
		c.sqlType = fmt.Sprintf("%s(%d)", m.typ, m.scale)
	case "binary", "varbinary":
		c.sqlType = m.typ + "(max)"
		if m.length >= 0 {
			c.sqlType = fmt.Sprintf("%s(%d)", m.typ, m.length)
		}
	}
}

func (m mssqlColumn) charset() charset {
	switch m.codePage {
	case 1252:
		return latin1Text
	case 65001:
		return utf8Text
	}
	return nationalText
}
