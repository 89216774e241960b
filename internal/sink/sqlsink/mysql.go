package sqlsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"ferryman/internal/pipeline"
)

// mysql is MySQL and MariaDB.
type mysql struct {
	user, address, database string
	mariaDB                 atomic.Bool // for messages: what the URL says, then the server

	// what greet learned; only writes look at it
	rowAlias  bool   // INSERT … AS new; VALUES() is deprecated where it exists
	collation string // compares bytes, trailing blanks too
	maxPacket int
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
	if err := config.Apply(mysqldriver.Charset("utf8mb4", "")); err != nil {
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
	rows, err := q.QueryContext(ctx, "SELECT version(), @@max_allowed_packet")
	if err != nil {
		return err
	}
	defer rows.Close()
	var version string
	for rows.Next() {
		if err := rows.Scan(&version, &d.maxPacket); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	d.rowAlias, d.collation = mysqlVersion(version)
	d.mariaDB.Store(strings.Contains(version, "MariaDB"))
	return nil
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
	return traits{
		timeLayout: "2006-01-02 15:04:05.000000",
		maxName:    64, inCharacters: true,
		foldsNames:  true,
		indexesRefs: true,
		savepoint:   "SAVEPOINT ferryman", rollbackTo: "ROLLBACK TO SAVEPOINT ferryman", release: "RELEASE SAVEPOINT ferryman",
	}
}

func (d *mysql) tableOptions() string {
	return " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=" + d.collation
}

func (d *mysql) chunk() limits {
	return limits{
		rows:     500,                           // more are no faster
		bytes:    min(4<<20, d.maxPacket/4),     // quoting may double it
		rowBytes: max(d.maxPacket-64<<10, 1<<9), // the statement around it
	}
}

func (d *mysql) columnType(t pipeline.Type, bounded bool) string {
	switch t {
	case pipeline.Integer:
		return "bigint"
	case pipeline.Decimal:
		return "decimal(65,30)"
	case pipeline.Boolean:
		return "boolean"
	case pipeline.Time:
		return "datetime(6)"
	default:
		if bounded {
			return "varchar(255)" // three of them fill an index
		}
		return "longtext"
	}
}

func (d *mysql) describe(ctx context.Context, q querier, table string) (*description, error) {
	rows, err := q.QueryContext(ctx, "SHOW FULL COLUMNS FROM "+d.quote(table))
	if err != nil {
		var e *mysqldriver.MySQLError
		if errors.As(err, &e) && e.Number == 1146 {
			return nil, nil
		}
		return nil, err
	}
	defer rows.Close()
	var have description
	for rows.Next() {
		var c existing
		var null, key, extra, privileges, comment string
		var collation, fallback sql.NullString
		if err := rows.Scan(&c.name, &c.sqlType, &collation, &null, &key, &fallback, &extra, &privileges, &comment); err != nil {
			return nil, err
		}
		c.kind, c.maxLength, c.scale = mysqlKind(c.sqlType)
		c.mandatory = null == "NO" && !fallback.Valid && !strings.Contains(strings.ToLower(extra), "auto_increment") &&
			!strings.Contains(strings.ToUpper(extra), "GENERATED")
		c.inexact = collation.Valid && !comparesBytes(collation.String)
		c.referring = c.sqlType
		if collation.Valid {
			c.referring += " COLLATE " + collation.String
		}
		if strings.HasPrefix(c.sqlType, "bit") {
			c.reading = d.quote(c.name) + " + 0" // else it comes as bytes
		}
		have.columns = append(have.columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := d.describeIndexes(ctx, q, table, &have); err != nil || len(have.uniques) > 0 {
		return &have, err
	}
	have.view, err = found(ctx, q, `SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ? AND table_type LIKE '%VIEW'`, table)
	return &have, err
}

func comparesBytes(collation string) bool {
	return collation == "binary" || collation == "utf8mb4_0900_bin" || strings.HasSuffix(collation, "_nopad_bin")
}

// mysqlKind reads a type as the server writes it, such as varchar(50).
func mysqlKind(sqlType string) (k kind, maxLength, scale int) {
	name, rest, _ := strings.Cut(sqlType, "(")
	name, _, _ = strings.Cut(name, " ")
	inside, _, _ := strings.Cut(rest, ")")
	first, second, _ := strings.Cut(inside, ",")
	number := func(s string) int {
		n, _ := strconv.Atoi(s) // absent is 0
		return n
	}
	switch name {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit":
		return integerKind, 0, unbounded
	case "decimal":
		return decimalKind, 0, number(second)
	case "float", "double":
		k, scale = floatKind, unbounded
		if name == "double" {
			k = doubleKind
		}
		if second != "" {
			scale = number(second)
		}
		return k, 0, scale
	case "datetime", "timestamp":
		return timeKind, 0, number(first)
	case "char", "varchar":
		return textKind, number(first), unbounded
	case "tinytext", "text", "mediumtext", "longtext":
		return textKind, 0, unbounded
	}
	return otherKind, 0, unbounded
}

func (d *mysql) describeIndexes(ctx context.Context, q querier, table string, have *description) error {
	rows, err := q.QueryContext(ctx, "SHOW INDEX FROM "+d.quote(table)+" WHERE Non_unique = 0")
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	last := ""
	for rows.Next() {
		values, pointers := scanTarget(len(names)) // servers differ in how many there are
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		var index, column string
		prefix := false
		for i, name := range names {
			text, _ := decode(pipeline.Text, values[i])
			switch s, _ := text.(string); name {
			case "Key_name":
				index = s
			case "Column_name":
				column = s
			case "Sub_part":
				prefix = values[i] != nil
			}
		}
		if index != last {
			have.uniques = append(have.uniques, unique{primary: index == "PRIMARY"})
			last = index
		}
		if prefix {
			column += " (prefix)" // matches no column
		}
		u := &have.uniques[len(have.uniques)-1]
		u.columns = append(u.columns, column)
	}
	return rows.Err()
}
