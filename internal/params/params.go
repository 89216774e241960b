// Package params reads what callers ask for in a query string.
//
// Each parameter is given once, but for those that are lists of words. What is not
// as it must be is a fault of kind Invalid that names the parameter, what is wrong
// and how to write it. Parameters that a call does not know are ignored, unless it
// asks by Only.
package params

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ferryman/internal/fault"
	"ferryman/internal/misspelt"
)

// Query is a request's query string.
type Query struct{ url.Values }

// Parse reads a query string without its question mark.
func Parse(raw string) (Query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{url.Values{}}, &fault.Error{
			Kind: fault.Invalid, Code: "invalid_query", Detail: "the query string is malformed",
			Hint: "escape special characters in percent notation, such as %25 for %",
		}
	}
	return Query{values}, nil
}

// Only is a fault if there is a parameter that is not among those that are known.
func (q Query) Only(known ...string) error {
	const most = 50 // characters of it that are told
	for _, name := range slices.Sorted(maps.Keys(q.Values)) {
		if slices.Contains(known, name) {
			continue
		}
		hint := "the call takes " + strings.Join(known, ", ")
		if meant := misspelt.Member(name, known); meant != "" {
			hint = "did you mean " + meant + "?"
		} else if len(known) == 0 {
			hint = "the call takes no parameters"
		}
		return Bad(strconv.QuoteToASCII(shortened(name, most)), "not one of the call", hint)
	}
	return nil
}

func shortened(text string, most int) string {
	if runes := []rune(text[:min(len(text), 4*most)]); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// One is a parameter's only value, and whether it was given.
func (q Query) One(name string) (string, bool, error) {
	switch given := q.Values[name]; len(given) {
	case 0:
		return "", false, nil
	case 1:
		return given[0], true, nil
	default:
		return "", false, Bad(name, "given more than once", "give it once")
	}
}

// Number is a parameter that is a whole number from 1 to most.
func (q Query) Number(name string, otherwise, most int) (int, error) {
	text, given, err := q.One(name)
	if err != nil || !given {
		return otherwise, err
	}
	n, canonical := Whole(text)
	if !canonical || n < 1 || n > int64(most) {
		return 0, Bad(name, "not a whole number from 1 to "+strconv.Itoa(most), fmt.Sprintf("such as ?%s=%d", name, max(otherwise, 1)))
	}
	return int(n), nil
}

// ID is a parameter that is the id of something, such as the last of a page before;
// 0 if it is missing or empty.
func (q Query) ID(name string) (int64, error) {
	text, _, err := q.One(name)
	if err != nil || text == "" {
		return 0, err
	}
	id, canonical := Whole(text)
	if !canonical || id < 1 {
		return 0, Bad(name, "not the id of a page before", "give what next was there")
	}
	return id, nil
}

// Truth is a parameter that is 1 or true, 0 or false; false if it is missing.
func (q Query) Truth(name string) (bool, error) {
	text, given, err := q.One(name)
	switch {
	case err != nil || !given:
		return false, err
	case text == "1" || text == "true":
		return true, nil
	case text == "0" || text == "false":
		return false, nil
	}
	return false, Bad(name, "neither 1 nor 0", "such as ?"+name+"=1")
}

// Text is a parameter's only value, of at most so many characters, and whether it
// was given.
func (q Query) Text(name string, most int) (string, bool, error) {
	text, given, err := q.One(name)
	if err == nil && (!utf8.ValidString(text) || strings.ContainsRune(text, 0) || utf8.RuneCountInString(text) > most) {
		err = Bad(name, fmt.Sprintf("no text of at most %d characters", most), "write it in UTF-8, in percent notation")
	}
	return text, given, err
}

// Instant is a parameter that is a time as RFC 3339 has it; zero if it is missing.
func (q Query) Instant(name string) (time.Time, error) {
	text, given, err := q.One(name)
	if err != nil || !given {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.UTC().Year() < 1970 || t.UTC().Year() > 2199 {
		return time.Time{}, Bad(name, "not a time as RFC 3339 has it", "such as ?"+name+"=2026-03-01T12:00:00Z, with %2B for a plus")
	}
	return t.UTC(), nil
}

// Words is a parameter that may come more than once, each time with one of some
// words or several with commas between. It gives each but once.
func Words[T ~string](q Query, name string, among ...T) (chosen []T, err error) {
	known := map[string]bool{}
	for _, w := range among {
		known[string(w)] = true
	}
	for _, text := range q.Values[name] {
		for one := range strings.SplitSeq(text, ",") {
			if !known[one] {
				var names []string
				for _, w := range among {
					if w != "" {
						names = append(names, string(w))
					}
				}
				return nil, Bad(name, "none of "+strings.Join(names, ", "), "such as ?"+name+"="+names[0])
			}
			if !slices.Contains(chosen, T(one)) { // or a query could grow with what is asked
				chosen = append(chosen, T(one))
			}
		}
	}
	return chosen, nil
}

// Word is a parameter that is one of some words; "" if it is missing.
func Word[T ~string](q Query, name string, among ...T) (T, error) {
	_, _, err := q.One(name)
	if err != nil {
		return "", err
	}
	chosen, err := Words(q, name, among...)
	switch {
	case err != nil || len(chosen) == 0:
		return "", err
	case len(chosen) > 1:
		return "", Bad(name, "given more than once", "give it once")
	}
	return chosen[0], nil
}

// Whole reads a number in the one way that it is written: what it names has one
// address.
func Whole(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == text
}

// Bad is the fault of a parameter.
func Bad(name, what, hint string) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "invalid_parameter",
		Detail: fmt.Sprintf("the parameter %s is %s", name, what), Hint: hint,
	}
}
