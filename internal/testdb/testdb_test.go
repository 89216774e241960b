package testdb_test

import (
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"ferryman/internal/testdb"
)

func TestPostgres(t *testing.T) {
	database := testdb.Postgres(t)
	admin := connect(t, os.Getenv("FERRYMAN_TEST_POSTGRES_URL"))
	exists := func() (found bool) {
		t.Helper()
		name := strings.TrimPrefix(parse(t, database).Path, "/")
		err := admin.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&found)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}

	t.Run("dropped with a transaction open in it", func(t *testing.T) {
		database = testdb.Postgres(t)
		tx, err := connect(t, database).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "CREATE TABLE t (n int)"); err != nil {
			t.Fatal(err)
		}
		if !exists() {
			t.Fatal("the database is not on the server")
		}
	})
	if exists() {
		t.Error("the database outlived its test")
	}
}

func TestPostgresRefusesWrongPassword(t *testing.T) {
	u := parse(t, testdb.Postgres(t))
	u.User = url.UserPassword(u.User.Username(), "wrong")
	conn, err := pgx.Connect(t.Context(), u.String())
	if err == nil {
		conn.Close(t.Context())
		t.Fatal("the server lets a wrong password in")
	}
	if !strings.Contains(err.Error(), "28P01") {
		t.Errorf("refused for another reason: %v", err)
	}
}

func TestMySQL(t *testing.T) {
	name := ""
	admin := open(t, parse(t, testdb.MySQL(t)), "")
	exists := func() bool {
		t.Helper()
		var n int
		err := admin.QueryRowContext(t.Context(),
			"SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?", name).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}

	t.Run("dropped with a transaction open in it", func(t *testing.T) {
		u := parse(t, testdb.MySQL(t))
		name = strings.TrimPrefix(u.Path, "/")
		db := open(t, u, name)
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{"CREATE TABLE t (s varchar(9))", "INSERT INTO t VALUES ('全部😀')"} {
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if !exists() {
			t.Fatal("the database is not on the server")
		}
	})
	if exists() {
		t.Error("the database outlived its test")
	}
}

func TestMySQLAllowsLocalInfile(t *testing.T) {
	var on bool
	db := open(t, parse(t, testdb.MySQL(t)), "")
	if err := db.QueryRowContext(t.Context(), "SELECT @@local_infile").Scan(&on); err != nil {
		t.Fatal(err)
	}
	if !on {
		t.Error("LOAD DATA LOCAL is switched off")
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		name := testdb.Name()
		if seen[name] {
			t.Fatalf("%s came twice", name)
		}
		if len(name) > 63 {
			t.Fatalf("%s is longer than PostgreSQL's names may be", name)
		}
		seen[name] = true
	}
}

// recorder is a test that notes how it was ended.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (*recorder) Helper()                 {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true; panic(r) }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }

func TestWithoutServers(t *testing.T) {
	for _, test := range []struct {
		name, ci, require string
		fails             bool
	}{
		{name: "skipped at a desk"},
		{name: "fails in CI", ci: "true", fails: true},
		{name: "fails if required", require: "1", fails: true},
	} {
		for _, database := range []func(testing.TB) string{testdb.Postgres, testdb.MySQL} {
			t.Run(test.name, func(t *testing.T) {
				t.Setenv("CI", test.ci)
				t.Setenv("FERRYMAN_TEST_REQUIRE_DB", test.require)
				t.Setenv("FERRYMAN_TEST_POSTGRES_URL", "")
				t.Setenv("FERRYMAN_TEST_MYSQL_URL", "")
				r := &recorder{TB: t}
				func() {
					defer func() {
						if p := recover(); p != r {
							panic(p)
						}
					}()
					database(r)
				}()
				if r.failed != test.fails || r.skipped == test.fails {
					t.Errorf("failed: %v, skipped: %v", r.failed, r.skipped)
				}
			})
		}
	}
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func open(t *testing.T, u *url.URL, name string) *sql.DB {
	t.Helper()
	config := driver.NewConfig()
	config.Net, config.Addr, config.User, config.DBName = "tcp", u.Host, u.User.Username(), name
	config.Passwd, _ = u.User.Password()
	connector, err := driver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}
