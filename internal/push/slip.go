package push

import (
	"slices"

	"ferryman/internal/misspelt"
)

// Slip is a member of a message that was ignored and looks like another that is
// misspelt. Given begins with a letter and is otherwise letters, digits, - and _.
type Slip struct {
	Given, Meant string
}

// slips are those of one body.
type slips struct {
	looked []string // the names that were looked at; see maxLooked
	found  []Slip
}

const (
	maxLooked = 16 // names of one body
	maxName   = 20 // bytes of a name that may be meant for one of ours
)

// note looks at a member that is not known. What the server itself answers with is
// no slip: clients send back what they got.
func (s *slips) note(name given) {
	text := name.raw[1 : len(name.raw)-1]
	if len(text) == 0 || len(text) > maxName || len(s.looked) == maxLooked || slices.Contains(s.looked, string(text)) {
		return
	}
	for i, c := range text {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '_'):
		default:
			return
		}
	}
	given := string(text)
	s.looked = append(s.looked, given)
	answered := []string{"id", "state", "attempts", "sent_at", "last_error", "next_attempt_at", "held"}
	if slices.Contains(answered, given) {
		return
	}
	if meant := misspelt.Member(given, fieldNames[:]); meant != "" {
		s.found = append(s.found, Slip{given, meant})
	}
}
