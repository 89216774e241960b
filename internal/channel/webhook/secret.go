package webhook

import (
	"net/url"
	"strings"
)

// shown is a URL without what may be secret of it. Of many services it is the path
// that only the sender shall know.
func shown(u *url.URL) *url.URL {
	const hidden = "/***"
	s := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.Path != "" && u.Path != "/" {
		s.Path, s.RawPath = hidden, hidden
	}
	return s
}

// secretsOf are the parts of an endpoint that an answer may echo and nobody shall
// read. A short user name or value of the query is none: every answer may hold it.
func secretsOf(u *url.URL, keys [][]byte) []string {
	const long = 8
	var all []string
	for _, k := range keys {
		all = append(all, encoded(k))
	}
	if password, ok := u.User.Password(); ok {
		all = append(all, password, encoded([]byte(u.User.Username()+":"+password)))
	}
	others := []string{u.User.Username(), u.User.String(), u.RawQuery}
	for _, values := range u.Query() {
		others = append(others, values...)
	}
	for _, v := range others {
		if len(v) >= long {
			all = append(all, v)
		}
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if unlikeWord(part) {
			all = append(all, part)
		}
	}
	return all
}

// unlikeWord tells the parts of a path that may be secret from words, with which
// an answer says what is wrong.
func unlikeWord(part string) bool {
	return len(part) >= 16 || len(part) >= 8 && strings.ContainsAny(part, "0123456789")
}
