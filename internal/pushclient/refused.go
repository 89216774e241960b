package pushclient

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Problem is what is wrong with a message.
type Problem struct {
	Field string `json:"field,omitempty"` // of the API; "" is the message as a whole
	Text  string `json:"text"`
}

// String is the problem for a person.
func (p Problem) String() string {
	if p.Field == "" {
		return p.Text
	}
	return p.Field + ": " + p.Text
}

// RefusedError says that nothing of a call is stored, and why.
type RefusedError struct {
	// Items has what is wrong with each message of the call, in order; nothing is
	// wrong with one that has no problem.
	Items [][]Problem
}

// Error implements error.
func (r *RefusedError) Error() string {
	for n, item := range r.Items {
		if len(item) > 0 {
			texts := make([]string, len(item))
			for i, p := range item {
				texts[i] = p.String()
			}
			if len(r.Items) == 1 {
				return "the server refuses it: " + strings.Join(texts, "; ")
			}
			return fmt.Sprintf("the server refuses message %d of %d: %s", n+1, len(r.Items), strings.Join(texts, "; "))
		}
	}
	return "the server refuses it"
}

// Taken tells whether the n-th message is one that is there already, with
// nothing else wrong.
func (r *RefusedError) Taken(n int) bool {
	return len(r.Items[n]) == 1 && r.Items[n][0] == Problem{Text: unique}
}

// whole is what the API calls the message as a whole, unique what it says of one
// that is there already.
const (
	whole  = "non_field_errors"
	unique = "The fields user_id, messenger_id, text must make a unique set."
)

// readRefused reads the answer to messages that are not taken; nil if it is
// another answer.
func readRefused(answer []byte) *RefusedError {
	var items []jsontext.Value
	if json.Unmarshal(answer, &items) != nil {
		items = []jsontext.Value{answer} // of a call on one message
	}
	r := &RefusedError{Items: make([][]Problem, len(items))}
	found := false
	for n, item := range items {
		problems, ok := readProblems(item)
		if !ok {
			return nil
		}
		r.Items[n] = problems
		found = found || len(problems) > 0
	}
	if !found {
		return nil
	}
	return r
}

// readProblems reads a field → texts, or texts alone.
func readProblems(item jsontext.Value) ([]Problem, bool) {
	var texts []string
	var problems []Problem
	if json.Unmarshal(item, &texts) == nil && item.Kind() == '[' {
		for _, text := range texts {
			problems = append(problems, Problem{Text: text})
		}
		return problems, true
	}
	var fields map[string][]string
	if json.Unmarshal(item, &fields) != nil || item.Kind() != '{' {
		return nil, false
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		for _, text := range fields[field] {
			if field == whole {
				problems = append(problems, Problem{Text: text})
			} else {
				problems = append(problems, Problem{Field: field, Text: text})
			}
		}
	}
	return problems, true
}
