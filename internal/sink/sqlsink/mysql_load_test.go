package sqlsink

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// hostile are texts that a load's format, or the server, could take for others.
var hostile = []string{"", " ", "NULL", "null", `\N`, `\\N`, "N", `\`, `\\`, `\t`, "\t", "\n", "\r", "\r\n", "\n\n", "a\tb\nc\rd\\e",
	"\x00", "\x00\\0", "\x1a", `\Z`, "\b", `'`, `"`, `''`, `'a' "b"`, "`", "a ", " a", "%", "ends in \\", "\\\n", "\\\t\\N\n", "Reader::x",
	"é", "ß", "日本", "😀", "a😀\t😀", "\u2028", "\ufeff", "\u00a0", "0x4142", "_binary 'a'", "\x01\x02\x7f", "--", "#", "/*", "1", "-0", "1e3"}

// loadColumns has a column of each sort, with texts that it takes, and may not take.
var loadColumns = []struct {
	definition string
	typ        pipeline.Type
	values     []any
}{
	{"longtext", pipeline.Text, nil},
	{"varchar(12)", pipeline.Text, nil},
	{"varchar(20) CHARACTER SET latin1", pipeline.Text, nil},
	{"text CHARACTER SET utf8mb3", pipeline.Text, nil},
	{"char(5)", pipeline.Text, nil},
	{"varchar(9) CHARACTER SET utf16 COLLATE utf16_general_ci NOT NULL DEFAULT 'x'", pipeline.Text, nil},
	{"bigint", pipeline.Integer, []any{int64(0), int64(-5), int64(1<<63 - 1), "18446744073709551615", "7", "x"}},
	{"int(11) unsigned NOT NULL DEFAULT 5", pipeline.Integer, []any{int64(0), int64(4294967295), int64(-1), int64(1 << 32)}},
	{"tinyint(1)", pipeline.Boolean, []any{int64(1), int64(0), true, false, int64(300)}},
	{"decimal(20,5)", pipeline.Decimal, []any{"1.5", "-0.00001", "1e3", "123456789012345.12345", "1.123456", "1e30", "0", int64(12), "2e-3"}},
	{"float", pipeline.Decimal, []any{"1.5", "0.1", "16777217", "1e-40", "-1e38", "1e39", int64(16777217)}},
	{"double", pipeline.Decimal, []any{"0.1", "1e300", "9007199254740993", "4.9e-324", int64(9007199254740993), "1e309"}},
	{"double(8,2)", pipeline.Decimal, []any{"0.25", "0.125", "999999.99", "1e7"}},
	{"datetime(6)", pipeline.Time, []any{"2024-02-29 23:59:59.123456", "0001-01-01 00:00:00.000000", "2023-02-29 00:00:00", "9999-12-31 23:59:59.999999"}},
	{"datetime(3)", pipeline.Time, []any{"2024-02-29 23:59:59.123000", "2024-03-31 02:30:00.123456"}},
}

// Whatever the rows are, and whatever the sql_mode, a load that went well has made of
// them what INSERT makes; and none fails that a column check lets through.
func TestLoadEqualsInsert(t *testing.T) {
	target := testdb.MySQL(t)
	db := connect(t, target)
	exec(t, db, "ALTER DATABASE CHARACTER SET latin1") // which a load would go by, unless told
	tables := make([]*pipeline.Table, 2)
	for i, name := range []string{"loaded", "inserted"} {
		tables[i] = &pipeline.Table{Name: name, Key: []string{"id"}, Columns: []pipeline.Column{{Name: "id", Type: pipeline.Text, Short: true}},
			Stamps: []pipeline.Stamp{{Name: "at", Type: pipeline.Time, On: pipeline.OnChange}}}
		create := fmt.Sprintf("CREATE TABLE %s (id varchar(100) COLLATE utf8mb4_nopad_bin PRIMARY KEY, at datetime(6), extra varchar(9) DEFAULT 'it''s' COMMENT 'a, b'", name)
		for j, c := range loadColumns {
			tables[i].Columns = append(tables[i].Columns, pipeline.Column{Name: fmt.Sprint("c", j), Type: c.typ})
			create += fmt.Sprintf(", c%d %s", j, c.definition)
		}
		exec(t, db, create+") CHARSET utf8mb4")
	}
	s := openSink(t, target, Options{Pipeline: "p", Tables: tables})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	loading, inserting := s.plans["loaded"].upserter.(*mysqlUpserter), s.plans["inserted"].upserter.(*mysqlUpserter)
	statement := loading.into
	loads, failures := 0, 0
	modes := []string{"STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION", "STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES", "STRICT_ALL_TABLES,ANSI", "NO_BACKSLASH_ESCAPES", ""}
	text := rapid.OneOf(rapid.SampledFrom(hostile), rapid.SampledFrom(hostile),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostile), 1, 4).Draw(t, "parts"), "")
		}), rapid.String())
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom(modes).Draw(rt, "mode")
		clean := rapid.Bool().Draw(rt, "clean") // else some are what the sink would refuse, too
		var rows [][]any
		ids := map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(rt, "rows") {
			row := []any{text.Draw(rt, "id")}
			for i, c := range loadColumns {
				var v any
				switch {
				case rapid.IntRange(0, 4).Draw(rt, "null") == 0:
				case c.values != nil:
					v = rapid.SampledFrom(c.values).Draw(rt, "value")
				default:
					v = text.Draw(rt, "text")
				}
				if clean {
					v = fitting(&s.plans["loaded"].columns[i+1], c.definition, v)
				}
				row = append(row, v)
			}
			if id, err := s.plans["loaded"].columns[0].value(row[0]); err == nil && !ids[id.(string)] {
				ids[id.(string)] = true
				row[0] = id
				rows = append(rows, row)
			}
		}
		conn, err := s.db.Conn(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		defer conn.Close()
		set := func(mode string) {
			if _, err := conn.ExecContext(t.Context(), "SET sql_mode = '"+mode+"'"); err != nil {
				rt.Fatal(err)
			}
		}
		set(mode)
		defer set(modes[0])
		sqlTx, err := conn.BeginTx(t.Context(), nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = sqlTx.Rollback() }()
		tx := &transaction{Tx: sqlTx, conn: conn, now: time.Date(2024, 1, 2, 3, 4, 5, 678901000, time.UTC)}
		loading.into = statement
		_, err = loading.load(t.Context(), tx, rows)
		if err != nil {
			failures++
			if clean || s.dialect.diagnose(err).class != refused || loading.into != "" {
				rt.Fatalf("%q: %v", rows, err)
			}
			return
		}
		loads++
		if _, err := inserting.insert(t.Context(), tx, rows, ""); err != nil {
			rt.Fatalf("loaded, but refused as an INSERT: %v", err)
		}
		if loaded, inserted := dump(rt, sqlTx, loading.plan), dump(rt, sqlTx, inserting.plan); loaded != inserted {
			rt.Fatalf("loaded:\n%s\ninserted:\n%s", loaded, inserted)
		}
	})
	if loads == 0 || failures == 0 {
		t.Errorf("%d loads went well and %d failed: that proves little", loads, failures)
	}
}

// fitting is a value as a row holds it that lands without a word.
func fitting(c *column, definition string, v any) any {
	s, isText := v.(string)
	narrow := isText && strings.ContainsFunc(s, func(r rune) bool { return r == 0 || r > 0x7e })
	switch {
	case v == nil && strings.Contains(definition, "NOT NULL"), narrow && strings.Contains(definition, "CHARACTER SET"):
		v = "0"
	case isText && strings.HasPrefix(definition, "char"):
		v = strings.TrimRight(s, " ")
	case s == "2023-02-29 00:00:00", s == "1e7": // which the sink leaves to the server
		return nil
	}
	if c.typ == pipeline.Time || c.typ == pipeline.Boolean {
		if v == int64(300) {
			return nil
		}
		return v
	}
	var err error
	switch n := v.(type) {
	case int64:
		v, err = c.number(strconv.FormatInt(n, 10), v)
		if c.kind == integerKind && !fitsBits(strconv.FormatInt(n, 10), c.bits, c.unsigned) {
			v = int64(0)
		}
	case string:
		v, err = c.text(n, v)
		if c.kind == integerKind {
			v = int64(0)
		}
	}
	if err != nil {
		return "0"
	}
	return v
}

// dump is a table to the byte.
func dump(t *rapid.T, tx *sql.Tx, p *plan) string {
	quoted := "extra"
	for _, c := range p.columns {
		quoted += ", " + c.quoted
	}
	rows, err := tx.Query(fmt.Sprintf("SELECT %s FROM %s ORDER BY id", quoted, p.table.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for rows.Next() {
		values, pointers := scanTarget(len(names))
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				values[i] = string(b)
			}
		}
		fmt.Fprintf(&lines, "%q\n", values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines.String()
}

func TestLoadReader(t *testing.T) {
	var rows [][]any
	var want bytes.Buffer
	for i := range 3000 {
		rows = append(rows, []any{fmt.Sprint("row\t", i), nil, int64(i), i%2 == 0, strings.Repeat("x", i)})
		fmt.Fprintf(&want, "row\\t%d\t\\N\t%d\t%d\t%s\tnow\n", i, i, 1-i%2, strings.Repeat("x", i))
	}
	if err := iotest.TestReader(&loadReader{rows: rows, stamps: []any{"now"}}, want.Bytes()); err != nil {
		t.Error(err)
	}
}

// loadTest is a sink of one connection, whose loads are counted.
type loadTest struct {
	*testing.T
	sink  *Sink
	table *pipeline.Table
	rows  [][]any
}

// newLoadTest has rows enough for a load, with the columns id, g and a text of four.
func newLoadTest(t *testing.T, target string) *loadTest {
	l := &loadTest{T: t, table: table(pipeline.Column{Name: "g", Type: pipeline.Integer}, pipeline.Column{Name: "a", Type: pipeline.Text})}
	l.sink = openSink(t, target, Options{Pipeline: "p", Tables: []*pipeline.Table{l.table}})
	l.sink.db.SetMaxOpenConns(1)
	for i := range int64(2 * loadFrom) {
		l.rows = append(l.rows, []any{i, int64(1), fmt.Sprint(i)})
	}
	return l
}

// write tells how often LOAD DATA was sent for rows that must land, but for rejected.
func (l *loadTest) write(rows [][]any, scope *pipeline.Scope, rejected int64) int64 {
	l.Helper()
	sent := func() (n int64) {
		var name string
		if err := l.sink.db.QueryRow("SHOW SESSION STATUS LIKE 'Com_load'").Scan(&name, &n); err != nil {
			l.Fatal(err)
		}
		return n
	}
	before := sent()
	landed, err := l.sink.Write(l.Context(), pipeline.Batch{Whole: rejected == 0, Changes: []pipeline.Change{{Table: l.table, Rows: rows, Scope: scope}}})
	if err != nil {
		l.Fatal(err)
	}
	if got := landed[0]; got.Read != int64(len(rows)) || got.Written != got.Read-rejected || got.Rejected != rejected || got.Inserted+got.Updated != got.Written {
		l.Errorf("landed %+v", got)
	}
	return sent() - before
}

// holds fails unless the table holds exactly these rows.
func (l *loadTest) holds(want [][]any) {
	l.Helper()
	if got := allRows(l.T, l.sink, l.table); fmt.Sprint(got) != fmt.Sprint(want) {
		l.Errorf("the table holds %v", got)
	}
}

func TestManyNewRowsAreLoaded(t *testing.T) {
	l := newLoadTest(t, testdb.MySQL(t))
	if n := l.write(l.rows[:loadFrom-1], nil, 0); n != 0 {
		t.Errorf("%d loads of few rows", n)
	}
	exec(t, l.sink.db, "DELETE FROM t")
	if n := l.write(l.rows, within("g", int64(1)), 0); n != 1 {
		t.Errorf("%d loads", n)
	}
	l.holds(l.rows)
	for _, row := range l.rows {
		row[2] = "changed"
	}
	if n := l.write(l.rows, nil, 0); n != 0 {
		t.Errorf("%d loads of rows that are there", n)
	}
	l.holds(l.rows)
}

// Whatever a load would leave out or change, INSERT gets to see instead; and the
// table gets no more loads.
func TestLoadThatGoesWrong(t *testing.T) {
	const create = "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50)%s) CHARSET=utf8mb4"
	for name, test := range map[string]struct {
		before []string
		spoil  func(row []any)
		kept   bool // the row lands after all
	}{
		"character": {before: []string{"CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50) CHARACTER SET latin1)"}, spoil: func(row []any) { row[2] = "a 😀" }},
		"range":     {before: []string{"CREATE TABLE t (id bigint PRIMARY KEY, g tinyint, a varchar(50))"}, spoil: func(row []any) { row[1] = int64(128) }},
		"null":      {before: []string{"CREATE TABLE t (id bigint PRIMARY KEY, g bigint NOT NULL, a varchar(50))"}, spoil: func(row []any) { row[1] = nil }},
		"duplicate": {before: []string{fmt.Sprintf(create, ", UNIQUE (a)")}, spoil: func(row []any) { row[2] = "0" }},
		"check":     {before: []string{fmt.Sprintf(create, ", CHECK (a <> 'bad')")}, spoil: func(row []any) { row[2] = "bad" }},
		"foreign key": {
			before: []string{"CREATE TABLE parent (id bigint PRIMARY KEY)", "INSERT INTO parent VALUES (1)", fmt.Sprintf(create, ", FOREIGN KEY (g) REFERENCES parent (id)")},
			spoil:  func(row []any) { row[1] = int64(2) }},
		"trigger": {
			before: []string{fmt.Sprintf(create, ""), "CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW IF NEW.a = 'bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"},
			spoil:  func(row []any) { row[2] = "bad" }},
		"trigger's row": {
			before: []string{fmt.Sprintf(create, ""), "CREATE TABLE log (a varchar(3))",
				"CREATE TRIGGER keep AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.a)"},
			spoil: func(row []any) { row[2] = "long" }},
		"moved": {
			before: []string{fmt.Sprintf(create, ""), "INSERT INTO t VALUES (7, 2, '7')"},
			spoil:  func([]any) {}, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			target := testdb.MySQL(t)
			db := connect(t, target)
			for _, statement := range test.before {
				exec(t, db, statement)
			}
			l := newLoadTest(t, target)
			test.spoil(l.rows[7])
			rejected, want := int64(1), append(append([][]any{}, l.rows[:7]...), l.rows[8:]...)
			if test.kept {
				rejected, want = 0, l.rows
			}
			if n := l.write(l.rows, within("g", int64(1)), rejected); n != 1 {
				t.Errorf("%d loads", n)
			}
			l.holds(want)
			if letters := readLetters(t, l.sink); int64(len(letters)) != rejected {
				t.Errorf("letters %v", letters)
			}
			exec(t, db, "DELETE FROM t WHERE id <> 7")
			if n := l.write(append(l.rows[:7:7], l.rows[8:]...), nil, 0); n != 0 {
				t.Errorf("%d loads after one went wrong", n)
			}
		})
	}
}

// Triggers do to loaded rows what they do to others.
func TestLoadWithTrigger(t *testing.T) {
	target := testdb.MySQL(t)
	db := connect(t, target)
	exec(t, db, "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50))")
	exec(t, db, "CREATE TABLE log (id bigint, a varchar(50))")
	exec(t, db, "CREATE TRIGGER change_it BEFORE INSERT ON t FOR EACH ROW SET NEW.a = concat(NEW.a, '!')")
	exec(t, db, "CREATE TRIGGER keep AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.id, NEW.a)")
	l := newLoadTest(t, target)
	if n := l.write(l.rows, nil, 0); n != 1 {
		t.Errorf("%d loads", n)
	}
	var logged int
	if err := db.QueryRow("SELECT count(*) FROM log JOIN t USING (id, a) WHERE a = concat(id, '!')").Scan(&logged); err != nil || logged != len(l.rows) {
		t.Errorf("%d rows logged, %v", logged, err)
	}
}

// Tables that could not be rolled back, and columns that a load might treat in a
// way of their own, get none.
func TestTablesWithoutLoads(t *testing.T) {
	for name, create := range map[string]string{
		"MyISAM":         "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50)) ENGINE=MyISAM",
		"generated":      "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50), b varchar(60) AS (concat(a, g)) STORED)",
		"automatic":      "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50), n bigint AUTO_INCREMENT UNIQUE)",
		"expression":     "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50), b varchar(60) DEFAULT (uuid()))",
		"timestamp":      "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varchar(50), at timestamp DEFAULT current_timestamp())",
		"bits":           "CREATE TABLE t (id bigint PRIMARY KEY, g bit(60), a varchar(50))",
		"year":           "CREATE TABLE t (id bigint PRIMARY KEY, g year, a varchar(50))",
		"bytes":          "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a varbinary(50))",
		"text for times": "CREATE TABLE t (id bigint PRIMARY KEY, g bigint, a datetime)",
	} {
		t.Run(name, func(t *testing.T) {
			target := testdb.MySQL(t)
			exec(t, connect(t, target), create)
			l := newLoadTest(t, target)
			for _, row := range l.rows {
				if name == "year" {
					row[1] = int64(2001)
				}
				if name == "text for times" {
					row[2] = "2024-01-02 03:04:05"
				}
			}
			if n := l.write(l.rows, nil, 0); n != 0 {
				t.Errorf("%d loads", n)
			}
		})
	}
}

func TestLoadableColumns(t *testing.T) {
	for _, test := range []struct {
		sqlType string
		typ     pipeline.Type
		want    bool
	}{
		{"varchar(50)", pipeline.Text, true}, {"char(5)", pipeline.Text, true}, {"longtext", pipeline.Text, true},
		{"tinyint(1)", pipeline.Boolean, true}, {"bigint(20) unsigned zerofill", pipeline.Integer, true},
		{"decimal(65,30)", pipeline.Decimal, true}, {"float", pipeline.Decimal, true}, {"double(8,2)", pipeline.Decimal, true},
		{"datetime(6)", pipeline.Time, true}, {"datetime", pipeline.Text, false}, {"datetime", pipeline.Integer, false},
		{"timestamp", pipeline.Time, false}, {"timestamp(6)", pipeline.Time, false}, {"date", pipeline.Time, false},
		{"year(4)", pipeline.Integer, false}, {"bit(1)", pipeline.Boolean, false}, {"enum('a')", pipeline.Text, false},
		{"varbinary(5)", pipeline.Text, false}, {"longblob", pipeline.Text, false}, {"uuid", pipeline.Text, false},
	} {
		c := column{existing: mysqlType(test.sqlType), typ: test.typ}
		if got := c.loadable(); got != test.want {
			t.Errorf("%s: %v", test.sqlType, got)
		}
	}
}

// MySQL's servers are not even asked.
func TestLoadsAreForMariaDB(t *testing.T) {
	db := connect(t, testdb.MySQL(t))
	for _, mariaDB := range []bool{true, false} {
		var d mysql
		d.mariaDB.Store(mariaDB)
		if got, err := d.takesLoads(t.Context(), db); got != mariaDB || err != nil {
			t.Errorf("MariaDB %v: %v, %v", mariaDB, got, err)
		}
	}
}

// A server that takes no loads on this connection is sent one, and then no more.
func TestServerWithoutLoads(t *testing.T) {
	l := newLoadTest(t, withoutLocalInfile(t, testdb.MySQL(t)))
	for _, want := range []int64{1, 0} {
		if n := l.write(l.rows, nil, 0); n != want {
			t.Errorf("%d loads", n)
		}
		l.holds(l.rows)
		exec(t, l.sink.db, "DELETE FROM t")
	}
}

// withoutLocalInfile is the URL of a proxy that tells the server of clients that they
// cannot send files.
func withoutLocalInfile(t *testing.T, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	server := u.Host
	serve := func(client net.Conn) error {
		defer client.Close()
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			return err
		}
		defer upstream.Close()
		go func() {
			_, _ = io.Copy(client, upstream)
			_ = client.Close()
		}()
		const localFiles = 0x80
		answer := make([]byte, 5) // the packet's header, and the first of the client's capabilities
		if _, err := io.ReadFull(client, answer); err != nil {
			return err
		}
		answer[4] &^= localFiles
		if _, err := upstream.Write(answer); err != nil {
			return err
		}
		_, err = io.Copy(upstream, client)
		return err
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				if err := serve(client); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Logf("proxy: %v", err)
				}
			}()
		}
	}()
	u.Host = listener.Addr().String()
	u.RawQuery = "tls=false"
	return u.String()
}
