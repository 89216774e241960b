package sqlsink

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	mssqldriver "github.com/microsoft/go-mssqldb"
)

func (d *mssql) diagnose(err error) diagnosis {
	var e mssqldriver.Error
	var stream mssqldriver.StreamError
	var server mssqldriver.ServerError
	var network net.Error
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var own *refusal
	switch {
	case errors.As(err, &e):
		return d.diagnoseAll(e)
	case errors.As(err, &own): // of a row that could not even be sent
		return diagnosis{class: refused}
	case errors.As(err, &dial) && dial.Op == "dial":
		return diagnosis{class: unreachable, hint: fmt.Sprintf("check that the server runs at %s and that the target URL is right", d.address)}
	case errors.As(err, &certificate), errors.As(err, &authority), err != nil && strings.Contains(err.Error(), "TLS Handshake failed"):
		return diagnosis{class: unreachable, hint: "the server's certificate is not trusted: install its authority, or use trustServerCertificate=true"}
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network),
		errors.Is(err, net.ErrClosed), errors.As(err, &stream), errors.As(err, &server):
		return diagnosis{class: lost}
	}
	return diagnosis{}
}

// diagnoseAll looks for the first error that means something: what follows it is
// often no more than that it was one.
func (d *mssql) diagnoseAll(e mssqldriver.Error) diagnosis {
	for _, each := range e.All {
		if found := d.diagnoseNumber(each); found.class != unknown {
			return found
		}
	}
	return d.diagnoseNumber(e)
}

func (d *mssql) diagnoseNumber(e mssqldriver.Error) diagnosis {
	switch e.Number {
	case 1205, 3960, 3961:
		return diagnosis{class: contended}
	case 1222:
		return diagnosis{class: busy, hint: fmt.Sprintf("another transaction kept a lock for more than %s: end it, if it hangs; it is safe to try again", patience)}
	case 40501: // Azure asks for this pause
		return diagnosis{class: busy, wait: 10 * time.Second, hint: "the service is overloaded; it is safe to try again"}
	case 701, 802, 1204, 4221, 8645, 10928, 10929, 40143, 40197, 40540, 40613, 42108, 42109, 49918, 49919, 49920:
		return diagnosis{class: busy}
	case 233, 596, 997, 6005, 10053, 10054, 10060, 17830:
		return diagnosis{class: lost}
	case 4060: // a failover takes a moment
		return diagnosis{class: databaseMissing, tries: 3, hint: fmt.Sprintf("create it with: CREATE DATABASE %s; or let user %q into it", d.quote(d.database), d.user)}
	case 911, 4063:
		return diagnosis{class: databaseMissing, hint: "create it with: CREATE DATABASE " + d.quote(d.database)}
	case 18452, 18456, 18470, 18486, 18487, 18488:
		return diagnosis{class: unauthorized}
	case 229, 230, 262, 300, 916, 1088, 2760, 15151, 15247:
		return diagnosis{class: forbidden}
	case 3906, 978, 976:
		return diagnosis{class: readOnly}
	case 1101, 1105, 9002, 40544:
		return diagnosis{class: full}
	case 2705, 2714, 1913, 1781:
		return diagnosis{class: exists}
	case 207, 208, 213, 257, 260, 271, 272, 273, 402, 421, 529, 544, 1750, 1767, 1769, 1776, 1778, 1785, 1919, 1944, 4922, 4924, 4928, 5074, 8106, 4406:
		return diagnosis{class: mismatched}
	case 103, 1001:
		return diagnosis{class: mismatched, hint: "the server takes no such name: choose another for the table or column"}
	case 1701, 1702:
		return diagnosis{class: mismatched, hint: tooWide}
	case 0, 3609, 3616, 3930, 3998: // 0 is the driver's own word for it
		return diagnosis{class: refused, hint: "a trigger, or a conversion, ended the transaction, so that the row at fault cannot be told from the rest: let the trigger not roll back"}
	case 511:
		return diagnosis{class: refused, hint: tooWide, reason: e.Message}
	case 2601, 2627: // or another writer was quicker: the batch is written anew either way
		return diagnosis{class: refused, reason: e.Message}
	case 220, 232, 235, 241, 242, 244, 245, 246, 248, 295, 296, 515, 547, 550, 1946, 2628, 8114, 8115, 8134, 8152, 8169, 9402, 9420,
		9421, 50000:
		return diagnosis{class: refused, reason: e.Message}
	}
	if e.Number > 50000 { // thrown by a trigger
		return diagnosis{class: refused, reason: e.Message}
	}
	return diagnosis{}
}

func (d *mssql) grant(doing, table string) string {
	user := d.quote(d.user)
	switch {
	case doing == "create", table == "":
		return fmt.Sprintf("ALTER ROLE db_ddladmin ADD MEMBER %s; ALTER ROLE db_datareader ADD MEMBER %s; ALTER ROLE db_datawriter ADD MEMBER %s", user, user, user)
	case doing == "alter":
		return fmt.Sprintf("GRANT ALTER ON %s TO %s", d.quote(table), user)
	default:
		return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", d.quote(table), user)
	}
}
