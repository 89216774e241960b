package sqlsink

import (
	"fmt"
	"strings"

	"ferryman/internal/pipeline"
)

// What numeric without limits has room for, in digits.
const (
	postgresWhole    = 131072
	postgresFraction = 16383
)

func (d *postgres) columnType(n need) string {
	switch n.typ {
	case pipeline.Integer:
		return "bigint"
	case pipeline.Decimal:
		return "numeric"
	case pipeline.Boolean:
		return "boolean"
	case pipeline.Time:
		return "timestamptz"
	default:
		if n.bounded {
			return `text COLLATE "C"`
		}
		return "text"
	}
}

// widen rewrites a table only where one type becomes another: text without a limit
// is kept like text with one.
func (d *postgres) widen(table string, e existing, n need) []string {
	to, from := "text", d.quote(e.name)
	switch e.kind {
	case textKind:
		if e.collation != "" {
			to += " COLLATE " + e.collation
		}
	case integerKind, decimalKind, floatKind, doubleKind:
		from += "::text" // whose digits are all of a floating-point number, too
		if n.typ == pipeline.Decimal && n.whole <= postgresWhole && n.fraction <= postgresFraction {
			to = "numeric"
			from += "::numeric"
		}
	case booleanKind:
		from += "::text"
	default:
		return nil
	}
	return []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s", d.quote(table), d.quote(e.name), to, from)}
}

// postgresType reads a column's type; its modifier holds length or scale.
func (e *existing) postgresType(typname, category string, modifier int) {
	e.scale = unbounded
	switch typname {
	case "int2", "int4", "int8":
		e.kind, e.bits = integerKind, 8*int(typname[3]-'0')
	case "bool":
		e.kind = booleanKind
	case "numeric":
		e.kind, e.precision, e.scale = decimalKind, postgresWhole+postgresFraction, postgresFraction
		if modifier >= 4 {
			// The scale is a signed number of 11 bits.
			e.precision, e.scale = (modifier-4)>>16, ((modifier-4)&0x7ff^1024)-1024
		}
	case "float4":
		e.kind = floatKind
	case "float8":
		e.kind = doubleKind
	case "timestamp", "timestamptz":
		e.kind = timeKind
		if modifier >= 0 {
			e.scale = modifier
		}
	case "varchar", "bpchar":
		e.kind, e.maxLength = textKind, max(modifier-4, 0)
	case "name":
		e.kind, e.maxBytes = textKind, 63
	case "char":
		e.kind, e.maxBytes = textKind, 1
	default:
		if category == "S" {
			e.kind = textKind
		}
	}
	if _, collation, ok := strings.Cut(e.referring, " COLLATE "); ok && e.kind == textKind {
		e.collation = collation
	}
}
