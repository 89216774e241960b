package sqlsink

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
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
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &postgres{
		user: config.User, database: config.Database, lockTimeout: patience,
		address: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)),
	}, db, nil
}

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
		timeLayout: "2006-01-02T15:04:05.000000Z",
		maxName:    63,
		// Other joins than by index read the whole target for every chunk; what
		// compiling a statement costs, a chunk never brings in.
		begin: fmt.Sprintf(`SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
			set_config('jit', 'off', true), set_config('lock_timeout', '%dms', true)`, d.lockTimeout.Milliseconds()),
		// A row that a deferred constraint refuses must be found before the commit.
		beginCareful: "SET CONSTRAINTS ALL IMMEDIATE",
		savepoint:    "SAVEPOINT ferryman", rollbackTo: "ROLLBACK TO ferryman", release: "RELEASE ferryman",
	}
}

func (d *postgres) tableOptions() string { return "" }

func (d *postgres) chunk() limits {
	return limits{rows: 10000, bytes: 16 << 20, rowBytes: 900 << 20}
}

func (d *postgres) columnType(t pipeline.Type, bounded bool) string {
	switch t {
	case pipeline.Integer:
		return "bigint"
	case pipeline.Decimal:
		return "numeric"
	case pipeline.Boolean:
		return "boolean"
	case pipeline.Time:
		return "timestamptz"
	default:
		if bounded {
			return `text COLLATE "C"`
		}
		return "text"
	}
}

func (d *postgres) describe(ctx context.Context, q querier, table string) (*description, error) {
	// Of a domain, the type below it counts. A type's name with the modifier -1 is
	// one that a cast cuts nothing to.
	rows, err := q.QueryContext(ctx, `
		WITH RECURSIVE layer AS (
			SELECT attnum, atttypid AS type, atttypmod AS modifier FROM pg_attribute
			WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
			UNION ALL
			SELECT attnum, typbasetype, typtypmod FROM layer JOIN pg_type ON oid = type WHERE typtype = 'd'
		)
		SELECT a.attname, format_type(t.oid, -1), t.typname, t.typcategory, l.modifier,
			a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', c.collisdeterministic IS NOT FALSE AND t.typname NOT IN ('citext', 'bpchar'),
			r.relkind NOT IN ('r', 'p'),
			format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname), '')
		FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid JOIN layer AS l USING (attnum) JOIN pg_type AS t ON t.oid = l.type
			LEFT JOIN pg_collation AS c ON c.oid = a.attcollation LEFT JOIN pg_namespace AS n ON n.oid = c.collnamespace
		WHERE a.attrelid = to_regclass($1) AND t.typtype <> 'd'
		ORDER BY a.attnum`, d.quote(table))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var have description
	for rows.Next() {
		var c existing
		var typname, category string
		var modifier int
		var exact bool
		if err := rows.Scan(&c.name, &c.sqlType, &typname, &category, &modifier, &c.mandatory, &exact, &have.view, &c.referring); err != nil {
			return nil, err
		}
		c.inexact = !exact
		c.kind, c.maxLength, c.scale = postgresKind(typname, category, modifier)
		switch typname {
		case "name":
			c.maxBytes = 63
		case "char":
			c.maxBytes = 1
		}
		have.columns = append(have.columns, c)
	}
	if err := rows.Err(); err != nil || len(have.columns) == 0 {
		return nil, err
	}
	return &have, d.describeIndexes(ctx, q, table, &have)
}

// postgresKind reads a column's type; its modifier holds length or scale.
func postgresKind(typname, category string, modifier int) (k kind, maxLength, scale int) {
	scale = unbounded
	switch typname {
	case "int2", "int4", "int8":
		return integerKind, 0, scale
	case "bool":
		return booleanKind, 0, scale
	case "numeric":
		if modifier >= 4 {
			// The scale is a signed number of 11 bits.
			scale = ((modifier-4)&0x7ff ^ 1024) - 1024
		}
		return decimalKind, 0, scale
	case "float4":
		return floatKind, 0, scale
	case "float8":
		return doubleKind, 0, scale
	case "timestamp", "timestamptz":
		if modifier >= 0 {
			scale = modifier
		}
		return timeKind, 0, scale
	case "varchar", "bpchar":
		return textKind, max(modifier-4, 0), scale
	}
	if category == "S" || typname == "char" {
		return textKind, 0, scale
	}
	return otherKind, 0, scale
}

func (d *postgres) describeIndexes(ctx context.Context, q querier, table string, have *description) error {
	rows, err := q.QueryContext(ctx, `
		SELECT i.indisprimary, json_agg(a.attname)::text
		FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts-1])
		WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indimmediate AND i.indisvalid
			AND i.indpred IS NULL AND i.indexprs IS NULL
		GROUP BY i.indexrelid, i.indisprimary`, d.quote(table))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var u unique
		var names string
		if err := rows.Scan(&u.primary, &names); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(names), &u.columns); err != nil {
			return err
		}
		for _, name := range u.columns {
			u.inexact = u.inexact || have.column(name, false).inexact
		}
		have.uniques = append(have.uniques, u)
	}
	return rows.Err()
}
