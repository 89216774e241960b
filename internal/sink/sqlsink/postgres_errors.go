package sqlsink

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

func (d *postgres) diagnose(err error) diagnosis {
	var e *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &e):
		return d.diagnoseState(e)
	case errors.As(err, &connect):
		return diagnosis{class: unreachable, hint: fmt.Sprintf("check that the server runs at %s and that the target URL is right, sslmode too", d.address)}
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network),
		errors.Is(err, net.ErrClosed), pgconn.SafeToRetry(err), isClosed(err):
		return diagnosis{class: lost}
	}
	return diagnosis{}
}

// isClosed recognizes what pgx says of a connection that broke before; it has no
// value for it.
func isClosed(err error) bool {
	return err != nil && strings.Contains(err.Error(), "conn closed")
}

func (d *postgres) diagnoseState(e *pgconn.PgError) diagnosis {
	switch e.Code {
	case "28P01":
		return diagnosis{class: unauthorized}
	case "28000":
		return diagnosis{class: unauthorized, hint: fmt.Sprintf("let user %q in: check the URL's user and sslmode and the server's pg_hba.conf", d.user)}
	case "3D000":
		return diagnosis{class: databaseMissing, hint: "create it with: CREATE DATABASE " + d.quote(d.database)}
	case "3F000":
		return diagnosis{class: databaseMissing, hint: "create the schema, or put an existing one on the user's search_path"}
	case "42501":
		return diagnosis{class: forbidden}
	case "25006":
		return diagnosis{class: readOnly}
	case "40001", "40P01", "40002":
		return diagnosis{class: contended}
	case "55P03":
		return diagnosis{class: busy, hint: fmt.Sprintf("another transaction kept a lock for more than %s: end it, if it hangs; it is safe to try again", d.lockTimeout)}
	case "57014", "53300", "53400":
		return diagnosis{class: busy}
	case "53100", "53200", "53000":
		return diagnosis{class: full}
	case "57P01", "57P02", "57P03", "57P04", "57P05", "25P03":
		return diagnosis{class: lost}
	case "42P07", "42701", "42710":
		return diagnosis{class: exists}
	}
	switch e.Code[:2] {
	case "21", "22", "23", "54", "P0": // the last is raised by a trigger
		alone := e.Code[:2] == "22" || e.Code == "23502" || e.Code == "23514" // values, NOT NULL, CHECK
		found := diagnosis{class: refused, reason: postgresReason(e), alone: alone}
		if e.Code == "54011" || e.Routine == "RelationGetBufferForTuple" { // a row may not exceed a page
			found.hint = tooWide
		}
		return found
	case "42", "0A":
		return diagnosis{class: mismatched}
	case "08":
		return diagnosis{class: lost}
	}
	return diagnosis{}
}

func postgresReason(e *pgconn.PgError) string {
	reason := e.Message
	if e.Detail != "" {
		reason += ": " + e.Detail
	}
	if e.ColumnName != "" && !strings.Contains(reason, e.ColumnName) {
		reason += fmt.Sprintf(" (column %q)", e.ColumnName)
	}
	return reason
}

func (d *postgres) grant(doing, table string) string {
	user := d.quote(d.user)
	switch {
	case doing == "create":
		return fmt.Sprintf("GRANT USAGE, CREATE ON SCHEMA public TO %s", user)
	case doing == "alter":
		return fmt.Sprintf("ALTER TABLE %s OWNER TO %s", d.quote(table), user)
	case table == "":
		return fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s", d.quote(d.database), user)
	default:
		return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", d.quote(table), user)
	}
}
