package httpclient

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"ferryman/internal/fault"
)

const mask = "***"

// redactor takes secrets out of text that others wrote.
type redactor struct{ secrets []string }

// credentialHeaders hold values that are secret as a whole.
var credentialHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"}

func newRedactor(r Request) redactor {
	known := append([]string{r.Bearer}, r.Secrets...)
	if r.URL.User != nil {
		password, _ := r.URL.User.Password()
		known = append(known, password, base64.StdEncoding.EncodeToString([]byte(r.URL.User.String())))
	}
	for _, name := range credentialHeaders {
		for _, v := range r.Header.Values(name) {
			known = append(known, v)
			if _, credential, ok := strings.Cut(v, " "); ok {
				known = append(known, credential)
			}
		}
	}
	return redactSecrets(known)
}

func redactSecrets(known []string) redactor {
	var all []string
	for _, s := range known {
		if s != "" {
			all = append(all, spellings(s)...)
		}
	}
	// Longest first: a secret that holds another goes as a whole.
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return redactor{slices.Compact(all)}
}

// spellings are the forms in which an answer may echo a value.
func spellings(s string) []string {
	return []string{s, url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), jsonText(s, true), jsonText(s, false)}
}

func jsonText(s string, escapeHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(s); err != nil {
		return s
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// withoutPart takes off the end of s what may be the beginning of a secret that
// was cut in half.
func (r redactor) withoutPart(s string) string {
	end := len(s)
	for _, secret := range r.secrets {
		for n := min(len(secret), len(s)); n > 0; n-- {
			if strings.HasSuffix(s, secret[:n]) {
				end = min(end, len(s)-n)
				break
			}
		}
	}
	return s[:end]
}

// credentials are values that look secret though nobody declared them so.
var credentials = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{16,}`), "${1}${2}" + mask},
	{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?`), mask},
	{regexp.MustCompile(`(?i)("[\w-]*(?:passw(?:or)?d|secret|token|authorization|api[_-]?key|cookie)[\w-]*"\s*:\s*")(?:[^"\\]|\\.)*`), "${1}" + mask},
	{regexp.MustCompile(`(?i)\b(authorization:\s*(?:\w+\s+)?)\S+`), "${1}" + mask},
	{regexp.MustCompile(`(?i)((?:passw(?:or)?d|secret|token|api[_-]?key)=)[^\s&"'<>]+`), "${1}" + mask},
	{regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://)[^\s/@"'<>]*@`), "${1}"},
	{regexp.MustCompile(`([?&][\w.~%-]+=)[^&\s"'<>#]*`), "${1}" + mask},
}

// text takes the secrets out of s.
func (r redactor) text(s string) string {
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, mask)
	}
	return s
}

// clean makes s one line of printable text without secrets or anything that
// looks like one.
func (r redactor) clean(s string) string {
	s = r.text(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
	s = r.text(strings.Join(strings.Fields(s), " "))
	for _, c := range credentials {
		s = c.pattern.ReplaceAllString(s, c.with)
	}
	return s
}

// explain names the request in err and takes the secrets out of it.
func explain(err error, r Request, redact redactor) error {
	what := r.Method + " " + address(r.URL)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", redact.text(what), cause{shorten(redact.clean(err.Error())), err})
	}
	named := *f
	named.Detail = redact.text(what + ": " + f.Detail)
	if f.Err != nil {
		named.Err = cause{shorten(redact.clean(f.Err.Error())), f.Err}
	}
	return &named
}

// cause is an error with its text cleaned. It answers errors.Is for the original
// without handing it out, because the original's text may hold secrets.
type cause struct {
	text string
	err  error
}

func (c cause) Error() string { return c.text }

func (c cause) Is(target error) bool { return errors.Is(c.err, target) }
