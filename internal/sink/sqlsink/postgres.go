package sqlsink

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"ferryman/internal/pipeline"
)

// postgres is PostgreSQL. Nothing outlives a transaction on a connection, no
// prepared statement, setting or table, so that a pooler may sit in between.
type postgres struct {
	user, address, database string
	arrays                  []byte // rows on their way, reused
}

func openPostgres(u *url.URL) (dialect, *sql.DB, error) {
	if err := checkServer(u); err != nil {
		return nil, nil, err
	}
	query := u.Query()
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
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &postgres{
		user: config.User, database: config.Database,
		address: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)),
	}, db, nil
}

func (d *postgres) String() string {
	return fmt.Sprintf("PostgreSQL database %q at %s", d.database, d.address)
}

func (d *postgres) greet(context.Context, querier) error { return nil }
func (d *postgres) quote(name string) string             { return pgx.Identifier{name}.Sanitize() }
func (d *postgres) placeholder(n int) string             { return fmt.Sprintf("$%d", n) }
func (d *postgres) limit(n int) string                   { return fmt.Sprintf(" LIMIT %d", n) }

func (d *postgres) traits() traits {
	return traits{
		timeLayout: "2006-01-02T15:04:05.000000Z",
		maxName:    63,
		// Other joins than by index read the whole target for every chunk; what
		// compiling a statement costs, a chunk never brings in.
		begin: `SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)`,
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
	// A type's name with the modifier -1 is one that a cast cuts nothing to.
	rows, err := q.QueryContext(ctx, `
		SELECT a.attname, format_type(a.atttypid, -1), t.typname, t.typcategory, a.atttypmod,
			a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', c.collisdeterministic IS NOT FALSE AND t.typname NOT IN ('citext', 'bpchar')
		FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
		WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
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
		if err := rows.Scan(&c.name, &c.sqlType, &typname, &category, &modifier, &c.mandatory, &exact); err != nil {
			return nil, err
		}
		c.inexact = !exact
		c.kind, c.maxLength, c.scale = postgresKind(typname, category, modifier)
		have.columns = append(have.columns, c)
	}
	if err := rows.Err(); err != nil || len(have.columns) == 0 {
		return nil, err
	}
	return &have, d.describeIndexes(ctx, q, table, &have)
}

// postgresKind reads a column's type; its modifier holds length or scale.
func postgresKind(typname, category string, modifier int) (k kind, maxLength, scale int) {
	scale = -1
	switch typname {
	case "int2", "int4", "int8":
		return integerKind, 0, scale
	case "bool":
		return booleanKind, 0, scale
	case "numeric":
		if modifier >= 4 {
			// The scale is a signed number of 11 bits.
			scale = max(((modifier-4)&0x7ff^1024)-1024, 0)
		}
		return decimalKind, 0, scale
	case "timestamp", "timestamptz":
		return timeKind, 0, modifier
	case "varchar", "bpchar":
		return textKind, max(modifier-4, 0), scale
	}
	if category == "S" {
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
