package e2e

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"ferryman/internal/testdb"
)

// database is a database as the tests look at it: by a driver, without any of
// the program's own code.
type database struct {
	url string
	*sql.DB
}

// databases are what a sync's target may be, each fresh.
var databases = map[string]func(testing.TB) database{
	"sqlite": sqliteDatabase, "postgres": postgresDatabase, "mariadb": mariadbDatabase,
}

func sqliteDatabase(t testing.TB) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data.db")
	return open(t, "sqlite://"+path, "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
}

func postgresDatabase(t testing.TB) database {
	t.Helper()
	u := testdb.Postgres(t)
	return open(t, u, "pgx", u+"&default_query_exec_mode=exec") // tables change while they are looked at
}

func mariadbDatabase(t testing.TB) database {
	t.Helper()
	raw := testdb.MySQL(t)
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return open(t, raw, "mysql", fmt.Sprintf("%s:%s@tcp(%s)%s", u.User.Username(), password, u.Host, u.Path))
}

func open(t testing.TB, u, driver, dsn string) database {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return database{u, db}
}

// column gives the values of a query's only column as texts.
func (d database) column(t testing.TB, query string) []string {
	t.Helper()
	rows, err := d.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (d database) mustHave(t testing.TB, query string, want ...string) {
	t.Helper()
	if got := d.column(t, query); !slices.Equal(got, want) {
		t.Errorf("%s gives\n%s, want\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// holds tells whether the tables of the warehouse sync are there and hold any row.
func (d database) holds(t testing.TB, table string) bool {
	t.Helper()
	var n int
	if err := d.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		return false // not made yet
	}
	return n > 0
}

// run is an execution as it stands in the ledger.
type run struct {
	status, trigger, reason, request string
	attempt                          int
}

// ledger reads all executions of a store, oldest first.
func (d database) ledger(t testing.TB) []run {
	t.Helper()
	rows, err := d.QueryContext(t.Context(), `SELECT status, "trigger", reason, coalesce(request, ''), attempt FROM executions ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []run
	for rows.Next() {
		var r run
		if err := rows.Scan(&r.status, &r.trigger, &r.reason, &r.request, &r.attempt); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// count counts the runs of a ledger that which picks.
func count(runs []run, which func(run) bool) (n int) {
	for _, r := range runs {
		if which(r) {
			n++
		}
	}
	return n
}
