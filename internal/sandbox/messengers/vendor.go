package messengers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// vendor is how one messenger speaks.
type vendor interface {
	messenger() Messenger
	// read takes the message out of a request whose method is POST. The failure
	// has a code if it is refused.
	read(r *http.Request, body []byte) (message, failure)
	// id is what the sender is told to be the number of the message.
	id(seq int64) string
	accepted(a Arrival) any
	// refused gives what is said of a failure that has a code.
	refused(f failure) (status int, body any)
	// special is how it fails for a recipient of Special.
	special(name string) failure
	// crowded is how it fails when a limit is broken, that of one recipient or that of all.
	crowded(one bool, wait time.Duration) failure
}

// message is what was asked to be sent.
type message struct {
	recipient string
	text      string
	reference string
}

// failure is a refusal in a vendor's terms. Without a code, nothing has failed
// or, if there is a status, something in front of the vendor has.
type failure struct {
	code   int
	detail string        // the vendor's usual words if empty
	status int           // the vendor's usual HTTP status if 0
	wait   time.Duration // when to try again, where the vendor says so
}

func (f failure) failed() bool { return f.code != 0 || f.status != 0 }

// The names of recipients that always fail; see Special.
const (
	unknown      = "unknown"
	blocked      = "blocked"
	windowClosed = "window-closed"
	busy         = "busy"
	broken       = "broken"
	lost         = "lost"
)

// Special lists the recipients that fail without any fault being ordered: nobody
// is there, they blocked the sender, they may not be written to now, the limit
// is reached, the server is broken, and: it arrives, but the connection is cut
// before the answer. Beside them stand recipients that name a code, "code-403"
// or, for senders that allow only digits, "999000403".
func Special() []string { return []string{unknown, blocked, windowClosed, busy, broken, lost} }

// specialFailure is how a message to a special recipient fails.
func specialFailure(v vendor, recipient string) failure {
	if digits, found := strings.CutPrefix(recipient, "code-"); found {
		return numbered(digits)
	}
	if digits, found := strings.CutPrefix(recipient, "999000"); found {
		return numbered(digits)
	}
	return v.special(recipient)
}

func numbered(digits string) failure {
	code, err := strconv.Atoi(digits)
	if err != nil || code < 1 {
		return failure{}
	}
	return failure{code: code}
}

// identifier is a string in JSON, or a whole number taken as its digits.
type identifier string

// UnmarshalJSON reads either.
func (id *identifier) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(id))
	}
	var n int64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*id = identifier(strconv.FormatInt(n, 10))
	return nil
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// httpStatus gives code itself where it is the status of an answer, and otherwise 500.
func httpStatus(code int) int {
	if code < 200 || code > 599 {
		return http.StatusInternalServerError
	}
	return code
}

// seconds rounds up, and waits for at least one.
func seconds(d time.Duration) int { return max(int((d+time.Second-1)/time.Second), 1) }
