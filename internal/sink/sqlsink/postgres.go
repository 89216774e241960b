package sqlsink

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"ferryman/internal/fault"
)

// postgres is PostgreSQL. Nothing outlives a transaction on a connection, no
// prepared statement, setting or table, so that a pooler may sit in between.
type postgres struct {
	user, address, database string
	lockTimeout             time.Duration
	arrays                  []byte // rows on their way, reused

	// arraysOnly says that this user may not make temporary tables.
	arraysOnly bool
}

func openPostgres(u *url.URL) (dialect, *sql.DB, error) {
	if err := checkServer(u); err != nil {
		return nil, nil, err
	}
	query := u.Query()
	if err := useSSL(query); err != nil {
		return nil, nil, err
	}
	if !query.Has("connect_timeout") {
		query.Set("connect_timeout", "10")
	}
	if !query.Has("application_name") {
		query.Set("application_name", "ferryman")
	}
	standard := *u
	standard.Scheme, standard.RawQuery = "postgres", query.Encode()
	config, err := pgx.ParseConfig(standard.String())
	if err != nil {
		return nil, nil, badURL("the target URL can't be used by PostgreSQL's driver",
			"check the port and the parameters, such as sslmode=disable, prefer, require or verify-full; "+urlForm)
	}
	for name := range config.RuntimeParams { // what the driver does not know, the server would have to
		if !slices.Contains(postgresSettings, name) {
			return nil, nil, badURL(fmt.Sprintf("the target URL has the unknown parameter %.50q", name),
				"PostgreSQL takes useSSL, sslmode and its like, connect_timeout, "+strings.Join(postgresSettings, ", "))
		}
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3, // the driver's own takes most of an hour
	}}).DialContext
	db := stdlib.OpenDB(*config, stdlib.OptionResetSession(stillThere),
		stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })) // it would wait for ever
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &postgres{
		user: config.User, database: config.Database, lockTimeout: patience,
		address: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)),
	}, db, nil
}

// stillThere has a connection given up that was kept and does not answer: the network
// may have forgotten it.
func stillThere(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if conn.Ping(ctx) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// standstill is how long a transaction may do nothing: a batch is in memory before
// its transaction begins.
const standstill = 30 * time.Second

// postgresSettings are the server's settings that a URL may hold.
var postgresSettings = []string{"application_name", "search_path", "options", "role", "statement_timeout"}

// useSSL puts sslmode in the place of useSSL, as Java's drivers have it.
func useSSL(query url.Values) error {
	if !query.Has("useSSL") {
		return nil
	}
	mode, ok := map[string]string{"true": "require", "false": "disable"}[query.Get("useSSL")]
	if !ok || query.Has("sslmode") {
		return badURL("the parameter useSSL of the target URL has an unknown value, or sslmode beside it",
			"useSSL is true or false; sslmode is disable, prefer, require or verify-full")
	}
	query.Del("useSSL")
	query.Set("sslmode", mode)
	return nil
}

func (d *postgres) String() string {
	return fmt.Sprintf("PostgreSQL database %q at %s", d.database, d.address)
}

func (d *postgres) quote(name string) string { return pgx.Identifier{name}.Sanitize() }
func (d *postgres) placeholder(n int) string { return fmt.Sprintf("$%d", n) }
func (d *postgres) limit(n int) string       { return fmt.Sprintf(" LIMIT %d", n) }

func (d *postgres) greet(ctx context.Context, q querier) error {
	rows, err := q.QueryContext(ctx, "SELECT current_setting('server_version_num')::int, has_database_privilege(current_database(), 'TEMPORARY')")
	if err != nil {
		return err
	}
	defer rows.Close()
	var version int
	var temporary bool
	for rows.Next() {
		if err := rows.Scan(&version, &temporary); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	d.arraysOnly = !temporary
	return d.checkVersion(version)
}

// checkVersion refuses servers without what describe asks for.
func (d *postgres) checkVersion(version int) error {
	const oldest = 12
	if version >= oldest*10000 {
		return nil
	}
	return &fault.Error{Kind: fault.Unconfigured, Code: "target_version",
		Detail: fmt.Sprintf("%s runs version %d.%d", d, version/10000, version/100%100),
		Hint:   fmt.Sprintf("upgrade the server to PostgreSQL %d or later", oldest)}
}

func (d *postgres) traits() traits {
	return traits{
		system:     "postgresql",
		timeLayout: "2006-01-02T15:04:05.000000Z",
		maxName:    63,
		maxColumns: 1600,
		takesName:  postgresTakesName,
		addColumn:  "ADD COLUMN ",
		addNext:    ", ADD COLUMN ",
		list:       10000,
		// Other joins than by index read the whole target for every chunk; what
		// compiling a statement costs, a chunk never brings in. A table that was never
		// analyzed would be read whole for a list of parents. What a node that hangs or
		// is cut off has locked becomes free.
		begin: fmt.Sprintf(`SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
			set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), set_config('lock_timeout', '%dms', true),
			set_config('idle_in_transaction_session_timeout', '%dms', true)`, d.lockTimeout.Milliseconds(), standstill.Milliseconds()),
		// A row that a deferred constraint refuses must be found before the commit.
		beginCareful: "SET CONSTRAINTS ALL IMMEDIATE",
		savepoint:    "SAVEPOINT ferryman", rollbackTo: "ROLLBACK TO ferryman", release: "RELEASE ferryman",
		moveSavepoint: "RELEASE ferryman; SAVEPOINT ferryman",
	}
}

func (d *postgres) tableOptions() string { return "" }

func (d *postgres) chunk() limits {
	return limits{rows: 10000, bytes: 16 << 20, rowBytes: 900 << 20}
}

// postgresTakesName knows the columns that every table has.
func postgresTakesName(name string) bool {
	switch name {
	case "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid":
		return false
	}
	return true
}
