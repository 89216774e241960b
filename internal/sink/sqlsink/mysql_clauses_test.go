package sqlsink

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/testdb"
)

// What else is said of a column outlives its widening.
func TestWideningKeepsClauses(t *testing.T) {
	url := testdb.MySQL(t)
	db := connect(t, url)
	exec(t, db, "CREATE TABLE contacts (`$id` varchar(50) PRIMARY KEY, `$md5` varchar(20) NOT NULL DEFAULT 'it''s, \\n' COMMENT 'of `all`,\\nDEFAULT ''x''',"+
		" short varchar(5) CHARACTER SET latin1 COLLATE latin1_german1_ci INVISIBLE DEFAULT (concat('a', 'b')), `long` varchar(5) NOT NULL CHECK (`long` <> 'x'),"+
		" number decimal(10,0) UNSIGNED DEFAULT 1 COMMENT 'a number', flag boolean NOT NULL DEFAULT 1, `$changed` varchar(5) COMMENT 'a time')")
	s := adapting(t, url, "p", adaptTable())
	row := wide("a")
	row[2] = "日本"
	if got := took(t, s, pipeline.Change{Table: adaptTable(), Rows: [][]any{row}}); got.Inserted != 1 {
		t.Fatalf("landed %+v, %v", got, readLetters(t, s))
	}
	var name, definition string
	if err := db.QueryRow("SHOW CREATE TABLE contacts").Scan(&name, &definition); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`varchar(80) NOT NULL DEFAULT 'it''s, \n' COMMENT 'of ` + "`all`" + `,\nDEFAULT ''x'''`,
		"`short` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci INVISIBLE DEFAULT concat('a','b')",
		"`long` longtext NOT NULL CHECK (`long` <> 'x')",
		"`number` decimal(65,6) DEFAULT 1.000000 COMMENT 'a number'",
		"NOT NULL DEFAULT 'true'",
		"`$changed` longtext DEFAULT NULL COMMENT 'a time'",
	} {
		if !strings.Contains(definition, want) {
			t.Errorf("no %s in\n%s", want, definition)
		}
	}
}

func TestMySQLClauses(t *testing.T) {
	column := func(definition string) existing {
		sqlType, _, _ := strings.Cut(definition, " ")
		e := mysqlType(sqlType)
		e.clauses = mysqlClauses(definition)
		return e
	}
	maria, recent, old := &mysql{}, &mysql{rowAlias: true}, &mysql{}
	maria.mariaDB.Store(true)
	for _, test := range []struct{ definition, to, maria, recent, old string }{
		{"varchar(50)", "longtext", " NULL", " NULL", " NULL"},
		{"varchar(50) CHARACTER SET utf16 COLLATE utf16_bin DEFAULT NULL", "longtext", " DEFAULT NULL", " DEFAULT NULL", " DEFAULT NULL"},
		{"int unsigned zerofill NOT NULL DEFAULT '7' COMMENT 'x'", "decimal(65,6)", " NOT NULL DEFAULT '7' COMMENT 'x'", " NOT NULL DEFAULT '7' COMMENT 'x'", " NOT NULL DEFAULT '7' COMMENT 'x'"},
		{"varchar(50) NOT NULL DEFAULT 'it''s'", "longtext", " NOT NULL DEFAULT 'it''s'", " NOT NULL DEFAULT ('it''s')", " NOT NULL"},
		{"varchar(50) DEFAULT (uuid()) COMMENT 'x'", "longtext", " DEFAULT (uuid()) COMMENT 'x'", " DEFAULT (uuid()) COMMENT 'x'", " DEFAULT (uuid()) COMMENT 'x'"},
		{"tinyint(1) DEFAULT '0'", "longtext", " DEFAULT 'false'", " DEFAULT ('false')", ""},
		{"bit(1) NOT NULL DEFAULT b'1'", "varchar(80)", " NOT NULL DEFAULT 'true'", " NOT NULL DEFAULT 'true'", " NOT NULL DEFAULT 'true'"},
		{"bit(1) NOT NULL DEFAULT b'1'", "bigint unsigned", " NOT NULL DEFAULT b'1'", " NOT NULL DEFAULT b'1'", " NOT NULL DEFAULT b'1'"},
		{"varchar(9) NOT NULL COMMENT 'as DEFAULT ''x'''", "longtext", " NOT NULL COMMENT 'as DEFAULT ''x'''", " NOT NULL COMMENT 'as DEFAULT ''x'''", " NOT NULL COMMENT 'as DEFAULT ''x'''"},
	} {
		e := column(test.definition)
		for _, each := range []struct {
			d    *mysql
			want string
		}{{maria, test.maria}, {recent, test.recent}, {old, test.old}} {
			if got := each.d.clausesFor(e, test.to, true); got != each.want {
				t.Errorf("%s to %s: %q, want %q", test.definition, test.to, got, each.want)
			}
		}
	}
}

// Where each definition is final, those that follow one are tried until they get
// through: nobody would come back for them.
func TestDefinitionsAreFinished(t *testing.T) {
	url := testdb.MySQL(t)
	s := lockable(t, url)
	release := lock(t, connect(t, url))
	s.log = slog.New(onMessage{slog.DiscardHandler, "target is busy", release})
	err := s.onConn(t.Context(), func(ctx context.Context, conn *sql.Conn) error {
		return s.define(ctx, conn, table(), []string{"SET SESSION innodb_lock_wait_timeout = 1", "UPDATE t SET v = 5 WHERE id = 1"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if row, err := s.Get(t.Context(), one(0).Changes[0].Table, int64(1)); err != nil || row[1] != int64(5) {
		t.Errorf("row %v, %v", row, err)
	}
}

// onMessage calls f when something is logged.
type onMessage struct {
	slog.Handler
	message string
	f       func()
}

func (h onMessage) Enabled(context.Context, slog.Level) bool { return true }

func (h onMessage) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.f()
	}
	return nil
}
