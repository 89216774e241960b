// Package canary looks for secrets where they must not be: as they are, and in the
// forms in which a text may quote, encode or embed them.
package canary

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shortest is how long a secret must be to be told from chance, in bytes.
const shortest = 8

// Hit is a place at which a secret was found. It does not hold the secret.
type Hit struct {
	Name   string // of the secret
	Form   string // that it had
	Offset int    // in the text, in bytes
}

// Search knows secrets and finds them. The zero value knows none.
type Search struct {
	needles map[[shortest]byte][]needle // by how they begin
	known   map[string]bool
}

type needle struct{ name, form, text string }

// Add has a secret looked for under a name. One that is too short to be told from
// chance, and one that is known, are passed over; ok tells of the former.
func (s *Search) Add(name, secret string) (ok bool) {
	if len(secret) < shortest+4 {
		return false
	}
	if s.known[secret] {
		return true
	}
	if s.known == nil {
		s.known, s.needles = map[string]bool{}, map[[shortest]byte][]needle{}
	}
	s.known[secret] = true
	seen := map[string]bool{}
	for _, n := range forms(secret) {
		if n.name = name; !seen[n.text] && len(n.text) >= shortest {
			seen[n.text] = true
			key := [shortest]byte([]byte(n.text))
			s.needles[key] = append(s.needles[key], n)
		}
	}
	return true
}

// forms are what a secret may look like.
func forms(secret string) []needle {
	inJSON, _ := json.Marshal(secret) // texts always encode
	all := []needle{
		{form: "plain", text: secret},
		{form: "of JSON", text: inside(string(inJSON))},
		{form: "quoted", text: inside(strconv.Quote(secret))},
		{form: "of a query", text: url.QueryEscape(secret)},
		{form: "of a path", text: url.PathEscape(secret)},
		{form: "of HTML", text: html.EscapeString(secret)},
		{form: "of a template", text: strings.ReplaceAll(html.EscapeString(secret), "+", "&#43;")},
		{form: "hexadecimal", text: hex.EncodeToString([]byte(secret))},
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// In base64 a text looks different by where in threes of bytes it begins; what its
		// neighbours have a part in is left away.
		for shift := range 3 {
			text := e.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
			from, to := (shift*8+5)/6, (shift+len(secret))*8/6
			all = append(all, needle{form: "base64", text: text[from:to]})
		}
	}
	return all
}

// inside takes the quotes off a text.
func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

// Ferryman's keys and signing secrets are known by their looks, whoever made them.
var looks = map[string]*regexp.Regexp{
	"an API key":       regexp.MustCompile(`\bfm_[0-9abcdefghjkmnpqrstvwxyz]{40}\b`),
	"a signing secret": regexp.MustCompile(`\bwhsec_(?:[A-Za-z0-9+/]|&#43;){32,}={0,2}`),
	"a private key":    regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`),
}

// Find gives where in a text there are secrets, in order, at most one of each form of
// each.
func (s *Search) Find(text string) []Hit {
	var hits []Hit
	found := map[needle]bool{}
	for i := 0; i+shortest <= len(text); i++ {
		for _, n := range s.needles[[shortest]byte([]byte(text[i:i+shortest]))] {
			if !found[n] && strings.HasPrefix(text[i:], n.text) {
				found[n] = true
				hits = append(hits, Hit{n.name, n.form, i})
			}
		}
	}
	for name, look := range looks {
		if at := look.FindStringIndex(text); at != nil {
			hits = append(hits, Hit{name, "plain", at[0]})
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Form, b.Form))
	})
	return hits
}
