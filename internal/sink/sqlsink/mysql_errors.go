package sqlsink

import (
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

func (d *mysql) diagnose(err error) diagnosis {
	var e *mysqldriver.MySQLError
	var network net.Error
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	_, load := errors.AsType[*loadError](err)
	switch {
	case load:
		return diagnosis{class: refused}
	case errors.As(err, &e):
		return d.diagnoseNumber(e)
	case errors.Is(err, mysqldriver.ErrPktTooLarge):
		return diagnosis{class: refused}
	case errors.As(err, &dial) && dial.Op == "dial":
		return diagnosis{class: unreachable, hint: fmt.Sprintf("check that the server runs at %s and that the target URL is right", d.address)}
	case errors.Is(err, mysqldriver.ErrNoTLS):
		return diagnosis{class: unreachable, hint: "the server takes no encrypted connections: use useSSL=false"}
	case errors.As(err, &certificate):
		return diagnosis{class: unreachable, hint: "the server's certificate is not trusted: install its authority, or use tls=skip-verify"}
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network), errors.Is(err, net.ErrClosed):
		return diagnosis{class: lost}
	}
	return diagnosis{}
}

func (d *mysql) diagnoseNumber(e *mysqldriver.MySQLError) diagnosis {
	switch e.Number {
	case 1045, 1698, 1251, 1524, 1820, 1862, 3118, 4151:
		return diagnosis{class: unauthorized}
	case 1049:
		return diagnosis{class: databaseMissing, hint: "create it with: CREATE DATABASE " + d.quote(d.database) + " CHARACTER SET utf8mb4"}
	case 1044: // for a database that is missing, too, if the user may not know
		return diagnosis{class: forbidden, hint: fmt.Sprintf("make sure that the database exists, and give the rights with: %s", d.grant("", ""))}
	case 1142, 1143, 1227, 1370:
		return diagnosis{class: forbidden}
	case 1290, 1792, 1836, 3100:
		return diagnosis{class: readOnly}
	case 1213, 1020, 3058:
		return diagnosis{class: contended}
	case 1205:
		return diagnosis{class: busy, hint: fmt.Sprintf("another transaction kept a lock for more than %s: end it, if it hangs; it is safe to try again", patience)}
	case 1040, 1203, 1226, 1317, 3024, 1969:
		return diagnosis{class: busy}
	case 1021, 1114, 1041, 1038:
		return diagnosis{class: full}
	case 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031:
		return diagnosis{class: lost}
	case 1050, 1060, 1061:
		return diagnosis{class: exists}
	case 1054, 1072, 1146, 1170, 1215, 3780, 1364, 1136, 1110, 1442:
		return diagnosis{class: mismatched}
	case 1071, 1709:
		return diagnosis{class: mismatched, hint: "its key is too long for an index here: create the table with shorter columns in the key, such as varchar(100)"}
	case 1059, 1103, 1166:
		return diagnosis{class: mismatched, hint: "the server takes no such name: choose another for the table or column"}
	case 1005: // InnoDB says nothing more of why it made no table, but in words
		if strings.Contains(e.Message, "Too many columns") {
			return diagnosis{class: mismatched, hint: tooWide}
		}
		return diagnosis{class: mismatched}
	case 1117:
		return diagnosis{class: mismatched, hint: tooWide}
	case 1118: // a table, or a row
		return diagnosis{class: refused, hint: tooWide, relent: true}
	case 1300: // a name, or a value
		return diagnosis{class: refused, hint: "the server takes no such characters"}
	case 1062, 1216, 1217, 1451, 1452, 1557, 1586, 1644, 1761:
		return diagnosis{class: refused}
	case 1048, 1153, 1264, 1265, 1267, 1270, 1271, 1292, 1366, 1367, 1406, 1411, 1416, 1441, 1690, 3140, 3141, 3819, 3854, 4025:
		return diagnosis{class: refused, alone: true} // 1267 and its like are of characters that a column's charset lacks
	}
	return diagnosis{}
}

func (d *mysql) grant(string, string) string {
	return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES ON %s.* TO '%s'@'%%'",
		d.quote(d.database), strings.ReplaceAll(d.user, "'", "''"))
}
