package sqlsink

import (
	"regexp"
	"strings"
)

// mysqlTyped is a type as SHOW CREATE TABLE has it, up to the clauses that follow.
var mysqlTyped = regexp.MustCompile(`^\w+(\([^)]*\))?( unsigned| zerofill| CHARACTER SET \w+| COLLATE \w+)*`)

// mysqlClauses is what follows the type in a column's definition, such as
// " NOT NULL DEFAULT 'x' COMMENT '…'".
func mysqlClauses(definition string) string {
	return definition[len(mysqlTyped.FindString(definition)):]
}

// mysqlDefault is a default that is a literal, behind whatever precedes it.
var mysqlDefault = regexp.MustCompile(`^((?: NOT NULL| NULL)? DEFAULT )('(?:[^'\\]|''|\\.)*'|b'[01]*'|[-+.0-9eE]+)`)

// clausesFor are a column's clauses, fit for another type of it. Where it is one of
// flags, 1 and 0 become words in a text.
func (d *mysql) clausesFor(e existing, columnType string, flags bool) string {
	clauses := e.clauses
	if clauses == "" {
		clauses = " NULL"
		if e.notNull {
			clauses = " NOT NULL"
		}
	}
	text := strings.HasPrefix(columnType, "longtext")
	parts := mysqlDefault.FindStringSubmatch(clauses)
	if parts == nil {
		return clauses
	}
	before, literal, after := parts[1], parts[2], clauses[len(parts[0]):]
	if flags && e.isMySQLBoolean() && (text || strings.HasPrefix(columnType, "varchar")) {
		literal = map[bool]string{true: "'true'", false: "'false'"}[strings.Contains(literal, "1")]
	}
	switch {
	case !text || d.mariaDB.Load():
	case d.rowAlias: // as MySQL has defaults of long texts
		literal = "(" + literal + ")"
	default: // there are none
		return strings.TrimSuffix(before, " DEFAULT ") + after
	}
	return before + literal + after
}

// isMySQLBoolean tells whether the type is how MySQL has booleans, though it may hold
// numbers.
func (e *existing) isMySQLBoolean() bool { return e.sqlType == "tinyint(1)" || e.sqlType == "bit(1)" }

// sameCollation is what compares as a collation does, for text in utf8mb4, as far as
// all servers have it.
func (d *mysql) sameCollation(collation string) string {
	_, rules, _ := strings.Cut(collation, "_")
	switch {
	case rules == "general_ci" || rules == "unicode_ci":
		return "utf8mb4_" + rules
	case strings.HasSuffix(rules, "_ci"):
		return "utf8mb4_unicode_ci"
	}
	return d.collation
}
