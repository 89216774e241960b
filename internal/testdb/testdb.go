// Package testdb gives each test an empty database of its own on the test
// servers that scripts/testdb keeps, and drops it when the test ends.
//
// The servers are named by FERRYMAN_TEST_POSTGRES_URL and FERRYMAN_TEST_MYSQL_URL,
// URLs of a superuser; "make test" sets them. Without them a test is skipped, or
// fails if CI or FERRYMAN_TEST_REQUIRE_DB is set. What a killed test leaves is
// dropped when the servers are next asked for.
package testdb

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// The time that creating or dropping a database may take.
const patience = time.Minute

// Postgres returns the URL of an empty database on the PostgreSQL test server,
// postgres://user:password@127.0.0.1:port/name?sslmode=disable. The user may do
// everything. Connections that are open when the test ends are closed.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return fresh(tb, server(tb, "FERRYMAN_TEST_POSTGRES_URL"), postgres{})
}

// MySQL returns the URL of an empty utf8mb4 database on the MariaDB test server,
// mysql://user:password@127.0.0.1:port/name. The user may do everything.
// Connections that are open when the test ends are closed.
func MySQL(tb testing.TB) string {
	tb.Helper()
	return fresh(tb, server(tb, "FERRYMAN_TEST_MYSQL_URL"), mysql{})
}

// Name returns a name that no other test has, for a role or user that a test
// makes and drops itself. If the test is killed, the next start of the servers
// drops what has such a name.
func Name() string {
	return fmt.Sprintf("ferryman_%d_%s", os.Getpid(), strings.ToLower(rand.Text()[:12]))
}

// dialect makes and drops a database, given the URL of the server.
type dialect interface {
	create(ctx context.Context, server *url.URL, name string) error
	drop(ctx context.Context, server *url.URL, name string) error
}

func fresh(tb testing.TB, server *url.URL, d dialect) string {
	tb.Helper()
	name := Name()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	if err := d.create(ctx, server, name); err != nil {
		tb.Fatalf("create a test database: %v", err)
	}
	tb.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.drop(ctx, server, name); err != nil {
			tb.Errorf("drop the test database %s: %v", name, err)
		}
	})
	database := *server
	database.Path = "/" + name
	return database.String()
}

// server reads the URL of a server, or ends the test.
func server(tb testing.TB, variable string) *url.URL {
	tb.Helper()
	value := os.Getenv(variable)
	if value == "" {
		const missing = `%s is not set: run "make test", or eval "$(scripts/testdb up)" first`
		if os.Getenv("CI") != "" || os.Getenv("FERRYMAN_TEST_REQUIRE_DB") != "" {
			tb.Fatalf(missing, variable)
		}
		tb.Skipf(missing, variable)
	}
	u, err := url.Parse(value)
	if err != nil {
		tb.Fatalf("%s is not a URL", variable) // the error would quote the password
	}
	return u
}
