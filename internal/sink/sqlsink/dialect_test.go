package sqlsink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// Every class has a meaning, and what is temporary is said to be.
func TestMeanings(t *testing.T) {
	for c := unknown; c <= full; c++ {
		m, ok := meanings[c]
		if !ok || m.code == "" {
			t.Errorf("class %d has no code", c)
		}
	}
	for c, temporary := range map[class]bool{
		unknown: true, refused: false, contended: true, busy: true, lost: true, unreachable: true, unauthorized: false,
		databaseMissing: false, forbidden: false, readOnly: false, mismatched: false, full: true,
	} {
		if got := (&fault.Error{Kind: meanings[c].kind}).Temporary(); got != temporary {
			t.Errorf("class %d is temporary: %v", c, got)
		}
	}
}

func TestDiagnosesOfPostgres(t *testing.T) {
	d := &postgres{user: "u", database: "d"}
	for state, want := range map[string]class{
		"40001": contended, "40P01": contended, "55P03": busy, "57014": busy, "53300": busy, "57P01": lost, "08006": lost, "53100": full,
		"22001": refused, "22003": refused, "22P02": refused, "23502": refused, "23503": refused, "23505": refused, "23514": refused,
		"21000": refused, "54000": refused, "P0001": refused, "42P01": mismatched, "42703": mismatched, "42804": mismatched,
		"42P07": exists, "42701": exists, "42501": forbidden, "25006": readOnly, "28P01": unauthorized, "28000": unauthorized,
		"3D000": databaseMissing, "3F000": databaseMissing, "XX000": unknown,
	} {
		if got := d.diagnose(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: state})).class; got != want {
			t.Errorf("%s is %d, want %d", state, got, want)
		}
	}
	for _, err := range []error{driver.ErrBadConn, io.ErrUnexpectedEOF, errors.New("conn closed")} {
		if got := d.diagnose(err).class; got != lost {
			t.Errorf("%v is %d", err, got)
		}
	}
	for _, err := range []error{nil, errors.New("other"), &refusal{"c", "reason"}} {
		if got := d.diagnose(err).class; got != unknown {
			t.Errorf("%v is %d", err, got)
		}
	}
}

func TestDiagnosesOfMySQL(t *testing.T) {
	d := &mysql{user: "u", database: "d"}
	for number, want := range map[uint16]class{
		1213: contended, 1205: busy, 1040: busy, 1053: lost, 1927: lost, 1021: full, 1114: full,
		1048: refused, 1062: refused, 1264: refused, 1265: refused, 1292: refused, 1366: refused, 1406: refused, 1452: refused, 1451: refused, 1267: refused, 1270: refused, 1271: refused, 1118: refused, 1300: refused, 3819: refused, 4025: refused,
		1146: mismatched, 1054: mismatched, 1059: mismatched, 1071: mismatched, 1103: mismatched, 1117: mismatched, 1166: mismatched, 1709: mismatched, 1050: exists, 1060: exists, 1044: forbidden, 1142: forbidden, 1290: readOnly, 1045: unauthorized, 1049: databaseMissing,
		1064: unknown,
	} {
		if got := d.diagnose(fmt.Errorf("wrapped: %w", &mysqldriver.MySQLError{Number: number})).class; got != want {
			t.Errorf("%d is %d, want %d", number, got, want)
		}
	}
	for _, err := range []error{driver.ErrBadConn, mysqldriver.ErrInvalidConn, io.EOF} {
		if got := d.diagnose(err).class; got != lost {
			t.Errorf("%v is %d", err, got)
		}
	}
	if got := d.diagnose(mysqldriver.ErrPktTooLarge).class; got != refused {
		t.Errorf("a packet too large is %d", got)
	}
}

func TestMySQLVersions(t *testing.T) {
	for version, want := range map[string]struct {
		alias     bool
		collation string
	}{
		"10.11.6-MariaDB-0+deb12u1": {false, "utf8mb4_nopad_bin"},
		"5.5.5-10.6.2-MariaDB":      {false, "utf8mb4_nopad_bin"},
		"5.7.44-log":                {false, "utf8mb4_bin"},
		"8.0.16":                    {false, "utf8mb4_bin"},
		"8.0.18":                    {false, "utf8mb4_0900_bin"},
		"8.0.19":                    {true, "utf8mb4_0900_bin"},
		"8.4.2":                     {true, "utf8mb4_0900_bin"},
		"9.1.0-commercial":          {true, "utf8mb4_0900_bin"},
		"odd":                       {false, "utf8mb4_bin"},
	} {
		alias, collation := mysqlVersion(version)
		if alias != want.alias || collation != want.collation {
			t.Errorf("%s: %v, %s", version, alias, collation)
		}
	}
}

// There is no MySQL 8 to run the tests on: its statements are read here.
func TestMySQLStatements(t *testing.T) {
	tbl := table(pipeline.Column{Name: "a", Type: pipeline.Text}, pipeline.Column{Name: "b`", Type: pipeline.Integer})
	tbl.Stamps = []pipeline.Stamp{{Name: "i", Type: pipeline.Time, On: pipeline.OnInsert}, {Name: "c", Type: pipeline.Time, On: pipeline.OnChange}}
	for _, test := range []struct {
		alias bool
		want  string
	}{
		{false, " ON DUPLICATE KEY UPDATE `c` = IF(CAST(`t`.`a` AS BINARY) <=> CAST(VALUES(`a`) AS BINARY) AND `t`.`b``` <=> VALUES(`b```), `t`.`c`, VALUES(`c`)), `a` = VALUES(`a`), `b``` = VALUES(`b```)"},
		{true, " AS `ferryman new` ON DUPLICATE KEY UPDATE `c` = IF(CAST(`t`.`a` AS BINARY) <=> CAST(`ferryman new`.`a` AS BINARY) AND `t`.`b``` <=> `ferryman new`.`b```, `t`.`c`, `ferryman new`.`c`), `a` = `ferryman new`.`a`, `b``` = `ferryman new`.`b```"},
	} {
		d := &mysql{rowAlias: test.alias}
		s := &Sink{dialect: d}
		have := &description{uniques: []unique{{columns: []string{"id"}, primary: true}}}
		for _, name := range []string{"id", "a", "b`", "i", "c"} {
			have.columns = append(have.columns, existing{name: name, inexact: name == "a"})
		}
		p, err := s.newPlan(have, tbl)
		if err != nil {
			t.Fatal(err)
		}
		u := p.upserter.(*mysqlUpserter)
		if u.head != "INSERT INTO `t` (`id`, `a`, `b```, `i`, `c`) VALUES " || u.tuple != "(?, ?, ?, ?, ?)" || u.update != test.want {
			t.Errorf("%s\n%s\n%s", u.head, u.tuple, u.update)
		}
	}
}

func TestTypesOfMySQL(t *testing.T) {
	for text, want := range map[string]existing{
		"int(11)": {kind: integerKind, bits: 32, scale: unbounded}, "int unsigned": {kind: integerKind, bits: 32, unsigned: true, scale: unbounded},
		"tinyint(1)": {kind: integerKind, bits: 8, scale: unbounded}, "year(4)": {kind: integerKind, scale: unbounded},
		"decimal(65,30)": {kind: decimalKind, precision: 65, scale: 30}, "decimal(10,0) unsigned": {kind: decimalKind, precision: 10}, "datetime": {kind: timeKind},
		"datetime(6)": {kind: timeKind, scale: 6}, "timestamp(3)": {kind: timeKind, scale: 3}, "varchar(50)": {kind: textKind, maxLength: 50, scale: unbounded},
		"varchar(256)": {kind: textKind, maxLength: 256, scale: unbounded, prefix: "(64)"}, "longtext": {kind: textKind, scale: unbounded, prefix: "(64)"},
		"tinytext": {kind: textKind, maxBytes: 255, scale: unbounded, prefix: "(64)"}, "text": {kind: textKind, maxBytes: 65535, scale: unbounded, prefix: "(64)"},
		"mediumtext": {kind: textKind, maxBytes: 16777215, scale: unbounded, prefix: "(64)"}, "enum('a','b')": {scale: unbounded}, "json": {scale: unbounded}, "double": {kind: doubleKind, scale: unbounded},
		"float unsigned": {kind: floatKind, scale: unbounded}, "double(7,2)": {kind: doubleKind, scale: 2}, "bit(1)": {kind: integerKind, bits: 1, unsigned: true, scale: unbounded},
	} {
		want.sqlType = text
		if got := mysqlType(text); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func TestTypesOfPostgres(t *testing.T) {
	db := connect(t, testdb.Postgres(t))
	d := &postgres{}
	exec(t, db, `CREATE DOMAIN short AS varchar(5)`, `CREATE DOMAIN shorter AS short CHECK (value <> 'x')`,
		`CREATE TABLE x (a int4, b numeric, c numeric(10,2), d numeric(10,0), e timestamp, f timestamptz(3), g varchar(50), h char(5),
		i text, j bool, k uuid, l json, m shorter NOT NULL, n serial, p float4, q float8, r name, s text COLLATE "C")`,
		`CREATE VIEW v AS SELECT a FROM x`)
	have, err := d.describe(t.Context(), db, "x")
	if err != nil || have.view {
		t.Fatalf("%+v, %v", have, err)
	}
	const usual = ` COLLATE pg_catalog."default"`
	want := map[string]existing{
		"a": {kind: integerKind, bits: 32, scale: unbounded, sqlType: "integer"}, "b": {kind: decimalKind, precision: 147455, scale: 16383, sqlType: "numeric"},
		"c": {kind: decimalKind, precision: 10, scale: 2, sqlType: "numeric", referring: "numeric(10,2)"}, "d": {kind: decimalKind, precision: 10, sqlType: "numeric", referring: "numeric(10,0)"},
		"e": {kind: timeKind, scale: unbounded, sqlType: "timestamp without time zone"},
		"f": {kind: timeKind, scale: 3, sqlType: "timestamp with time zone", referring: "timestamp(3) with time zone"},
		"g": {kind: textKind, maxLength: 50, scale: unbounded, sqlType: "character varying", referring: "character varying(50)" + usual},
		"h": {kind: textKind, maxLength: 5, scale: unbounded, sqlType: "bpchar", inexact: true, filled: true, reading: `"h"::text`, referring: "character(5)" + usual},
		"i": {kind: textKind, scale: unbounded, sqlType: "text", referring: "text" + usual}, "j": {kind: booleanKind, scale: unbounded, sqlType: "boolean"},
		"k": {scale: unbounded, sqlType: "uuid"}, "l": {scale: unbounded, sqlType: "json"},
		"m": {kind: textKind, maxLength: 5, scale: unbounded, sqlType: "character varying", mandatory: true, referring: "shorter" + usual},
		"n": {kind: integerKind, bits: 32, scale: unbounded, sqlType: "integer"},
		"p": {kind: floatKind, scale: unbounded, sqlType: "real", reading: `"p"::text`}, "q": {kind: doubleKind, scale: unbounded, sqlType: "double precision"},
		"r": {kind: textKind, maxBytes: 63, scale: unbounded, sqlType: "name", referring: `name COLLATE pg_catalog."C"`},
		"s": {kind: textKind, scale: unbounded, sqlType: "text", referring: `text COLLATE pg_catalog."C"`},
	}
	for _, got := range have.columns {
		w := want[got.name]
		w.name = got.name
		if w.referring == "" {
			w.referring = w.sqlType
		}
		_, w.collation, _ = strings.Cut(w.referring, " COLLATE ")
		if got != w {
			t.Errorf("%+v, want %+v", got, w)
		}
	}
	// Servers know negative scales from version 15 on.
	var e existing
	if e.postgresType("numeric", "N", (5<<16|-2&0x7ff)+4); e.precision != 5 || e.scale != -2 {
		t.Errorf("numeric(5,-2) has %d digits, and the scale %d", e.precision, e.scale)
	}
	if have, err := d.describe(t.Context(), db, "v"); err != nil || !have.view {
		t.Errorf("a view: %+v, %v", have, err)
	}
}

// Constraints that PostgreSQL checks at the commit, and triggers, refuse rows too.
func TestPostgresLateRefusals(t *testing.T) {
	url := testdb.Postgres(t)
	exec(t, connect(t, url), `CREATE TABLE parent (id bigint PRIMARY KEY)`, `INSERT INTO parent VALUES (1), (3)`,
		`CREATE TABLE t (id bigint PRIMARY KEY REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`,
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 3 THEN RAISE 'not three'; END IF; RETURN NEW; END $$`,
		`CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()`)
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
	for range 2 {
		landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: table(), Rows: [][]any{{int64(1)}, {int64(2)}, {int64(3)}}}}})
		if err != nil || landed[0].Rejected != 2 {
			t.Errorf("landed %+v, %v", landed, err)
		}
	}
	letters := readLetters(t, s)
	if len(letters) != 2 || !strings.Contains(letters[0].reason, "foreign key") || letters[1].reason != "not three" {
		t.Errorf("letters %+v", letters)
	}
}

// A key that a column may return in another spelling cannot tell what has gone.
func TestScopeNeedsKeysAsGiven(t *testing.T) {
	url := testdb.Postgres(t)
	exec(t, connect(t, url), `CREATE TABLE t (id uuid PRIMARY KEY, g bigint)`)
	tbl := &pipeline.Table{Name: "t", Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text}, {Name: "g", Type: pipeline.Integer}}}
	s := openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{tbl}})
	change := pipeline.Change{Table: tbl, Rows: [][]any{{"0B5C1D2E-0000-4000-8000-00000000000A", int64(1)}}}
	for _, written := range []int64{1, 0} {
		landed, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{change}})
		if err != nil || landed[0].Written != written {
			t.Fatalf("landed %+v, %v", landed, err)
		}
	}
	change.Scope = &pipeline.Scope{Columns: []string{"g"}, Parents: [][]any{{int64(1)}}}
	_, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{change}})
	checkFault(t, err, fault.Unconfigured, "target_schema", `"id" of type uuid`)

	for _, bad := range []*pipeline.Scope{
		{Columns: []string{"absent"}, Parents: [][]any{{int64(1)}}},
		{Columns: []string{"g"}, Parents: [][]any{{}}},
		{Parents: [][]any{{}}},
		{Columns: []string{"g"}, Parents: [][]any{{nil}}},
		{Columns: []string{"g"}, Parents: [][]any{{"1"}}},
	} {
		change.Scope = bad
		if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{change}}); err == nil || fault.Temporary(err) {
			t.Errorf("scope %+v: %v", bad, err)
		}
	}
}

// Nothing of a transaction stays on a PostgreSQL connection: a pooler may hand it on.
func TestPostgresLeavesNoTrace(t *testing.T) {
	s := openSink(t, testdb.Postgres(t), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
	s.db.SetMaxOpenConns(1)
	rows := make([][]any, copyFrom+1)
	for i := range rows {
		rows[i] = []any{int64(i)}
	}
	if _, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: table(), Rows: rows}}}); err != nil {
		t.Fatal(err)
	}
	err := s.onConn(t.Context(), func(ctx context.Context, conn *sql.Conn) error {
		var prepared, temporary int
		var hashjoin string
		if err := conn.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM pg_prepared_statements),
			(SELECT count(*) FROM pg_class WHERE relpersistence = 't'), current_setting('enable_hashjoin')`).Scan(&prepared, &temporary, &hashjoin); err != nil {
			return err
		}
		if prepared != 0 || temporary != 0 || hashjoin != "on" {
			t.Errorf("%d prepared statements, %d temporary tables, enable_hashjoin %s", prepared, temporary, hashjoin)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
