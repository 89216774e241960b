package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	mssqldriver "github.com/microsoft/go-mssqldb"

	"ferryman/internal/fault"
)

// binaryCollation compares code points. It ignores trailing blanks, as all
// collations of SQL Server do.
const binaryCollation = "Latin1_General_100_BIN2"

// mssql is Microsoft SQL Server, and Azure SQL.
type mssql struct {
	user, address, database string
	clear                   bool // the URL has the password sent unencrypted
}

func openMSSQL(u *url.URL) (dialect, *sql.DB, error) {
	config, err := mssqlConfig(u)
	if err != nil {
		return nil, nil, err
	}
	d := &mssql{user: config.User, address: mssqlAddress(config), database: config.Database, clear: sentInClear(config)}
	connector := mssqldriver.NewConnectorConfig(config)
	connector.Dialer = patientDialer{}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(4)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return d, db, nil
}

func (d *mssql) String() string {
	return fmt.Sprintf("SQL Server database %q at %s", d.database, d.address)
}

func (d *mssql) quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }
func (d *mssql) placeholder(n int) string { return "@p" + strconv.Itoa(n) }

func (d *mssql) limit(n int) string {
	return fmt.Sprintf(" OFFSET 0 ROWS FETCH NEXT %d ROWS ONLY", n)
}

func (d *mssql) list(c *column, values []any) (string, []any) { return inList(d, c, values) }

func (d *mssql) greet(ctx context.Context, q querier) error {
	rows, err := q.QueryContext(ctx, "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128))")
	if err != nil {
		return err
	}
	defer rows.Close()
	var version string
	for rows.Next() {
		if err := rows.Scan(&version); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return d.checkVersion(version)
}

// checkVersion refuses servers without OFFSET … FETCH and TRY_CAST. Azure says 12.
func (d *mssql) checkVersion(version string) error {
	const oldest = 11
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		return &fault.Error{Kind: fault.Unconfigured, Code: "target_version",
			Detail: fmt.Sprintf("%s runs version %s", d, version),
			Hint:   "upgrade the server to SQL Server 2012 or later"}
	}
	return nil
}

func (d *mssql) traits() traits {
	tr := traits{
		system:     "microsoft.sql_server",
		timeLayout: "2006-01-02T15:04:05.000000",
		maxName:    128, inCharacters: true,
		foldsNames: true, foldsTables: true, // as the usual collations have it
		addColumn: "ADD ", addNext: ", ", maxColumns: 1024, noReadOnly: true,
		// Names that differ in blanks at the end are one.
		takesName: func(name string) bool { return !strings.HasSuffix(name, " ") },
		// An error ends the transaction, whatever kind it is of. A server may be set up to
		// tell no counts, by which the cursor's move is known.
		begin: fmt.Sprintf("SET NOCOUNT OFF; SET XACT_ABORT ON; SET LOCK_TIMEOUT %d", patience.Milliseconds()),
		// Else there would be nothing to roll back to.
		beginCareful: "SET XACT_ABORT OFF",
		savepoint:    "SAVE TRANSACTION ferryman",
		// Set again: nobody says that a savepoint outlives a rollback to it.
		rollbackTo: "ROLLBACK TRANSACTION ferryman; SAVE TRANSACTION ferryman",
	}
	if d.clear {
		tr.warning = "encryption is switched off: the password is sent in clear"
	}
	return tr
}

func (d *mssql) tableOptions() string { return "" }

func (d *mssql) chunk() limits {
	return limits{rows: 5000, bytes: 8 << 20, rowBytes: 900 << 20}
}
