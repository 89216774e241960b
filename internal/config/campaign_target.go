package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

const (
	expectWeb      = "an http:// or https:// address"
	expectDatabase = "postgres://user:password@host:5432/database, mysql://user:password@host:3306/database, " +
		"sqlserver://user:password@host:1433/instance/database or sqlite:///path/file.db"
)

// maxAddress is what the address of a web service may have of bytes.
const maxAddress = 2048

// contactSchemes are those of the databases that contacts are written to.
func contactSchemes() []string {
	return []string{"postgres", "postgresql", "mysql", "mariadb", "sqlserver", "mssql", "sqlite"}
}

// target takes a database or a web address. Which of them the mode wants is another
// question.
func target(to *Secret, resolve func(string) (string, error)) kind {
	return kind{expect: expectDatabase + ", or in mode webhook " + expectWeb, metavar: "url", parse: func(raw string) (string, error) {
		if isWeb(raw) {
			if err := checkWeb(raw); err != nil {
				return "", err
			}
			*to = NewSecret(raw)
			return shownWeb(raw), nil
		}
		d, err := parseDatabase(raw, contactSchemes(), resolve)
		if err != nil {
			return "", err
		}
		*to = NewSecret(d.Reveal())
		return d.String(), nil
	}}
}

func isWeb(raw string) bool {
	scheme, _, ok := strings.Cut(raw, ":")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

func checkWeb(raw string) error {
	u, err := url.Parse(raw) // its error quotes the value
	switch {
	case len(raw) > maxAddress:
		return errors.New("it has more than " + strconv.Itoa(maxAddress) + " bytes")
	case err != nil || !oneLine(raw):
		return errors.New("it is no well-formed URL")
	case u.Hostname() == "" || strings.Contains(u.Host, ",") || !hosts(u.Host):
		return errors.New("it names no valid host")
	case u.Fragment != "":
		return errors.New("it has a fragment, which nobody would be sent")
	}
	return nil
}

// shownWeb leaves out what may be secret of a web service's address, and often is:
// user, path and parameters.
func shownWeb(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return Mask
	}
	shown := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		shown += "/***"
	}
	return shown
}

// ShownTarget is the target as people may see it: a database without its password,
// of a web service no more than scheme and host.
func (c Campaign) ShownTarget() string {
	if c.Target.Empty() {
		return ""
	}
	shown, err := target(new(Secret), absolute).parse(c.Target.Reveal())
	if err != nil {
		return Mask
	}
	return shown
}

// absolute refuses relative paths: by now they have been made absolute.
func absolute(path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		return "", errors.New("its path is relative; an absolute one follows three slashes")
	}
	return path, nil
}
