package sqlsink

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
	"ferryman/internal/sink/sqlsink/tdsfake"
)

func TestTypesOfMSSQL(t *testing.T) {
	for m, want := range map[mssqlColumn]existing{
		{typ: "bigint", length: 8, precision: 19}:                    {sqlType: "bigint", kind: integerKind, scale: unbounded, bits: 64},
		{typ: "tinyint", length: 1}:                                  {sqlType: "tinyint", kind: integerKind, scale: unbounded, bits: 8, unsigned: true},
		{typ: "decimal", length: 17, precision: 38, scale: 10}:       {sqlType: "decimal(38,10)", kind: decimalKind, precision: 38, scale: 10},
		{typ: "numeric", length: 9, precision: 18}:                   {sqlType: "numeric(18,0)", kind: decimalKind, precision: 18},
		{typ: "smallmoney", length: 4, precision: 10, scale: 4}:      {sqlType: "smallmoney", kind: decimalKind, precision: 10, scale: 4},
		{typ: "real", length: 4}:                                     {sqlType: "real", kind: floatKind, scale: unbounded},
		{typ: "float", length: 8}:                                    {sqlType: "float", kind: doubleKind, scale: unbounded},
		{typ: "bit", length: 1}:                                      {sqlType: "bit", kind: booleanKind, scale: unbounded},
		{typ: "datetime2", length: 8, precision: 26, scale: 6}:       {sqlType: "datetime2(6)", kind: timeKind, scale: 6},
		{typ: "datetime", length: 8, precision: 23, scale: 3}:        {sqlType: "datetime", kind: timeKind, scale: 2},
		{typ: "smalldatetime", length: 4}:                            {sqlType: "smalldatetime", kind: timeKind},
		{typ: "datetimeoffset", length: 10, precision: 34, scale: 7}: {sqlType: "datetimeoffset(7)", kind: timeKind, scale: 7},
		{typ: "nvarchar", length: 100}:                               {sqlType: "nvarchar(50)", kind: textKind, scale: unbounded, maxUnits: 50},
		{typ: "nvarchar", length: -1}:                                {sqlType: "nvarchar(max)", kind: textKind, scale: unbounded},
		{typ: "nchar", length: 20}:                                   {sqlType: "nchar(10)", kind: textKind, scale: unbounded, maxUnits: 10, filled: true},
		{typ: "varchar", length: 50, codePage: 1252}:                 {sqlType: "varchar(50)", kind: textKind, scale: unbounded, maxBytes: 50, charset: latin1Text},
		{typ: "varchar", length: 50, codePage: 65001}:                {sqlType: "varchar(50)", kind: textKind, scale: unbounded, maxBytes: 50, charset: utf8Text},
		{typ: "varchar", length: -1, codePage: 932}:                  {sqlType: "varchar(max)", kind: textKind, scale: unbounded, charset: nationalText},
		{typ: "text", length: 16, codePage: 1252}:                    {sqlType: "text", kind: textKind, scale: unbounded, charset: latin1Text},
		{typ: "ntext", length: 16}:                                   {sqlType: "ntext", kind: textKind, scale: unbounded},
		{typ: "uniqueidentifier", length: 16}:                        {sqlType: "uniqueidentifier", scale: unbounded},
		{typ: "time", length: 5, precision: 16, scale: 7}:            {sqlType: "time(7)", scale: unbounded},
		{typ: "varbinary", length: -1}:                               {sqlType: "varbinary(max)", scale: unbounded},
	} {
		var got existing
		if m.describe(&got); got != want {
			t.Errorf("%+v: %+v", m, got)
		}
	}
	for collation, exact := range map[string]bool{
		binaryCollation: true, "Latin1_General_BIN": true, "Latin1_General_100_BIN2_UTF8": true, "SQL_Latin1_General_CP1_CI_AS": false,
		"Latin1_General_100_CS_AS_KS_WS": false,
	} {
		if mssqlComparesCodes(collation) != exact {
			t.Errorf("%s: %v", collation, !exact)
		}
	}
}

func TestMSSQLDescribes(t *testing.T) {
	f := fakeMSSQL(t)
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		text, number, bit := tdsfake.NVarChar(128), tdsfake.Int(), tdsfake.Bit()
		var reply tdsfake.Reply
		switch r.Text {
		case mssqlColumns:
			for _, typ := range []tdsfake.Type{text, text, number, number, number, text, number, bit, bit, bit} {
				reply.Columns = append(reply.Columns, tdsfake.Column{Type: typ})
			}
			n := int64(0)
			reply.Rows = [][]any{ // name, type, length, precision, scale, collation, code page, nullable, filled, view
				{"id", "bigint", int64(8), int64(19), n, nil, nil, false, true, false}, // an identity
				{"a", "nvarchar", int64(100), n, n, "Latin1_General_CI_AS", int64(1252), false, false, false},
				{"b", "uniqueidentifier", int64(16), n, n, nil, nil, true, false, false},
				{"c", "timestamp", int64(8), n, n, nil, nil, false, false, false},
			}
		case mssqlIndexes:
			reply.Columns = []tdsfake.Column{{Type: number}, {Type: bit}, {Type: bit}, {Type: text}}
			reply.Rows = [][]any{
				{int64(1), true, true, "id"}, {int64(3), false, false, "b"}, {int64(3), false, false, "id"}, {int64(5), true, false, "a"}, {int64(5), true, false, "b"},
			}
		default:
			return reply, false
		}
		return reply, true
	}
	db := connect(t, f.url())
	have, err := (&mssql{}).describe(t.Context(), db, "it]s")
	if err != nil {
		t.Fatal(err)
	}
	want := &description{
		columns: []existing{
			{name: "id", sqlType: "bigint", kind: integerKind, scale: unbounded, bits: 64, notNull: true, referring: "bigint"},
			{name: "a", sqlType: "nvarchar(50)", kind: textKind, scale: unbounded, maxUnits: 50, mandatory: true, notNull: true, inexact: true, padded: true,
				collation: "Latin1_General_CI_AS", referring: "nvarchar(50) COLLATE Latin1_General_CI_AS"},
			{name: "b", sqlType: "uniqueidentifier", scale: unbounded, referring: "uniqueidentifier", reading: "CONVERT(nvarchar(max), [b])"},
			{name: "c", sqlType: "timestamp", scale: unbounded, notNull: true, referring: "timestamp", reading: "CONVERT(nvarchar(max), [c])"},
		},
		uniques: []unique{{columns: []string{"id"}, primary: true}, {columns: []string{"a", "b"}, inexact: true}},
		indexes: [][]string{{"id"}, {"b", "id"}, {"a", "b"}},
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("%+v", have)
	}
	checkTSQL(t, f.Requests())
	if got := f.Requests()[1].Params[0].Value; got != "[it]]s]" {
		t.Errorf("asked for %v", got)
	}

	f.script = nil
	if have, err := (&mssql{}).describe(t.Context(), db, "absent"); have != nil || err != nil {
		t.Errorf("%+v, %v", have, err)
	}
}

func TestWideningOfMSSQL(t *testing.T) {
	d := &mssql{}
	const collated = "SQL_Latin1_General_CP1_CI_AS"
	nvarchar := func(units int) existing {
		e := existing{kind: textKind, sqlType: "nvarchar(max)", maxUnits: units, collation: collated}
		if units > 0 {
			e.sqlType = fmt.Sprintf("nvarchar(%d)", units)
		}
		return e
	}
	text := func(units int) need { return need{typ: pipeline.Text, units: units, bytes: units} }
	number := func(whole, fraction int) need {
		return need{typ: pipeline.Decimal, whole: whole, fraction: fraction, units: whole + fraction + 1}
	}
	bounded := func(n need) need { n.bounded = true; return n }
	for name, test := range map[string]struct {
		existing existing
		need     need
		want     []string
	}{
		"a letter to a word":    {nvarchar(1), text(40), []string{"nvarchar(255) COLLATE " + collated + " NULL"}},
		"to a sentence":         {nvarchar(50), text(300), []string{"nvarchar(4000) COLLATE " + collated + " NULL"}},
		"to a book":             {nvarchar(255), text(4001), []string{"nvarchar(max) COLLATE " + collated + " NULL"}},
		"a book":                {nvarchar(0), text(4001), nil},
		"indexed":               {nvarchar(50), bounded(text(51)), []string{"nvarchar(255) COLLATE " + collated + " NULL"}},
		"indexed and long":      {nvarchar(255), bounded(text(450)), []string{"nvarchar(450) COLLATE " + collated + " NULL"}},
		"indexed and too long":  {nvarchar(255), bounded(text(451)), nil},
		"indexed number":        {existing{kind: integerKind, sqlType: "int"}, bounded(number(12, 0)), nil},
		"code page":             {existing{kind: textKind, sqlType: "varchar(50)", maxBytes: 50, collation: collated}, text(3), []string{"nvarchar(255) COLLATE " + collated + " NULL"}},
		"old text":              {existing{kind: textKind, sqlType: "text", collation: collated, notNull: true}, text(3), []string{"nvarchar(max) COLLATE " + collated + " NOT NULL"}},
		"bigger integer":        {existing{kind: integerKind, sqlType: "int", notNull: true}, number(12, 0), []string{"bigint NOT NULL"}},
		"huge integer":          {existing{kind: integerKind, sqlType: "bigint"}, number(25, 0), []string{"decimal(38,0) NULL"}},
		"fraction":              {existing{kind: integerKind, sqlType: "bigint"}, number(1, 2), []string{"decimal(38,2) NULL"}},
		"longer fraction":       {existing{kind: decimalKind, sqlType: "decimal(38,2)", precision: 21, scale: 2}, number(1, 5), []string{"decimal(38,5) NULL"}},
		"too many digits":       {existing{kind: decimalKind, sqlType: "decimal(38,10)", precision: 38, scale: 10}, number(1, 20), []string{"nvarchar(255) NULL"}},
		"a word among numbers":  {existing{kind: decimalKind, sqlType: "numeric(18,0)", precision: 18}, text(300), []string{"nvarchar(4000) NULL"}},
		"a word among booleans": {existing{kind: booleanKind, sqlType: "bit"}, text(3), []string{"nvarchar(255) NULL", "UPDATE"}},
		"a word among times":    {existing{kind: timeKind, sqlType: "datetime2(6)", scale: 6}, text(3), nil},
		"a word among floats":   {existing{kind: doubleKind, sqlType: "float"}, text(3), nil},
	} {
		test.existing.name = "c]"
		got := d.widen("t", test.existing, test.need)
		if len(got) != len(test.want) {
			t.Errorf("%s: %v", name, got)
			continue
		}
		for i, statement := range got {
			checkStatements(t, statement, 1)
			if i == 0 && statement != "ALTER TABLE [t] ALTER COLUMN [c]]] "+test.want[0] || i > 0 && !strings.HasPrefix(statement, test.want[i]) {
				t.Errorf("%s: %s", name, statement)
			}
		}
	}
}

// The driver gets values of the types that it sends as they are.
func TestTypedValuesOfMSSQL(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
	for _, test := range []struct {
		e        existing
		in, want any // nil is a refusal
	}{
		{existing{kind: integerKind, bits: 64}, int64(-5), int64(-5)}, {existing{kind: integerKind, bits: 64}, "12", int64(12)}, {existing{kind: integerKind, bits: 64}, true, int64(1)},
		{existing{kind: integerKind, bits: 16}, int64(40000), nil}, {existing{kind: integerKind, bits: 8, unsigned: true}, int64(-1), nil},
		{existing{kind: integerKind, bits: 64}, "99999999999999999999", nil},
		{existing{kind: decimalKind, precision: 5, scale: 2}, "1e2", "100"}, {existing{kind: decimalKind, precision: 5, scale: 2}, "-0.50", "-0.5"},
		{existing{kind: decimalKind, precision: 5, scale: 2}, int64(7), "7"}, {existing{kind: decimalKind, precision: 5, scale: 2}, "0", "0"},
		{existing{kind: decimalKind, precision: 5, scale: 2}, "1000", nil}, {existing{kind: decimalKind, precision: 5, scale: 2}, "0.001", nil},
		{existing{kind: doubleKind}, "1.5", 1.5}, {existing{kind: doubleKind}, int64(2), 2.0}, {existing{kind: doubleKind}, "x", nil},
		{existing{kind: booleanKind}, true, true}, {existing{kind: booleanKind}, "0", false}, {existing{kind: booleanKind}, "perhaps", nil},
		{existing{kind: timeKind}, "2024-05-06T07:08:09.123456", at}, {existing{kind: timeKind}, "2024-05-06T09:08:09.123456+02:00", at}, {existing{kind: timeKind}, "noon", nil},
		{existing{kind: textKind}, "x", "x"}, {existing{kind: textKind}, int64(5), "5"}, {existing{}, true, "true"},
	} {
		s := mssqlStaged{column: &column{existing: test.e}}
		got, err := s.typed(test.in)
		if (err == nil) != (test.want != nil) || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v: %v is %v, %v; want %v", test.e, test.in, got, err, test.want)
		}
	}
	if got, err := (&mssqlStaged{column: &column{}}).typed(nil); got != nil || err != nil {
		t.Errorf("NULL is %v, %v", got, err)
	}
}

// A number loses nothing when its exponent goes.
func TestPlainNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,10})(\.[0-9]{1,10})?([eE][+-]?[0-9])?`).Draw(t, "number")
		n, ok := parseNumber(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		plain := n.plain()
		back, ok := parseNumber(plain)
		if !ok || strings.ContainsAny(plain, "eE") || back != n && n.digits != "" {
			t.Fatalf("%s became %s: %+v, %+v", text, plain, n, back)
		}
	})
}

func TestKeysWithTrailingBlanks(t *testing.T) {
	c := column{existing: existing{name: "id", kind: textKind, padded: true}, typ: pipeline.Text, key: true}
	if _, err := c.value("a "); err == nil || !strings.Contains(err.Error(), "blank") {
		t.Errorf("%v", err)
	}
	for _, key := range []string{" a", "a b", "a\t", ""} {
		if _, err := c.value(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	c.key = false
	if v, err := c.value("a "); v != "a " || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestUnitsOfUTF16(t *testing.T) {
	c := column{existing: existing{kind: textKind, maxUnits: 4, sqlType: "nvarchar(4)"}, typ: pipeline.Text}
	for text, fits := range map[string]bool{"abcd": true, "😀😀": true, "é全é全": true, "abcde": false, "😀😀a": false} {
		if _, err := c.value(text); (err == nil) != fits {
			t.Errorf("%s: %v", text, err)
		}
	}
}
