package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"ferryman/internal/fault"
)

// query is a request's query string. Parameters that a call does not know are
// ignored.
type query struct{ values url.Values }

func parseQuery(r *http.Request) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, &fault.Error{
			Kind: fault.Invalid, Code: "invalid_query", Detail: "the query string is malformed",
			Hint: "escape special characters in percent notation, such as %25 for %",
		}
	}
	return query{values}, nil
}

// one is a parameter's only value, and whether it was given.
func (q query) one(name string) (string, bool, error) {
	switch given := q.values[name]; len(given) {
	case 0:
		return "", false, nil
	case 1:
		return given[0], true, nil
	default:
		return "", false, badParameter(name, "given more than once", "give it once")
	}
}

// number is a parameter that is a whole number from 1 to most.
func (q query) number(name string, otherwise, most int) (int, error) {
	text, given, err := q.one(name)
	if err != nil || !given {
		return otherwise, err
	}
	n, canonical := wholeNumber(text)
	if !canonical || n < 1 || n > int64(most) {
		return 0, badParameter(name, "not a whole number from 1 to "+strconv.Itoa(most), fmt.Sprintf("such as ?%s=%d", name, otherwise))
	}
	return int(n), nil
}

// limit is how many rows a page shall have.
func (q query) limit() (int, error) { return q.number("limit", defaultLimit, maxLimit) }

// truth is a parameter that is 1 or true, 0 or false.
func (q query) truth(name string) (bool, error) {
	text, given, err := q.one(name)
	switch {
	case err != nil || !given:
		return false, err
	case text == "1" || text == "true":
		return true, nil
	case text == "0" || text == "false":
		return false, nil
	}
	return false, badParameter(name, "neither 1 nor 0", "such as ?"+name+"=1")
}

// wholeNumber reads a number in the one way that it is written: what it names has
// one address.
func wholeNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == text
}

func badParameter(name, what, hint string) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "invalid_parameter",
		Detail: fmt.Sprintf("the parameter %s is %s", name, what), Hint: hint,
	}
}
