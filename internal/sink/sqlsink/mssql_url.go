package sqlsink

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/microsoft/go-mssqldb/msdsn"
)

const mssqlForm = "write it as sqlserver://user:password@host:port/database, …/instance/database or …?database=name"

// mssqlConfig reads a URL. The driver's own form has the path name an instance, and
// would log into the user's default database without a word.
func mssqlConfig(u *url.URL) (msdsn.Config, error) {
	none := msdsn.Config{}
	if err := checkHost(u); err != nil {
		return none, err
	}
	query, err := mssqlParameters(u.Query())
	if err != nil {
		return none, err
	}
	instance, database, err := mssqlPath(u)
	switch {
	case err != nil:
		return none, err
	case u.Path != "" && u.Path != "/" && query.Has("database"):
		return none, badURL("the target URL has a path and the parameter database beside it", mssqlForm)
	case database == "":
		database = query.Get("database")
	}
	if database == "" {
		return none, badURL("the target URL names no database", mssqlForm)
	}
	query.Set("database", database)
	query.Set("app name", "ferryman")
	query.Set("dial timeout", "10")
	standard := url.URL{Scheme: "sqlserver", User: u.User, Host: u.Host, RawQuery: query.Encode()}
	if instance != "" {
		standard.Path = "/" + instance
	}
	config, err := msdsn.Parse(standard.String())
	if err != nil {
		return none, badURL("the target URL can't be used by SQL Server's driver", "check the port, encrypt and certificate; "+mssqlForm)
	}
	return config, nil
}

// mssqlPath reads /database or /instance/database.
func mssqlPath(u *url.URL) (instance, database string, err error) {
	var parts []string
	for part := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		name, err := url.PathUnescape(part)
		if err != nil {
			return "", "", badURL("the target URL can't be parsed", mssqlForm)
		}
		parts = append(parts, name)
	}
	switch {
	case len(parts) == 1:
		return "", parts[0], nil
	case len(parts) == 2 && parts[0] != "" && parts[1] != "" && !strings.ContainsAny(parts[0], `/\`):
		return parts[0], parts[1], nil
	}
	return "", "", badURL("the path of the target URL is none of /database and /instance/database", mssqlForm)
}

// mssqlParameters puts the parameters into the driver's spelling, and encrypt in the
// place of useSSL, as Java's drivers have it.
func mssqlParameters(query url.Values) (url.Values, error) {
	known := url.Values{}
	for name, values := range query {
		lower := strings.ToLower(name)
		switch lower {
		case "database", "encrypt", "trustservercertificate", "hostnameincertificate", "certificate", "usessl":
		default:
			return nil, badURL(fmt.Sprintf("the target URL has the unknown parameter %.50q", name),
				"SQL Server takes database, useSSL, encrypt, trustServerCertificate, hostNameInCertificate and certificate")
		}
		if len(values) > 1 || known.Has(lower) {
			return nil, badURL(fmt.Sprintf("the target URL has the parameter %s twice", name), "give it once")
		}
		known.Set(lower, values[0])
	}
	if !known.Has("usessl") {
		return known, nil
	}
	encrypt, ok := map[string]string{"true": "true", "false": "disable"}[known.Get("usessl")]
	if !ok || known.Has("encrypt") {
		return nil, badURL("the parameter useSSL of the target URL has an unknown value, or encrypt beside it",
			"useSSL is true or false; encrypt is true, false, strict or disable")
	}
	known.Del("usessl")
	known.Set("encrypt", encrypt)
	return known, nil
}

// sentInClear tells whether nothing is encrypted, not even the login.
func sentInClear(config msdsn.Config) bool { return config.Encryption == msdsn.EncryptionDisabled }

// mssqlAddress is where the driver connects to: a port makes it ignore the instance.
func mssqlAddress(config msdsn.Config) string {
	switch {
	case config.Port != 0:
		return net.JoinHostPort(config.Host, strconv.FormatUint(config.Port, 10))
	case config.Instance != "":
		return config.Host + `\` + config.Instance
	}
	return net.JoinHostPort(config.Host, "1433")
}

// patientDialer bounds how long a server may take to accept what is sent: the
// driver writes without regard to a context.
type patientDialer struct{}

func (patientDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return patientConn{conn}, nil
}

type patientConn struct{ net.Conn }

func (c patientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
