// Package dotenv reads .env files: NAME=value lines, as shells and container
// tools share them.
//
// The rules are few, and whatever they do not cover is an error rather than a
// guess:
//
//   - "export " before a name, blanks around = and lines that start with # are skipped.
//   - An unquoted value ends at the line's end, or at a # that follows a blank.
//   - 'Single quotes' hold their text exactly as it stands.
//   - "Double quotes" know \n \r \t \\ \" \$ and \`; another backslash stands for itself.
//   - Quoted values may span lines.
//   - $ has no meaning: nothing is ever expanded, so passwords survive.
//
// Reading takes time linear in the input. Errors name a line and never quote it,
// for a line may hold a secret.
package dotenv

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the size that a file may have.
const MaxBytes = 1 << 20

// maxErrors bounds what a file that is no .env file at all can produce.
const maxErrors = 10

const blanks = " \t\r\v\f"

// Assignment is one NAME=value.
type Assignment struct {
	Name   string
	Value  string
	Line   int  // where it starts, from 1
	Quoted bool // in single quotes: certainly meant as it stands
}

// SyntaxError tells what is wrong with a line.
type SyntaxError struct {
	Line   int // from 1; 0 is the file as a whole
	Reason string
}

// Error joins line and reason.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Parse gives the assignments in the order of the file, repeated names
// included, and the first ten errors. Assignments on good lines are given even
// if other lines are bad.
func Parse(src []byte) ([]Assignment, []*SyntaxError) {
	if err := checkEncoding(src); err != nil {
		return nil, []*SyntaxError{err}
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	p := parser{rest: strings.ReplaceAll(string(src), "\r\n", "\n"), line: 1}
	for p.rest != "" && len(p.errs) < maxErrors {
		p.statement()
	}
	return p.found, p.errs
}

func checkEncoding(src []byte) *SyntaxError {
	if len(src) > MaxBytes {
		return &SyntaxError{Reason: fmt.Sprintf("the file is larger than %d bytes", MaxBytes)}
	}
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) {
		return &SyntaxError{Line: 1, Reason: "the file is UTF-16; save it as UTF-8"}
	}
	for line, text := range bytes.Split(src, []byte("\n")) {
		if !utf8.Valid(text) {
			return &SyntaxError{Line: line + 1, Reason: "the line is not UTF-8"}
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return &SyntaxError{Line: line + 1, Reason: "the line holds a NUL byte"}
		}
	}
	return nil
}

type parser struct {
	rest  string // starts at the beginning of a line
	line  int    // of rest's first line
	found []Assignment
	errs  []*SyntaxError
}

// statement takes one line, or several where a quoted value spans them.
func (p *parser) statement() {
	end := strings.IndexByte(p.rest, '\n')
	if end < 0 {
		end = len(p.rest)
	}
	line := p.rest[:end]
	text := strings.TrimLeft(line, blanks)
	if text == "" || text[0] == '#' {
		p.advance(end)
		return
	}
	if after, ok := strings.CutPrefix(text, "export"); ok && after != "" && strings.ContainsRune(blanks, rune(after[0])) {
		text = strings.TrimLeft(after, blanks)
	}
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimRight(name, blanks)
	switch {
	case !ok:
		p.fail("no = after the name")
		p.advance(end)
		return
	case !validName(name):
		p.fail("the text before = is no name: letters, digits, _ . and -, not starting with a digit")
		p.advance(end)
		return
	}
	a := Assignment{Name: name, Line: p.line}
	if start := strings.TrimLeft(value, blanks); start != "" && (start[0] == '"' || start[0] == '\'') {
		p.quoted(a, len(line)-len(start))
		return
	}
	a.Value = unquoted(value)
	p.found = append(p.found, a)
	p.advance(end)
}

// unquoted cuts the comment off. A # right after = belongs to the value.
func unquoted(value string) string {
	for i := 1; i < len(value); i++ {
		if value[i] == '#' && strings.IndexByte(blanks, value[i-1]) >= 0 {
			value = value[:i]
			break
		}
	}
	return strings.Trim(value, blanks)
}

// quoted finishes a whose opening quote stands at p.rest[open]. A quote gone
// astray makes the lines after it unreadable, so an error ends the file.
func (p *parser) quoted(a Assignment, open int) {
	value, length, ok := unquote(p.rest[open:])
	if !ok {
		p.fail("the closing quote is missing")
		p.rest = ""
		return
	}
	next := open + length
	tail, _, _ := strings.Cut(p.rest[next:], "\n")
	comment := strings.TrimLeft(tail, blanks)
	if comment != "" && (comment[0] != '#' || len(comment) == len(tail)) {
		p.fail("text follows the closing quote of the value that starts here")
		p.rest = ""
		return
	}
	a.Value, a.Quoted = value, p.rest[open] == '\''
	p.found = append(p.found, a)
	p.advance(next + len(tail))
}

// unquote reads the quoted text that s starts with and tells how long it is,
// quotes included.
func unquote(s string) (value string, length int, ok bool) {
	quote := s[0]
	if quote == '\'' {
		value, _, ok = strings.Cut(s[1:], "'")
		return value, len(value) + 2, ok
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			return b.String(), i + 1, true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteString(unescape(s[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}

func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '\\', '"', '$', '`':
		return string(c)
	default:
		return string([]byte{'\\', c})
	}
}

// advance moves to the line after p.rest[:end].
func (p *parser) advance(end int) {
	p.line += strings.Count(p.rest[:end], "\n") + 1
	p.rest = p.rest[min(end+1, len(p.rest)):]
}

func (p *parser) fail(reason string) {
	p.errs = append(p.errs, &SyntaxError{Line: p.line, Reason: reason})
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '.' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}
