package sqlsink

import (
	"strings"
	"testing"

	"ferryman/internal/pipeline"
)

// What is widened, and to what.
func TestWhatIsWidened(t *testing.T) {
	maria := &mysql{collation: "utf8mb4_nopad_bin"}
	text := func(units int) need { return need{typ: pipeline.Text, bytes: units, units: units} }
	number := func(s string) need { return numberNeed(s) }
	general := func(sqlType string) existing {
		e := mysqlType(sqlType)
		e.name, e.collation, e.charset = "c", "utf16_general_ci", utf16Text
		return e
	}
	plain := func(sqlType string) existing {
		e := mysqlType(sqlType)
		e.name = "c"
		return e
	}
	pg := func(typname, category string, modifier int, referring string) existing {
		e := existing{name: "c", referring: referring}
		e.postgresType(typname, category, modifier)
		return e
	}
	keyed := func(n need) need { n.bounded, n.keyed = true, true; return n }
	indexed := func(n need) need { n.bounded = true; return n }
	foreign := func(n need) need { n.foreign = true; return n }
	flags := func(n need) need { n.flags = true; return n }
	const bytewise = " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
	for _, test := range []struct {
		d    dialect
		have existing
		need need
		want string // of the statements, after the column's name
	}{
		{maria, general("varchar(50)"), text(51), "longtext COLLATE utf16_general_ci NULL"},
		{maria, general("char(2)"), text(3), "longtext COLLATE utf16_general_ci NULL"},
		{maria, general("char(20)"), indexed(text(3)), "varchar(20) COLLATE utf16_general_ci NULL"},
		{maria, general("text"), text(70_000), "longtext COLLATE utf16_general_ci NULL"},
		{maria, general("varchar(50)"), keyed(text(51)), "varchar(100) COLLATE utf16_general_ci NULL"},
		{maria, general("varchar(50)"), indexed(text(500)), "varchar(768) COLLATE utf16_general_ci NULL"},
		{maria, general("varchar(50)"), keyed(text(769)), ""},
		{maria, general("varchar(50)"), foreign(text(5)), "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL"},
		{maria, general("varchar(50)"), indexed(foreign(text(5))), "varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL"},
		{maria, plain("varchar(50)"), foreign(text(5)), "longtext" + bytewise + " NULL"},
		{maria, general("varchar(50)"), keyed(foreign(text(5))), ""},
		{maria, plain("int(11)"), number("2147483648"), "bigint NULL"},
		{maria, plain("int(10) unsigned"), number("-1"), "bigint NULL"},
		{maria, plain("bigint(20)"), number("9223372036854775808"), "decimal(65,6) NULL"},
		{maria, plain("tinyint(4)"), number("0.0000001"), "decimal(65,15) NULL"},
		{maria, plain("decimal(10,0)"), number("3092.44"), "decimal(65,6) NULL"},
		{maria, plain("decimal(60,5)"), number("0.0000001"), "longtext" + bytewise + " NULL; UPDATE `t` SET `c` = TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM `c`)) WHERE `c` LIKE '%.%0'"},
		{maria, plain("decimal(65,6)"), number("1e-30"), "longtext" + bytewise + " NULL; UPDATE `t` SET `c` = TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM `c`)) WHERE `c` LIKE '%.%0'"},
		{maria, plain("decimal(10,0)"), text(4), "longtext" + bytewise + " NULL"},
		{maria, plain("decimal(10,0)"), indexed(text(4)), "varchar(80)" + bytewise + " NULL"},
		{maria, plain("decimal(10,0)"), indexed(text(769)), ""},
		{maria, plain("tinyint(1)"), text(4), "longtext" + bytewise + " NULL"},
		{maria, plain("tinyint(1)"), flags(text(4)), "longtext" + bytewise + " NULL; UPDATE `t` SET `c` = IF(`c` = '0', 'false', 'true') WHERE `c` IN ('0', '1')"},
		{maria, plain("bit(8)"), text(4), "bigint unsigned NULL; ALTER TABLE `t` MODIFY COLUMN `c` longtext" + bytewise + " NULL"},
		{maria, plain("double"), number("0.1234567890123456789"), "longtext" + bytewise + " NULL"},
		{maria, plain("float"), number("0.1"), ""},
		{maria, plain("datetime"), text(4), ""},
		{&postgres{}, pg("varchar", "S", 54, `character varying(50) COLLATE pg_catalog."C"`), text(51), `text COLLATE pg_catalog."C" USING "c"`},
		{&postgres{}, pg("varchar", "S", 54, `character varying(50) COLLATE pg_catalog."C"`), keyed(text(51)), `text COLLATE pg_catalog."C" USING "c"`},
		{&postgres{}, pg("int2", "N", -1, ""), number("32768"), `numeric USING "c"::text::numeric`},
		{&postgres{}, pg("numeric", "N", (5<<16|2)+4, ""), number("0.001"), `numeric USING "c"::text::numeric`},
		{&postgres{}, pg("numeric", "N", -1, ""), number("1e200000"), `text USING "c"::text`},
		{&postgres{}, pg("float8", "N", -1, ""), number("0.1234567890123456789"), `numeric USING "c"::text::numeric`},
		{&postgres{}, pg("bool", "B", -1, ""), text(5), `text USING "c"::text`},
		{&postgres{}, pg("numeric", "N", -1, ""), text(5), `text USING "c"::text`},
		{&postgres{}, pg("json", "U", -1, ""), text(5), ""},
		{&sqliteDB{}, existing{name: "c", kind: integerKind, flexible: true}, text(5), ""},
	} {
		statements := strings.Join(test.d.widen("t", test.have, test.need), "; ")
		_, got, _ := strings.Cut(statements, test.d.quote("c")+" ")
		if got = strings.TrimPrefix(got, "TYPE "); got != test.want {
			t.Errorf("%s for %+v:\n     %s\nwant %s", test.have.sqlType+test.have.referring, test.need, got, test.want)
		}
	}
	mandatory := plain("int(11)")
	mandatory.notNull = true
	if got := maria.widen("t", mandatory, number("2147483648"))[0]; !strings.HasSuffix(got, "bigint NOT NULL") {
		t.Errorf("NOT NULL is lost: %s", got)
	}
}

func TestCharsets(t *testing.T) {
	for _, test := range []struct {
		set   charset
		text  string
		bytes int
		holds bool
	}{
		{utf8Text, "aé€😀", 10, true}, {utf8mb3Text, "aé€", 6, true}, {utf8mb3Text, "😀", 4, false},
		{utf16Text, "aé€😀", 10, true}, {ucs2Text, "aé€", 6, true}, {ucs2Text, "😀", 2, false}, {utf32Text, "a😀", 8, true},
		{latin1Text, "aé€ÿ", 4, true}, {latin1Text, "ł", 1, false}, {latin1Text, "\u0081", 1, false},
		{nationalText, "ab", 2, true}, {nationalText, "é", 1, false},
	} {
		if n, holds := test.set.measure(test.text); n != test.bytes || holds != test.holds {
			t.Errorf("%q in %d: %d bytes, %v", test.text, test.set, n, holds)
		}
	}
}
