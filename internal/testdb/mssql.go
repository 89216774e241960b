package testdb

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"testing"

	driver "github.com/microsoft/go-mssqldb"
)

// MSSQL returns the URL of an empty database on the SQL Server that
// FERRYMAN_TEST_MSSQL_URL names, sqlserver://user:password@host:port with the
// parameters that it has, of a user who may create databases. There is none that
// scripts/testdb could start: without the variable a test is skipped, everywhere.
func MSSQL(tb testing.TB) string {
	tb.Helper()
	const variable = "FERRYMAN_TEST_MSSQL_URL"
	value := os.Getenv(variable)
	if value == "" {
		tb.Skipf("%s is not set: this has not been run on a SQL Server", variable)
	}
	u, err := url.Parse(value)
	if err != nil {
		tb.Fatalf("%s is not a URL", variable) // the error would quote the password
	}
	return fresh(tb, u, mssql{})
}

type mssql struct{}

func (mssql) create(ctx context.Context, server *url.URL, name string) error {
	return withMSSQL(server, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "CREATE DATABASE "+name)
		return err
	})
}

func (mssql) drop(ctx context.Context, server *url.URL, name string) error {
	return withMSSQL(server, func(db *sql.DB) error {
		// Who is still connected would keep it from being dropped.
		if _, err := db.ExecContext(ctx, "ALTER DATABASE "+name+" SET SINGLE_USER WITH ROLLBACK IMMEDIATE"); err != nil {
			return err
		}
		_, err := db.ExecContext(ctx, "DROP DATABASE "+name)
		return err
	})
}

func withMSSQL(server *url.URL, do func(*sql.DB) error) error {
	master := *server
	query := master.Query()
	query.Set("database", "master")
	master.Path, master.RawQuery = "", query.Encode()
	connector, err := driver.NewConnector(master.String())
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return do(db)
}
