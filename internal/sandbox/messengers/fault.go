package messengers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ferryman/internal/sandbox/faults"
)

// Fault is one misbehaviour to order.
type Fault = faults.Fault

// The kinds. With those of the first group the message does not arrive, but for
// Delay and a Hang that is deleted; they hit every request. Those of the second
// hit only messages that are accepted, and these do arrive: what the sender sees
// is a failure, or nothing.
const (
	Refuse = faults.Refuse // before the message is read, if no recipient is named
	Hang   = faults.Hang
	Delay  = faults.Delay
	Status = faults.Status       // as from a gateway
	Code   = faults.Kind("code") // the vendor's error Fault.Code, with the HTTP status Fault.Status if given

	Reset       = faults.Reset // without any answer
	Mute        = faults.Mute
	Truncate    = faults.Truncate
	InvalidJSON = faults.InvalidJSON
	Huge        = faults.Huge
)

func dialect() faults.Dialect {
	return faults.Dialect{
		Early: []faults.Kind{Refuse, Hang, Delay, Status, Code},
		Late:  []faults.Kind{Reset, Mute, Truncate, InvalidJSON, Huge},
		Keys: []string{
			"kind", "messenger", "recipient", "times", "every", "burst", "probability", "seed", "for", "status", "code", "delay", "retry_after", "location", "size",
		},
		HugeSize: 1 << 20,
		Complete: complete,
	}
}

// complete makes Code of a fault that has a code and no kind.
func complete(f *Fault) error {
	if f.Kind == "" && f.Code != 0 {
		f.Kind = Code
	}
	switch {
	case f.Messenger != "" && Messenger(f.Messenger).index() < 0:
		return fmt.Errorf("messenger is %q, not one of %v", f.Messenger, all)
	case f.Kind == Code && f.Code < 1:
		return errors.New("kind code needs a code, such as code=403")
	case f.Kind == Code && f.Messenger == "":
		return errors.New("a code needs its messenger, such as telegram:code=403")
	}
	return nil
}

// prefixes are what the text of a fault may begin with, before a colon.
func prefixes() []string {
	list := []string{"messengers"}
	for _, m := range all {
		list = append(list, string(m))
	}
	return list
}

// cutPrefix takes a messenger's name and its colon from the front of a fault's text.
func cutPrefix(text string) (name, rest string, found bool) {
	name, rest, found = strings.Cut(text, ":")
	if !found || strings.ContainsAny(name, "=,") {
		return "", text, false
	}
	return strings.TrimSpace(name), rest, true
}

// IsFault tells whether a text names a messenger, or something in its place, and
// is so for ParseFault to read.
func IsFault(text string) bool {
	_, _, found := cutPrefix(text)
	return found
}

// ParseFault reads a fault from a flag, such as "telegram:status=503,times=3",
// "whatsapp:code=131056,recipient=49151", "messengers:refuse,for=30s" or
// "reset,every=100". The messenger in front, or "messengers" for all of them, may
// be left out. The kind may stand alone, as kind=…, or follow from code, status
// or delay.
func ParseFault(text string) (Fault, error) {
	name, rest, found := cutPrefix(text)
	if found {
		if !slices.Contains(prefixes(), name) {
			return Fault{}, fmt.Errorf("fault %q: %q is none of %s", text, name, strings.Join(prefixes(), ", "))
		}
		if name == prefixes()[0] {
			name = ""
		}
		rest = "messenger=" + name + "," + rest
	}
	f, err := dialect().Parse(rest)
	if err != nil {
		return Fault{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return f, nil
}

// Inject orders a fault and returns its id. Of several that hit a request, the
// one ordered first is taken.
func (s *Server) Inject(f Fault) (int, error) { return s.faults.Inject(f) }

// ClearFaults deletes the fault with the id, or all of them when it is 0. It
// tells how many there were; requests that wait in them are let go.
func (s *Server) ClearFaults(id int) int { return s.faults.Clear(id) }

// moment is when in the course of a request a fault is looked for.
type moment int

const (
	unread   moment = iota // nothing is read, and so the recipient is not known
	received               // the request is read
	agreed                 // the message is taken
)

// take uses up a fault of the moment that hits the request.
func (s *Server) take(m moment, to Messenger, recipient string) *faults.Ordered {
	return s.faults.Take(m == agreed, func(f *Fault) bool {
		return (f.Kind == Refuse && f.Recipient == "") == (m == unread) &&
			(f.Messenger == "" || f.Messenger == string(to)) && (f.Recipient == "" || f.Recipient == recipient)
	})
}
