package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// mysql is MySQL and MariaDB.
type mysql struct {
	user, address, database string
	mariaDB                 atomic.Bool // for messages: what the URL says, then the server

	// what greet learned; only writes look at it
	rowAlias  bool   // INSERT … AS new; VALUES() is deprecated where it exists
	collation string // compares bytes, trailing blanks too
	maxPacket int
	loads     bool // takes LOAD DATA LOCAL
}

func openMySQL(u *url.URL) (dialect, *sql.DB, error) {
	if err := checkServer(u); err != nil {
		return nil, nil, err
	}
	config := mysqldriver.NewConfig()
	config.Net = "tcp"
	config.Addr = net.JoinHostPort(u.Hostname(), "3306")
	if port := u.Port(); port != "" {
		config.Addr = net.JoinHostPort(u.Hostname(), port)
	}
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	config.Timeout = 10 * time.Second
	config.ParseTime = true
	config.InterpolateParams = true // one round trip a statement instead of three
	config.MaxAllowedPacket = 0     // what the server says
	config.Logger = &mysqldriver.NopLogger{}
	lockSeconds := strconv.Itoa(int(patience.Seconds()))
	config.Params = map[string]string{
		"time_zone": "'+00:00'",
		// How long another's lock is waited for, of rows and of tables.
		"innodb_lock_wait_timeout": lockSeconds,
		"lock_wait_timeout":        lockSeconds,
		// Nothing is cut, rounded to zero or numbered anew without an error.
		"sql_mode": "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
	}
	// Where TLS is offered and not insisted on, a connection that goes without it says
	// so in its configuration, which all share unless something may change it before.
	alone := mysqldriver.BeforeConnect(func(context.Context, *mysqldriver.Config) error { return nil })
	if err := config.Apply(mysqldriver.Charset("utf8mb4", ""), alone); err != nil {
		return nil, nil, badURL("the target URL can't be used by MySQL's driver", urlForm)
	}
	if err := mysqlParameters(config, u.Query()); err != nil {
		return nil, nil, err
	}
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, nil, badURL("the target URL can't be used by MySQL's driver", urlForm)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(time.Minute) // below any wait_timeout
	d := &mysql{user: config.User, address: config.Addr, database: config.DBName}
	d.mariaDB.Store(u.Scheme == "mariadb")
	return d, db, nil
}

// mysqlParameters understands useSSL, as Java's driver has it, and tls. Without
// either the connection is encrypted if the server can.
func mysqlParameters(config *mysqldriver.Config, query url.Values) error {
	config.TLSConfig = "preferred"
	for name, values := range query {
		value := values[len(values)-1]
		switch {
		case name == "useSSL" && (value == "true" || value == "false"):
			config.TLSConfig = value
		case name == "tls" && (value == "true" || value == "false" || value == "skip-verify" || value == "preferred"):
			config.TLSConfig = value
		case name == "useSSL" || name == "tls":
			return badURL(fmt.Sprintf("the parameter %s of the target URL has an unknown value", name),
				"useSSL is true or false; tls is true, false, skip-verify or preferred")
		default:
			return badURL(fmt.Sprintf("the target URL has the unknown parameter %q", name), "MySQL and MariaDB take useSSL and tls")
		}
	}
	return nil
}

func (d *mysql) String() string {
	brand := "MySQL"
	if d.mariaDB.Load() {
		brand = "MariaDB"
	}
	return fmt.Sprintf("%s database %q at %s", brand, d.database, d.address)
}

func (d *mysql) quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
func (d *mysql) placeholder(int) string   { return "?" }
func (d *mysql) limit(n int) string       { return fmt.Sprintf(" LIMIT %d", n) }

func (d *mysql) greet(ctx context.Context, q querier) error {
	var version string
	_, err := single(ctx, q, "SELECT version(), @@max_allowed_packet", nil, &version, &d.maxPacket)
	if err != nil {
		return err
	}
	d.rowAlias, d.collation = mysqlVersion(version)
	d.mariaDB.Store(strings.Contains(version, "MariaDB"))
	d.loads, err = d.takesLoads(ctx, q)
	return err
}

// mysqlVersion tells what a server can do.
func mysqlVersion(version string) (rowAlias bool, collation string) {
	if strings.Contains(version, "MariaDB") {
		return false, "utf8mb4_nopad_bin"
	}
	var major, minor, patch int
	// What cannot be read counts as old.
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch)
	number := major*10000 + minor*100 + patch
	collation = "utf8mb4_bin" // the best that old versions have; it ignores trailing blanks
	if number >= 80017 {
		collation = "utf8mb4_0900_bin"
	}
	return number >= 80019, collation
}

func (d *mysql) traits() traits {
	system := "mysql"
	if d.mariaDB.Load() {
		system = "mariadb"
	}
	return traits{
		system:     system,
		timeLayout: "2006-01-02 15:04:05.000000",
		maxName:    64, inCharacters: true,
		foldsNames:  true,
		takesName:   mysqlTakesName,
		maxColumns:  1017,
		indexesRefs: true,
		addColumn:   "ADD COLUMN ",
		addNext:     ", ADD COLUMN ",
		// Else InnoDB takes some 190 columns of text, as if each were full. What a row
		// really has must fit into a page either way.
		lenient:      "SET SESSION innodb_strict_mode = OFF",
		strict:       "SET SESSION innodb_strict_mode = DEFAULT",
		definesAlone: true,
		savepoint:    "SAVEPOINT ferryman", rollbackTo: "ROLLBACK TO SAVEPOINT ferryman", release: "RELEASE SAVEPOINT ferryman",
	}
}

func (d *mysql) tableOptions() string {
	return " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=" + d.collation
}

func (d *mysql) chunk() limits {
	return limits{
		rows:     500,                           // more are no faster, but by a load
		bytes:    min(4<<20, d.maxPacket/4),     // quoting may double it
		rowBytes: max(d.maxPacket-64<<10, 1<<9), // the statement around it
	}
}

// mysqlTakesName knows what the server says to names, and which are InnoDB's.
func mysqlTakesName(name string) bool {
	if strings.ContainsRune(" \t\n\v\f\r", rune(name[len(name)-1])) {
		return false
	}
	for _, r := range name {
		if r > 0xffff {
			return false
		}
	}
	switch strings.ToUpper(name) {
	case "DB_ROW_ID", "DB_TRX_ID", "DB_ROLL_PTR", "DB_ROW_HASH_1", "FTS_DOC_ID":
		return false
	}
	return true
}
