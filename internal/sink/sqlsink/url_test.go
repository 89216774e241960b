package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/testaddr"
	"ferryman/internal/testdb"
)

const secret = "s3cr#t:p@ss/w?rd%41"

func TestOpenRefusesBadURLs(t *testing.T) {
	password := url.QueryEscape(secret)
	for _, test := range []struct{ url, want string }{
		{"", "no scheme"},
		{"/path/file.db", "no scheme"},
		{"oracle://u:" + password + "@h/d", `unknown scheme "oracle"`},
		{"postgres://u:" + secret + "@h/d", "can't be parsed"},
		{"mysql://u:" + secret + "@h/d", "can't be parsed"},
		{"postgres://u:" + password + "@h:port/d", "can't be parsed"},
		{"postgres://u:" + password + "@h:99999/d", "can't be used"},
		{"postgres://u:" + password + "@h/d?sslmode=perhaps", "can't be used"},
		{"postgres://u:" + password + "@h/d?useSSL=perhaps", "useSSL"},
		{"postgres://u:" + password + "@h/d?useSSL=true&sslmode=disable", "useSSL"},
		{"postgres://u:" + password + "@h/d?autoReconnect=true", `"autoReconnect"`},
		{"postgres://u:" + password + "@h/", "no database"},
		{"postgres://u:" + password + "@/d", "no host"},
		{"postgres://:" + password + "@h/d", "no user"},
		{"postgres:u:" + password + "@h/d", "no host"},
		{"mysql://u:" + password + "@h", "no database"},
		{"mysql://u:" + password + "@h/d#f", "fragment"},
		{"mysql://u:" + password + "@h/d?useSSL=perhaps", "useSSL"},
		{"mysql://u:" + password + "@h/d?autoReconnect=true", `"autoReconnect"`},
		{"sqlite://", "no SQLite file"},
		{"sqlite:///folder/", "no SQLite file"},
		{"sqlite://host/file.db", "three slashes"},
		{"sqlite://u:" + password + "@/file.db", "three slashes"},
		{"sqlite:///file.db?mode=ro", "parameters"},
	} {
		s, err := Open(test.url, Options{Pipeline: "p"})
		if err == nil {
			s.Close()
			t.Errorf("%q is taken", test.url)
			continue
		}
		checkFault(t, err, fault.Unconfigured, "target_url", test.want)
	}
}

func TestOpenTakesGoodURLs(t *testing.T) {
	for _, u := range []string{
		"postgres://u@h/d", "postgresql://u:p@h:1/d?sslmode=require", "postgres://u:p@[::1]:5432/d",
		"postgres://u:p@h/d?useSSL=true", "postgres://u:p@h/d?useSSL=false&search_path=x&connect_timeout=3&sslrootcert=system",
		"mysql://u:p@h/d", "mariadb://u:p@h:1/d?useSSL=false", "mysql://u:p@h/d?tls=skip-verify",
		"sqlite:///a/b.db", "sqlite:b.db", "sqlite:b%20c.db",
	} {
		s, err := Open(u, Options{Pipeline: "p"})
		if err != nil {
			t.Errorf("%q: %v", u, err)
			continue
		}
		s.Close()
	}
}

func TestOpenChecksTables(t *testing.T) {
	id := pipeline.Column{Name: "id", Type: pipeline.Integer}
	key := []string{"id"}
	table := func(t pipeline.Table) *pipeline.Table { return &t }
	good := table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id}, Key: key})
	for _, test := range []struct {
		tables []*pipeline.Table
		want   string
	}{
		{[]*pipeline.Table{good, good}, "twice"},
		{[]*pipeline.Table{DeadLetters()}, "twice"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "", Columns: []pipeline.Column{id}, Key: key})}, "empty name"},
		{[]*pipeline.Table{table(pipeline.Table{Name: strings.Repeat("n", 64), Columns: []pipeline.Column{id}, Key: key})}, "64 bytes"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "a\x00b", Columns: []pipeline.Column{id}, Key: key})}, "characters"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id, id}, Key: key})}, "two columns"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{{Name: "id"}}, Key: key})}, "unknown type"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id}})}, "no key"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id}, Key: []string{"x"}})}, `key column "x"`},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{{Name: "id", Type: pipeline.Decimal}}, Key: key})}, "decimal key"},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id}, Key: key, References: []pipeline.Reference{{Column: "x"}}})}, `column "x"`},
		{[]*pipeline.Table{table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id}, Key: key, Stamps: []pipeline.Stamp{{Name: "s", Type: pipeline.Integer, On: pipeline.OnInsert}}})}, `stamp "s"`},
	} {
		_, err := Open("postgres://u:p@h/d", Options{Pipeline: "p", Tables: test.tables})
		checkFault(t, err, fault.Invalid, "target_schema", test.want)
	}
	if _, err := Open("postgres://u:p@h/d", Options{}); fault.CodeOf(err) != "target_schema" {
		t.Errorf("without a name: %v", err)
	}
	upper := table(pipeline.Table{Name: "T", Columns: []pipeline.Column{id}, Key: key})
	long := table(pipeline.Table{Name: strings.Repeat("ä", 64), Columns: []pipeline.Column{id}, Key: key})
	for u, want := range map[string][2]bool{"postgres://u:p@h/d": {true, false}, "mysql://u:p@h/d": {true, true}, "sqlite:///f": {false, true}} {
		_, err := Open(u, Options{Pipeline: "p", Tables: []*pipeline.Table{good, upper}})
		_, longErr := Open(u, Options{Pipeline: "p", Tables: []*pipeline.Table{long}})
		if (err == nil) != want[0] || (longErr == nil) != want[1] {
			t.Errorf("%s: %v; %v", u, err, longErr)
		}
	}
	// One name to MySQL and SQLite, two to PostgreSQL.
	folded := table(pipeline.Table{Name: "t", Columns: []pipeline.Column{id, {Name: "ID", Type: pipeline.Text}}, Key: key})
	for u, ok := range map[string]bool{"postgres://u:p@h/d": true, "mysql://u:p@h/d": false, "sqlite:///f": false} {
		if _, err := Open(u, Options{Pipeline: "p", Tables: []*pipeline.Table{folded}}); (err == nil) != ok {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// checkFault checks an error's class, that it names something and advises, and
// that the password is nowhere in it.
func checkFault(t *testing.T, err error, kind fault.Kind, code string, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %s", code)
		return
	}
	if fault.KindOf(err) != kind || fault.CodeOf(err) != code {
		t.Errorf("%v is %s, %s; want %s, %s", err, fault.KindOf(err), fault.CodeOf(err), kind, code)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	for _, leak := range []string{secret, url.QueryEscape(secret), "s3cr", "w?rd", "w%3Frd"} {
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), leak) {
				t.Errorf("%v holds the password", e)
			}
		}
	}
}

func table(columns ...pipeline.Column) *pipeline.Table {
	return &pipeline.Table{Name: "t", Key: []string{"id"},
		Columns: append([]pipeline.Column{{Name: "id", Type: pipeline.Integer}}, columns...)}
}

func TestUnreachable(t *testing.T) {
	address := testaddr.New(t).Host
	for _, scheme := range []string{"postgres", "mysql", "sqlserver"} {
		s := openSink(t, fmt.Sprintf("%s://user:%s@%s/db", scheme, url.QueryEscape(secret), address), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
		_, err := s.Cursor(t.Context())
		checkFault(t, err, fault.Unavailable, "target_unreachable", address)
		_, err = s.Write(t.Context(), pipeline.Batch{})
		checkFault(t, err, fault.Unavailable, "target_unreachable", address)
		_, err = s.List(t.Context(), table(), nil, 1)
		checkFault(t, err, fault.Unavailable, "target_unreachable", address)
	}
}

// as is a URL for another user, password or database.
func as(t *testing.T, base, user, password, database string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String()
}

func connect(t *testing.T, url string) *sql.DB {
	t.Helper()
	_, db, err := open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// prepareFault is what comes of using a URL.
func prepareFault(t *testing.T, url string) error {
	t.Helper()
	return openSink(t, url, Options{Pipeline: "p", Tables: []*pipeline.Table{table()}}).Prepare(t.Context())
}

func TestServerFaultsNameTheRemedy(t *testing.T) {
	for _, server := range []struct {
		name     string
		url      func(testing.TB) string
		create   string // a user
		drop     string
		mayWrite string
		mayRead  string
		needs    [3]string // hints: to create, to write, database
	}{
		{
			"postgres", testdb.Postgres,
			`CREATE ROLE "%s" LOGIN PASSWORD '%s'`, `DROP OWNED BY "%[1]s"; DROP ROLE "%[1]s"`,
			`GRANT CREATE ON SCHEMA public TO "%s"`, `GRANT SELECT ON t, ferryman_state, ferryman_dead_letters TO "%s"`,
			[3]string{"GRANT USAGE, CREATE ON SCHEMA", `GRANT SELECT, INSERT, UPDATE, DELETE ON "t"`, `CREATE DATABASE "absent"`},
		},
		{
			"mariadb", testdb.MySQL,
			"CREATE USER `%s` IDENTIFIED BY '%s'", "DROP USER `%s`",
			"GRANT ALL ON `DB`.* TO `%s`", "GRANT SELECT ON `DB`.* TO `%s`",
			[3]string{"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE", "GRANT SELECT, INSERT", "CREATE DATABASE `absent`"},
		},
	} {
		t.Run(server.name, func(t *testing.T) {
			base := server.url(t)
			admin := connect(t, base)
			parsed, _ := url.Parse(base)
			database := strings.Trim(parsed.Path, "/")
			run := func(statement string, args ...any) {
				t.Helper()
				for s := range strings.SplitSeq(fmt.Sprintf(strings.ReplaceAll(statement, "DB", database), args...), "; ") {
					exec(t, admin, s)
				}
			}
			user := testdb.Name()
			run(server.create, user, secret)
			t.Cleanup(func() { run(server.drop, user) })

			checkFault(t, prepareFault(t, as(t, base, user, "wrong", "")), fault.Unauthorized, "target_auth", "password")
			checkFault(t, prepareFault(t, as(t, base, "", "", "absent")), fault.Unconfigured, "target_database_missing", server.needs[2])
			checkFault(t, prepareFault(t, as(t, base, user, secret, "")), fault.Forbidden, "target_rights", server.needs[0])

			// Others make the tables; this user may read them, but not write.
			if err := prepareFault(t, base); err != nil {
				t.Fatal(err)
			}
			run(server.mayRead, user)
			s := openSink(t, as(t, base, user, secret, ""), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
			if _, err := s.Cursor(t.Context()); err != nil {
				t.Fatalf("a user who may read gets no cursor: %v", err)
			}
			_, err := s.Write(t.Context(), pipeline.Batch{Changes: []pipeline.Change{{Table: table(), Rows: [][]any{{int64(1)}}}}})
			checkFault(t, err, fault.Forbidden, "target_rights", server.needs[1])

			// A column is missing and the table is not ours to alter.
			wider := table(pipeline.Column{Name: "more", Type: pipeline.Text})
			err = openSink(t, as(t, base, user, secret, ""), Options{Pipeline: "p", Tables: []*pipeline.Table{wider}}).Prepare(t.Context())
			checkFault(t, err, fault.Forbidden, "target_rights", "t")
		})
	}
}

func TestPasswordsWithOddCharacters(t *testing.T) {
	for _, server := range []struct {
		name, create, grant, drop string
		url                       func(testing.TB) string
	}{
		{"postgres", `CREATE ROLE "%s" SUPERUSER LOGIN PASSWORD '%s'`, `SELECT 1`, `DROP OWNED BY "%[1]s" CASCADE; DROP ROLE "%[1]s"`, testdb.Postgres},
		{"mariadb", "CREATE USER `%s` IDENTIFIED BY '%s'", "GRANT ALL ON *.* TO `%s`", "DROP USER `%s`", testdb.MySQL},
	} {
		t.Run(server.name, func(t *testing.T) {
			base := server.url(t)
			admin := connect(t, base)
			user := testdb.Name()
			exec(t, admin, fmt.Sprintf(server.create, user, secret))
			t.Cleanup(func() { exec(t, admin, strings.Split(fmt.Sprintf(server.drop, user), "; ")...) })
			if strings.Contains(server.grant, "%s") {
				exec(t, admin, fmt.Sprintf(server.grant, user))
			}
			if err := prepareFault(t, as(t, base, user, secret, "")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSQLiteFaultsNameTheRemedy(t *testing.T) {
	dir := t.TempDir()
	checkFault(t, prepareFault(t, "sqlite://"+dir+"/absent/x.db"), fault.Unconfigured, "target_database_missing", `mkdir -p "`+dir+`/absent"`)

	file := filepath.Join(dir, "text.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	checkFault(t, prepareFault(t, "sqlite://"+file), fault.Unconfigured, "target_schema", "no intact SQLite database", file)
	checkFault(t, prepareFault(t, "sqlite://"+file+"/x.db"), fault.Unconfigured, "target_database_missing", "not a folder")
}

// A file on a read-only file system is hard to come by; what SQLite says of one
// is the same as of a connection that may only query.
func TestSQLiteReadOnly(t *testing.T) {
	s := openSink(t, "sqlite://"+filepath.Join(t.TempDir(), "x.db"), Options{Pipeline: "p", Tables: []*pipeline.Table{table()}})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.db.SetMaxOpenConns(1)
	exec(t, s.db, "PRAGMA query_only = 1")
	_, err := s.Write(t.Context(), pipeline.Batch{Next: "x"})
	checkFault(t, err, fault.Forbidden, "target_rights", "read-only")
}
