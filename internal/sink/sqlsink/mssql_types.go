package sqlsink

import (
	"fmt"
	"strings"

	"ferryman/internal/pipeline"
)

const (
	smallText   = 255  // of columns that begin small, and of keys
	longestKey  = 450  // what an index takes of nvarchar, in 900 bytes
	longestText = 4000 // what nvarchar takes with a length
	mostDigits  = 38   // of decimal
)

func (d *mssql) columnType(n need) string {
	switch n.typ {
	case pipeline.Integer:
		return "bigint"
	case pipeline.Decimal:
		if n.small {
			return "bigint"
		}
		return "decimal(38,18)"
	case pipeline.Boolean:
		return "bit"
	case pipeline.Time:
		return "datetime2(6)"
	default:
		switch {
		case n.bounded:
			return fmt.Sprintf("nvarchar(%d) COLLATE %s", smallText, binaryCollation)
		case n.small:
			return fmt.Sprintf("nvarchar(%d)", smallText)
		}
		return "nvarchar(max)"
	}
}

// widen says NULL or NOT NULL, and the collation: the server would else choose for
// itself. It refuses where the column is part of a primary key.
func (d *mssql) widen(table string, e existing, n need) []string {
	wider := mssqlWider(e, n)
	if wider == "" || wider == e.sqlType || n.bounded && !strings.HasPrefix(e.sqlType, "nvarchar(") {
		return nil // of a column that is indexed, only the length may change
	}
	if strings.HasPrefix(wider, "nvarchar") && e.collation != "" {
		wider += " COLLATE " + e.collation
	}
	null := "NULL"
	if e.notNull {
		null = "NOT NULL"
	}
	name := d.quote(e.name)
	statements := []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s %s %s", d.quote(table), name, wider, null)}
	if e.kind == booleanKind { // 1 and 0 by now
		statements = append(statements, fmt.Sprintf("UPDATE %s SET %s = CASE %s WHEN N'1' THEN N'true' ELSE N'false' END WHERE %s IS NOT NULL",
			d.quote(table), name, name, name))
	}
	return statements
}

// mssqlWider is the type that a column needs; "" if there is none that keeps what
// it holds.
func mssqlWider(e existing, n need) string {
	switch e.kind {
	case integerKind, decimalKind:
		if n.typ == pipeline.Decimal {
			if wider := widerNumber(e, n); wider != "" {
				return wider
			}
		}
		return widerText(e, n)
	case booleanKind, textKind:
		return widerText(e, n)
	}
	return "" // a text of it would not be what it was
}

func widerNumber(e existing, n need) string {
	whole, fraction := 19, 0 // of bigint
	if e.kind == decimalKind {
		whole, fraction = e.precision-e.scale, e.scale
	}
	if e.kind == integerKind && n.fraction == 0 && n.whole < whole && e.sqlType != "bigint" {
		return "bigint"
	}
	whole, fraction = max(whole, n.whole), max(fraction, n.fraction)
	if whole+fraction > mostDigits {
		return ""
	}
	return fmt.Sprintf("decimal(%d,%d)", mostDigits, fraction)
}

func widerText(e existing, n need) string {
	const digits = 41 // of the longest decimal, with sign and point
	units := max(n.units, e.maxUnits, e.maxBytes)
	if e.kind != textKind {
		units = max(units, digits)
	}
	unlimited := e.kind == textKind && e.maxUnits == 0 && e.maxBytes == 0
	switch {
	case n.bounded && (unlimited || units > longestKey):
		return ""
	case n.bounded && units > smallText:
		return fmt.Sprintf("nvarchar(%d)", longestKey)
	case unlimited || units > longestText:
		return "nvarchar(max)"
	case units > smallText:
		return fmt.Sprintf("nvarchar(%d)", longestText)
	}
	return fmt.Sprintf("nvarchar(%d)", smallText)
}
