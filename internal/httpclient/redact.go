package httpclient

import (
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

// What is quoted in place of something that looks like a credential, and of a
// text that holds a declared secret.
const (
	mask     = "***"
	withheld = "(not quoted, for it holds a secret)"
)

// redactor keeps declared secrets out of text that others wrote. A text with one
// of them is not quoted at all: a mask amid words that everybody knows would tell
// what it covers. Our own words need no redactor, for they hold none.
type redactor struct{ secrets []string }

func redactorOf(r Request) redactor {
	var all []string
	for _, s := range append([]string{r.Bearer}, r.Secrets...) {
		if s != "" {
			all = append(all, spellings(s)...)
		}
	}
	slices.Sort(all)
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

func (r redactor) found(s string) bool {
	return slices.ContainsFunc(r.secrets, func(secret string) bool { return strings.Contains(s, secret) })
}

// quote makes what others wrote fit for an error: one short line, cleaned.
func (r redactor) quote(s string) string { return shorten(r.clean(s)) }

// clean makes what others wrote one line of printable text, without anything that
// looks like a credential.
func (r redactor) clean(s string) string {
	clean := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
	clean = strings.Join(strings.Fields(clean), " ")
	if r.found(s) || r.found(clean) {
		return withheld
	}
	for _, c := range credentials {
		clean = c.pattern.ReplaceAllString(clean, c.with)
	}
	return clean
}

// explain names the request in err and cleans its cause.
func explain(err error, r Request, redact redactor) error {
	what := r.Method + " " + r.address()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", what, cause{redact.quote(err.Error()), err})
	}
	named := *f
	named.Detail = what + ": " + f.Detail
	if f.Err != nil {
		named.Err = cause{redact.quote(f.Err.Error()), f.Err}
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
