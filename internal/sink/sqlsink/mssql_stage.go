package sqlsink

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	mssqldriver "github.com/microsoft/go-mssqldb"
)

// mssqlStaged is a column in the temporary table: of the type that it has in the
// target, or of one that any value can be copied into, for the server to convert.
type mssqlStaged struct {
	*column
	stage string // type
	cast  string // the target's type; "" needs no conversion
}

func stageFor(c *column) mssqlStaged {
	s := mssqlStaged{column: c, stage: c.sqlType}
	unlimited := func(cast string) { s.stage, s.cast = "nvarchar(max)", cast }
	name, _, _ := strings.Cut(c.sqlType, "(")
	switch name {
	case "money", "smallmoney":
		s.stage, s.cast = "decimal(19,4)", c.sqlType
	case "datetime", "smalldatetime":
		s.stage, s.cast = "datetime2(7)", c.sqlType
	case "nvarchar":
	case "nchar":
		s.stage, s.cast = strings.Replace(c.sqlType, "nchar", "nvarchar", 1), c.sqlType
	case "varchar", "char": // the driver would send UTF-8, whatever the code page
		unlimited(c.sqlType)
	case "text":
		unlimited("varchar(max)")
	case "ntext":
		unlimited("")
	default:
		if c.kind == otherKind {
			unlimited(c.sqlType)
		}
	}
	if c.kind == textKind && c.collation != "" { // that of tempdb else
		s.stage += " COLLATE " + c.collation
	}
	return s
}

// converted is a value of the temporary table as the target takes it.
func (s *mssqlStaged) converted(value string) string {
	if s.cast == "" {
		return value
	}
	return fmt.Sprintf("CAST(%s AS %s)", value, s.cast)
}

// comparable is a value as it is told from others: to the byte, whatever the
// collation takes for equal.
func (s *mssqlStaged) comparable(value string) string {
	switch {
	case s.sqlType == "text":
		return fmt.Sprintf("CAST(CAST(%s AS varchar(max)) AS varbinary(max))", value)
	case s.sqlType == "ntext":
		return fmt.Sprintf("CAST(CAST(%s AS nvarchar(max)) AS varbinary(max))", value)
	case s.kind == textKind && s.maxUnits == 0 && s.maxBytes == 0:
		return fmt.Sprintf("CAST(%s AS varbinary(max))", value)
	case s.kind == textKind: // cheaper where it will do
		return fmt.Sprintf("CAST(%s AS varbinary(8000))", value)
	case s.kind == otherKind: // some know no equality
		return fmt.Sprintf("CONVERT(nvarchar(max), %s)", value)
	}
	return value
}

// lossy is the condition that the conversion fails, which would end the
// transaction, or changes the value without a word.
func (s *mssqlStaged) lossy(value string) string {
	switch {
	case s.cast == "":
		return ""
	case s.kind == textKind:
		back := fmt.Sprintf("CAST(%s AS nvarchar(max))", s.converted(value))
		if s.filled {
			back, value = "RTRIM("+back+")", "RTRIM("+value+")"
		}
		return fmt.Sprintf("CAST(%s AS varbinary(max)) <> CAST(%s AS varbinary(max))", back, value)
	}
	return fmt.Sprintf("(%s IS NOT NULL AND TRY_%s IS NULL)", value, s.converted(value))
}

// typed turns what column.value made into the type that the driver sends for the
// column. It would cut and wrap numbers that do not fit.
func (s *mssqlStaged) typed(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	text := appendText(nil, v)
	switch s.kind {
	case integerKind:
		if b, ok := v.(bool); ok {
			v = int64(0)
			if b {
				v = int64(1)
			}
			return v, nil
		}
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || !fitsBits(string(text), s.bits, s.unsigned) {
			return nil, s.misfit(text)
		}
		return n, nil
	case decimalKind:
		n, ok := parseNumber(string(text))
		if !ok || -n.exponent > s.scale || n.digits != "" && len(n.digits)+n.exponent > s.precision-s.scale {
			return nil, s.misfit(text)
		}
		return n.plain(), nil
	case floatKind, doubleKind:
		f, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return nil, s.misfit(text)
		}
		return f, nil
	case booleanKind:
		b, err := strconv.ParseBool(string(text))
		if err != nil {
			return nil, s.misfit(text)
		}
		return b, nil
	case timeKind:
		for _, layout := range timeLayouts {
			if t, err := time.Parse(layout, string(text)); err == nil {
				return t.UTC(), nil // the driver sends the clock on the wall
			}
		}
		return nil, s.misfit(text)
	}
	return string(text), nil
}

func (s *mssqlStaged) misfit(text []byte) error {
	return s.refuse("%.40s does not fit the type %s", text, s.sqlType)
}

// plain is the number without an exponent.
func (n number) plain() string {
	digits, point := n.digits, len(n.digits)+n.exponent
	if point <= 0 {
		digits, point = strings.Repeat("0", 1-point)+digits, 1
	}
	text := digits + strings.Repeat("0", max(0, n.exponent))
	if point < len(text) {
		text = text[:point] + "." + text[point:]
	}
	if n.negative {
		text = "-" + text
	}
	return text
}

// copyIn fills the temporary table. A copy that failed may leave the connection in
// the middle of it, where whatever is asked next would wait for ever.
func (u *mssqlUpserter) copyIn(ctx context.Context, tx *transaction) error {
	var failed error
	err := tx.conn.Raw(func(conn any) error {
		failed = u.send(ctx, conn.(*mssqldriver.Conn))
		return nil // of a broken connection, this would wait for the transaction to end
	})
	if err != nil {
		return err
	}
	tx.broken = tx.broken || failed != nil
	return failed
}

func (u *mssqlUpserter) send(ctx context.Context, conn *mssqldriver.Conn) error {
	bulk := conn.CreateBulkContext(ctx, mssqlStage, u.names)
	rows := int64(0)
	for from := 0; from < len(u.values); from += len(u.names) {
		if rows%64 == 0 && ctx.Err() != nil { // the driver asks only when it is done
			return ctx.Err()
		}
		if err := bulk.AddRow(u.values[from : from+len(u.names)]); err != nil {
			return err
		}
		rows++
	}
	n, err := bulk.Done()
	if err == nil && n != rows {
		err = fmt.Errorf("%d rows were copied, and %d arrived", rows, n)
	}
	return err
}
