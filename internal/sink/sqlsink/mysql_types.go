package sqlsink

import (
	"fmt"
	"strconv"
	"strings"

	"ferryman/internal/pipeline"
)

const (
	mysqlSmallText = 255 // characters of columns that begin small, and of keys: three of them fill an index
	mysqlLongKey   = 768 // characters of four bytes that an index has room for
	mysqlDigits    = 65  // of a decimal
)

func (d *mysql) columnType(n need) string {
	switch n.typ {
	case pipeline.Integer:
		return "bigint"
	case pipeline.Decimal:
		if n.small {
			return "bigint"
		}
		return "decimal(65,30)"
	case pipeline.Boolean:
		return "boolean"
	case pipeline.Time:
		return "datetime(6)"
	default:
		if n.bounded || n.small {
			return fmt.Sprintf("varchar(%d)", mysqlSmallText)
		}
		return "longtext"
	}
}

// widen keeps the character set of a text, with the collation that others compare
// by, unless it has to be another.
func (d *mysql) widen(table string, e existing, n need) []string {
	quoted, name := d.quote(table), d.quote(e.name)
	modify := func(columnType string) string {
		return fmt.Sprintf("ALTER TABLE %s MODIFY COLUMN %s %s%s", quoted, name, columnType, d.clausesFor(e, columnType, n.flags))
	}
	switch e.kind {
	case textKind:
		if wider := d.widerText(e, n); wider != "" {
			return []string{modify(wider)}
		}
		return nil
	case integerKind, decimalKind:
		if n.typ == pipeline.Decimal {
			if wider := mysqlWiderNumber(e, n); wider != "" {
				return []string{modify(wider)}
			}
		}
	case doubleKind:
	default:
		return nil // the text of a float has fewer digits than it
	}
	text := d.textOf(n)
	if text == "" {
		return nil
	}
	var statements []string
	if strings.HasPrefix(e.sqlType, "bit") { // the text of which is its bytes
		statements = append(statements, modify("bigint unsigned"))
	}
	statements = append(statements, modify(text))
	switch {
	case n.flags && e.isMySQLBoolean():
		statements = append(statements, fmt.Sprintf("UPDATE %s SET %s = IF(%s = '0', 'false', 'true') WHERE %s IN ('0', '1')", quoted, name, name, name))
	case e.kind == decimalKind && e.scale > 0:
		statements = append(statements, fmt.Sprintf("UPDATE %s SET %s = TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM %s)) WHERE %s LIKE '%%.%%0'", quoted, name, name, name))
	}
	return statements
}

// textOf is the type of a column that becomes one of text; "" if none is large enough.
func (d *mysql) textOf(n need) string {
	const digits = 80 // more than a decimal has, with sign and point
	set := " CHARACTER SET utf8mb4 COLLATE " + d.collation
	if !n.bounded {
		return "longtext" + set
	}
	if n.units > mysqlLongKey {
		return ""
	}
	return fmt.Sprintf("varchar(%d)", max(n.units, digits)) + set
}

func (d *mysql) widerText(e existing, n need) string {
	set := ""
	switch {
	case n.foreign && n.keyed: // another collation would change which keys are equal
		return ""
	case n.foreign:
		set = " CHARACTER SET utf8mb4 COLLATE " + d.sameCollation(e.collation)
	case e.collation != "":
		set = " COLLATE " + e.collation
	}
	if !n.bounded || e.maxLength == 0 {
		return "longtext" + set
	}
	length := e.maxLength
	if n.units > length {
		for length < n.units {
			length *= 2
		}
		length = min(length, max(mysqlLongKey, e.maxLength))
	}
	if length < n.units || length == e.maxLength && !n.foreign && !e.filled {
		return ""
	}
	return fmt.Sprintf("varchar(%d)", length) + set
}

// mysqlWiderNumber is the type of numbers that a column needs; "" if there is none.
func mysqlWiderNumber(e existing, n need) string {
	const longest = 18 // digits that bigint always has room for
	whole, fraction := e.precision-e.scale, e.scale
	if e.kind == integerKind {
		whole, fraction = len(strconv.FormatUint(1<<max(e.bits-1, 1), 10)), 0
		if n.fraction == 0 && max(n.whole, whole) <= longest {
			return "bigint"
		}
	}
	whole, fraction = max(whole, n.whole), max(fraction, n.fraction)
	for _, scale := range []int{6, 15, 30} {
		if fraction <= scale && whole <= mysqlDigits-scale {
			return fmt.Sprintf("decimal(%d,%d)", mysqlDigits, scale)
		}
	}
	return ""
}

// mysqlType reads a type as the server writes it, such as varchar(50).
func mysqlType(sqlType string) existing {
	name, rest, _ := strings.Cut(sqlType, "(")
	name, _, _ = strings.Cut(name, " ")
	inside, _, _ := strings.Cut(rest, ")")
	first, second, _ := strings.Cut(inside, ",")
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // absent is 0
		return n
	}
	e := existing{sqlType: sqlType, scale: unbounded}
	switch name {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		e.kind, e.unsigned = integerKind, strings.Contains(sqlType, "unsigned")
		e.bits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[name]
	case "bit":
		e.kind, e.unsigned, e.bits = integerKind, true, number(first)
	case "year":
		e.kind = integerKind
	case "decimal":
		e.kind, e.precision, e.scale = decimalKind, number(first), number(second)
	case "float", "double":
		e.kind = floatKind
		if name == "double" {
			e.kind = doubleKind
		}
		if second != "" {
			e.scale = number(second)
		}
	case "datetime", "timestamp":
		e.kind, e.scale = timeKind, number(first)
	case "char", "varchar":
		e.kind, e.maxLength, e.filled = textKind, number(first), name == "char"
	case "tinytext", "text", "mediumtext", "longtext":
		e.kind = textKind
		e.maxBytes = map[string]int{"tinytext": 1<<8 - 1, "text": 1<<16 - 1, "mediumtext": 1<<24 - 1}[name]
	}
	if e.kind == textKind && (e.maxLength == 0 || e.maxLength > mysqlSmallText) {
		e.prefix = "(64)" // longer than ids are
	}
	return e
}

func mysqlCharset(collation string) charset {
	name, _, _ := strings.Cut(collation, "_")
	switch name {
	case "utf8mb4", "gb18030":
		return utf8Text
	case "utf8", "utf8mb3":
		return utf8mb3Text
	case "utf16", "utf16le":
		return utf16Text
	case "ucs2":
		return ucs2Text
	case "utf32":
		return utf32Text
	case "latin1":
		return latin1Text
	default:
		return nationalText
	}
}
