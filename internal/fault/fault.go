// Package fault holds the error kinds that the whole of Ferryman branches on.
//
// An adapter that knows what an error means says so once, where the error
// arises; everybody above only asks. An error that nobody classified is of kind
// Internal and counts as temporary: work is tried again rather than lost.
package fault

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Kind is what a caller may branch on. The zero value is Internal.
type Kind uint8

// The kinds. Each tells what a retry is worth; see Error.Temporary.
const (
	Internal      Kind = iota // nobody classified it
	Invalid                   // the input or an answer is wrong and will stay so
	NotFound                  // what was asked for is not there
	Inactive                  // it is there and switched off
	Conflict                  // it collides with something that is already there or running
	Unauthorized              // credentials are missing or refused
	Forbidden                 // the credentials are good and their rights do not suffice
	TooLarge                  // over a bound
	RateLimited               // too many calls; Error.RetryAfter may say when to come back
	Timeout                   // no answer in time
	Unavailable               // unreachable, or in trouble of its own
	Unconfigured              // a setting is missing or wrong
	Canceled                  // the caller, or a shutdown, called it off
	Unprocessable             // well-formed input whose values are wrong; Error.Fields names them
)

var kindNames = [...]string{
	Internal: "internal", Invalid: "invalid", NotFound: "not_found", Inactive: "inactive",
	Conflict: "conflict", Unauthorized: "unauthorized", Forbidden: "forbidden", TooLarge: "too_large",
	RateLimited: "rate_limited", Timeout: "timeout", Unavailable: "unavailable",
	Unconfigured: "not_configured", Canceled: "canceled",
	Unprocessable: "unprocessable",
}

// String is the kind's name in snake case, the code of an error without one of its own.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Error is an error that a person can act on and a program can branch on. It
// never holds a secret: whoever makes it has redacted what it quotes.
type Error struct {
	Kind       Kind
	Code       string        // machine-readable reason in snake case; empty means Kind's name
	Detail     string        // what happened, in lower case, without a full stop
	Hint       string        // what to do about it; may be empty
	RetryAfter time.Duration // what the other side asked for; 0 when it did not
	Fields     []Field       // the values that are wrong, all of them; for Unprocessable
	Err        error         // the cause; may be nil
}

// Field is one value of an input that is wrong.
type Field struct {
	Pointer string `json:"pointer"` // where it stands, as RFC 6901 has it, such as /type
	Code    string `json:"code"`    // such as required, type, enum, range or format
	Detail  string `json:"detail"`  // what it must be
}

// Error joins the detail, the cause and the hint.
func (e *Error) Error() string {
	s := e.Detail
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	if s == "" {
		s = e.Kind.String()
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same call may succeed later without anybody
// changing anything.
func (e *Error) Temporary() bool { return temporary(e.Kind) }

func temporary(k Kind) bool {
	switch k {
	case Internal, RateLimited, Timeout, Unavailable, Canceled:
		return true
	default:
		return false
	}
}

// KindOf is the kind of the outermost classified error in err's chain. A bare
// context error is Timeout or Canceled; anything else unclassified is Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	default:
		return Internal
	}
}

// CodeOf is the machine-readable reason of err: its code, or its kind's name.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return KindOf(err).String()
}

// HintOf is the advice of the outermost classified error, or "".
func HintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	return ""
}

// Temporary tells whether err may go away by itself. Unknown errors may.
func Temporary(err error) bool { return temporary(KindOf(err)) }

// OneLine is err with its text on one line: drivers' run over several, and may say the
// same on two of them, as of an address that was tried twice. What it wraps stays as it is.
func OneLine(err error) error { return oneLineError{err} }

type oneLineError struct{ err error }

func (e oneLineError) Error() string {
	var lines []string
	for line := range strings.Lines(e.err.Error()) {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}
func (e oneLineError) Unwrap() error { return e.err }
