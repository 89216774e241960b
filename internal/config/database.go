package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Database is the URL of a database. It prints with its password masked.
type Database struct {
	shown string
	file  string
	raw   Secret
}

// Reveal gives the URL, password included. Never put it into an error or a log.
func (d Database) Reveal() string { return d.raw.Reveal() }

// File is the path of a SQLite database, "" for any other.
func (d Database) File() string { return d.file }

// String is the URL with its password, and parameters that look like one, masked.
func (d Database) String() string { return d.shown }

// MarshalText gives the masked form to encoders, JSON's among them.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.shown), nil }

// parseDatabase reads a URL of one of the schemes. SQLite paths are made
// absolute with resolve.
func parseDatabase(raw string, schemes []string, resolve func(string) (string, error)) (Database, error) {
	scheme, rest, found := strings.Cut(raw, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case !found || strings.HasPrefix(scheme, "/"):
		return Database{}, errors.New("it is no URL")
	case !slices.Contains(schemes, scheme):
		return Database{}, errors.New("its scheme is none of " + strings.Join(schemes, ", "))
	case scheme == "sqlite":
		return parseSQLite(rest, resolve)
	default:
		return parseServer(raw)
	}
}

func parseSQLite(rest string, resolve func(string) (string, error)) (Database, error) {
	if host, ok := strings.CutPrefix(rest, "//"); ok && !strings.HasPrefix(host, "/") {
		return Database{}, errors.New("the path follows two slashes; an absolute path has three, a relative one none")
	}
	rest = strings.TrimPrefix(rest, "//")
	path, err := url.PathUnescape(rest)
	switch {
	case err != nil:
		return Database{}, errors.New("its path has a % that starts no escape; write % as %25")
	case strings.ContainsAny(rest, "?#"):
		return Database{}, errors.New("SQLite takes no parameters; write ? as %3F and # as %23 in a path")
	case path == "" || strings.HasSuffix(path, "/"):
		return Database{}, errors.New("it names no file")
	case path == ":memory:":
		return Database{}, errors.New("a database in memory would be gone after a restart")
	case !oneLine(path):
		return Database{}, errControl
	}
	file, err := resolve(path)
	if err != nil {
		return Database{}, err
	}
	text := SQLiteURL(file)
	return Database{shown: text, file: file, raw: NewSecret(text)}, nil
}

// SQLiteURL names a SQLite file, given by an absolute path, as a database URL.
func SQLiteURL(file string) string {
	return (&url.URL{Scheme: "sqlite", Path: file}).String()
}

// parseServer refuses what could hide a part of the password elsewhere in the
// URL, for String shows everything else.
func parseServer(raw string) (Database, error) {
	u, err := url.Parse(raw) // its error quotes the URL
	switch {
	case err != nil && badPort(raw):
		return Database{}, errors.New("its port is no number from 1 to 65535; in user and password write / ? # and % as %2F %3F %23 and %25")
	case err != nil || strings.Contains(raw, "#") || strings.Contains(u.EscapedPath()+u.RawQuery, "@"):
		return Database{}, errors.New("it is not well-formed; in user and password write @ : / ? # and % as %40 %3A %2F %3F %23 and %25")
	case !hosts(u.Host):
		return Database{}, errors.New("it has no valid host and port between // and the next /")
	case u.Opaque != "" || !strings.HasPrefix(raw[len(u.Scheme):], "://"):
		return Database{}, errors.New("its scheme is not followed by ://")
	case u.Scheme == "postgres", u.Scheme == "postgresql": // it has defaults for the rest
	case u.Hostname() == "":
		return Database{}, errors.New("it names no host")
	case strings.Trim(u.Path, "/") == "" && !(sqlServer(u.Scheme) && u.Query().Has("database")):
		return Database{}, errors.New("it names no database")
	}
	return Database{shown: redact(u), raw: NewSecret(raw)}, nil
}

// badPort tells whether a URL that is not well-formed would be with another port.
func badPort(raw string) bool {
	scheme, rest, _ := strings.Cut(raw, "://")
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	host := authority[at+1:]
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 {
		return false
	}
	u, err := url.Parse(scheme + "://" + authority[:at+1] + host[:colon] + ":1/" + path)
	return err == nil && u.Host != "" && u.User.Username() != ""
}

// sqlServer tells the schemes of Microsoft SQL Server, which knows parameters where
// others have a path.
func sqlServer(scheme string) bool { return scheme == "sqlserver" || scheme == "mssql" }

// hosts tells whether s is host, host:port, or for PostgreSQL several of them
// with commas between. It may be empty.
func hosts(s string) bool {
	for one := range strings.SplitSeq(s, ",") {
		host, port := one, "0"
		if i := strings.LastIndexByte(one, ':'); i > strings.LastIndexByte(one, ']') {
			host, port = one[:i], one[i+1:]
		}
		if addr, ok := strings.CutPrefix(host, "["); ok {
			host = strings.TrimSuffix(addr, "]")
		}
		if !portNumber(port) || !hostOrAddress(host) {
			return false
		}
	}
	return true
}

func redact(u *url.URL) string {
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		b.WriteString(url.User(u.User.Username()).String())
		if _, set := u.User.Password(); set {
			b.WriteString(":" + Mask)
		}
		b.WriteByte('@')
	}
	b.WriteString(u.Host + u.EscapedPath())
	if u.RawQuery != "" {
		b.WriteString("?" + redactQuery(u.RawQuery))
	}
	return b.String()
}

// redactQuery keeps the parameters that are known to be harmless. Of any other,
// even the name may be a piece of a password that was not escaped.
func redactQuery(query string) string {
	params := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
	for i, param := range params {
		name, _, _ := strings.Cut(param, "=")
		if !slices.Contains(harmless(), strings.ToLower(name)) {
			params[i] = Mask
		}
	}
	return strings.Join(params, "&")
}

func harmless() []string {
	return []string{
		"application_name", "charset", "collation", "connect_timeout", "database", "dbname", "encrypt", "host", "loc", "parsetime",
		"pool_max_conn_lifetime", "pool_max_conn_lifetime_jitter", "pool_max_conns", "port", "readtimeout", "search_path", "sslmode", "sslrootcert", "target_session_attrs", "timeout", "tls",
		"trustservercertificate", "user", "usessl", "writetimeout",
	}
}
