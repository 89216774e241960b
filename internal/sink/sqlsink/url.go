package sqlsink

import (
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"ferryman/internal/fault"
)

const urlForm = "write it as scheme://user:password@host:port/database with characters such as @ : / ? # % percent-encoded in user and password, or as sqlite:///path/file.db"

// open picks the dialect. Parsers quote what they can't read, and so perhaps the
// password: their errors are not passed on.
func open(rawURL string) (dialect, *sql.DB, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, nil, badURL("the target URL can't be parsed", urlForm)
	}
	openDialect, ok := dialects[u.Scheme]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(dialects)), ", ")
		if u.Scheme == "" {
			return nil, nil, badURL("the target URL has no scheme", "known schemes: "+known+"; "+urlForm)
		}
		return nil, nil, badURL(fmt.Sprintf("the target URL has the unknown scheme %q", u.Scheme), "known schemes: "+known)
	}
	return openDialect(u)
}

// checkServer checks the parts that the URL of a database server has.
func checkServer(u *url.URL) error {
	if err := checkHost(u); err != nil {
		return err
	}
	if strings.Trim(u.Path, "/") == "" {
		return badURL("the target URL names no database", urlForm)
	}
	return nil
}

// checkHost checks all parts but the database.
func checkHost(u *url.URL) error {
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return badURL("the target URL has no host", urlForm)
	case u.User.Username() == "":
		return badURL("the target URL has no user", urlForm)
	case u.Fragment != "":
		return badURL("the target URL has a fragment (#…)", "a # in user or password is written %23")
	}
	return nil
}

func badURL(detail, hint string) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "target_url", Detail: detail, Hint: hint}
}
